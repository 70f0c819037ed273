"""The results file keeps every part of every item, and a broken one is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gartk.errors import DataError
from gartk.evaluation.item import Item
from gartk.evaluation.results import FORMAT, Results, read_results
from gartk.testing.benchmark_files import rle

ITEM = Item(
    "b", "1", "t", "a.png", (rle((1, 1, 2, 2)), {"bbox": [0, 0, 1, 1]}), "Q?", "A", "a \U0001f600 \ud800",
    {"judge": "True", "dlc": ["x", None]}, {"k": [1, None], "n": {"m": 2.5}}, {"correct": 1.0},
)  # fmt: skip


def saved(tmp_path: Path, edit: Any = None) -> Path:
    path = tmp_path / "sub" / "results.json"
    Results("b", [ITEM, Item("b", "2")], {"x": {"y": 1}}, 2.5, {"model": "m"}).save(path)
    if edit is not None:
        value = json.loads(path.read_text())
        edit(value)
        path.write_text(json.dumps(value))
    return path


def test_every_part_comes_back(tmp_path: Path) -> None:
    back = read_results(saved(tmp_path))
    assert back.records == [ITEM, Item("b", "2")]
    assert (back.benchmark, back.summary, back.seconds, back.info) == (
        "b",
        {"x": {"y": 1}},
        2.5,
        {"model": "m"},
    )


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda v: v.update(format="x"), "is not a results file"),
        (lambda v: v.update(records={}), "field 'records' must be a list"),
        (lambda v: v["records"].append(3), "a record 2 that is no object but 3"),
        (lambda v: v["records"][1].pop("id"), "record 1: field 'id' is missing"),
        (lambda v: v["records"][0].update(masks=[3]), "record 0: field 'masks' has no usable mask 0"),
        (lambda v: v["records"][0].update(prediction=3), "field 'prediction' must be a text"),
        (lambda v: v["records"][0].update(replies={"a": 3}), "field 'replies' must hold texts"),
        (
            lambda v: v["records"][0].update(scores={"a": "x"}),
            "must hold numbers or null; 'a' is 'x'",
        ),
        (lambda v: v["records"][0].update(extra=[]), "field 'extra' must be an object"),
        (lambda v: v["records"][0].update(more=1), "field 'more' is not part of an item"),
        (lambda v: v.update(seconds="x"), "field 'seconds' must be a number"),
        (lambda v: v.pop("benchmark"), "field 'benchmark' is missing"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, edit: Any, says: str) -> None:
    with pytest.raises(DataError, match=says):
        read_results(saved(tmp_path, edit))


def test_the_format_is_the_one_that_is_written(tmp_path: Path) -> None:
    assert json.loads(saved(tmp_path).read_text())["format"] == FORMAT
