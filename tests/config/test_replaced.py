"""An option that replaces a type leaves out the arguments of the old one, and says so."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from gartk.config import TrainSettings, load_config
from gartk.engine.optim import build_optimizer
from gartk.errors import ConfigError
from gartk.models.extractors import RegionExtractor
from gartk.registry import DATASETS, MODELS, REGION_EXTRACTORS

TINY = Path(__file__).resolve().parents[2] / "configs" / "tiny" / "ablation_roi_replay.py"


class StarExtractor(RegionExtractor):
    """A plugin's extractor that shares no argument with the one of the config."""

    num_tokens = 1

    def __init__(self, *, rays: int = 5) -> None:
        super().__init__()
        self.rays = rays

    def forward(self, maps: Any, regions: Any, views: Any = None) -> Any:
        raise AssertionError("only built")


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    REGION_EXTRACTORS.register(StarExtractor, name="acme.StarExtractor")
    yield
    REGION_EXTRACTORS.unregister("acme.StarExtractor")


def test_the_line_of_the_readme_works_and_names_what_it_drops() -> None:
    with pytest.warns(
        UserWarning, match=r"StarExtractor does not take output_size.* RoIAlignReplay: dropped"
    ):
        cfg = load_config(TINY, {"model.region_extractor.type": "acme.StarExtractor"})
    assert cfg.model.region_extractor.to_dict() == {"type": "acme.StarExtractor"}
    assert type(MODELS.build(cfg.model).region_extractor) is StarExtractor


def test_a_dict_with_another_type_does_the_same() -> None:
    with pytest.warns(UserWarning, match="does not take output_size"):
        cfg = load_config(TINY, {"model.region_extractor": {"type": "acme.StarExtractor", "rays": 7}})
    assert cfg.model.region_extractor.to_dict() == {"type": "acme.StarExtractor", "rays": 7}


def test_what_the_command_line_gives_itself_is_never_dropped() -> None:
    options = {"model.region_extractor.type": "acme.StarExtractor", "model.region_extractor.output_size": 3}
    cfg = load_config(TINY, options)
    assert cfg.model.region_extractor.output_size == 3
    with pytest.raises(ConfigError, match="StarExtractor does not take: 'output_size'"):
        MODELS.build(cfg.model)


def test_arguments_that_both_types_take_stay_and_nothing_is_said() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cfg = load_config(TINY, {"model.region_extractor.type": "RoIPool"})
        same = load_config(TINY, {"model.region_extractor.type": "RoIAlignReplay"})
    assert cfg.model.region_extractor.output_size == same.model.region_extractor.output_size


def test_another_optimiser_keeps_what_it_takes_and_the_settings_of_the_groups() -> None:
    before = load_config(TINY).optim
    with pytest.warns(UserWarning, match=r"optim.type=SGD does not take .* states for MuonAdamW"):
        cfg = load_config(TINY, {"optim.type": "SGD"})
    assert set(cfg.optim) < set(before)
    assert cfg.optim.lr == before.lr
    settings = replace(TrainSettings.from_cfg(cfg).optim, lr_mult={})
    assert type(build_optimizer(torch.nn.Linear(2, 2), settings)) is torch.optim.SGD


def test_another_dataset_and_one_within_a_list(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"train_data.dataset.type=RegionWorldDataset does not take"):
        cfg = load_config(TINY, {"train_data.dataset.type": "RegionWorldDataset"})
    assert len(DATASETS.build(cfg.train_data.dataset)) > 0
    inner = "dict(type='RegionWorldDataset', split='val', length=9)"
    path = tmp_path / "mixed.py"
    path.write_text(f"train_data = dict(dataset=dict(type='ConcatDataset', datasets=[{inner}, {inner}]))\n")
    place = "train_data.dataset.datasets.1"
    with pytest.warns(UserWarning, match=rf"{place}.type=ConversationDataset does not take split, length"):
        cfg = load_config(path, {f"{place}.type": "ConversationDataset", f"{place}.paths": "x.json"})
    first, second = cfg.train_data.dataset.datasets
    assert (first["length"], dict(second)) == (9, {"type": "ConversationDataset", "paths": "x.json"})


def test_an_unknown_type_is_told_as_it_is_built() -> None:
    cfg = load_config(TINY, {"model.region_extractor.type": "acme.Stra"})
    with pytest.raises(ConfigError, match=r"model.region_extractor.type 'acme.Stra' is not registered"):
        MODELS.build(cfg.model, path="model")
