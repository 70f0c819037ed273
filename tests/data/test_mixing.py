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


def test_interleaved_parts_come_in_turn_each_in_its_own_order_until_one_runs_out() -> None:
    configs = [{**SMALL, "length": 9}, {**SMALL, "length": 3, "seed": 5}]
    mixed = DATASETS.build({"type": "InterleavedDataset", "datasets": configs, "shares": [3, 1]})
    many, few = (DATASETS.build(config) for config in configs)
    parts = [many[0], many[1], few[0], many[2], many[3], many[4], few[1], many[5]]
    assert [mixed[i].turns for i in range(8)] == [sample.turns for sample in parts]
    assert len(mixed) == 12
    assert mixed[11].turns == many[8].turns
    with pytest.raises(IndexError, match="12 is outside 0..11"):
        mixed[12]


@pytest.mark.parametrize(("lengths", "total"), [((9, 2), 10), ((4, 3), 5), ((0, 3), 0), ((3, 0), 2)])
def test_an_interleaved_dataset_ends_before_the_first_part_runs_out(
    lengths: tuple[int, int], total: int
) -> None:
    configs = [{**SMALL, "length": length} for length in lengths]
    mixed = DATASETS.build({"type": "InterleavedDataset", "datasets": configs, "shares": [3, 1]})
    assert len(mixed) == total
    assert all(mixed[i].turns for i in range(total))


@pytest.mark.parametrize("shares", [[1], [1, 0], [1, 1.5], [1, 1, 1]])
def test_wrong_shares_are_a_config_error(shares: list[float]) -> None:
    configs = [{**SMALL, "length": 2}, {**SMALL, "length": 2}]
    with pytest.raises(ConfigError, match="one whole share of at least 1 for each of its 2 datasets"):
        DATASETS.build({"type": "InterleavedDataset", "datasets": configs, "shares": shares})


def test_an_interleaved_dataset_without_parts_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match=r"InterleavedDataset\.datasets is empty"):
        DATASETS.build({"type": "InterleavedDataset", "datasets": [], "shares": []})
