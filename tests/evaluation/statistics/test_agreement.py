"""Agreement of judges: percent, kappa and the order of models."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gartk.errors import DataError
from gartk.evaluation.by_name import build_judge
from gartk.evaluation.item import JUDGE, Item
from gartk.evaluation.statistics.agreement import (
    agree,
    compare_verdicts,
    headline_scores,
    rank_agreement,
    ranks,
)
from tests.evaluation.benches import bench, judged_by, read
from tests.evaluation.statistics.test_item_scores import recorded

# Grasp Any Region, Table 14: the scores of ten models by four judges.
TABLE_14 = {
    "GPT-4o": (13.1, 21.1, 32.3, 36.8, 45.1, 51.5, 56.9, 57.5, 59.3, 62.2),
    "o3": (9.3, 21.5, 27.5, 28.1, 30.8, 31.8, 37.8, 37.4, 44.5, 46.7),
    "Gemini-2.5-Flash": (9.4, 25.3, 30.4, 37.4, 41.9, 46.3, 52.8, 55.1, 57.4, 60.3),
    "Gemini-2.5-Pro": (0.3, 31.3, 32.7, 41.8, 47.4, 50.6, 60.7, 59.8, 61.3, 62.6),
}
MODELS = ("DAM", "PAM", "VP-SPHINX", "Qwen2.5-VL", "InternVL3", "GPT-4o", "o3", "GAR-1B", "Gemini", "GAR-8B")


def caption(ident: str, reply: str, *, said: str = "x") -> Item:
    return Item("gar-cap", ident, task="simple", prediction=said, replies={JUDGE: reply})


def test_kappa_is_cohens() -> None:
    # The textbook table 20, 5, 10, 15: observed 0.7, by chance 0.5.
    pairs = [("yes", "yes")] * 20 + [("yes", "no")] * 5 + [("no", "yes")] * 10 + [("no", "no")] * 15
    found = compare_verdicts(pairs)
    assert (found.same, found.both, found.percent) == (35, 50, 70)
    assert found.kappa == pytest.approx(0.4)
    assert found.interval is not None
    assert found.interval[0] < 0.4 < found.interval[1]
    assert found.table == {"no / no": 15, "no / yes": 10, "yes / no": 5, "yes / yes": 20}


def test_ratings_that_lie_near_count_more_than_those_far_away() -> None:
    near = compare_verdicts([(1.0, 2.0), (5.0, 6.0), (9.0, 10.0), (3.0, 3.0)])
    far = compare_verdicts([(1.0, 9.0), (5.0, 1.0), (9.0, 2.0), (3.0, 3.0)])
    assert near.weighted
    assert (near.kappa or 0) > 0.9 > 0 > (far.kappa or 0)


def test_judges_that_always_say_one_thing_have_no_kappa() -> None:
    found = compare_verdicts([("True", "True")] * 4)
    assert (found.percent, found.kappa, found.interval) == (100, None, None)
    assert str(found) == "4/4 = 100.0 %, kappa none"
    assert compare_verdicts([]).percent is None


def test_unreadable_replies_and_other_predictions_are_counted_and_not_compared() -> None:
    one = [caption("1", "True"), caption("2", "hm"), caption("3", "False"), caption("4", "True")]
    two = [caption("1", "true."), caption("2", "True"), caption("3", "?"), caption("4", "True", said="y")]
    found = agree(bench("gar-cap"), one, two, names=("a", "b"))
    assert (found.both, found.same, found.only_first, found.only_second, found.other_prediction) == (
        1,
        1,
        1,
        1,
        1,
    )
    with pytest.raises(DataError, match="a and b have no item in common"):
        agree(bench("gar-cap"), one, [caption("9", "True")], names=("a", "b"))


def test_the_two_recorded_judges_of_dlc_agree_on_most_questions(shared_dir: Path) -> None:
    text = recorded(shared_dir, "dlc")
    path = shared_dir / "data" / "dlc_bench" / "outputs" / "gar_1b" / "gar_1b_eval_gpt.json"
    found = agree(bench("dlc"), text, read("dlc", [str(path)]))
    assert (found.same, found.both, found.other_prediction) == (874, 992, 0)
    assert found.kappa == pytest.approx(0.75, abs=0.005)


def test_the_judge_by_rules_agrees_with_gpt_4o_as_the_documentation_says(shared_dir: Path) -> None:
    judged = recorded(shared_dir, "gar-cap")
    by_rules = judged_by(build_judge("rules"), judged)
    for kind, same, total, kappa in (("simple", 82, 97, 0.70), ("detailed", 65, 107, 0.28)):
        first, second = ([i for i in items if i.task == kind] for items in (judged, by_rules))
        found = agree(bench("gar-cap"), first, second)
        assert (found.same, found.both) == (same, total)
        assert found.kappa == pytest.approx(kappa, abs=0.005)


def test_the_papers_judges_agree_on_the_order_of_its_models() -> None:
    scores = {judge: dict(zip(MODELS, values, strict=True)) for judge, values in TABLE_14.items()}
    found = {(one.first, one.second): one for one in rank_agreement(scores)}
    assert len(found) == 6
    assert all(one.models == 10 for one in found.values())
    # Two neighbours are exchanged: o3 and GAR-1B, which 45 pairs of models count as one.
    assert found["GPT-4o", "Gemini-2.5-Flash"].kendall == pytest.approx(1.0)
    assert found["GPT-4o", "o3"].kendall == pytest.approx(43 / 45)
    assert found["o3", "Gemini-2.5-Pro"].kendall == pytest.approx(1.0)
    assert min(one.spearman or 0 for one in found.values()) == pytest.approx(1 - 6 * 2 / (10 * 99))
    assert ranks(scores["o3"])["o3"] == 3
    assert ranks(scores["GPT-4o"])["o3"] == 4


def test_one_model_has_no_order() -> None:
    assert rank_agreement({"a": {"m": 1.0}, "b": {"m": 2.0}})[0].kendall is None


def test_the_score_of_a_model_counts_missing_verdicts_as_no_hits() -> None:
    items = [caption("1", "True"), caption("2", "hm"), replace(caption("3", "True"), prediction=None)]
    assert headline_scores(bench("gar-cap"), {"m": items}) == {"m": pytest.approx(100 / 3)}
