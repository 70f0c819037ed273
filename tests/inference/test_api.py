"""What gartk.load gives: describe, ask and stream, batched or not, and what they refuse."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import gartk
from gartk.checkpoints import Checkpoint
from gartk.checkpoints.sources import SHIPPED
from gartk.data.collate import collate
from gartk.data.prompting import DESCRIBE_QUESTION
from gartk.errors import CheckpointError, ConfigError, DataError, RegionError
from gartk.inference.api import RegionAssistant
from gartk.inference.batching import answer_samples, sampling_options
from gartk.inference.questions import QuestionWarning
from gartk.models.region_vlm import RegionVLM
from gartk.regions import Region
from gartk.registry import MODELS
from gartk.structures import Sample, Turn
from gartk.testing.toy import toy_model, toy_sample

SIZES = [(56, 56), (40, 130), (120, 50), (57, 61)]
COUNTS = [1, 5, 2, 8]


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    """Ragged images with 1 to 8 regions."""
    return [toy_sample(hw, count, seed=i) for i, (hw, count) in enumerate(zip(SIZES, COUNTS, strict=True))]


def single(model: RegionVLM, sample: Sample, question: str, limit: int) -> str:
    """Answer without any of the code under test: one sample, no padding."""
    processor = model.make_processor()
    batch = collate(
        [processor(Sample(sample.image, sample.regions, [Turn("user", question)]))],
        pad_id=processor.pad_id,
        pad_side="left",
    )
    return model.generate(batch, max_new_tokens=limit)[0].text


# ------------------------------------------------------------------ batches


def test_a_ragged_batch_answers_as_each_question_alone(
    assistant: RegionAssistant, samples: list[Sample]
) -> None:
    images, regions = [s.image for s in samples], [s.regions for s in samples]
    question = "What is <Prompt0>?"
    answers = assistant.ask(images, regions, question, max_new_tokens=6)
    texts = [answer.text for answer in answers]
    assert texts == [single(assistant.model, s, question, 6) for s in samples]
    assert len(set(texts)) == len(texts)
    assert [len(answer.regions) for answer in answers] == COUNTS


def test_describe_asks_about_each_region_alone(assistant: RegionAssistant, samples: list[Sample]) -> None:
    sample = samples[1]
    answers = assistant.describe(sample.image, sample.regions, max_new_tokens=6)
    alone = [Sample(sample.image, [region], []) for region in sample.regions]
    assert [a.text for a in answers] == [single(assistant.model, s, DESCRIBE_QUESTION, 6) for s in alone]
    assert len({a.text for a in answers}) > 1
    assert [a.regions for a in answers] == [(region,) for region in sample.regions]


def test_describe_gives_a_list_for_each_image(assistant: RegionAssistant, samples: list[Sample]) -> None:
    images, regions = [s.image for s in samples], [s.regions for s in samples]
    answers = assistant.describe(images, regions, max_new_tokens=4)
    assert [len(one) for one in answers] == COUNTS
    expected = [assistant.describe(s.image, s.regions, max_new_tokens=4) for s in samples]
    assert answers == expected


def test_describe_takes_more_regions_than_one_question_can_name(assistant: RegionAssistant) -> None:
    sample = toy_sample((60, 60), assistant.max_regions + 3)
    answers = assistant.describe(sample.image, sample.regions, max_new_tokens=2)
    assert len(answers) == assistant.max_regions + 3
    with pytest.raises(
        RegionError, match=f"{assistant.max_regions + 3} regions .* tokens for {assistant.max_regions}"
    ):
        assistant.ask(sample.image, sample.regions, "What is <Prompt0>?")


@pytest.mark.parametrize("prompts", ["MaskPrompt", "NullPrompt"])
def test_questions_about_one_image_share_its_encoding(prompts: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model = MODELS.build(toy_model(prompt_encoder={"type": prompts})).eval()
    encoded: list[int] = []
    real = model.vision.encode
    monkeypatch.setattr(
        model.vision, "encode", lambda pixels, *a: encoded.append(sum(map(len, pixels))) or real(pixels, *a)
    )
    sample = toy_sample((56, 56), 3)
    tiles = model.vision.tiler.grid((56, 56)).num_tiles
    assistant = RegionAssistant(model)

    questions = ["What is <Prompt0>?", "Where is <Prompt1> or <Prompt2>?", "Why?"]
    answers = assistant.ask(sample.image, sample.regions, questions, max_new_tokens=4)
    assert encoded == [tiles]
    assert [a.text for a in answers] == [single(model, sample, q, 4) for q in questions]

    encoded.clear()
    assistant.describe(sample.image, sample.regions, max_new_tokens=2)
    # A mask prompt enters the tower, so each region needs its own pass; without one they share it.
    assert encoded == ([3 * tiles] if prompts == "MaskPrompt" else [tiles])


def test_rows_of_two_images_in_one_batch_each_get_their_own_encoding(lively: RegionVLM) -> None:
    """Two questions about each of two images: two encodings are shared by two rows each."""
    shown = [toy_sample((56, 56), 2, seed=3), toy_sample((40, 130), 2, seed=4)]
    questions = ["What is <Prompt0>?", "Is <Prompt1> red?"]
    rows = [
        Sample(one.image, one.regions, [Turn("user", question)]) for one in shown for question in questions
    ]
    replies = answer_samples(lively, rows, batch_size=4, max_new_tokens=6)
    texts = [reply.generated.text for _, reply in replies]
    assert texts == [single(lively, one, question, 6) for one in shown for question in questions]
    assert len(set(texts)) == 4


def test_sampling_draws_from_all_tokens_and_not_from_the_fifty_likeliest(lively: RegionVLM) -> None:
    sample = toy_sample((56, 56), 1, answered=False)
    options = sampling_options(temperature=1e4)
    torch.manual_seed(0)
    replies = answer_samples(lively, [sample] * 300, batch_size=300, max_new_tokens=1, options=options)
    said = {reply.generated.text for _, reply in replies}
    assert len(said) > 60


def test_an_image_is_cut_into_tiles_once_for_all_its_regions(
    assistant: RegionAssistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    cuts = []
    tiler = assistant.model.vision.tiler
    real = tiler.tile_image
    monkeypatch.setattr(tiler, "tile_image", lambda image: cuts.append(1) or real(image))
    sample = toy_sample((56, 56), 4)
    assistant.describe(sample.image, sample.regions, max_new_tokens=2)
    assert len(cuts) == 1


def test_replies_keep_the_order_of_the_samples_over_batches_and_windows(lively: RegionVLM) -> None:
    many = [toy_sample((56, 56 + 7 * (i % 5)), 1 + i % 4, seed=i) for i in range(35)]
    pairs = list(answer_samples(lively, iter(many), batch_size=2, max_new_tokens=2))
    assert [sample.id for sample, _ in pairs] == [sample.id for sample in many]
    for sample, reply in pairs[::7]:
        assert reply.generated.text == single(lively, sample, sample.turns[0].text, 2)


def test_a_model_never_reads_the_reference_answer(lively: RegionVLM) -> None:
    right = toy_sample((56, 56), 1, turns=[("What colour is <Prompt0>?", "red")])
    wrong = toy_sample((56, 56), 1, turns=[("What colour is <Prompt0>?", "a long and very blue answer")])
    replies = [r.generated for _, r in answer_samples(lively, [right, wrong], batch_size=2, max_new_tokens=5)]
    assert replies[0] == replies[1]


def test_answering_leaves_the_training_mode_as_it_was(lively: RegionVLM) -> None:
    lively.train()
    try:
        RegionAssistant(lively).describe(*(lambda s: (s.image, s.regions))(toy_sample()), max_new_tokens=1)
        assert lively.training
    finally:
        lively.eval()


# ------------------------------------------------------------------ what can be given


def test_an_image_may_be_a_path_bytes_a_picture_or_an_array(
    assistant: RegionAssistant, tmp_path: Path
) -> None:
    sample = toy_sample((56, 70), 1)
    path = tmp_path / "photo.png"
    Image.fromarray(sample.image).save(path)
    forms: list[Any] = [path, str(path), path.read_bytes(), Image.open(path), sample.image]
    answers = {
        assistant.ask(form, sample.regions, "What is <Prompt0>?", max_new_tokens=4).text for form in forms
    }
    assert len(answers) == 1


@pytest.mark.parametrize(
    "region",
    [
        (5, 6, 30, 40),
        np.array([5, 6, 30, 40]),
        {"box": [5, 6, 30, 40]},
        {"polygon": [[5, 6], [30, 6], [30, 40]]},
        {"points": [[10, 12]]},
    ],
)
def test_one_region_needs_no_list(assistant: RegionAssistant, region: Any) -> None:
    image = toy_sample((56, 56)).image
    image[5:40, 5:30] = (250, 10, 10)  # something for the segmenter to find
    alone = assistant.ask(image, region, "What is <Prompt0>?", max_new_tokens=3)
    listed = assistant.ask(image, [region], "What is <Prompt0>?", max_new_tokens=3)
    assert alone == listed
    assert len(alone.regions) == 1


def test_a_stack_of_masks_is_several_regions(assistant: RegionAssistant) -> None:
    sample = toy_sample((56, 56), 3)
    stack = np.stack([region.mask for region in sample.regions])
    assert assistant.ask(sample.image, stack, "Why?", max_new_tokens=2).regions == tuple(sample.regions)
    assert assistant.ask(sample.image, stack[0], "Why?", max_new_tokens=2).regions == (sample.regions[0],)


# ------------------------------------------------------------------ what is refused or warned of


def test_a_prompt_without_a_region_is_warned_of(assistant: RegionAssistant) -> None:
    sample = toy_sample((56, 56), 2)
    with pytest.warns(
        QuestionWarning, match="names <Prompt2>, but <Prompt0> to <Prompt1> are given"
    ) as caught:
        answer = assistant.ask(sample.image, sample.regions, "Is <Prompt2> <Prompt0>?", max_new_tokens=2)
    assert answer.warnings[0] == str(caught[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fine = assistant.ask(sample.image, sample.regions, "Is <Prompt1> <Prompt0>?", max_new_tokens=2)
    assert not any("question" in note for note in fine.warnings)


@pytest.mark.parametrize(
    ("image", "regions", "question", "error", "says"),
    [
        (None, None, " \n", DataError, "question is empty"),
        (None, None, 7, DataError, "must be a string; got int"),
        (None, [], "x", RegionError, r"No region .* \(0, 0, 56, 56\)"),
        (None, 3.5, "x", RegionError, "a region or a list of them; got float"),
        (None, [(0, 0, 9, 9), (90, 90, 99, 99)], "x", RegionError, "Region 1: the box .* wholly outside"),
        (None, [np.ones((9, 9), bool)], "x", RegionError, "Region 0: the mask is 9x9"),
        ("nowhere.png", None, "x", DataError, "no file 'nowhere.png'"),
        (["nowhere.png"], [[]], "x", DataError, "Image 0: There is no file"),
        ([None, None], [None], "x", DataError, "2 images need .* got 1"),
        ([None, None], [None, None], ["x"], DataError, "2 images and 1 questions"),
        ([None, None], [None, (0, 0, 0, 0)], "x", RegionError, "Image 1: Region 0: the box .* no area"),
    ],
)
def test_bad_requests_are_named(
    assistant: RegionAssistant, image: Any, regions: Any, question: Any, error: type[Exception], says: str
) -> None:
    sample = toy_sample((56, 56), 1)
    fill = {"image": sample.image, "regions": sample.regions}
    image = fill["image"] if image is None else image
    regions = fill["regions"] if regions is None else regions
    if isinstance(image, list):
        image = [sample.image if one is None else one for one in image]
        regions = [sample.regions if one is None else one for one in regions]
    with pytest.raises(error, match=says):
        assistant.ask(image, regions, question, max_new_tokens=1)


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"temperature": -1.0}, ConfigError, "temperature must be 0"),
        ({"temperature": 1.0, "top_p": 0.0}, ConfigError, "top_p must lie"),
        ({"top_p": 0.9}, ConfigError, "Give a temperature"),
        ({"max_new_tokens": 0}, DataError, "max_new_tokens must be at least 1"),
    ],
)
def test_bad_options_are_named(
    assistant: RegionAssistant, options: dict[str, Any], error: type[Exception], says: str
) -> None:
    sample = toy_sample()
    with pytest.raises(error, match=says):
        assistant.describe(sample.image, sample.regions, **options)


def test_an_answer_tells_whether_it_was_cut(assistant: RegionAssistant) -> None:
    sample = toy_sample((56, 56), 1)
    cut = assistant.ask(sample.image, sample.regions, "What is <Prompt0>?", max_new_tokens=3)
    assert (cut.stopped, cut.num_new_tokens) == ("length", 3)
    first = assistant.model.llm.tokenizer.encode(cut.text, add_special_tokens=False)[0]
    end, assistant.model.llm.end_id = assistant.model.llm.end_id, first
    try:
        ended = assistant.ask(sample.image, sample.regions, "What is <Prompt0>?", max_new_tokens=3)
    finally:
        assistant.model.llm.end_id = end
    assert (ended.stopped, ended.num_new_tokens, ended.text) == ("end", 1, "")


# ------------------------------------------------------------------ sampling and streaming


def test_a_seed_makes_sampling_repeatable_and_leaves_the_global_generator_alone(
    assistant: RegionAssistant,
) -> None:
    sample = toy_sample((56, 56), 1)

    def draw(seed: int) -> str:
        return assistant.ask(
            sample.image, sample.regions, "Why?", max_new_tokens=8, temperature=1.5, seed=seed
        ).text

    before = torch.get_rng_state()
    assert draw(1) == draw(1)
    assert draw(1) != draw(2)
    assert torch.equal(torch.get_rng_state(), before)
    greedy = assistant.ask(sample.image, sample.regions, "Why?", max_new_tokens=8)
    assert assistant.ask(sample.image, sample.regions, "Why?", max_new_tokens=8, temperature=0.0) == greedy


def test_streamed_pieces_join_to_the_answer(assistant: RegionAssistant, samples: list[Sample]) -> None:
    counts = []
    for sample in samples:
        ask = (sample.image, sample.regions, "What is <Prompt0>?")
        pieces = list(assistant.stream(*ask, max_new_tokens=24))
        assert "".join(pieces) == assistant.ask(*ask, max_new_tokens=24).text
        counts.append(len(pieces))
    assert max(counts) > 1


def test_a_failure_while_streaming_reaches_the_reader(
    assistant: RegionAssistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("out of luck")

    monkeypatch.setattr(assistant.model.llm, "generate", fail)
    sample = toy_sample()
    pieces = assistant.stream(sample.image, sample.regions, "Why?", max_new_tokens=4)
    with pytest.raises(RuntimeError, match="out of luck"):
        list(pieces)


def test_stream_checks_its_arguments_at_the_call(assistant: RegionAssistant) -> None:
    sample = toy_sample()
    with pytest.raises(DataError, match="question is empty"):
        assistant.stream(sample.image, sample.regions, "")
    with pytest.raises(DataError, match="one question about one image"):
        assistant.stream([sample.image], [sample.regions], "Why?")


# ------------------------------------------------------------------ load


@pytest.fixture(scope="module")
def checkpoint(lively: RegionVLM, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "iter_000007"
    Checkpoint.save(lively, folder, info={"iter": 7})
    (folder.parent / "latest").write_text("iter_000007\n", encoding="utf-8")
    return folder


def test_load_takes_a_checkpoint_folder_or_its_work_dir(
    checkpoint: Path, assistant: RegionAssistant, samples: list[Sample]
) -> None:
    sample = samples[2]
    said = assistant.describe(sample.image, sample.regions, max_new_tokens=6)
    for source in (checkpoint, str(checkpoint), checkpoint.parent):
        loaded = gartk.load(source, device="cpu")
        assert loaded.describe(sample.image, sample.regions, max_new_tokens=6) == said
        assert Path(loaded.origin) == checkpoint
        assert not loaded.model.training


def test_load_in_bfloat16_answers(checkpoint: Path) -> None:
    loaded = gartk.load(checkpoint, device="cpu", dtype="bfloat16")
    assert {p.dtype for p in loaded.model.parameters()} == {torch.bfloat16}
    sample = toy_sample((56, 80), 2)
    assert loaded.ask(sample.image, sample.regions, "Why?", max_new_tokens=3).num_new_tokens > 0


def test_load_of_a_config_warns_that_weights_are_random(tmp_path: Path) -> None:
    config = tmp_path / "toy.py"
    config.write_text(f"model = {toy_model()!r}\n", encoding="utf-8")
    with pytest.warns(UserWarning, match="no pretrained weights for vision, connector, llm: they are random"):
        loaded = gartk.load(config, device="cpu", cfg_options={"model.region_extractor.output_size": 3})
    assert loaded.model.region_extractor.num_tokens == 9


def test_load_says_what_it_looked_for(
    tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint 'nowhere'.*shipped name: tiny"):
        gartk.load("nowhere")
    with pytest.raises(CheckpointError, match="neither a checkpoint .* nor a work dir"):
        gartk.load(tmp_path)
    with pytest.raises(CheckpointError, match="is a file. Give the folder"):
        gartk.load(checkpoint / "model.safetensors")
    with pytest.raises(ConfigError, match="no config file"):
        gartk.load(tmp_path / "missing.py")
    with pytest.raises(ConfigError, match="cfg_options only change a config"):
        gartk.load(checkpoint, cfg_options={"model.use_global": False})
    with pytest.raises(ConfigError, match="dtype must be one of"):
        gartk.load(checkpoint, dtype="float8")
    monkeypatch.setitem(SHIPPED, "tiny", tmp_path)
    with pytest.raises(CheckpointError, match="no shipped checkpoint 'tiny'.*gartk train"):
        gartk.load("tiny")


def test_a_region_of_another_image_is_refused(assistant: RegionAssistant) -> None:
    region = Region.from_box((0, 0, 5, 5), image_hw=(20, 30))
    with pytest.raises(RegionError, match="Region 0: the region was made for an image of 30x20"):
        assistant.describe(toy_sample((56, 56)).image, region)
