"""Malformed replies, masks, records and texts: refused with a DataError or missing, never anything else.

With tests/evaluation/test_score.py, which feeds malformed records to every reader and scorer.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from gartk.errors import ConfigError, DataError
from gartk.evaluation.by_name import build_judge
from gartk.evaluation.item import JUDGE, Item
from gartk.evaluation.judgements import JudgeReply, judges_of
from gartk.evaluation.pictures import item_regions
from gartk.evaluation.report.page import render_page
from gartk.evaluation.results import Results
from gartk.evaluation.statistics.agreement import agree
from gartk.evaluation.statistics.item_scores import item_scores
from tests.evaluation.benches import (
    bench,
    by_judge,
    judged_by,
    read,
    read_reply,
    report,
    to_judge,
    verdicts_of,
    with_judgements,
)
from tests.evaluation.judges.cases import ALL, CAP_SIMPLE, DLC, FERRET, VIDEO
from tests.evaluation.test_score import GOOD, JSON, TEXTS, leaves, malformed, write

Check = Callable[..., Any]


def fuzz(count: int) -> Callable[[Check], Check]:
    return settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


NUMBERS = [
    "7 4",
    "7,4",
    "11 3",
    "-1 -1",
    "nan nan",
    "1e400 1",
    "7",
    "7 four",
    "0x7 4",
    "١ ٢",
    "1_0 2",
    "7 4 5",
    "∞ 1",
]
WORDS = [
    "True",
    "true",
    " False.",
    "TRUE and FALSE",
    "A. Yes",
    "b",
    "Not sure",
    "C. Maybe",
    "e",
    "a.\n",
    "**A**",
]
LINES = [
    "1. Subject Correspondence: 4",
    "4. Hallucination Detection: 99999999999",
    "2. Appearance: -1",
    "3.:5",
]
REPLIES = st.one_of(
    TEXTS,
    st.sampled_from([*NUMBERS, *WORDS, *LINES]),
    st.lists(st.sampled_from([*NUMBERS, *WORDS, *LINES]), max_size=5).map("\n".join),
    st.text(alphabet="ABCDEabTrueFls.: \n0123456789-,", max_size=30),
)
ITEMS = [*(item for item in ALL if item.benchmark != "mdvp"), to_judge(ALL[4:5])[-1]]


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: f"{item.benchmark}-{item.task}")
def test_a_reply_of_any_kind_has_one_reading_and_the_scorer_agrees_with_it(item: Item) -> None:
    questions = 3 if item.benchmark == "dlc" else 1

    @fuzz(150)
    @given(st.lists(REPLIES | st.none(), min_size=questions, max_size=questions))
    def check(said: list[str | None]) -> None:
        judged = with_judgements(item, "j", [JudgeReply("p/1", one) for one in said])
        json.dumps(judged.extra["judgements"])
        scored = report(item.benchmark, [judged])
        json.dumps(scored, allow_nan=False)
        verdicts = verdicts_of(judged)
        rule = next(name for name in scored["variants"] if name.startswith(("tolerant", "fixed")))
        if item.benchmark == "mdvp":
            rule = "fixed pairing, fixed replies"
        if all(one is None for one in verdicts.values()):
            assert _values(scored["variants"][rule]) == []
        # A strict reading never says other than the tolerant one.
        for number, one in enumerate(said):
            if one is not None:
                reading = read_reply(judged, number, one)
                assert reading.strict is None or reading.strict == reading.tolerant
        if item.benchmark == "gar-cap" and said[0] is not None:
            hit = scored["variants"]["tolerant"][item.task]["hits"]
            assert hit == (said[0].strip(" \t\r\n.!\"'*`").lower() == "true")

    check()


def _values(scores: Any) -> list[Any]:
    return [
        leaf
        for leaf in leaves(scores)
        if leaf.get("percent") not in (None, 0.0) or leaf.get("value") is not None
    ]


@pytest.mark.parametrize("benchmark", ["gar-cap", "dlc", "ferret", "mdvp", "videorefer-d"])
def test_malformed_recorded_files_are_replayed_or_refused(benchmark: str) -> None:
    folder = Path(tempfile.mkdtemp())
    asked = {"gar-cap": CAP_SIMPLE, "dlc": DLC, "ferret": FERRET, "videorefer-d": VIDEO}.get(benchmark)
    item = replace(asked, id=asked.id) if asked is not None else to_judge(ALL[4:5])[-1]

    @fuzz(120)
    @given(malformed(benchmark))
    def check(record: object) -> None:
        path = write(folder / "records.json", benchmark, record)
        try:
            (again,) = judged_by(build_judge("replay", {"files": path}), [item])[-1:]
        except (DataError, ConfigError):
            return
        # The record is about another prediction than the item's, so nothing of it may be taken over.
        assert JUDGE not in again.replies or set(again.replies[JUDGE]) == {None}
        assert not _values(report(benchmark, [again])["variants"])

    check()


@pytest.mark.parametrize("benchmark", GOOD)
def test_malformed_records_pass_statistics_and_page_or_are_refused(benchmark: str) -> None:
    folder = Path(tempfile.mkdtemp())
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(folder / "image.png")

    @fuzz(60)
    @given(malformed(benchmark))
    def check(record: object) -> None:
        try:
            items = read(benchmark, [write(folder / "records.json", benchmark, record)])
            scores = item_scores(bench(benchmark), items)
            page = render_page(
                Results(benchmark, items, {}, 0.0),
                benchmark=bench(benchmark),
                find_image=lambda _: folder / "image.png",
            )
        except DataError:
            return
        page.encode("utf-8")
        assert page.count("<script") == 2
        for column in scores.by_rule.values():
            assert len(column) == len(scores.keys)

    check()


@pytest.mark.parametrize("form", ["rle", "text", "segmentation", "bbox"])
def test_a_malformed_mask_is_refused_or_is_a_region_of_the_image(form: str) -> None:
    rle = st.fixed_dictionaries(
        {
            "size": st.sampled_from([[4, 6], [6, 4], [0, 0], [4], [10**9, 10**9], ["4", "6"], [4.0, 6.0]])
            | JSON,
            "counts": JSON | st.lists(st.integers(-2, 30), max_size=6),
        }
    )
    text = st.fixed_dictionaries(
        {"size": st.just([4, 6]), "counts": st.text(alphabet="0123456789:;<=>?@OPNMLo`_\\", max_size=8)}
    )
    ring = st.lists(st.sampled_from([0, 1, 3.5, 6, -9, 1e300, 10**400]), max_size=9)
    forms = {
        "rle": rle,
        "text": text,
        "segmentation": st.fixed_dictionaries({"segmentation": st.lists(ring, max_size=2) | rle | JSON}),
        "bbox": st.fixed_dictionaries(
            {"bbox": st.lists(st.sampled_from([0, 1, -1, 2.5, 1e9, True]), max_size=5)}
        ),
    }

    @fuzz(200)
    @given(forms[form] | JSON)
    def check(mask: Any) -> None:
        try:
            (region,) = item_regions([mask], (4, 6), where="fuzz")
        except DataError:
            return
        assert region.mask.shape == (4, 6)
        assert region.mask.any()

    check()


@fuzz(300)
@given(
    st.lists(st.tuples(TEXTS, REPLIES | st.none(), REPLIES | st.none()), max_size=4, unique_by=lambda t: t[0])
)
def test_agreement_of_any_replies_is_counted_over_all_of_them(said: list[tuple[str, Any, Any]]) -> None:
    def judged(place: int) -> list[Item]:
        return [
            with_judgements(replace(CAP_SIMPLE, id=one[0]), "j", [JudgeReply("p/1", one[place])])
            for one in said
        ]

    try:
        found = agree(bench("gar-cap"), judged(1), judged(2))
    except DataError:
        return
    assert found.both + found.only_first + found.only_second <= len(said)
    assert found.same <= found.both
    json.dumps(found.to_json(), allow_nan=False)


ENTRIES = st.fixed_dictionaries(
    {
        "judge": st.just("j") | JSON,
        "question": st.integers(-2, 4) | JSON,
        "reply": REPLIES | st.none() | JSON,
    },
    optional={"prompt": JSON, "verdict": JSON, "problem": JSON},
)


@fuzz(400)
@given(JSON | st.lists(ENTRIES, max_size=4), st.sampled_from([CAP_SIMPLE, DLC, FERRET, VIDEO]))
def test_malformed_judgements_in_a_record_are_refused_or_read(judgements: Any, item: Item) -> None:
    item = replace(item, extra={**item.extra, "judgements": judgements})
    try:
        for name in judges_of([item]):
            json.dumps(report(item.benchmark, by_judge([item], name)), allow_nan=False)
        render_page(Results(item.benchmark, [item], {}, 0.0), benchmark=bench(item.benchmark))
    except DataError:
        return
    assert judgements is None or isinstance(judgements, list)
