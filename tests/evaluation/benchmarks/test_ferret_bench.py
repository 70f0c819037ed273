"""Ferret-Bench's ratio of means is the published one, and unreadable reviews are not hidden in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gartk.errors import DataError
from gartk.evaluation.benchmarks.judged_captions import parse_scores
from tests.evaluation.benches import read, record_of, report


def write(folder: Path, records: list[dict[str, Any]]) -> Path:
    path = folder / "review.jsonl"
    path.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    return path


def review(number: int, content: str | None, **more: Any) -> dict[str, Any]:
    record = {
        "question_id": number,
        "category": "refer_desc",
        "answer1": "It is.",
        "answer2": "A sign.",
        **more,
    }
    return record if content is None else {**record, "content": content}


def ratios(folder: Path, records: list[dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    variants = report("ferret", read("ferret", [write(folder, records)]))["variants"]
    return variants["published"]["refer_desc"], variants["fixed"]["refer_desc"]


def test_recorded_reviews_give_the_published_ratio_and_come_back(shared_dir: Path) -> None:
    path = shared_dir / "data/ferret_bench/outputs/gar_1b/judged/review_refer_desc.jsonl"
    if not path.is_file():
        pytest.skip(f"no recorded reviews in {path}")
    items = read("ferret", [path])
    for variant in report("ferret", items)["variants"].values():
        assert variant["refer_desc"]["text"] == "56.0 = 100 x 3.975/7.100 over 40/40"
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [record_of(item) for item in items] == records


@pytest.mark.parametrize(
    ("reply", "scores"),
    [
        ("7 4\n\nAssistant 1 ...", (7.0, 4.0)),
        ("7.5 4.5", (7.5, 4.5)),
        ("7,4", (7.0, 4.0)),
        ("8 3 because", (8.0, 3.0)),
        ("", None),
        ("7", None),
        ("Scores: 7 4", None),
        ("nan 4", None),
        ("1e999 4", None),
    ],
)
def test_scores_are_the_first_two_words_of_the_first_line(
    reply: str, scores: tuple[float, float] | None
) -> None:
    assert parse_scores(reply) == scores


def test_an_unreadable_review_counts_minus_one_as_published_and_is_missing_as_fixed(tmp_path: Path) -> None:
    published, fixed = ratios(tmp_path, [review(0, "8 4"), review(1, "I cannot say"), review(2, "99 5")])
    assert (published["model"], published["reference"], published["scored"]) == (8 / 3, 106 / 3, 3)
    assert (fixed["model"], fixed["reference"], fixed["scored"], fixed["missing"]) == (4.0, 8.0, 1, 2)
    assert fixed["value"] == 50.0


def test_no_review_and_no_answer_are_missing_in_both(tmp_path: Path) -> None:
    records = [review(0, "8 4"), review(1, None), review(2, "8 4", answer2=None)]
    for ratio in ratios(tmp_path, records):
        assert (ratio["value"], ratio["scored"], ratio["total"], ratio["missing"]) == (50.0, 1, 3, 2)


def test_the_recorded_pair_stands_in_for_a_reply_that_was_not_kept(tmp_path: Path) -> None:
    published, _ = ratios(tmp_path, [review(0, None, tuple=[8, 4])])
    assert published["value"] == 50.0


def test_reviews_without_any_score_give_none(tmp_path: Path) -> None:
    published, fixed = ratios(tmp_path, [review(0, "?")])
    assert (published["value"], fixed["value"]) == (None, None)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"question_id": None}, "'question_id' is missing"),
        ({"tuple": [1]}, "'tuple' must be two numbers"),
        ({"content": 7}, "'content' must be a text"),
        ({"annotation": {"bbox": [1]}}, "'annotation' has no usable mask"),
    ],
)
def test_a_malformed_review_is_named(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    with pytest.raises(DataError, match=f"record 0.*{says}"):
        read("ferret", [write(tmp_path, [{**review(0, "7 4"), **change}])])
