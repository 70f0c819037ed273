"""A reply's letter is what it names, and nothing that merely looks like one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gartk.errors import DataError
from gartk.evaluation.benchmarks.multiple_choice import lenient_letter, options_from, options_in
from tests.evaluation.benches import read, record_of, report

OPTIONS = options_from(["A. red", "B. blue", "C. A dog", "D. green"])


def write(folder: Path, records: object) -> Path:
    path = folder / "records.json"
    path.write_text(json.dumps(records), encoding="utf-8")
    return path


def counts(rate: dict[str, Any]) -> tuple[int, int, int]:
    return rate["hits"], rate["total"], rate["missing"]


@pytest.mark.parametrize(
    ("reply", "letter"),
    [
        ("B", "B"),
        ("b", "B"),
        ("(B)", "B"),
        ("a.", "A"),
        ("[D]", "D"),
        ("**B**", "B"),
        ("（B）", "B"),
        ("Answer: C", "C"),
        ("Answer:B", "B"),
        ("B. blue", "B"),
        ("D) green", "D"),
        ("A: red", "A"),
        ("C. A dog", "C"),
        ("The answer is B", "B"),
        ("The answer is A.", "A"),
        ("The answer is A because it is red.", "A"),
        ("the correct answer is option c", "C"),
        ("Answer: C. It is not a dog.", "C"),
        ("B, a blue car", "B"),
        ("\\boxed{B}", "B"),
        ("thinking of it ...\n\nB", "B"),
        ("blue", "B"),
        ("Blue.", "B"),
        ("A dog", "C"),
    ],
)
def test_the_letter_that_a_reply_names_is_found(reply: str, letter: str) -> None:
    assert lenient_letter(reply, OPTIONS) == letter


@pytest.mark.parametrize(
    "reply",
    [
        "",
        " ",
        "Answer",
        "A cat",
        "A red car",
        "a cat",
        "Answer: A cat",
        "The answer is a cat",
        "I think so",
        "E",
        "(E)",
        "A or B",
        "Answer: B or C",
        "(A) (B)",
        "A. red B. blue",
        "B. red",
        "It is not B",
        "Option B is right, C is wrong",
        "none of them",
    ],
)
def test_a_reply_that_names_no_letter_or_two_has_none(reply: str) -> None:
    assert lenient_letter(reply, OPTIONS) is None


def test_the_article_of_an_option_that_is_none_is_no_letter() -> None:
    options = options_from(["cat", "dog"])
    assert lenient_letter("A dog", options) is None
    assert lenient_letter("dog", options) == "B"
    assert lenient_letter("A. dog", options) is None


def test_an_option_text_that_stands_twice_is_no_answer() -> None:
    assert lenient_letter("red", options_from(["red", "Red."])) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Is it?\nOptions: A: foo, B: bar baz, C: x.y", {"A": "foo", "B": "bar baz", "C": "x.y"}),
        ("(a) Open (b) Closed", {"A": "Open", "B": "Closed"}),
        ("What?\n(A) The a.\n(B) yes\nAnswer with the letter.", {"A": "The a.", "B": "yes"}),
        ("Is A. Lincoln there? A. yes B. no", {"A": "yes", "B": "no"}),
        ("How many birds?", {}),
        ("A. alone", {}),
    ],
)
def test_options_are_found_in_a_text(text: str, found: dict[str, str]) -> None:
    assert options_in(text) == found


def test_mmvp_is_scored_per_image_and_per_pair(tmp_path: Path) -> None:
    said = {1: "(a)", 2: "b", 3: "a", 4: "b", 5: "a", 6: None, 7: "a"}
    right = {1: "(a)", 2: "(b)", 3: "(a)", 4: "(a)", 5: "(a)", 6: "(b)", 7: "(a)"}
    records = [
        {
            "Index": n,
            "Question": "Open?",
            "Options": "(a) Open (b) Closed",
            "Correct Answer": right[n],
            "model_output": said[n],
        }
        for n in said
    ]
    items = read("mmvp", [write(tmp_path, records)])
    variants = report(items[0].benchmark, items)["variants"]
    assert counts(variants["lenient"]["overall"]) == (5, 7, 1)
    assert counts(variants["lenient"]["pairs"]) == (1, 4, 2)
    assert counts(variants["strict"]["overall"]) == (4, 7, 1)
    assert counts(variants["strict"]["pairs"]) == (0, 4, 2)
    assert [record_of(item) for item in items] == records


def test_vstar_takes_its_options_from_the_text_and_scores_both_categories(tmp_path: Path) -> None:
    text = "What is the colour?\n(A) red\n(B) blue\nAnswer with the option's letter."
    records = [
        {
            "question_id": 0,
            "category": "direct_attributes",
            "text": text,
            "label": "A",
            "model_output": "red",
        },
        {"question_id": 0, "category": "relative_position", "text": text, "label": "B", "model_output": "B"},
    ]
    found = report("vstar", read("vstar", [write(tmp_path, records)]))
    assert counts(found["variants"]["lenient"]["overall"]) == (2, 2, 0)
    assert counts(found["variants"]["strict"]["tasks"]["direct_attributes"]) == (0, 1, 0)
    assert found["letters"]["B"] == {"right": 1, "strict": 1, "lenient": 1}


def test_realworldqa_compares_texts_where_the_answer_is_no_letter(tmp_path: Path) -> None:
    records = [
        {"question": "How many?", "answer": "3", "model_output": "3."},
        {"question": "Is it?", "answer": "Yes", "model_output": "yes"},
        {"question": "Which?\nA. left\nB. right", "answer": "B", "model_output": "right"},
    ]
    variants = report("realworldqa", read("realworldqa", [write(tmp_path, records)]))["variants"]
    assert counts(variants["strict"]["overall"]) == (1, 3, 0)
    assert counts(variants["lenient"]["overall"]) == (3, 3, 0)


def test_mmstar_has_the_micro_and_both_macro_means(tmp_path: Path) -> None:
    rows = [("p", "x", "A"), ("p", "x", "A"), ("p", "y", "B"), ("q", "z", "B")]
    records = [
        {"index": n, "question": "Q", "answer": "A", "category": c, "l2_category": fine, "model_output": said}
        for n, (c, fine, said) in enumerate(rows)
    ]
    found = report("mmstar", read("mmstar", [write(tmp_path, records)]))["variants"]["strict"]
    assert counts(found["overall"]) == (2, 4, 0)
    assert found["macro_category"]["value"] == pytest.approx(100 / 3)
    assert found["macro_l2_category"]["value"] == pytest.approx(100 / 3)


def test_circular_options_count_only_if_every_rotation_is_right(tmp_path: Path) -> None:
    def record(circle: str, rotation: int, said: str | None) -> dict[str, Any]:
        turned = ["red", "blue"][rotation:] + ["red", "blue"][:rotation]
        names = {"index": 7, "circular_id": circle, "rotation": rotation, "category": "p", "question": "Q"}
        return {**names, "options": turned, "answer": "AB"[rotation], "model_output": said}

    records = [record("a", 0, "A"), record("a", 1, "B"), record("b", 0, "A"), record("b", 1, "A")]
    records += [record("c", 0, "A"), record("c", 1, None), record("d", 0, "A"), record("e", 0, "B")]
    items = read("mmstar", [write(tmp_path, records)])
    found = report(items[0].benchmark, items)["variants"]["strict"]
    assert counts(found["rotations"]["circular"]) == (1, 5, 2)
    assert counts(found["rotations"]["plain"]) == (4, 5, 0)
    assert counts(found["overall"]) == (4, 5, 0)
    assert [record_of(item) for item in items] == records


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"answer": None}, "'answer' is missing"),
        ({"index": None}, "'index' is missing"),
        ({"options": 3}, "'options' must be a list"),
        ({"options": [3]}, "'options' must be a list of texts"),
        ({"circular_id": "x", "rotation": -1}, "'rotation' must be a whole number"),
    ],
)
def test_a_malformed_record_is_named(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    record = {"index": 1, "question": "Q", "answer": "A", "category": "p", **change}
    with pytest.raises(DataError, match=f"record 0.*{says}"):
        read("mmstar", [write(tmp_path, [record])])
