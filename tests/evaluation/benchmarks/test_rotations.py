"""Rotated options: what moves, what stays, and what counts as right."""

from __future__ import annotations

from typing import Any

import pytest

from gartk.errors import ConfigError
from gartk.evaluation.benchmarks import multiple_choice as choices
from gartk.evaluation.item import Item, asked
from gartk.evaluation.run import rotated
from tests.evaluation.benches import bench, build_prompt, read, record_of, report, rotations

CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "gar-vqa": ("Q?", "B", {"choices": ["A. x", "B. y", "C. z"]}),
    "videorefer-q": ("Q <region>?", "(B) y", {"options": ["(A) x", "(B) y", "(C) z"]}),
    "mmvp": ("Q?", "(b)", {"Options": "(a) x (b) y (c) z", "Index": 1}),
    "vstar": ("Q?\n(A) x\n(B) y\n(C) z\nAnswer.", "B", {}),
    "mmstar": ("Q?\nOptions: A: x, B: y, C: z", "B", {}),
    "realworldqa": ("Q?\n\nA. x\nB. y\nC. z\nLetter only.", "B", {}),
}


def item(benchmark: str) -> Item:
    question, reference, extra = CASES[benchmark]
    return Item(benchmark, "7", "t", question=question, reference=reference, extra=extra)


@pytest.mark.parametrize("benchmark", CASES)
def test_every_rotation_asks_for_the_same_option_under_another_letter(benchmark: str) -> None:
    turned = rotations(item(benchmark))
    assert [one.extra["rotation"] for one in turned] == [0, 1, 2]
    letters = []
    for one in turned:
        options = choices.options_of(one)
        letter = choices.reference_letter(one.reference)
        assert letter is not None
        assert options[letter] == "y"
        assert sorted(options.values()) == ["x", "y", "z"]
        letters.append(letter)
    assert letters == ["B", "A", "C"]


@pytest.mark.parametrize("benchmark", CASES)
def test_rotation_0_is_asked_as_published_and_the_others_are_not(benchmark: str) -> None:
    first, *others = rotations(item(benchmark))
    assert asked(first) == build_prompt(item(benchmark))
    assert first.reference == item(benchmark).reference
    assert len({asked(one) for one in (first, *others)}) == 3


def test_what_stands_around_the_options_stays() -> None:
    assert rotations(item("vstar"))[1].question == "Q?\n(A) y\n(B) z\n(C) x\nAnswer."
    assert rotations(item("mmstar"))[2].question == "Q?\nOptions: A: z, B: x, C: y"
    assert rotations(item("mmvp"))[1].reference == "(a)"
    assert rotations(item("videorefer-q"))[1].extra["options"] == ["(A) y", "(B) z", "(C) x"]
    assert rotations(item("videorefer-q"))[2].reference == "(C) y"


def test_an_item_without_options_comes_back_alone() -> None:
    open_one = Item("realworldqa", "1", question="How many?", reference="3")
    assert [one.extra["rotation"] for one in rotations(open_one)] == [0]
    with pytest.raises(ConfigError, match="realworldqa has no options to rotate"):
        rotated(bench("realworldqa"), [open_one])


def test_always_one_letter_scores_nothing_in_the_round_and_its_share_plainly() -> None:
    base = [Item("gar-vqa", str(n), "color", reference="ABC"[n % 3], question="Q?", extra=CASES["gar-vqa"][2])
            for n in range(9)]  # fmt: skip
    said = [Item(**{**vars(one), "prediction": "A"}) for one in rotated(bench("gar-vqa"), base)]
    found = report("gar-vqa", said)["variants"]["strict"]
    assert (found["overall"]["hits"], found["overall"]["total"]) == (3, 9)
    assert (found["rotations"]["circular"]["hits"], found["rotations"]["circular"]["total"]) == (0, 9)
    assert found["rotations"]["plain"]["hits"] == 3


def test_who_knows_the_answer_is_right_in_the_round_and_one_missing_rotation_is_missing() -> None:
    turned = rotations(item("videorefer-q"))
    right = [Item(**{**vars(one), "prediction": choices.reference_letter(one.reference)}) for one in turned]
    whole = report("videorefer-q", right)["variants"]["lenient"]["rotations"]["circular"]
    assert (whole["hits"], whole["missing"]) == (1, 0)
    silent = [*right[:2], Item(**{**vars(right[2]), "prediction": None})]
    whole = report("videorefer-q", silent)["variants"]["lenient"]["rotations"]["circular"]
    assert (whole["hits"], whole["missing"]) == (0, 1)


def test_recorded_rotations_are_read_back(tmp_path: Any) -> None:
    from gartk.testing.benchmark_files import write_json
    from tests.support.gar_bench import write_gar_bench

    write_gar_bench(tmp_path, count=2)
    turned = rotated(bench("gar-vqa"), bench("gar-vqa").load(tmp_path))
    path = write_json(tmp_path / "out.json", [record_of(one) for one in turned])
    back = read("gar-vqa", [path])
    assert [(one.extra["circular_id"], one.extra["rotation"]) for one in back] == [
        (f"images/vqa_{n}.png", r) for n in range(2) for r in range(4)
    ]
