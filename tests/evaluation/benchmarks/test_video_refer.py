"""VideoRefer-Bench: four dimensions by name, and letters by its own rule beside the two others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gartk.errors import DataError
from gartk.evaluation.benchmarks.video_refer import DIMENSIONS, parse_dimensions, published_letter
from tests.evaluation.benches import read, record_of, report

FULL = (
    "1. Subject Correspondence: 4\n2. Appearance Description: 3 - fine\n"
    "3. **Temporal Description**: 2\n4. Hallucination Detection: 5"
)


def write(folder: Path, records: list[dict[str, Any]]) -> Path:
    path = folder / "records.json"
    path.write_text(json.dumps(records), encoding="utf-8")
    return path


def description(number: int, reply: str | None, **more: Any) -> dict[str, Any]:
    annotation = [{"2": {"segmentation": {"size": [2, 2], "counts": [4]}}, "6": {"segmentation": None}}]
    record = {"id": number, "video": "a.mp4", "caption": "A cub.", "frame_idx": "3", "annotation": annotation}
    return {**record, "pred": "A lion.", **({} if reply is None else {"reply": reply}), **more}


def question(number: int, said: str | None, **more: Any) -> dict[str, Any]:
    record = {"id": number, "video": "v", "Question": "What is <object3><region>?", "type": "Basic Questions"}
    record |= {"options": ["(A) A helmet", "(B) A hat"], "Answer": "(B) A hat"}
    return {**record, **({} if said is None else {"pred": said}), **more}


def test_dimensions_are_read_from_a_numbered_list() -> None:
    assert parse_dimensions(FULL) == dict(zip(DIMENSIONS, (4, 3, 2, 5), strict=True))
    assert parse_dimensions("1. Appearance: 3\n9. Else: 2") == {"Appearance Description": 3}
    assert parse_dimensions("") == {}


def test_dimensions_that_lack_shrink_the_mean_as_published_and_are_missing_as_fixed(tmp_path: Path) -> None:
    partial = "1. Subject Correspondence: 2"
    records = [
        description(0, FULL),
        description(1, partial),
        description(2, None),
        description(3, FULL, pred=None),
    ]
    records.append(
        description(4, FULL.replace("2. Appearance Description: 3", "2. Appearance Description: 30"))
    )
    items = read("videorefer-d", [write(tmp_path, records)])
    variants = report("videorefer-d", items)["variants"]
    first = variants["published"]["Subject Correspondence"]
    assert (first["value"], first["scored"], first["total"], first["missing"]) == (
        pytest.approx(10 / 3),
        3,
        5,
        2,
    )
    assert variants["published"]["Appearance Description"]["value"] == pytest.approx(16.5)
    fixed = {name: (mean["value"], mean["scored"]) for name, mean in variants["fixed"].items()}
    assert fixed == {**{n: (v, 1) for n, v in zip(DIMENSIONS, (4, 3, 2, 5), strict=True)}, "Avg": (3.5, 1)}
    assert [record_of(item) for item in items] == records


def test_recorded_scores_by_name_are_taken(tmp_path: Path) -> None:
    records = [description(0, None, **dict.fromkeys(DIMENSIONS, 3))]
    variants = report("videorefer-d", read("videorefer-d", [write(tmp_path, records)]))["variants"]
    assert variants["published"]["Avg"]["value"] == variants["fixed"]["Avg"]["value"] == 3.0


@pytest.mark.parametrize(
    ("reply", "letter"),
    [
        ("(b) A hat", "B"),
        ("B) A hat", "B"),
        ("..b", "B"),
        ("A hat", "A"),
        ("Answer: B", "A"),
        ("", None),
        (" . ", None),
    ],
)
def test_the_published_letter_is_the_first_that_could_be_one(reply: str, letter: str | None) -> None:
    assert published_letter(reply) == letter


def test_letters_are_scored_by_three_rules(tmp_path: Path) -> None:
    said = ["(B) A hat", "B", "Answer: B", "A hat", "", None]
    items = read("videorefer-q", [write(tmp_path, [question(n, text) for n, text in enumerate(said)])])
    variants = report("videorefer-q", items)["variants"]
    counts = {k: [v["overall"][name] for name in ("hits", "total", "missing")] for k, v in variants.items()}
    assert counts == {"published": [2, 6, 2], "strict": [1, 6, 1], "lenient": [4, 6, 2]}
    assert list(variants["published"]["tasks"]) == ["Basic"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"Answer": "hat"}, "'Answer' must begin with a letter"),
        ({"options": None}, "'options' is missing"),
        ({"type": None}, "'type' is missing"),
        ({"pred": ["B"]}, "'pred' must be a text"),
        ({"annotation": [3]}, "'annotation' has no usable mask 0"),
    ],
)
def test_a_malformed_question_is_named(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    with pytest.raises(DataError, match=f"record 0.*{says}"):
        read("videorefer-q", [write(tmp_path, [question(0, "B", **change)])])
