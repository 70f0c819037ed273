"""Every item scores by itself what it adds to the benchmark's score."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest

from gartk.errors import DataError
from gartk.evaluation.item import JUDGE, Item
from gartk.evaluation.statistics.item_scores import item_scores
from tests.evaluation.benches import bench, read

RECORDED = {
    "gar-vqa": ["gar_bench/outputs/gar_1b/gar_1b_vqa.json"],
    "gar-cap": [
        "gar_bench/outputs/gar_1b/gar_1b_simple_eval.json",
        "gar_bench/outputs/gar_1b/gar_1b_detailed_eval.json",
    ],
    "dlc": ["dlc_bench/outputs/gar_1b/gar_1b_eval.json"],
    "ferret": ["ferret_bench/outputs/gar_1b/judged/review_refer_desc.jsonl"],
}


def choice(ident: str, task: str, answer: str, said: str | None) -> Item:
    extra = {"choices": ["A. red", "B. blue"]}
    return Item("gar-vqa", ident, task=task, reference=answer, prediction=said, extra=extra)


def recorded(shared_dir: Path, benchmark: str) -> list[Item]:
    files = [shared_dir / "data" / name for name in RECORDED[benchmark]]
    if not all(file.is_file() for file in files):
        pytest.skip(f"no recorded outputs of {benchmark} in {shared_dir}")
    return read(benchmark, [str(file) for file in files])


def test_a_choice_is_right_wrong_or_missing_by_each_rule() -> None:
    items = [
        choice("1", "color", "A", "A"),
        choice("2", "color", "A", "(A)"),
        choice("3", "shape", "A", None),
    ]
    scores = item_scores(bench("gar-vqa"), items)
    assert scores.by_rule == {"strict": (1.0, 0.0, None), "lenient": (1.0, 1.0, None)}
    assert scores.is_binary
    assert scores.tasks == ("color", "color", "shape")


@pytest.mark.parametrize(
    ("benchmark", "rule", "total"), [("gar-vqa", "strict", 203), ("gar-cap", "published", 125)]
)
def test_the_recorded_hits_add_up_to_the_benchmarks(
    shared_dir: Path, benchmark: str, rule: str, total: int
) -> None:
    scores = item_scores(bench(benchmark), recorded(shared_dir, benchmark)).rule(rule)
    assert sum(score or 0 for score in scores) == total


def test_the_regions_of_dlc_average_to_its_avg(shared_dir: Path) -> None:
    scores = item_scores(bench("dlc"), recorded(shared_dir, "dlc"))
    assert not scores.is_binary
    assert fmean(score or 0 for score in scores.rule("published")) == pytest.approx(67.945833, abs=1e-5)


def test_a_review_scores_the_models_rating() -> None:
    review = Item("ferret", "0", prediction="x", replies={JUDGE: "7 4"})
    unread = replace(review, id="1", replies={JUDGE: "good"})
    scores = item_scores(bench("ferret"), [review, unread])
    assert scores.by_rule == {"published": (4.0, -1.0), "fixed": (4.0, None)}


def test_reviews_of_mdvp_count_for_the_rules_of_their_pairing() -> None:
    items = [
        Item("mdvp", f"review {pairing} 1", task="web", prediction="x", replies={JUDGE: "8 4"},
             extra={"category": "web", "pairing": pairing})
        for pairing in ("published", "fixed")
    ]  # fmt: skip
    scores = item_scores(bench("mdvp"), [Item("mdvp", "0 a", task="web", prediction="caption"), *items])
    assert scores.by_rule["fixed pairing, fixed replies"] == (None, 4.0)
    assert scores.by_rule["published pairing, fixed replies"] == (4.0, None)


def test_an_unknown_rule_and_no_item_are_refused() -> None:
    with pytest.raises(DataError, match="no rule 'srtict'. Did you mean 'strict'"):
        item_scores(bench("gar-vqa"), [choice("1", "color", "A", "A")]).rule("srtict")
    with pytest.raises(DataError, match="mdvp: there is no item"):
        item_scores(bench("mdvp"), [Item("mdvp", "0 a", task="web", prediction="caption")])
