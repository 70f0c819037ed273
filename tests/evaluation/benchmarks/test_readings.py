"""Replies of judges are read strictly and tolerantly, and what is neither has no verdict."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gartk.evaluation.benchmarks.base import benchmark_names, build_benchmark
from gartk.evaluation.item import JUDGE, Item
from gartk.evaluation.judgements import replies_of
from tests.evaluation.benches import read_reply, verdicts_of
from tests.evaluation.judges.cases import CAP_SIMPLE, DLC, FERRET, VIDEO

FOUR = "1. Subject Correspondence: 4 same cub\n2. Appearance Description: 3\n3. Temporal Description: 1\n"
FOUR += "4. Hallucination Detection: 5"
RATED = {
    "Subject Correspondence": 4,
    "Appearance Description": 3,
    "Temporal Description": 1,
    "Hallucination Detection": 5,
}


@pytest.mark.parametrize(
    ("item", "number", "reply", "strict", "tolerant"),
    [
        (CAP_SIMPLE, 0, "True", "True", "True"),
        (CAP_SIMPLE, 0, "true.", None, "True"),
        (CAP_SIMPLE, 0, "**False**", None, "False"),
        (CAP_SIMPLE, 0, "It is true", None, None),
        (CAP_SIMPLE, 0, "", None, None),
        (DLC, 0, "A. Yes", 0, 0),
        (DLC, 0, "B", 1, 1),
        (DLC, 0, "no", None, 1),
        (DLC, 0, "C. Maybe", None, None),
        (DLC, 2, "The boats are mentioned in the description.", None, 1),
        (FERRET, 0, "7 4\nBecause.", [7.0, 4.0], [7.0, 4.0]),
        (FERRET, 0, "7,4.5", None, [7.0, 4.5]),
        (FERRET, 0, "7, 4", None, None),
        (FERRET, 0, "7 4 and so on", None, [7.0, 4.0]),
        (FERRET, 0, "0 11", None, None),
        (FERRET, 0, "Assistant 1: 7", None, None),
        (FERRET, 0, "1e999 2", None, None),
        (VIDEO, 0, FOUR, RATED, RATED),
        (VIDEO, 0, FOUR.replace("Appearance Description", "Appearance"), None, RATED),
        (VIDEO, 0, FOUR.replace(": 3", ": 6"), None, None),
        (VIDEO, 0, "1. Subject Correspondence: 4", None, None),
    ],
)
def test_a_reply_is_read_both_ways(item: Item, number: int, reply: str, strict: Any, tolerant: Any) -> None:
    reading = read_reply(item, number, reply)
    assert (reading.strict, reading.tolerant) == (strict, tolerant)


def test_verdicts_are_labels_points_or_ratings() -> None:
    assert verdicts_of(replace(CAP_SIMPLE, replies={JUDGE: "true"})) == {0: "True"}
    replies = {JUDGE: ["A. Yes", None, "B. The boats are mentioned in the description."]}
    assert verdicts_of(replace(DLC, replies=replies)) == {0: "correct", 1: None, 2: "-1"}
    assert verdicts_of(replace(FERRET, replies={JUDGE: "7 4"})) == {0: 4.0}
    assert verdicts_of(replace(VIDEO, replies={JUDGE: FOUR})) == {0: 3.25}
    assert verdicts_of(CAP_SIMPLE) == {}
    assert replies_of(replace(CAP_SIMPLE, replies={"other": "True"}), "other") == ["True"]


def test_the_benchmarks_with_a_judge_are_known() -> None:
    names = {name for name in benchmark_names() if build_benchmark(name).is_judged}
    captions = {"gar-cap", "gar-cap-simple", "gar-cap-detailed"}
    assert names == {*captions, "dlc", "ferret", "mdvp", "videorefer-d"}
