"""Parts of a benchmark are drawn by sub-task, and their spread is what sampling theory says."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from gartk.errors import ConfigError, DataError
from gartk.evaluation.statistics.item_scores import ItemScores, item_scores
from gartk.evaluation.statistics.stability import draw_part, stability
from tests.evaluation.benches import bench
from tests.evaluation.statistics.test_item_scores import recorded

VQA = {"relation": 101, "color": 69, "shape": 64, "ordering": 64, "mirror": 61, "material": 36, "texture": 29}
HITS = {"relation": 57, "color": 34, "shape": 32, "ordering": 13, "mirror": 36, "material": 14, "texture": 17}


def scores(hits: list[float | None], tasks: list[str], *, is_binary: bool = True) -> ItemScores:
    keys = tuple((task, str(number)) for number, task in enumerate(tasks))
    return ItemScores("gar-vqa", keys, {"strict": tuple(hits)}, is_binary=is_binary)


def exact_sd(parts: int) -> float:
    """The standard deviation in per cent when each sub-task is drawn without replacement."""
    sizes = {task: count // parts for task, count in VQA.items()}
    variance = 0.0
    for task, size in sizes.items():
        total, share = VQA[task], HITS[task] / VQA[task]
        variance += size * (total - size) / (total - 1) * share * (1 - share)
    return 100 * math.sqrt(variance) / sum(sizes.values())


@pytest.mark.parametrize(("parts", "items"), [(2, 210), (4, 105)])
def test_a_draw_takes_the_papers_number_of_items_from_each_sub_task(parts: int, items: int) -> None:
    tasks = [task for task, count in VQA.items() for _ in range(count)]
    drawn = draw_part(tasks, parts, np.random.default_rng(0))
    assert len(set(drawn)) == len(drawn) == items
    assert Counter(tasks[i] for i in drawn) == {task: count // parts for task, count in VQA.items()}


@pytest.mark.parametrize(("parts", "measured"), [(2, 2.36), (4, 4.16)])
def test_the_recorded_letters_of_gar_1b_spread_as_theory_says(
    shared_dir: Path, parts: int, measured: float
) -> None:
    found = stability({"GAR-1B": item_scores(bench("gar-vqa"), recorded(shared_dir, "gar-vqa"))}, parts=parts)
    spread = found.models["GAR-1B"]
    assert spread.full == pytest.approx(47.877, abs=1e-3)
    assert spread.mean == pytest.approx(spread.full, abs=3 * exact_sd(parts) / math.sqrt(2000))
    assert spread.sd == pytest.approx(measured, abs=0.005)
    assert spread.sd == pytest.approx(exact_sd(parts), abs=3 * exact_sd(parts) / math.sqrt(4000))
    assert found.kendall is None


def test_all_models_are_drawn_the_same_items() -> None:
    hits: list[float | None] = [float(i % 3 == 0) for i in range(60)]
    worse: list[float | None] = [hit if i % 2 else 0.0 for i, hit in enumerate(hits)]
    tasks = ["a"] * 40 + ["b"] * 20
    found = stability({"worse": scores(worse, tasks), "good": scores(hits, tasks)}, parts=2, seeds=200)
    # The worse model has a part of the good one's hits, so on the same items it is never ahead.
    assert found.ahead["good", "worse"] + found.ties["good", "worse"] == 1.0
    assert found.same_order == pytest.approx(found.ahead["good", "worse"])


def test_the_order_of_models_far_apart_holds_in_every_draw() -> None:
    tasks = ["a"] * 50
    models = {str(k): scores([float(i < k) for i in range(50)], tasks) for k in (5, 25, 45)}
    found = stability(models, parts=2, seeds=100)
    assert (found.kendall, found.spearman, found.same_order) == ((1.0, 1.0), (1.0, 1.0), 1.0)


def test_missing_items_are_no_hits_of_right_or_wrong_and_left_out_of_means() -> None:
    tasks = ["a"] * 4
    assert stability({"m": scores([1.0, None, 1.0, None], tasks)}, parts=2, seeds=5).models["m"].full == 50
    graded = scores([1.0, None, 3.0, None], tasks, is_binary=False)
    assert stability({"m": graded}, parts=2, seeds=1).models["m"].full == 2


def test_other_items_no_model_and_impossible_parts_are_refused() -> None:
    one, two = scores([1.0, 0.0], ["a", "a"]), scores([1.0], ["a"])
    with pytest.raises(DataError, match="does not have the same items"):
        stability({"one": one, "two": two}, parts=2)
    with pytest.raises(DataError, match="two has no score"):
        stability({"one": one, "two": scores([None, None], ["a", "a"])}, parts=2)
    with pytest.raises(DataError, match="no model"):
        stability({}, parts=2)
    for parts, seeds in ((1, 10), (3, 10), (2, 0)):
        with pytest.raises(ConfigError, match="parts of at least 2"):
            stability({"one": one}, parts=parts, seeds=seeds)
