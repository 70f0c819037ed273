from __future__ import annotations

import pytest

from gartk.errors import ConfigError
from gartk.registry import DATASETS

SMALL = {"type": "RegionWorldDataset", "size": [64, 64]}


def test_parts_follow_one_another_and_an_empty_one_is_passed_over() -> None:
    configs = [{**SMALL, "length": 2}, {**SMALL, "length": 0}, {**SMALL, "length": 3, "seed": 5}]
    both = DATASETS.build({"type": "ConcatDataset", "datasets": configs})
    first, _, last = (DATASETS.build(config) for config in configs)
    assert len(both) == 5
    assert [both[i].turns for i in range(5)] == [
        s.turns for s in [first[0], first[1], last[0], last[1], last[2]]
    ]
    for index in (-1, 5):
        with pytest.raises(IndexError, match=f"{index} is outside 0..4"):
            both[index]


def test_no_parts_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match=r"ConcatDataset\.datasets is empty"):
        DATASETS.build({"type": "ConcatDataset", "datasets": []})


def test_a_misspelt_part_is_named_by_its_place() -> None:
    configs = [{**SMALL, "length": 2}, {"type": "RegionWorld"}]
    with pytest.raises(ConfigError, match=r"datasets\[1\]\.type 'RegionWorld' is not registered"):
        DATASETS.build({"type": "ConcatDataset", "datasets": configs})
