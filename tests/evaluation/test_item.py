"""Published records become items and come back unchanged; what is malformed is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gartk.errors import DataError
from gartk.evaluation.item import check_unique, complete, mask_problem, read_records
from tests.evaluation.benches import read, record_of

RECORD: dict[str, Any] = {
    "image": "images/vqa_0.png",
    "mask_rles": [{"size": [2, 3], "counts": [1, 5]}, {"size": [2, 3], "counts": "06"}],
    "question": "Which?",
    "choices": ["A. red", "B. blue"],
    "answer": "A",
    "type": "color",
    "model_output": "B",
    "image_path": "/somewhere/else.jpg",
    "note": {"unknown": [1, None, ""]},
}


def write(folder: Path, value: object, name: str = "records.json") -> Path:
    path = folder / name
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return path


def test_a_record_fills_the_item_and_keeps_what_it_does_not_know(tmp_path: Path) -> None:
    (item,) = read("gar-vqa", [write(tmp_path, [RECORD])])
    assert (item.benchmark, item.id, item.task, item.reference) == (
        "gar-vqa",
        "images/vqa_0.png",
        "color",
        "A",
    )
    assert item.prediction == "B"
    assert item.masks == tuple(RECORD["mask_rles"])
    assert item.extra["note"] == RECORD["note"]
    assert "model_output" not in item.extra


@pytest.mark.parametrize("absent", [None, "model_output", "mask_rles", "question", "note"])
@pytest.mark.parametrize("empty", [None, "model_output", "question", "mask_rles"])
def test_converting_back_gives_the_published_record(
    tmp_path: Path, absent: str | None, empty: str | None
) -> None:
    record = {key: value for key, value in reversed(RECORD.items()) if key != absent}
    if empty in record:
        record[empty] = None
    (item,) = read("gar-vqa", [write(tmp_path, [record])])
    assert record_of(item) == record


@pytest.mark.parametrize("key", ["image", "type", "answer", "choices"])
def test_a_missing_field_is_named_with_file_and_record(tmp_path: Path, key: str) -> None:
    path = write(tmp_path, [RECORD, {k: v for k, v in RECORD.items() if k != key}])
    with pytest.raises(DataError, match=rf"records\.json, record 1.*field '{key}' is missing"):
        read("gar-vqa", [path])


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("model_output", 3, "must be a text, not 3"),
        ("model_output", ["B"], "must be a text"),
        ("mask_rles", {"size": [1, 1]}, "must be a list of masks"),
        ("mask_rles", [{"size": [2, 3], "counts": [1, 4]}], "do not add up"),
        ("mask_rles", [{"size": [2], "counts": "06"}], "'size' must be height and width"),
        ("choices", "A. red", "must be a list"),
        ("choices", ["A. red", 4], "must be a list of texts, not 4"),
        ("answer", "E", "none of the letters A, B"),
        ("answer", " ", "is empty"),
        ("image", 2.5, "must be a text"),
    ],
)
def test_a_wrong_type_is_named_with_its_field(tmp_path: Path, key: str, value: object, says: str) -> None:
    with pytest.raises(DataError, match=f"record 0.*field '{key}' .*{says}"):
        read("gar-vqa", [write(tmp_path, [{**RECORD, key: value}])])


def test_lines_are_read_and_a_broken_one_is_numbered(tmp_path: Path) -> None:
    path = write(tmp_path, '{"a": "\u2028"}\n\n{"a": 2}\n', "records.jsonl")
    assert [fields.record["a"] for fields in read_records(path)] == ["\u2028", 2]
    with pytest.raises(DataError, match="line 2 is not JSON"):
        read_records(write(tmp_path, '{"a": 1}\n{"a"\n', "records.jsonl"))


@pytest.mark.parametrize("value", [{}, 3, None, [3], [[]], [None]])
def test_what_is_no_list_of_objects_is_refused(tmp_path: Path, value: object) -> None:
    with pytest.raises(DataError, match="must (hold a list|be an object)"):
        read_records(write(tmp_path, value))


def test_an_item_that_comes_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'images/vqa_0\.png' is there twice"):
        read("gar-vqa", [write(tmp_path, [RECORD, RECORD])])


def test_annotated_items_without_a_record_are_added_and_unknown_ones_refused(tmp_path: Path) -> None:
    (first,) = read("gar-vqa", [write(tmp_path, [RECORD])])
    (second,) = read("gar-vqa", [write(tmp_path, [{**RECORD, "image": "images/vqa_1.png"}])])
    both = complete([first], [first, second])
    assert [(item.id, item.prediction) for item in both] == [(first.id, "B"), (second.id, None)]
    with pytest.raises(DataError, match="not in the annotations"):
        complete([first, second], [first])
    assert check_unique([first, second]) == [first, second]


@pytest.mark.parametrize(
    "mask",
    [
        {"size": [2, 2], "counts": "04"},
        {"size": [2, 2], "counts": [0, 4]},
        {"bbox": [1, 2.5, 3, 4]},
        {"segmentation": [[0, 0, 1, 0, 1, 1]], "bbox": [0, 0, 1, 1]},
        {"segmentation": None},
        {"segmentation": {}},
        {"2": {"segmentation": {"size": [2, 2], "counts": [4]}}, "6": {"segmentation": None}},
    ],
)
def test_every_published_form_of_mask_is_taken(mask: dict[str, Any]) -> None:
    assert mask_problem(mask) is None


@pytest.mark.parametrize(
    "mask",
    [
        3,
        {"counts": "04"},
        {"size": [0, 2], "counts": "04"},
        {"size": [2, 2], "counts": [-1, 5]},
        {"size": [2, True], "counts": [2]},
        {"bbox": [1, 2, 3]},
        {"bbox": [1, 2, 3, 10**400]},
        {"segmentation": [[0, 0, 1, 0, 1]]},
        {"segmentation": "x"},
        {"area": 3},
    ],
)
def test_a_malformed_mask_is_described(mask: object) -> None:
    assert mask_problem(mask)
