"""Recorded verdicts are given again, to the predictions that they were about and to no others."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from gartk.errors import ConfigError, DataError
from gartk.evaluation.by_name import build_judge
from gartk.evaluation.item import JUDGE
from gartk.evaluation.judges.base import judgements_of
from gartk.evaluation.judges.replay import NOT_RECORDED, OTHER_PREDICTION
from tests.evaluation.benches import judged_by, record_of, report
from tests.evaluation.judges.cases import CAP_SIMPLE
from tests.evaluation.judges.test_chat_judge import judge_of
from tests.evaluation.statistics.test_item_scores import RECORDED, recorded


@pytest.mark.parametrize("benchmark", ["gar-cap", "dlc", "ferret"])
def test_a_replay_of_the_published_verdicts_gives_the_published_scores(
    shared_dir: Path, benchmark: str
) -> None:
    judged = recorded(shared_dir, benchmark)
    files = [shared_dir / "data" / name for name in RECORDED[benchmark]]
    again = judged_by(build_judge("replay", {"files": files}), [replace(item, replies={}) for item in judged])
    want, found = (report(benchmark, items)["variants"] for items in (judged, again))
    assert found == want
    assert {entry["judge"] for item in again for entry in judgements_of(item)} == {"published"}


def test_a_verdict_about_another_prediction_is_not_given(tmp_path: Path) -> None:
    path = tmp_path / "judged.json"
    record = {"image": CAP_SIMPLE.id, "answer": "x", "model_output": "y", "eval_result": "True"}
    path.write_text(json.dumps([record]), encoding="utf-8")
    judge = build_judge("replay", {"files": path})
    same, other, unknown = judged_by(
        judge,
        [
            replace(CAP_SIMPLE, prediction="y"),
            replace(CAP_SIMPLE, prediction="z"),
            replace(CAP_SIMPLE, id="images/c.png"),
        ],
    )
    assert same.replies[JUDGE] == "True"
    assert [judgements_of(item)[0]["problem"] for item in (other, unknown)] == [
        OTHER_PREDICTION,
        NOT_RECORDED,
    ]
    assert other.replies == unknown.replies == {}


def test_questions_of_dlc_are_matched_by_their_options_not_their_order(shared_dir: Path) -> None:
    judged = recorded(shared_dir, "dlc")
    turned = [
        replace(item, replies={}, extra={**item.extra, part: item.extra[part][::-1]})
        for item in judged
        for part in ["details_negatives"]
    ]
    files = [shared_dir / "data" / name for name in RECORDED["dlc"]]
    again = judged_by(build_judge("replay", {"files": files}), turned)
    assert report("dlc", again)["variants"] == report("dlc", judged)["variants"]


def test_our_own_records_are_replayed_judge_by_judge(tmp_path: Path) -> None:
    (item,) = judged_by(judge_of("True"), [CAP_SIMPLE])
    path = tmp_path / "judged.json"
    path.write_text(json.dumps([record_of(item)]), encoding="utf-8")
    (again,) = judged_by(build_judge("replay", {"files": [path]}), [CAP_SIMPLE])
    (entry,) = judgements_of(again)
    assert (entry["judge"], entry["prompt"], entry["reply"]) == ("published", "gar_cap_simple_text/1", "True")
    two = replace(item, extra={**item.extra, "judgements": [*judgements_of(item), {**judgements_of(item)[0],
                  "judge": "other", "reply": "False"}]})  # fmt: skip
    path.write_text(json.dumps([record_of(two)]), encoding="utf-8")
    with pytest.raises(ConfigError, match="verdicts of m, other; say whose"):
        judged_by(build_judge("replay", {"files": path}), [CAP_SIMPLE])
    (chosen,) = judged_by(build_judge("replay", {"files": path, "judge": "other"}), [CAP_SIMPLE])
    assert (chosen.replies[JUDGE], chosen.replies["other"]) == ("False", "False")


def test_a_file_that_is_not_of_the_benchmark_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DataError, match="must hold a list"):
        judged_by(build_judge("replay", {"files": tmp_path / "a.json"}), [CAP_SIMPLE])
