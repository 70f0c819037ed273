"""Intervals hold what theory says they hold, and two models are compared on the items they share."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from gartk.errors import ConfigError, DataError
from gartk.evaluation.benchmarks.multiple_choice import CIRCLE, ROTATION
from gartk.evaluation.item import JUDGE, Item
from gartk.evaluation.statistics.bootstrap import (
    add_intervals,
    draw_with_replacement,
    score_intervals,
)
from gartk.evaluation.statistics.item_scores import ItemScores, item_scores
from gartk.evaluation.statistics.paired import compare, paired_test
from tests.evaluation.benches import bench, json_leaves, report
from tests.evaluation.statistics.test_item_scores import choice, recorded


def binary(hits: list[int | None], *, tasks: list[str] | None = None) -> ItemScores:
    keys = tuple(((tasks or [""] * len(hits))[i], str(i)) for i in range(len(hits)))
    scores = tuple(None if hit is None else float(hit) for hit in hits)
    return ItemScores("gar-vqa", keys, {"strict": scores}, is_binary=True)


def test_the_interval_of_a_share_is_as_wide_as_the_binomial_says() -> None:
    items = [choice(str(i), "color", "A", "A" if i < 120 else "B") for i in range(400)]
    low, high = score_intervals(bench("gar-vqa"), items, resamples=1000)["strict", "overall"]
    half = 196 * math.sqrt(0.3 * 0.7 / 400)
    assert (low, high) == pytest.approx((30 - half, 30 + half), abs=0.6)


def test_drawing_keeps_the_size_of_every_sub_task() -> None:
    import numpy as np

    strata = ["a"] * 3 + ["b"] * 5
    drawn = draw_with_replacement(strata, np.random.default_rng(0))
    assert sorted(strata[i] for i in drawn) == strata


def test_the_same_seed_gives_the_same_interval_and_another_one_does_not() -> None:
    items = [choice(str(i), "color", "A", "A" if i % 3 else "B") for i in range(60)]
    one, same, other = (score_intervals(bench("gar-vqa"), items, resamples=50, seed=s) for s in (1, 1, 2))
    assert one == same
    assert one != other


@pytest.mark.parametrize("benchmark", ["gar-cap", "dlc", "ferret"])
def test_every_recorded_score_lies_in_its_interval(shared_dir: Path, benchmark: str) -> None:
    items = recorded(shared_dir, benchmark)
    found = report(benchmark, items)
    add_intervals(found, bench(benchmark), items, resamples=60)
    for path, leaf in json_leaves(found["variants"]):
        value = leaf.get("percent", leaf.get("value"))
        assert leaf["interval"][0] <= value <= leaf["interval"][1], path


def test_pairs_of_mmvp_and_rotations_stay_together() -> None:
    pair = [
        Item("mmvp", str(n), reference="A", prediction="AB"[(n - 1) // 2 % 2],
             extra={"Index": n, "Options": "(a) x (b) y"})
        for n in range(1, 81)
    ]  # fmt: skip
    found = score_intervals(bench("mmvp"), pair, resamples=40)
    assert found["strict", "pairs"][0] < found["strict", "pairs"][1]
    circle = [
        Item("vstar", f"{n}+{r} ", task="p", reference="A", prediction="A",
             extra={CIRCLE: str(n), ROTATION: r, "choices": ["A. x", "B. y"]})
        for n in range(10)
        for r in range(2)
    ]  # fmt: skip
    assert score_intervals(bench("vstar"), circle, resamples=20)["strict", "rotations", "circular"] == (
        100,
        100,
    )


def test_reviews_of_mdvp_are_drawn_within_phase_and_pairing() -> None:
    items = [
        Item("mdvp", f"review fixed {n}", task="web", prediction="x", replies={JUDGE: f"8 {1 + n % 9}"},
             extra={"category": "web", "pairing": "fixed"})
        for n in range(1, 11)
    ]  # fmt: skip
    low, high = score_intervals(bench("mdvp"), items, resamples=60)[
        "fixed pairing, fixed replies", "phases", "web"
    ]
    assert low < 100 * sum(1 + n % 9 for n in range(1, 11)) / 80 < high


def test_a_score_that_is_missing_everywhere_has_no_interval() -> None:
    found = report("gar-vqa", [choice("1", "color", "A", None)])
    add_intervals(found, bench("gar-vqa"), [choice("1", "color", "A", None)], resamples=20)
    assert all(leaf["interval"] is None for _, leaf in json_leaves(found["variants"]))


@pytest.mark.parametrize(("resamples", "level"), [(19, 0.95), (100, 0), (100, 1), (-1, 0.5)])
def test_too_few_resamples_and_no_level_are_refused(resamples: int, level: float) -> None:
    with pytest.raises(ConfigError, match="at least 20 resamples"):
        score_intervals(bench("gar-vqa"), [], resamples=resamples, level=level)


# ------------------------------------------------------------------ two models


def test_mcnemar_counts_the_items_that_one_model_alone_has_right() -> None:
    first = binary([1] * 10 + [0] * 9 + [1] * 5 + [None])
    second = binary([1] * 10 + [1] * 9 + [0] * 4 + [None] + [1])
    found = paired_test(first, second)
    assert (found.items, found.left_out, found.only_first, found.only_second) == (23, 2, 4, 9)
    # Two-sided exact binomial of 4 in 13: 2 * sum(C(13, k), k <= 4) / 2 ** 13.
    assert found.p_value == pytest.approx(2 * sum(math.comb(13, k) for k in range(5)) / 2**13)
    assert found.difference == pytest.approx(100 * 5 / 23)
    assert found.interval[0] < found.difference < found.interval[1]


def test_a_model_is_not_different_from_itself() -> None:
    one = binary([1, 0, 1, 1])
    found = paired_test(one, one)
    assert (found.difference, found.p_value, found.interval) == (0.0, 1.0, (0.0, 0.0))


def test_graded_scores_are_compared_by_permuting_signs() -> None:
    keys = tuple(("", str(i)) for i in range(12))
    one = ItemScores("ferret", keys, {"fixed": tuple(float(i % 5) for i in range(12))}, is_binary=False)
    two = ItemScores("ferret", keys, {"fixed": tuple(float(i % 5) + 2 for i in range(12))}, is_binary=False)
    found = paired_test(one, two)
    assert found.test == "permutation of signs"
    assert found.difference == pytest.approx(2)
    # All 4096 sign patterns are tried; two of them are as extreme as the one seen.
    assert found.p_value == pytest.approx(2 / 4096)


def test_models_without_a_common_item_or_of_two_benchmarks_are_refused() -> None:
    with pytest.raises(DataError, match="no item has a score for both models"):
        paired_test(binary([1, None]), binary([None, 1]))
    other = ItemScores("ferret", (), {"fixed": ()}, is_binary=False)
    with pytest.raises(DataError, match="cannot be compared"):
        paired_test(binary([1]), other)
    with pytest.raises(DataError, match="no item has a score for both"):
        compare(bench("gar-vqa"), [choice("1", "color", "A", "A")], [choice("2", "color", "A", "A")])


def test_every_rule_that_both_have_is_compared(shared_dir: Path) -> None:
    items = recorded(shared_dir, "gar-vqa")
    found = compare(bench("gar-vqa"), items, items)
    assert list(found) == list(item_scores(bench("gar-vqa"), items).by_rule)
    assert found["strict"]["items"] == 424
