"""Regions as command lines write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gartk.cli.region_flags import read_box, read_point, read_rles, read_scribble
from gartk.errors import RegionError

RLE = {"size": [2, 2], "counts": [1, 2, 1]}


def test_boxes_points_and_scribbles_are_read() -> None:
    assert read_box("1,2, 3.5,4") == {"box": [1, 2, 3.5, 4]}
    assert read_point("7,8") == {"points": [[7, 8]], "labels": [1]}
    assert read_point("7,8;9,1,0", segmenter="Sam") == {
        "points": [[7, 8], [9, 1]],
        "labels": [1, 0],
        "segmenter": "Sam",
    }
    assert read_scribble("1,2 3,4") == {"scribble": [[1, 2], [3, 4]]}


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (read_box, "1,2,3"),
        (read_box, "a,b,c,d"),
        (read_point, "5"),
        (read_point, "1,2,3"),
        (read_scribble, "1,2"),
    ],
)
def test_what_cannot_be_read_is_shown_with_the_right_form(read: Any, text: str) -> None:
    with pytest.raises(RegionError, match=f"is written .*{text}"):
        read(text)


@pytest.mark.parametrize(
    ("content", "path", "count"),
    [
        (RLE, "", 1),
        ([RLE, RLE], "", 2),
        ([RLE, RLE], "#1", 1),
        ({"mask_rles": [RLE, RLE, RLE]}, "", 3),
        ([{"x": 1}, {"mask_rle": RLE}], "#1", 1),
        ([{"mask_rles": [RLE, RLE]}], "#0/mask_rles/1", 1),
    ],
)
def test_rles_are_found_in_records(tmp_path: Path, content: Any, path: str, count: int) -> None:
    file = tmp_path / "records.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    assert read_rles(f"{file}{path}") == [RLE] * count


@pytest.mark.parametrize(
    ("content", "path", "says"),
    [
        ([{"mask_rles": [RLE]}] * 2, "", "a list of 2 records; choose one with .*#0"),
        ([RLE], "#4", "'4' is no index of a list of 1"),
        ({"a": 1}, "#b", "there is no 'b' in the keys"),
        ({"a": 1}, "", "a record without mask_rles"),
        ([], "", "must lead to RLEs"),
        (5, "", "leads to no RLE"),
    ],
)
def test_a_wrong_path_into_records_says_what_is_there(
    tmp_path: Path, content: Any, path: str, says: str
) -> None:
    file = tmp_path / "records.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(RegionError, match=says):
        read_rles(f"{file}{path}")


def test_a_file_that_is_no_json_is_named(tmp_path: Path) -> None:
    with pytest.raises(RegionError, match=r"missing\.json cannot be read as JSON"):
        read_rles(str(tmp_path / "missing.json"))
