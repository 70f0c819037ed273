"""The authors' release: its folders are read as they are, and its reference tensors are reproduced."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from safetensors.torch import load_file, save_file
from torch import Tensor

import gartk
from gartk.checkpoints.release_reader import (
    EMBED_WEIGHT,
    HEAD_WEIGHT,
    MASK_WEIGHT,
    read_release,
    to_gartk,
    to_release,
)
from gartk.compat import AS_RELEASED, ReleaseCompat, ReleaseOutput, forward_release
from gartk.errors import CheckpointError, ConfigError, DataError, RegionError
from gartk.inference.api import RegionAssistant
from gartk.models.prompts import MaskPrompt
from gartk.models.region_vlm import RegionVLM
from gartk.registry import MODELS
from gartk.testing.contracts import check_prompt_encoder
from gartk.testing.parts import make_regions, ragged_grids
from gartk.testing.toy import toy_model
from tests.support.release import save_toy_release, unpack_reference

ROOT = Path(__file__).resolve().parents[2]
CASE = "case1_1prompt_2x2"
SOURCES = {
    "shared": Path(os.environ.get("GARTK_SHARED") or ROOT.parent / "shared") / "reference" / "release_tiny",
    "golden": ROOT / "tests" / "golden" / "release_tiny",
}


@dataclass
class Reference:
    """What the authors' code gave, what ours gives, and how theirs was thinned out to be kept here."""

    theirs: dict[str, Tensor]
    meta: dict[str, Any]
    steps: dict[str, int]
    ours: ReleaseOutput
    model: RegionVLM

    def thinned(self, kind: str, value: Tensor, dim: int) -> Tensor:
        step = self.steps.get(kind, 1)
        return value.index_select(dim, torch.arange(0, value.shape[dim], step))


def enlarged(small: Tensor) -> Tensor:
    return small.repeat_interleave(8, -1).repeat_interleave(8, -2)


@pytest.fixture(scope="module", params=sorted(SOURCES))
def reference(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    source = SOURCES[request.param]
    if not (source / "weights.safetensors").is_file():
        pytest.skip(f"no reference tensors in {source}; let GARTK_SHARED name the folder that holds them")
    folder = unpack_reference(source, tmp_path_factory.mktemp(request.param))
    model = gartk.load(folder, device="cpu").model
    theirs = load_file(source / f"{CASE}.safetensors")
    meta = json.loads((source / "meta.json").read_text(encoding="utf-8"))
    ours = forward_release(
        model,
        pixel_values=(enlarged(theirs["pixel_lowres_u8"]).float() / 255 - 0.5) / 0.5,
        mask_ids=enlarged(theirs["mask_ids_lowres_u8"]),
        input_ids=theirs["input_ids"],
        boxes=meta[CASE]["bboxes"],
        aspect_ratios=theirs["aspect_ratios"],
        labels=theirs["labels"],
        max_new_tokens=4,
    )
    assert ours.loss is not None
    ours.loss.backward()
    return Reference(theirs, meta[CASE], meta.get("steps", {}), ours, model)


def worst(ours: Tensor, theirs: Tensor) -> float:
    assert ours.shape == theirs.shape
    return float((ours - theirs).detach().abs().max())


@pytest.mark.slow
def test_image_features_are_the_authors(reference: Reference) -> None:
    ours = reference.thinned("features", reference.ours.image_features, 1)
    assert worst(ours, reference.theirs["image_features"]) <= 1e-6


@pytest.mark.slow
def test_replayed_features_are_the_authors(reference: Reference) -> None:
    assert list(reference.ours.replayed) == reference.meta["prompts"]
    ours = reference.thinned("features", reference.ours.replayed[1], 0)
    assert worst(ours, reference.theirs["replay_prompt1"]) <= 1e-6


@pytest.mark.slow
def test_spliced_embeddings_are_the_authors(reference: Reference) -> None:
    ours = reference.thinned("embeds", reference.ours.inputs_embeds, 1)
    assert worst(ours, reference.theirs["inputs_embeds"]) <= 1e-6


@pytest.mark.slow
def test_logits_are_the_authors(reference: Reference) -> None:
    logits = reference.ours.logits[0].detach()
    theirs = reference.theirs
    chosen = reference.thinned("logits", logits, 0)[:, theirs["selected_vocab"]]
    assert worst(chosen, theirs["logits_selected"]) <= 2e-5
    assert worst(logits.logsumexp(-1), theirs["logits_logsumexp"]) <= 2e-5
    assert torch.equal(logits.argmax(-1), theirs["logits_argmax"])
    if "logits_full_last" in theirs:
        assert worst(logits[-1], theirs["logits_full_last"]) <= 2e-5


@pytest.mark.slow
def test_the_loss_is_the_authors_to_six_digits(reference: Reference) -> None:
    assert reference.ours.loss is not None
    assert reference.ours.loss.item() == pytest.approx(reference.meta["loss"], rel=1e-6)


@pytest.mark.slow
def test_every_gradient_is_the_authors(reference: Reference) -> None:
    norms = dict(reference.meta["grad_norms"])
    norms[EMBED_WEIGHT] = reference.meta["embed_grad_norm"]
    grads = {to_release(name): p.grad for name, p in reference.model.named_parameters()}
    assert set(grads) == set(norms)
    for name, grad in grads.items():
        assert float(grad.norm()) == pytest.approx(norms[name], rel=1e-4), name  # type: ignore[union-attr]
    kernel = reference.thinned("kernel", reference.model.prompt_encoder.conv.weight.grad, 0)
    assert worst(kernel, reference.theirs["grad_mask_patch_embedding"]) <= 1e-6


@pytest.mark.slow
def test_greedy_tokens_are_the_authors_from_the_prompt_alone_too(reference: Reference) -> None:
    wanted = reference.theirs["generated_ids"]
    assert torch.equal(reference.ours.generated_ids, wanted)  # type: ignore[arg-type]
    start = int((reference.theirs["labels"][0] != -100).nonzero()[0, 0])
    embeddings = reference.ours.inputs_embeds[:, :start].detach()
    mask = torch.ones(1, start, dtype=torch.long)
    new = reference.model.llm.generate(embeddings, mask, torch.arange(start)[None], max_new_tokens=4)
    assert torch.equal(new, wanted)


# ------------------------------------------------------------------ ready tensors of other shapes

TILE = 56
LAYOUTS = [(3, 2), (1, 1), (1, 4)]
BOXES = {0: (0.1, 0.2, 0.7, 0.9), 2: (0.0, 0.0, 1.0, 1.0), 4: (0.55, 0.1, 0.95, 0.35)}


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> RegionVLM:
    folder = tmp_path_factory.mktemp("toy")
    save_toy_release(folder)
    return gartk.load(folder, device="cpu").model


def tensors(model: RegionVLM, cols: int, rows: int, numbers: list[int]) -> dict[str, Any]:
    """Random tiles and ids of prompts, a text with their blocks out of order, and an answer."""
    generator = torch.Generator().manual_seed(cols * 10 + rows)
    tiles = cols * rows + 1
    llm = model.llm
    text = list(range(40, 60))
    ids = [0, *[llm.image_id] * (tiles * 4), *text[:5]]
    for number in reversed(numbers):
        ids += [text[number], *[llm.region_ids[number]] * 256]
    ids += text
    labels = torch.full((1, len(ids)), -100)
    labels[0, -7:] = torch.tensor(ids[-7:])
    masks = torch.randint(0, 6, (tiles, 1, TILE // 8, TILE // 8), generator=generator)
    return {
        "pixel_values": torch.randn(tiles, 3, TILE, TILE, generator=generator),
        "mask_ids": enlarged(masks).expand(-1, 3, -1, -1),
        "input_ids": torch.tensor([ids]),
        "boxes": {llm.region_ids[number]: BOXES[number] for number in numbers},
        "aspect_ratios": torch.tensor([[cols, rows]]),
        "labels": labels,
    }


def expected(model: RegionVLM, given: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """Features and embedded text by another way: transformers' modules, torchvision's RoIAlign, a loop."""
    vit, patch = model.vision.tower.timm_model, 14
    inside = (given["mask_ids"] != 5).float()
    hidden = vit.patch_embed(given["pixel_values"])
    hidden = hidden + torch.nn.functional.conv2d(
        inside, model.prompt_encoder.conv.weight, stride=patch
    ).flatten(2).transpose(1, 2)
    hook = vit.patch_embed.register_forward_hook(lambda *_: hidden)
    patches = model.vision.tower(given["pixel_values"], do_pooling=False).last_hidden_state
    hook.remove()
    features = model.connector.projector(patches[:, vit.num_prefix_tokens :])
    cols, rows = given["aspect_ratios"][0].tolist()
    whole = features[1:].view(rows, cols, 2, 2, -1).permute(4, 0, 2, 1, 3).reshape(-1, rows * 2, cols * 2)
    ids = given["input_ids"]
    embedded = model.llm.embed(ids).clone()
    embedded[ids == model.llm.image_id] = features.flatten(0, 1)
    for token, box in given["boxes"].items():
        in_cells = torch.tensor([box]) * torch.tensor([cols * 2.0, rows * 2.0] * 2)
        replayed = torchvision.ops.roi_align(
            whole[None], [in_cells], (16, 16), spatial_scale=1 / 28, sampling_ratio=2, aligned=True
        )
        embedded[ids == token] = replayed[0].flatten(1).T
    return features, embedded


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("numbers", [[], [2], [0, 2, 4]])
def test_any_number_of_prompts_on_any_grid_is_as_by_hand(
    toy: RegionVLM, layout: tuple[int, int], numbers: list[int]
) -> None:
    given = tensors(toy, *layout, numbers)
    with torch.no_grad():
        out = forward_release(toy, **given)
        features, embedded = expected(toy, given)
        logits = toy.llm.lm(inputs_embeds=embedded).logits
    assert worst(out.image_features, features) <= 1e-5
    assert worst(out.inputs_embeds, embedded) <= 1e-5
    assert worst(out.logits, logits) <= 1e-4
    assert list(out.replayed) == numbers
    shifted = torch.nn.functional.cross_entropy(logits[0, -8:-1], given["labels"][0, -7:])
    assert float(out.loss) == pytest.approx(float(shifted), rel=1e-5)  # type: ignore[arg-type]
    assert out.generated_ids is None


@pytest.mark.parametrize(
    "change",
    [
        lambda ids: ids.float() * 2 / 255 - 1,
        lambda ids: ids[:, :1],
        lambda ids: ids[:, 0].float(),
        lambda ids: (ids.float() * 2 / 255 - 1).bfloat16(),
    ],
)
def test_ids_may_come_as_pixel_values_or_in_one_channel(
    toy: RegionVLM, change: Callable[[Tensor], Tensor]
) -> None:
    given = tensors(toy, 2, 1, [0])
    with torch.no_grad():
        plain = forward_release(toy, **given)
        other = forward_release(toy, **{**given, "mask_ids": change(given["mask_ids"])})
    assert torch.equal(plain.image_features, other.image_features)


def test_only_where_there_is_background_matters_not_which_prompt_a_pixel_has(toy: RegionVLM) -> None:
    given = tensors(toy, 2, 1, [0])
    swapped = torch.where(given["mask_ids"] < 5, (given["mask_ids"] + 1) % 5, 5)
    with torch.no_grad():
        plain = forward_release(toy, **given).image_features
        assert torch.equal(forward_release(toy, **{**given, "mask_ids": swapped}).image_features, plain)
        empty = forward_release(toy, **{**given, "mask_ids": torch.full_like(swapped, 5)}).image_features
    assert not torch.allclose(plain, empty, atol=1e-3)


def test_generation_goes_on_from_the_prompt_or_from_before_the_labels(toy: RegionVLM) -> None:
    given = tensors(toy, 1, 1, [0, 2])
    prompt = {**given, "input_ids": given["input_ids"][:, :-7], "labels": None}
    with torch.no_grad():
        whole = forward_release(toy, **given, max_new_tokens=3).generated_ids
        alone = forward_release(toy, **prompt, max_new_tokens=3).generated_ids
    assert alone is not None and alone.shape == (1, 3)
    assert torch.equal(whole, alone)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"aspect_ratios": [[3, 3]]}, DataError, "needs a thumbnail and 9 tiles; pixel_values has 3"),
        ({"boxes": {}}, RegionError, r"has placeholders \[304\], but boxes has no box"),
        ({"boxes": {9999: (0, 0, 1, 1)}}, RegionError, r"names the tokens \[9999\]"),
        ({"boxes": {304: (0, 0, 1)}}, RegionError, r"A box is \(x0, y0, x1, y1\)"),
        ({"mask_ids": torch.zeros(3, 2, TILE, TILE)}, DataError, r"must be \(T, 1 or 3, h, w\)"),
        ({"mask_ids": torch.rand(3, 3, TILE, TILE)}, DataError, "channels that differ"),
        ({"input_ids": torch.zeros(2, 5, dtype=torch.long)}, DataError, "takes one row"),
        ({"pixel_values": torch.zeros(3, TILE, TILE)}, DataError, "takes one image"),
    ],
)
def test_tensors_that_do_not_fit_are_an_error_that_says_which(
    toy: RegionVLM, change: dict[str, Any], error: type[Exception], text: str
) -> None:
    given = tensors(toy, 2, 1, [0])
    with pytest.raises(error, match=text):
        forward_release(toy, **{**given, **change})


def test_boxes_of_prompts_that_the_text_does_not_have_are_left_out(toy: RegionVLM) -> None:
    given = tensors(toy, 1, 1, [2])
    more = {**given["boxes"], str(toy.llm.region_ids[0]): BOXES[0]}
    with torch.no_grad():
        out = forward_release(toy, **{**given, "boxes": more})
        assert list(out.replayed) == [2]
        assert torch.equal(out.logits, forward_release(toy, **given).logits)


def test_what_gartk_load_gives_will_do_for_the_model(toy: RegionVLM) -> None:
    given = tensors(toy, 1, 1, [0])
    with torch.no_grad():
        through = forward_release(RegionAssistant(toy), **given)
        assert torch.equal(through.logits, forward_release(toy, **given).logits)


def test_a_model_that_tells_masks_apart_is_refused() -> None:
    model: RegionVLM = MODELS.build(toy_model(prompt_encoder={"type": "MaskPrompt", "mode": "identity"}))
    given = {**tensors(model, 1, 1, []), "mask_ids": torch.zeros(2, 1, TILE, TILE, dtype=torch.long)}
    with pytest.raises(ConfigError, match=r"MaskPrompt\(mode='union'\)"):
        forward_release(model, **given)


# ------------------------------------------------------------------ folders


def test_the_release_is_loaded_with_its_names_sizes_and_deviations(tmp_path: Path) -> None:
    state = save_toy_release(tmp_path)
    model = gartk.load(tmp_path, device="cpu").model
    assert model.release_compat == AS_RELEASED
    assert model.llm.region_ids == json.loads((tmp_path / "config.json").read_text())["crop_tokens_ids"]
    assert (len(model.llm.tokens.prompts), model.vision.tiler.max_num_tiles) == (5, 4)
    assert model.region_extractor.output_size == (16, 16)
    own = model.state_dict()
    for name, value in state.items():
        assert torch.equal(own[to_gartk(name)], value), name
    assert torch.equal(model.prompt_encoder.conv.weight, state[MASK_WEIGHT]), "three channels, as they are"
    assert model.llm.chat.system is not None and model.llm.chat.system.startswith("You are a helpful")


@pytest.mark.parametrize("mode", ["union", "identity"])
def test_three_equal_planes_are_one_plane_with_the_sum_of_the_kernels(mode: Any) -> None:
    grids = ragged_grids()
    regions = make_regions(grids, (2, 0, 3))
    three, one = (
        MaskPrompt(embed_dim=6, patch_px=4, mode=mode, num_identities=3, in_planes=n) for n in (3, 1)
    )
    with torch.no_grad():
        three.conv.weight.normal_()
        one.conv.weight.copy_(three.conv.weight.unflatten(1, (-1, 3)).sum(2))
        torch.testing.assert_close(three(regions, grids), one(regions, grids), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("mode", ["union", "identity"])
def test_several_planes_keep_the_contract_of_prompt_encoders(mode: str) -> None:
    check_prompt_encoder({"type": "MaskPrompt", "mode": mode, "in_planes": 3}, footprint="mask")


def test_no_plane_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="in_planes must be at least 1; got 0"):
        MaskPrompt(embed_dim=6, patch_px=4, in_planes=0)


def test_release_names_go_there_and_back() -> None:
    for name in (EMBED_WEIGHT, HEAD_WEIGHT, MASK_WEIGHT, "mllm.model.vision_tower.timm_model.cls_token"):
        assert to_gartk(name) != name
        assert to_release(to_gartk(name)) == name
    assert to_gartk("something.else") == "something.else"


@pytest.mark.parametrize("tied", [True, False])
def test_the_head_is_tied_where_the_file_has_none_whatever_the_flags_say(tmp_path: Path, tied: bool) -> None:
    save_toy_release(tmp_path, tied=tied)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["mllm_config"]["tie_word_embeddings"] is True, "the trap that the authors' class sets"
    config["mllm_config"]["text_config"]["tie_word_embeddings"] = not tied
    (tmp_path / "config.json").write_text(json.dumps(config))
    lm = gartk.load(tmp_path, device="cpu").model.llm.lm
    assert (lm.get_input_embeddings().weight is lm.get_output_embeddings().weight) is tied


def test_single_deviations_can_be_switched_when_loading(tmp_path: Path) -> None:
    save_toy_release(tmp_path)
    changed = gartk.load(
        tmp_path, device="cpu", release_compat={"double_scaled_roi": False, "last_mask_box": True}
    )
    assert changed.model.release_compat == ReleaseCompat(
        inclusive_box=True, last_mask_box=True, id_map_bicubic=True, double_bos=True, release_wording=True
    )
    with pytest.raises(
        ConfigError, match=r"no switch 'double_scaled_rois'(.|\n)*Did you mean 'double_scaled_roi'"
    ):
        gartk.load(tmp_path, device="cpu", release_compat={"double_scaled_rois": False})


def test_a_sharded_release_and_bf16_weights_are_read(tmp_path: Path) -> None:
    state = save_toy_release(tmp_path, dtype=torch.bfloat16)
    names = sorted(state)
    (tmp_path / "model.safetensors").unlink()
    where = {}
    for number, part in enumerate((names[::2], names[1::2]), 1):
        file = f"model-0000{number}-of-00002.safetensors"
        save_file({name: state[name].contiguous() for name in part}, tmp_path / file)
        where.update(dict.fromkeys(part, file))
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
    model = gartk.load(tmp_path, device="cpu").model
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert torch.equal(model.prompt_encoder.conv.weight, state[MASK_WEIGHT].float())
    half = gartk.load(tmp_path, device="cpu", dtype="bfloat16").model
    assert torch.equal(half.prompt_encoder.conv.weight, state[MASK_WEIGHT])


def test_a_hub_id_is_found_in_gartks_cache_and_else_the_error_says_where_to_put_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GARTK_CACHE", str(tmp_path))
    with pytest.raises(CheckpointError, match=r"no checkpoint 'HaochenWang/GAR-1B'(.|\n)*GARTK_CACHE/models"):
        gartk.load("HaochenWang/GAR-1B", device="cpu")
    save_toy_release(tmp_path / "models" / "HaochenWang" / "GAR-1B")
    assert gartk.load("HaochenWang/GAR-1B", device="cpu").max_regions == 5


def test_parts_and_mask_embedding_can_be_named_one_by_one_to_go_on_training(tmp_path: Path) -> None:
    state = save_toy_release(tmp_path)
    source = str(tmp_path)
    cfg = read_release(tmp_path).cfg
    llm = {key: value for key, value in cfg["llm"].items() if key not in ("config", "tokenizer")}
    model: RegionVLM = MODELS.build(
        toy_model(
            vision={"type": "PerceptionLMVision", "pretrained": source, "max_num_tiles": 4},
            connector={"type": "PerceptionLMConnector", "pretrained": source},
            llm={**llm, "pretrained": source},
            prompt_encoder={"type": "MaskPrompt", "in_planes": 3, "pretrained": source},
        )
    )
    own = model.state_dict()
    assert all(torch.equal(own[to_gartk(name)], value) for name, value in state.items())
    assert model.saved_cfg()["prompt_encoder"]["pretrained"] is None


def edit(folder: Path, **changes: Any) -> None:
    """Change dotted keys of config.json; None removes one."""
    config = json.loads((folder / "config.json").read_text())
    for path, value in changes.items():
        *parents, last = path.split("__")
        node = config
        for parent in parents:
            node = node[parent]
        node.pop(last)
        if value is not None:
            node[last] = value
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"mllm_config": None}, r"config\.json: mllm_config.* is missing"),
        ({"prompt_numbers": None}, r"config\.json: prompt_numbers is missing"),
        ({"prompt_numbers": "5"}, r"prompt_numbers must be of type int; got '5'"),
        ({"crop_tokens_ids": [304]}, r"crop_tokens_ids has 1 tokens for prompt_numbers=5"),
        ({"crop_tokens_ids": [304, 305, 308, 310, 999]}, r"crop_tokens_ids\[4\] is 999, which is no token"),
        ({"kernel_size": [16, 16]}, r"kernel_size \[16, 16\] is not the size of a patch"),
        ({"mllm_config__vision_config__architecture": None}, r"vision_config\.architecture is missing"),
        ({"mllm_config__text_config__model_type": None}, r"text_config\.model_type is missing"),
        ({"mllm_config__image_token_id": 99999}, r"image_token_id is 99999"),
        ({"model_type": "llava"}, r"config\.json is not of a checkpoint that gartk reads.*'llava'"),
        (
            {"prompt_numbers": 6, "crop_tokens_ids": [304, 305, 308, 310, 311, 312]},
            "tokenizer .*lacks <Prompt5>",
        ),
    ],
)
def test_a_wrong_config_is_a_checkpoint_error_that_names_file_and_key(
    tmp_path: Path, changes: dict[str, Any], text: str
) -> None:
    save_toy_release(tmp_path)
    edit(tmp_path, **changes)
    with pytest.raises(CheckpointError, match=text):
        gartk.load(tmp_path, device="cpu")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda s: s.pop(MASK_WEIGHT), r"missing: mask_patch_embedding\.weight \(1\)"),
        (
            lambda s: s.pop("mllm.model.language_model.norm.weight"),
            r"missing: mllm\.model\.language_model\.norm",
        ),
        (lambda s: s.update({"mllm.extra": torch.zeros(1)}), r"unexpected: mllm\.extra \(1\)"),
        (
            lambda s: s.update({MASK_WEIGHT: torch.zeros(64, 3, 16, 16)}),
            r"kernel_size is \[14, 14\], but mask_patch",
        ),
        (
            lambda s: s.update({MASK_WEIGHT: torch.zeros(32, 3, 14, 14)}),
            r"mask_patch_embedding\.weight: \(32, 3",
        ),
    ],
)
def test_weights_that_do_not_fit_are_a_checkpoint_error_in_the_names_of_the_file(
    tmp_path: Path, change: Callable[[dict[str, Tensor]], Any], text: str
) -> None:
    state = {name: value.contiguous() for name, value in save_toy_release(tmp_path).items()}
    change(state)
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match=text):
        gartk.load(tmp_path, device="cpu")


def test_missing_files_are_a_checkpoint_error_that_names_them(tmp_path: Path) -> None:
    save_toy_release(tmp_path)
    for file in tmp_path.glob("tokenizer*"):
        file.unlink()
    with pytest.raises(CheckpointError, match=r"tokenizer\.json does not exist"):
        gartk.load(tmp_path, device="cpu")
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="lacks safetensors weights"):
        gartk.load(tmp_path, device="cpu")


def test_a_processor_that_cuts_otherwise_is_a_checkpoint_error(tmp_path: Path) -> None:
    save_toy_release(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"vision_input_type": "vanilla"}))
    with pytest.raises(CheckpointError, match=r"preprocessor_config\.json: vision_input_type is 'vanilla'"):
        gartk.load(tmp_path, device="cpu")


def test_placeholders_with_other_names_are_taken_by_their_ids(tmp_path: Path) -> None:
    save_toy_release(tmp_path)
    edit(tmp_path, crop_tokens_ids=[305, 304, 308, 310, 311])
    model = gartk.load(tmp_path, device="cpu").model
    assert model.llm.region_ids == [305, 304, 308, 310, 311]
    assert model.saved_cfg()["llm"]["region"] == model.llm.tokens.regions
