"""The numbers of RegionWorld count what they say they count."""

from __future__ import annotations

from typing import Any

import pytest

from gartk.errors import ConfigError
from gartk.evaluation.benchmarks.region_world import accuracy, letters_said, mean_scores, wilson_interval
from gartk.evaluation.item import Item


def record(task: str = "color", correct: float = 1.0, said: str = "A", right: str = "A", **more: Any) -> Item:
    scores = {"correct": correct, **more.pop("scores", {})}
    return Item("b", "i", task, question="q", reference=right, prediction=said, scores=scores, extra=more)


def test_wilson_gives_the_values_of_the_literature() -> None:
    assert wilson_interval(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson_interval(0, 20) == (0.0, pytest.approx(0.1611, abs=1e-4))
    assert wilson_interval(20, 20) == (pytest.approx(0.8389, abs=1e-4), 1.0)
    wide, narrow = wilson_interval(8, 10, level=0.99), wilson_interval(8, 10, level=0.5)
    assert wide[0] < narrow[0] < 0.8 < narrow[1] < wide[1]


@pytest.mark.parametrize(
    ("correct", "total", "level"), [(1, 0, 0.95), (3, 2, 0.95), (-1, 2, 0.95), (1, 2, 1.0)]
)
def test_wilson_refuses_impossible_counts(correct: int, total: int, level: float) -> None:
    with pytest.raises(ConfigError, match="wilson_interval got"):
        wilson_interval(correct, total, level=level)


def test_accuracy_counts_each_task_and_its_harder_parts() -> None:
    records = [
        record("relation", 1.0, needs_identity=True, held_out=False, chance=0.25, blind_chance=0.5),
        record("relation", 0.0, needs_identity=True, held_out=True, chance=0.25, blind_chance=0.3),
        record("relation", 1.0, needs_identity=False, held_out=True, chance=0.5, blind_chance=1.0),
        record("color", 0.5),
    ]
    relation, color = accuracy(records[:3]), accuracy(records[3:])
    assert (relation["correct"], relation["total"]) == (2, 3)
    assert relation["chance"] == pytest.approx(1 / 3)
    assert relation["blind_chance"] == pytest.approx(0.6)
    identity = relation["needs_identity"]
    assert (identity["correct"], identity["total"], identity["blind_chance"]) == (1, 2, pytest.approx(0.4))
    assert (relation["held_out"]["correct"], relation["held_out"]["total"]) == (1, 2)
    assert (relation["seen"]["correct"], relation["seen"]["total"]) == (1, 1)
    assert (color["correct"], color["chance"], color["held_out"]) == (
        0,
        None,
        None,
    )


def test_mean_scores_leave_correct_out_and_average_over_who_has_them() -> None:
    records = [
        record("caption", scores={"attributes": 0.5, "relation": 1.0}),
        record("caption", scores={"attributes": 1.0}),
    ]
    assert mean_scores(records) == {"attributes": 0.75, "relation": 1.0}
    assert mean_scores([record("open")]) == {}


def test_letters_show_a_model_that_always_says_one() -> None:
    choices = ["A. red", "B. blue", "C. green"]
    records = [
        record(said=said, right=right, choices=choices) for said, right in zip("BBb", "ABC", strict=True)
    ]
    records += [record(said=said, right="A", choices=choices) for said in ("Red", "reddish", "D")]
    records += [record("caption", said="x", choices=[])]
    assert letters_said(records[:-1]) == {
        "answer": {"A": 4, "B": 1, "C": 1},
        "said": {"A": 1, "B": 3, "C": 0, "other": 2},
    }
    assert letters_said(records[-1:]) == {}


def test_the_letter_of_a_reasoned_choice_is_that_of_its_last_line() -> None:
    choices = ["A. red", "B. blue"]
    said = ["A. green, B. blue\nblue", "red\nblue", "A. red\nB", "blue, red"]
    records = [record(said=one, right="B", choices=choices, answer_form="reasoned") for one in said]
    assert letters_said(records)["said"] == {"A": 0, "B": 3, "other": 1}
