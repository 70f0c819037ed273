"""The numbers of the table, worked out by hand from runs whose items follow a rule."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from itertools import product
from statistics import fmean, stdev

import numpy as np
import pytest

from gartk.errors import ConfigError
from gartk.sweep.collect import Collector
from gartk.sweep.cost import RowCost
from gartk.sweep.plan import Plan
from gartk.sweep.table import Table, make_table, paired_difference
from gartk.sweep.table_text import csv_text, difference_sheet, markdown, published_sheet, score_sheet
from tests.sweep.fake_child import ITEMS, is_right
from tests.sweep.helpers import sweep_with_fakes

PUBLISHED = {"VQA": 50.6, "ViT tokens": 4352}
ROWS = ({"name": "4", "title": "replay", "published": PUBLISHED}, {"name": "row 8", "title": "a|b"})
SEEDS = [0, 1, 2]


def percent_right(row: str, seed: int) -> float:
    return 100 * fmean(is_right(row, seed, number) for number in range(ITEMS))


@pytest.fixture
def swept(plan_of: Callable[..., Plan], tmp_path) -> tuple[Plan, Table]:
    plan = plan_of(*ROWS, seeds=SEEDS, baseline="4", resamples=400)
    sweep_with_fakes(plan, tmp_path / "out")
    costs = {name: RowCost(6, 12, 1234, 20, 16, 4, 20) for name in ("4", "row 8")}
    return plan, make_table(plan, Collector(plan, tmp_path / "out").collect(), costs)


# ---- scores -----------------------------------------------------------------------------------


def test_means_and_spread_are_over_seeds(swept) -> None:
    _, table = swept
    assert [column.title for column in table.columns] == ["color", "relation", "overall"]
    for row in table.rows:
        seeds = {seed: percent_right(row.name, seed) for seed in SEEDS}
        for cell in row.cells.values():
            assert cell.by_seed == pytest.approx(seeds)
            assert cell.mean == pytest.approx(fmean(seeds.values()))
            assert cell.std == pytest.approx(stdev(seeds.values()))
        assert [cell.items for cell in row.cells.values()] == [ITEMS, ITEMS, 2 * ITEMS]
        assert (row.finished, row.runs) == (3, 3)


def test_latency_is_the_median_over_items_and_chance_stands_beside(swept) -> None:
    _, table = swept
    times = [0.01 * (number + 1) for number in range(ITEMS)]
    assert table.rows[0].latency_ms == pytest.approx(1000 * np.median(times))
    assert table.chance == dict.fromkeys(["color", "relation", "overall"], 25.0)
    assert table.blind_chance == dict.fromkeys(["color", "relation", "overall"], 50.0)


def test_a_difference_is_that_of_the_means_and_the_baseline_has_none(swept) -> None:
    _, table = swept
    base, other = table.rows
    assert all(cell.versus is None for cell in base.cells.values())
    for title, cell in other.cells.items():
        assert cell.versus is not None
        assert cell.versus.value == pytest.approx(cell.mean - base.cells[title].mean)
        assert (cell.versus.items, cell.versus.left_out) == (cell.items, 0)
        for low, high in (cell.versus.interval, cell.versus.items_interval):
            assert low <= cell.versus.value <= high


def test_columns_choose_sub_tasks_scores_and_scale(plan_of, tmp_path) -> None:
    columns = [
        {"title": "both", "tasks": ["color", "relation"]},
        {"title": "share", "tasks": ["relation"], "scale": 1.0},
    ]
    plan = plan_of("4", columns=columns)
    sweep_with_fakes(plan, tmp_path / "out")
    row = make_table(plan, Collector(plan, tmp_path / "out").collect()).rows[0]
    assert row.cells["both"].mean == pytest.approx(percent_right("4", 0))
    assert row.cells["share"].mean == pytest.approx(percent_right("4", 0) / 100)


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ([{"title": "a", "tasks": ["colour"]}], "no item is of the sub-task 'colour'. Did you mean 'color'"),
        ([{"title": "a", "score": "corect"}], "has a score 'corect'. Did you mean 'correct'"),
        ([{"title": "a"}, {"title": "a", "score": "x"}], "Two columns have the title 'a'"),
    ],
)
def test_a_wrong_column_is_named(plan_of, tmp_path, columns, says) -> None:
    plan = plan_of("4", columns=columns)
    sweep_with_fakes(plan, tmp_path / "out")
    with pytest.raises(ConfigError, match=says):
        make_table(plan, Collector(plan, tmp_path / "out").collect())


def test_before_anything_has_finished_the_table_is_empty_and_whole(plan_of, tmp_path) -> None:
    plan = plan_of(*ROWS, baseline="4")
    data = Collector(plan, tmp_path / "out").collect()
    table = make_table(plan, data)
    assert [row.cells for row in table.rows] == [{}, {}]
    text = markdown(table, [run for runs in data.values() for run in runs])
    assert "| 4 | replay | – | – | – | – | 0 of 1 |" in text
    assert "row 4, seed 0: waiting, 0 of 6 updates" in text


# ---- intervals --------------------------------------------------------------------------------


def rows_of(*scores: list[float]) -> list[dict[tuple[str, str, str], float]]:
    """Runs of one row, each with a score for every item of one sub-task."""
    return [{("", "task", str(i)): value for i, value in enumerate(run)} for run in scores]


def test_with_one_seed_each_the_interval_is_over_items_alone() -> None:
    one, other = rows_of([1, 1, 1, 0, 1, 0, 1, 1]), rows_of([0, 1, 0, 0, 1, 0, 0, 1])
    found = paired_difference(one, other, resamples=4000)
    assert found is not None
    assert found.value == pytest.approx(3 / 8)
    assert found.interval == found.items_interval
    assert found.interval == (0.125, 0.75)  # binomial(8, 3/8) / 8: 2.6 % lie below 1/8, 1.8 % above 6/8


def test_the_interval_over_items_and_seeds_is_that_of_all_equally_likely_draws() -> None:
    """Two items, two seeds: few enough to write down every draw of items, of seeds, and of the other's."""
    one, other = [[1.0, 5.0], [2.0, 9.0]], [[0.0, 1.0], [3.0, 4.0]]
    pairs = list(product(range(2), repeat=2))
    every = [
        np.array(one)[np.ix_(s, i)].mean() - np.array(other)[np.ix_(t, i)].mean()
        for i, s, t in product(pairs, pairs, pairs)
    ]
    found = paired_difference(rows_of(*one), rows_of(*other), resamples=20000)
    assert found is not None
    assert found.interval == pytest.approx(np.percentile(every, [2.5, 97.5]), abs=0.26)
    only_items = [np.array(one)[:, i].mean() - np.array(other)[:, i].mean() for i in pairs]
    assert found.items_interval == pytest.approx(np.percentile(only_items, [2.5, 97.5]), abs=0.2)
    assert found.interval[1] - found.interval[0] > found.items_interval[1] - found.items_interval[0]


def test_an_item_moves_with_everything_that_was_said_to_it() -> None:
    """Hard and easy items make each row uncertain, but not a difference that is the same on every item."""
    hard = [float(10 * i) for i in range(20)]
    found = paired_difference(rows_of([v + 3 for v in hard]), rows_of(hard), resamples=200)
    assert found is not None
    assert found.interval == pytest.approx((3, 3))


def test_items_that_not_all_runs_have_are_left_out_and_counted() -> None:
    found = paired_difference(rows_of([1, 1, 1], [1, 1]), rows_of([0, 0, 1]), resamples=50)
    assert found is not None
    assert (found.items, found.left_out, found.value) == (2, 1, 1.0)
    assert paired_difference(rows_of([1]), [{("", "other", "0"): 1.0}], resamples=50) is None


def test_items_are_drawn_within_their_sub_task() -> None:
    one = [{("", "a", "0"): 1.0, ("", "b", "0"): 5.0}]
    other = [{("", "a", "0"): 0.0, ("", "b", "0"): 0.0}]
    found = paired_difference(one, other, resamples=50)
    assert found is not None
    assert found.interval == (3.0, 3.0)  # a sub-task of one item always gives that item


# ---- as text ----------------------------------------------------------------------------------


def test_markdown_has_every_number_in_its_place(swept, tmp_path) -> None:
    plan, table = swept
    data = Collector(plan, tmp_path / "out").collect()
    text = markdown(table, [run for runs in data.values() for run in runs])
    seeds = [percent_right("4", seed) for seed in SEEDS]
    cell = f"{fmean(seeds):.1f} ± {stdev(seeds):.1f}"
    assert f"| 4 | replay | {cell} | {cell} | {cell} | 20 | 20 | 1,234 | 45.0 | 3 of 3 |" in text
    assert "| row 8 | a\\|b |" in text
    assert "| chance |  | 25.0 | 25.0 | 25.0 |" in text
    assert "Difference from row 4 on the same items, with its 95 % bootstrap interval" in text
    assert "| 4 | replay | 50.6 | 4,352 |" in text
    assert "Not finished" not in text


def test_rows_stand_in_the_files_order_with_published_numbers_apart(swept) -> None:
    _, table = swept
    assert [line[0] for line in score_sheet(table).lines] == ["4", "row 8", "chance", "blind chance"]
    versus, published = difference_sheet(table), published_sheet(table)
    assert versus is not None
    assert [line[0] for line in versus.lines] == ["row 8"]
    assert published is not None
    assert published.lines == (("4", "replay", "50.6", "4,352"),)


def test_csv_and_json_hold_the_same_numbers_in_full(swept) -> None:
    _, table = swept
    lines = list(csv.DictReader(io.StringIO(csv_text(table))))
    raw = json.loads(json.dumps(table.to_json()))
    assert [line["row"] for line in lines] == ["4", "row 8", "chance", "blind chance"]
    for line, row in zip(lines, raw["rows"], strict=False):
        cell = row["cells"]["overall"]
        assert float(line["overall mean"]) == cell["mean"]
        assert float(line["overall std"]) == cell["std"]
        assert float(line["latency_ms"]) == row["latency_ms"]
        assert int(line["llm_tokens"]) == row["cost"]["llm_tokens"] == 20
    versus = raw["rows"][1]["cells"]["overall"]["versus"]
    assert [float(lines[1][f"overall {end}"]) for end in ("low", "high")] == versus["interval"]
    assert float(lines[1]["overall difference"]) == versus["value"]
    assert lines[0]["overall difference"] == ""
    assert float(lines[2]["overall mean"]) == 25.0
