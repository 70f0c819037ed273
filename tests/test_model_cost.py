"""What a model costs: published sizes and token counts, without any weight."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from gartk.cli.main import main
from gartk.errors import CheckpointError, ConfigError
from gartk.model_cost import model_cost, show, with_regions
from gartk.models.weights import read_hf_config, structure_only

ROOT = Path(__file__).resolve().parents[1]
ROI = ROOT / "configs/ablation_roi_replay.py"


@pytest.fixture(autouse=True)
def nothing_at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No cached checkpoint of any kind."""
    monkeypatch.setenv("GARTK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def test_the_papers_row_4_has_the_published_sizes_and_token_counts() -> None:
    cost = model_cost(ROI)
    parameters = {part.part: part.parameters for part in cost.parts}
    assert parameters["llm"] == 1_235_814_400, "Llama 3.2 1B, its head tied"
    assert parameters["prompt_encoder"] == 1024 * 14 * 14
    assert cost.vocabulary == 128_256
    tokens = {t.image_hw: (t.grid, t.tiles, t.image_tokens) for t in cost.tokens}
    # The paper's Table 9 (4,352) and the counts of PerceptionLM's own processor.
    assert tokens[2048, 2048] == tokens[224, 224] == ((4, 4), 17, 4352)
    assert tokens[480, 640] == tokens[768, 1024] == ((3, 4), 13, 3328)
    assert tokens[1080, 1920] == ((3, 5), 16, 4096)
    assert {t.region_tokens for t in cost.tokens} == {256}


# Totals without mask prompts and connectors that are new: as the checkpoints' own pages state them.
PUBLISHED = {
    "gar_1b": {"llm": 1_235_814_400},  # Llama 3.2 1B, tied
    "gar_8b": {"llm": 8_030_261_248},  # Llama 3.1 8B
    "ablation_qwen2_5_vl_3b_roi_replay": {"vision+connector+llm": 3_754_622_976},
    "ablation_internvl3_2b_roi_replay": {"vision+connector+llm": 2_088_957_440},
    "base_qwen_tower_llama": {"llm": 1_711_376_384},  # SmolLM2 1.7B
    "base_timm_vit_llama": {"llm": 1_711_376_384},
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_base_has_its_published_size(name: str) -> None:
    parameters = {part.part: part.parameters for part in model_cost(ROOT / f"configs/{name}.py").parts}
    for parts, wanted in PUBLISHED[name].items():
        assert sum(parameters[part] for part in parts.split("+")) == wanted, parts


def test_options_count_and_other_sizes_can_be_asked() -> None:
    options = {"model.region_extractor.output_size": 8, "model.vision.max_num_tiles": 4}
    cost = model_cost(ROI, options, sizes_hw=[(500, 500)])
    assert [(t.grid, t.region_tokens) for t in cost.tokens] == [((2, 2), 64)]


def test_a_row_of_crops_counts_them_by_region_and_no_image() -> None:
    (tokens,) = model_cost(ROOT / "configs/ablation_crop.py", sizes_hw=[(2048, 2048)]).tokens
    assert (tokens.grid, tokens.tiles, tokens.patches) == ((4, 4), 0, 0)
    assert [tokens.vit_tokens(n) for n in (0, 1, 3)] == [0, 256, 768]
    (tokens,) = model_cost(ROOT / "configs/ablation_gated_crop.py", sizes_hw=[(480, 640)]).tokens
    assert tokens.tiles == 13
    assert [tokens.vit_tokens(n) for n in (1, 2)] == [3328 + 256, 2 * (3328 + 256)]
    assert tokens.llm_tokens(2) == 512
    without = {"model.region_extractor.with_mask": False}
    (tokens,) = model_cost(ROOT / "configs/ablation_gated_crop.py", without, sizes_hw=[(480, 640)]).tokens
    assert tokens.vit_tokens(2) == 3328 + 2 * 256, "without masks the image is encoded once"


def test_an_extractor_of_another_package_that_tells_no_cost_adds_none() -> None:
    from gartk.model_cost import count_tokens
    from gartk.models.extractors import RegionExtractor
    from gartk.registry import MODELS
    from gartk.testing.toy import toy_model

    class Plain(RegionExtractor):
        """What an extractor is that says no more than it has to."""

        num_tokens = 3

        def forward(self, maps: Any, regions: Any, views: Any = None) -> Any:
            raise AssertionError("only counted")

    with structure_only():
        model = MODELS.build(toy_model(region_extractor={"type": Plain}))
    tokens = count_tokens(model, (100, 100))
    assert tokens.vit_tokens(5) == tokens.vit_tokens(0) > 0
    assert tokens.llm_tokens(2) - tokens.llm_tokens(0) == 6


@pytest.mark.parametrize(
    ("fixed", "each", "text"), [(4352, 0, "4,352"), (0, 256, "256 R"), (4352, 1, "4,352 + 1 R"), (0, 0, "0")]
)
def test_counts_that_grow_with_regions_are_written_as_a_sum(fixed: int, each: int, text: str) -> None:
    assert with_regions(fixed, each) == text


def test_a_model_of_random_weights_is_counted_as_it_is_built() -> None:
    from gartk.registry import MODELS
    from gartk.testing.toy import toy_model

    cost = model_cost(ROOT / "configs/tiny/ablation_no_local.py")
    assert {t.region_tokens for t in cost.tokens} == {0}
    assert cost.parameters < 3_000_000
    with structure_only():
        counted = MODELS.build(toy_model())
    assert {p.device.type for p in counted.parameters()} == {"meta"}
    built = MODELS.build(toy_model())
    shapes = {name: p.shape for name, p in counted.named_parameters()}
    assert shapes == {name: p.shape for name, p in built.named_parameters()}


def test_an_unknown_checkpoint_is_an_error_here_too() -> None:
    with pytest.raises(CheckpointError, match="Download some-org/some-model"):
        model_cost(ROI, {"model.vision.pretrained": "some-org/some-model"})


def test_published_configs_serve_structures_only() -> None:
    with structure_only():
        assert read_hf_config("facebook/Perception-LM-1B")["model_type"] == "perception_lm"
    with pytest.raises(CheckpointError, match="Download facebook/Perception-LM-1B"):
        read_hf_config("facebook/Perception-LM-1B")


def test_a_config_without_a_model_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="has no 'model'"):
        model_cost(ROOT / "configs/_base_/runtime.py")


def test_the_tables_hold_every_number() -> None:
    cost = model_cost(ROI)
    console = Console(file=io.StringIO(), width=160)
    show(cost, console)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    for number in (cost.parameters, *(part.parameters for part in cost.parts), 4352, 3328, 4096):
        assert f"{number:,}" in text


def test_the_tool_prints_json_and_refuses_bad_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--model", str(ROI), "--json", "--sizes", "480x640"]) == 0
    data: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert data["parameters"] == model_cost(ROI).parameters
    assert [t["image_tokens"] for t in data["tokens"]] == [3328]
    assert [(t["vit_tokens"], t["llm_tokens"]) for t in data["tokens"]] == [(3328, 3328 + 256)]
    assert main(["doctor", "--model", "configs/absent.py"]) == 2
    assert "There is no config file" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["doctor", "--model", str(ROI), "--sizes", "480"])
    assert "not HEIGHTxWIDTH" in capsys.readouterr().err
