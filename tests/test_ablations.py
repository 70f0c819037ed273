"""Every ablation's config: what it changes, and what it costs. That each runs: ``test_ablation_runs.py``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

from gartk.model_cost import ModelCost, model_cost, with_regions
from tools import ablation_table

ROOT = Path(__file__).resolve().parents[1] / "configs"
BIG = sorted(path.name for path in ROOT.glob("ablation_*.py"))
TINY = sorted(f"tiny/{path.name}" for path in (ROOT / "tiny").glob("ablation_*.py"))
EVERY = [*BIG, *TINY]
BASES = {"qwen2_5_vl_3b": "Qwen2_5_VLVision", "internvl3_2b": "InternVLVision"}

Flat = Mapping[str, Any]


@pytest.fixture(autouse=True)
def nothing_at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No cached checkpoint of any kind, and no network."""
    monkeypatch.setenv("GARTK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def flat(values: Any, path: str = "") -> dict[str, Any]:
    """Every value of a config by its dotted path."""
    if isinstance(values, Mapping) and values:
        return {
            k: v
            for key, one in values.items()
            for k, v in flat(one, f"{path}.{key}" if path else key).items()
        }
    return {path: values}


@cache
def config(name: str) -> Flat:
    return flat(Config.fromfile(ROOT / name).to_dict())


@cache
def bases_of(name: str) -> Flat:
    """What a leaf's bases give before it changes anything."""
    merged: dict[str, Any] = {}
    for base in Config._get_base_files(str(ROOT / name)):
        merged.update(Config.fromfile((ROOT / name).parent / base).to_dict())
    return flat(merged)


def changes(new: Flat, old: Flat) -> dict[str, Any]:
    """The values that are new or others, by path; None for those that are gone."""
    found = {key: value for key, value in new.items() if key not in old or old[key] != value}
    return {**found, **{key: None for key in old if key not in new}}


# ------------------------------------------- what a leaf changes

PROMPT, EXTRACTOR = "model.prompt_encoder.", "model.region_extractor."
MASK, NONE = {f"{PROMPT}type": "MaskPrompt"}, {f"{PROMPT}type": "NullPrompt"}
LOCAL = {"model.use_global": False}


def extractor(kind: str, **arguments: Any) -> dict[str, Any]:
    return {f"{EXTRACTOR}{key}": value for key, value in {"type": kind, **arguments}.items()}


def rows(output_size: int) -> dict[str, dict[str, Any]]:
    """The eight rows of Table 9 by the name of their config: all that they say."""
    return {
        "crop": {**MASK, **extractor("Crop"), **LOCAL},
        "gated_crop": {**MASK, **extractor("GatedCrossAttentionCrop"), **LOCAL},
        "global_crop": {**MASK, **extractor("Crop")},
        "roi_replay": {**MASK, **extractor("RoIAlignReplay", output_size=output_size)},
        "roi_pool": {**NONE, **extractor("RoIPool")},
        "roi_replay_no_mask": {**NONE, **extractor("RoIAlignReplay", output_size=output_size)},
        "crop_no_mask": {**NONE, **extractor("Crop", with_mask=False), **LOCAL},
        "no_local": {**MASK, **extractor("NoLocal")},
    }


TABLE_9 = list(rows(16))
# Leaves that change a row in one thing: the row, and the paths that may differ from it.
VARIANTS = {
    "crop_context_": ("crop", (f"{EXTRACTOR}context_scale",)),
    "crop_focal": ("crop", (f"{EXTRACTOR}context_scale",)),
    "global_crop_focal": ("global_crop", (f"{EXTRACTOR}context_scale",)),
    "gated_crop_tight": ("gated_crop", (f"{EXTRACTOR}context_scale",)),
    "no_local_identity": ("no_local", (f"{PROMPT}mode",)),
    "prompt_": ("roi_replay", (f"{PROMPT}type", f"{PROMPT}mode")),
    "replay_size_": ("roi_replay", (f"{EXTRACTOR}output_size",)),
    "replay_sampling_": ("roi_replay", (f"{EXTRACTOR}sampling_ratio",)),
    "replay_unaligned": ("roi_replay", (f"{EXTRACTOR}aligned",)),
    "roi_pool_": ("roi_pool", (f"{EXTRACTOR}output_size",)),
    "tiles_": ("roi_replay", ("model.vision.max_num_tiles",)),
    "data_": ("roi_replay", ("train_data.dataset.paths", "schedule.max_iters")),
}


def short(name: str) -> str:
    """The name of a config without its folder, base and ending."""
    stem = Path(name).stem.removeprefix("ablation_")
    return next((stem.removeprefix(f"{base}_") for base in BASES if stem.startswith(base)), stem)


def test_every_row_of_the_paper_has_a_config() -> None:
    assert {f"ablation_{row}.py" for row in TABLE_9} <= set(BIG)
    assert {f"tiny/ablation_{row}.py" for row in TABLE_9} <= set(TINY)
    assert {f"ablation_{base}_{row}.py" for base in BASES for row in TABLE_9[:4]} <= set(BIG)
    assert {f"ablation_data_{data}.py" for data in ("seed", "fine_grained", "relation")} <= set(BIG)
    places = [leaf.place for leaf in ablation_table.leaves(ROOT) if leaf.place is not None]
    assert places == sorted(ablation_table.PAPER), "each once, and none but the paper's"


@pytest.mark.parametrize("name", [n for n in EVERY if short(n) in TABLE_9])
def test_a_row_states_prompt_extractor_and_use_global_and_nothing_else(name: str) -> None:
    size = 4 if name in TINY else 16
    assert changes(config(name), bases_of(name)) == rows(size)[short(name)]


@pytest.mark.parametrize("name", [n for n in EVERY if short(n) not in TABLE_9])
def test_a_variant_differs_from_its_row_in_its_one_thing_alone(name: str) -> None:
    row, allowed = next(found for start, found in VARIANTS.items() if short(name).startswith(start))
    reference = f"{'tiny/' if name in TINY else ''}ablation_{row}.py"
    found = changes(config(name), config(reference))
    assert set(found) <= set(allowed)
    assert found or short(name) == "data_relation", "the last row of Table 11 is row 4 of Table 9"


def test_no_two_configs_are_the_same_but_table_11_s_last_row() -> None:
    seen: dict[str, str] = {}
    twice = []
    for name in EVERY:
        text = json.dumps(config(name), sort_keys=True, default=str)
        if text in seen:
            twice.append((seen[text], name))
        seen[text] = name
    assert twice == [("ablation_data_relation.py", "ablation_roi_replay.py")]


@pytest.mark.parametrize("name", [n for n in BIG if Path(n).stem.partition("_")[2].startswith(tuple(BASES))])
def test_table_10_differs_from_table_9_in_the_base_alone(name: str) -> None:
    base = next(base for base in BASES if base in name)
    found = changes(config(name), config(f"ablation_{short(name)}.py"))
    assert {key.split(".")[0] + "." + key.split(".")[1] for key in found} == {
        "model.vision",
        "model.connector",
        "model.llm",
    }
    assert found["model.vision.type"] == BASES[base]


@pytest.mark.parametrize("name", EVERY)
def test_the_first_comment_says_table_and_row_or_that_there_is_none(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert text.startswith(("# Table ", "# Not in the paper; "))
    leaf = ablation_table.read_leaf(ROOT / name)
    assert (leaf.place is None) == text.startswith("# Not")
    if name in TINY and leaf.twin is None and leaf.place is not None:
        assert leaf.place == ablation_table.read_leaf(ROOT / Path(name).name).place


# ------------------------------------------- what it costs, at the real size without weights


@cache
def cost_of(name: str) -> ModelCost:
    return model_cost(ROOT / name, sizes_hw=[(ablation_table.SIDE_PX,) * 2])


# The paper's "# ViT Tokens" with one region; its row 6 prints 4,608, which row 4's encoding does not give.
VIT = {"crop": 256, "gated_crop": 4608, "global_crop": 4608, "roi_replay": 4352, "roi_pool": 4352,
       "roi_replay_no_mask": 4352, "crop_no_mask": 256, "no_local": 4352}  # fmt: skip
LLM = {"crop": (0, 256), "gated_crop": (0, 256), "global_crop": (4352, 256), "roi_replay": (4352, 256),
       "roi_pool": (4352, 1), "roi_replay_no_mask": (4352, 256), "crop_no_mask": (0, 256),
       "no_local": (4352, 0)}  # fmt: skip


@pytest.mark.parametrize("row", TABLE_9)
def test_the_counts_are_those_of_the_paper(row: str) -> None:
    tokens = cost_of(f"ablation_{row}.py").tokens[0]
    assert tokens.vit_tokens() == VIT[row]
    assert (tokens.image_tokens, tokens.region_tokens) == LLM[row]
    printed = ablation_table.PAPER[9, 1 + TABLE_9.index(row)][-1]
    assert (printed == VIT[row]) == (row != "roi_replay_no_mask")


@pytest.mark.parametrize(("row", "vit", "llm"), [
    ("crop", "256 R", "256 R"),
    ("gated_crop", "4,608 R", "256 R"),
    ("global_crop", "4,352 + 256 R", "4,352 + 256 R"),
    ("roi_replay", "4,352", "4,352 + 256 R"),
    ("no_local", "4,352", "4,352"),
])  # fmt: skip
def test_several_regions_cost_what_each_row_adds_for_them(row: str, vit: str, llm: str) -> None:
    tokens = cost_of(f"ablation_{row}.py").tokens[0]
    assert with_regions(tokens.encoded_tokens, tokens.region_encoded_tokens) == vit
    assert with_regions(tokens.image_tokens, tokens.region_tokens) == llm
    five = cost_of(f"ablation_internvl3_2b_{row}.py") if row in TABLE_9[:4] else None
    assert five is None or five.tokens[0].vit_tokens(5) == tokens.vit_tokens(5)


def test_a_crop_is_256_tokens_on_every_base() -> None:
    for base in BASES:
        assert cost_of(f"ablation_{base}_crop.py").tokens[0].llm_tokens() == 256


def test_gated_cross_attention_has_a_block_for_every_layer_of_the_tower() -> None:
    parts = {part.part: part.parameters for part in cost_of("ablation_gated_crop.py").parts}
    width, layers = 1024, 23
    block = 4 * width * (width + 1) + 2 * 2 * width + 8 * width**2 + 5 * width + 2
    assert parts["region_extractor"] == layers * block


def test_the_page_of_configs_is_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    def counted(path: Path) -> tuple[str, str]:
        tokens = cost_of(path.relative_to(ROOT).as_posix()).tokens[0]
        fixed, each = tokens.encoded_tokens, tokens.region_encoded_tokens
        return with_regions(fixed, each), with_regions(tokens.image_tokens, tokens.region_tokens)

    monkeypatch.setattr(ablation_table, "cost", counted)
    assert ablation_table.main(["--check"]) == 0, "run: python tools/ablation_table.py"
