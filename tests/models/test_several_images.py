"""Samples of one or more images with regions on any of them, on every base."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from gartk.errors import RegionError
from gartk.inference.api import RegionAssistant
from gartk.inference.batching import answer_samples, embed_shared
from gartk.models.region_vlm import RegionVLM
from gartk.regions import Region
from gartk.registry import MODELS
from gartk.structures import Sample, Turn
from gartk.testing.toy import toy_model, toy_sample
from tests.inference.conftest import enliven
from tests.models.test_bases import BASES, batch_of

EXTRACTORS: dict[str, dict[str, Any]] = {
    "replay": {"region_extractor": {"type": "RoIAlignReplay", "output_size": 2}},
    "replay, no global": {
        "region_extractor": {"type": "RoIAlignReplay", "output_size": 2},
        "use_global": False,
    },
    "crop": {"region_extractor": {"type": "Crop"}},
    "gated crop": {"region_extractor": {"type": "GatedCrossAttentionCrop"}},
    "none": {"region_extractor": {"type": "NoLocal"}},
}
HWS = [(56, 112), (90, 56), (60, 60)]
QUESTION = "Is <Prompt0> in the first picture the same as <Prompt1> in the second?"


@pytest.fixture(scope="module", params=BASES, ids=lambda base: base.__name__)
def config(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    config: dict[str, Any] = request.param(tmp_path_factory.mktemp(request.param.__name__))
    return config


def lively(config: dict[str, Any], **changes: Any) -> RegionVLM:
    torch.manual_seed(0)
    model = enliven(MODELS.build({**config, **changes}))
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in model.vision.parameters():
            if parameter.ndim == 2:
                parameter.normal_(std=0.2, generator=generator)
        for parameter in model.connector.parameters():
            if parameter.ndim == 2:
                parameter.normal_(std=0.3, generator=generator)
        for name, parameter in model.region_extractor.named_parameters():
            if "gate" in name:
                parameter.fill_(0.5)
    return model


@pytest.fixture(scope="module", params=EXTRACTORS)
def model(request: pytest.FixtureRequest, config: dict[str, Any]) -> RegionVLM:
    return lively(config, **EXTRACTORS[request.param])


def picture(number: int) -> tuple[Any, list[Region]]:
    """Image ``number`` and three regions on it."""
    made = toy_sample(HWS[number], 3, seed=number)
    return made.image, [pair.region for pair in made.pairs()]


def sample(*images: int, regions: list[Mapping[int, int]], text: str = QUESTION) -> Sample:
    """A sample of these images; a region names for each of its images which of that image's it is."""
    shown = [picture(number) for number in images]
    entries = [{image: shown[image][1][one] for image, one in places.items()} for places in regions]
    turns = [Turn("user", text), Turn("assistant", "no")]
    return Sample([image for image, _ in shown], entries, turns, id=f"s{images}")


TWO = sample(0, 1, regions=[{0: 0}, {1: 1}, {1: 2, 0: 2}])
ROWS = [
    sample(0, regions=[{0: 1}], text="What is <Prompt0>?"),
    TWO,
    sample(2, 0, 1, regions=[{1: 0, 2: 0, 0: 1}, {2: 2}]),
    sample(1, 1, regions=[{1: 0}, {0: 0}]),
]


def at(model: RegionVLM, one: Sample, token: int) -> Tensor:
    """What the language model reads at the places of a token."""
    batch = batch_of(model, [one])
    with torch.no_grad():
        return model.inputs(batch).embeddings[0][batch.input_ids[0] == token]


def local(model: RegionVLM, number: int, regions: list[Region], which: int) -> Tensor:
    """The local tokens of one of several regions on an image of its own."""
    image, _ = picture(number)
    asked = Sample([image], regions, [Turn("user", "Is <Prompt0> a cup?"), Turn("assistant", "no")])
    return at(model, asked, model.llm.region_ids[which])


def assert_close(found: Tensor, wanted: Tensor) -> None:
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-4)


def test_images_of_a_sample_are_encoded_as_alone_and_swap_with_their_order(model: RegionVLM) -> None:
    if not model.use_global:
        assert len(at(model, TWO, model.llm.image_id)) == 0
        return
    first, second = ([picture(0)[1][i] for i in (0, 2)], [picture(1)[1][i] for i in (1, 2)])
    talk = [Turn("user", "Which?"), Turn("assistant", "B")]
    alone = [
        at(model, Sample([picture(number)[0]], regions, talk), model.llm.image_id)
        for number, regions in ((0, first), (1, second))
    ]
    assert_close(at(model, TWO, model.llm.image_id), torch.cat(alone))
    swapped = sample(1, 0, regions=[{1: 0}, {0: 1}, {0: 2, 1: 2}])
    assert_close(at(model, swapped, model.llm.image_id), torch.cat(alone[::-1]))


def test_local_tokens_are_those_of_a_regions_images_in_order(model: RegionVLM) -> None:
    if not model.region_extractor.num_tokens:
        assert len(at(model, TWO, model.llm.region_ids[0])) == 0
        return
    first, second = ([picture(0)[1][i] for i in (0, 2)], [picture(1)[1][i] for i in (1, 2)])
    own, other = local(model, 0, first, 0), local(model, 1, second, 0)
    assert_close(at(model, TWO, model.llm.region_ids[0]), own)
    assert_close(at(model, TWO, model.llm.region_ids[1]), other)
    both = [local(model, 0, first, 1), local(model, 1, second, 1)]
    assert float((both[0] - both[1]).abs().max()) > 1e-2, "images must differ for this to mean anything"
    assert_close(at(model, TWO, model.llm.region_ids[2]), torch.cat(both))
    swapped = sample(1, 0, regions=[{1: 0}, {0: 1}, {0: 2, 1: 2}])
    assert_close(at(model, swapped, model.llm.region_ids[0]), own)
    assert_close(at(model, swapped, model.llm.region_ids[2]), torch.cat(both[::-1]))


def test_rows_of_one_two_and_three_images_in_a_batch_are_what_they_are_alone(model: RegionVLM) -> None:
    batch = batch_of(model, ROWS)
    assert batch.image_rows.tolist() == [0, 1, 1, 2, 2, 2, 3, 3]
    with torch.no_grad():
        together = model(batch)
        for row, one in enumerate(ROWS):
            alone = batch_of(model, [one])
            assert_close(together[row, : alone.input_ids.shape[1]], model(alone)[0])


def test_the_loss_of_a_batch_is_the_mean_of_its_rows_and_reaches_the_prompt(model: RegionVLM) -> None:
    model.zero_grad()
    loss = model.loss(batch_of(model, ROWS))["loss"]
    loss.backward()
    with torch.no_grad():
        alone = [float(model.loss(batch_of(model, [one]))["loss"]) for one in ROWS]
    assert float(loss.detach()) == pytest.approx(sum(alone) / len(alone), rel=1e-4)
    assert bool(model.prompt_encoder.conv.weight.grad.any())


def test_answers_of_a_batch_are_those_of_each_row_alone(model: RegionVLM) -> None:
    asked = [replace(one, turns=one.turns[:1]) for one in ROWS]
    together = [r.generated for _, r in answer_samples(model, asked, batch_size=4, max_new_tokens=4)]
    alone = [next(answer_samples(model, [one], batch_size=1, max_new_tokens=4))[1].generated for one in asked]
    assert together == alone
    assert len({reply.text for reply in alone}) > 1


def test_the_other_order_of_images_is_another_question(model: RegionVLM) -> None:
    with torch.no_grad():
        first = model(batch_of(model, [sample(0, 1, regions=[{0: 0}, {1: 1}])]))[0, -1]
        second = model(batch_of(model, [sample(1, 0, regions=[{1: 0}, {0: 1}])]))[0, -1]
    # Without tokens of the image, local tokens are the same in either order.
    assert (float((first - second).abs().max()) > 1e-2) == model.use_global


@pytest.fixture(scope="module")
def tiny() -> RegionVLM:
    return lively(toy_model())


def test_questions_about_the_same_images_share_their_encoding(
    tiny: RegionVLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[int] = []
    real = tiny.vision.encode
    monkeypatch.setattr(
        tiny.vision, "encode", lambda pixels, *a: encoded.append(len(pixels)) or real(pixels, *a)
    )
    (a, of_a), (b, of_b) = picture(0), picture(1)
    given = {"images": [a, b], "regions": [(0, of_a[0]), (1, of_b[1])]}
    questions = [QUESTION, "Which is larger?", "Why?"]
    answers = RegionAssistant(tiny).ask(**given, question=questions, max_new_tokens=5)
    assert encoded == [2]
    texts = [RegionAssistant(tiny).ask(**given, question=q, max_new_tokens=5).text for q in questions]
    assert [answer.text for answer in answers] == texts


def test_rows_of_other_images_never_get_a_shared_encoding(tiny: RegionVLM) -> None:
    processor = tiny.make_processor()
    asked = [replace(one, turns=one.turns[:1]) for one in (TWO, ROWS[2], TWO, ROWS[2], ROWS[0])]
    encoded = [processor(one) for one in asked]
    with torch.no_grad():
        shared = embed_shared(tiny, encoded, [1, 2, 1, 2, 3], pad_id=processor.pad_id).embeddings
        own = embed_shared(tiny, encoded, [1, 2, 3, 4, 5], pad_id=processor.pad_id).embeddings
    assert_close(shared, own)


def test_identity_prompts_tell_regions_of_several_images_apart() -> None:
    model = lively(toy_model(prompt_encoder={"type": "MaskPrompt", "mode": "identity", "num_identities": 4}))
    one, other = (sample(0, 1, regions=order) for order in ([{0: 0}, {1: 1}], [{1: 1}, {0: 0}]))
    change = at(model, one, model.llm.image_id) - at(model, other, model.llm.image_id)
    assert float(change.abs().max()) > 1e-2


@pytest.mark.parametrize(
    ("regions", "text"),
    [
        ([{0: 0}, {2: 0}], r"region 1 is on image 2, but there are 2 images, numbered from 0"),
        ([{}], r"region 0 is seen on no image"),
    ],
)
def test_a_region_on_an_image_that_is_not_there_is_an_error(
    tiny: RegionVLM, regions: list[dict[int, int]], text: str
) -> None:
    wrong = sample(0, 1, regions=[{0: 0}] * len(regions))
    shown = {0: picture(0)[1][0], 2: picture(0)[1][0]}
    wrong.regions = [{image: shown[image] for image in places} for places in regions]
    with pytest.raises(RegionError, match=text):
        tiny.make_processor()(wrong)


def test_masks_of_another_size_are_an_error_with_the_number_of_their_image(tiny: RegionVLM) -> None:
    wrong = replace(TWO, regions=[{0: picture(0)[1][0], 1: picture(0)[1][1]}])
    with pytest.raises(RegionError, match=r"region 0 is for .* \(56, 112\).* image 1 has \(90, 56\)"):
        tiny.make_processor()(wrong)
    with pytest.raises(RegionError, match="region 0 does not say on which of the 2 images"):
        tiny.make_processor()(replace(TWO, regions=[picture(0)[1][0]]))


def test_a_picture_in_place_of_images_is_a_list_of_one() -> None:
    image, regions = picture(0)
    single = Sample(image, regions, TWO.turns)
    assert single.images == [image]
    assert single.image is image
    assert [pair.image for pair in single.pairs()] == [0, 0, 0]
