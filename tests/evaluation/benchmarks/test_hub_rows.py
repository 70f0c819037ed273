"""Rows are the same whether a data set lies as parquet, saved, or as lines; images are not touched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gartk.errors import DataError
from gartk.evaluation.benchmarks.rows import read_rows
from gartk.testing.benchmark_files import draw_image, write_json

datasets = pytest.importorskip("datasets", reason="needs the extra 'eval'")
ROWS = [{"question": f"Q{n}", "answer": "A"} for n in range(3)]


def table(tmp_path: Path, *, image: bool = True) -> Any:
    draw_image(tmp_path / "a.png", [((1, 1, 9, 9), "red")])
    data = (tmp_path / "a.png").read_bytes()
    rows: dict[str, Any] = {key: [row[key] for row in ROWS] for key in ("question", "answer")}
    text = datasets.Value("string")
    features = {"question": text, "answer": text}
    if image:
        rows["image"] = [{"bytes": data, "path": None}] * 3
        features["image"] = datasets.Image()
    return datasets.Dataset.from_dict(rows, features=datasets.Features(features))


def read(folder: Path, tmp_path: Path, tables: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    fields = read_rows(folder, tables=tables, source="the hub", images=tmp_path / "images")
    return [dict(one.record) for one in fields]


def test_parquet_shards_and_saved_data_sets_give_rows_and_files(tmp_path: Path) -> None:
    made = table(tmp_path)
    (tmp_path / "p" / "data").mkdir(parents=True)
    made.select([0, 1]).to_parquet(str(tmp_path / "p" / "data" / "test-00000-of-00002.parquet"))
    made.select([2]).to_parquet(str(tmp_path / "p" / "data" / "test-00001-of-00002.parquet"))
    made.save_to_disk(str(tmp_path / "s"))
    datasets.DatasetDict({"test": made}).save_to_disk(str(tmp_path / "d"))
    rows = [read(tmp_path / name, tmp_path) for name in "ps"]
    assert rows[0] == rows[1]
    assert [row["question"] for row in rows[0]] == ["Q0", "Q1", "Q2"]
    (name,) = {row["image"] for row in rows[0]}
    assert name.endswith(".png")
    assert (tmp_path / "images" / name).read_bytes() == (tmp_path / "a.png").read_bytes()
    assert [path.name for path in (tmp_path / "images").iterdir()] == [name]


def test_a_place_names_the_shard_and_the_row(tmp_path: Path) -> None:
    table(tmp_path).to_parquet(str(tmp_path / "test.parquet"))
    fields = read_rows(tmp_path, tables=(), source="the hub", images=tmp_path / "images")
    assert fields[2].where == f"{tmp_path / 'test.parquet'}, record 2"


def test_a_table_by_name_comes_first(tmp_path: Path) -> None:
    write_json(tmp_path / "q.jsonl", [{"question": "from lines"}])
    table(tmp_path).to_parquet(str(tmp_path / "test.parquet"))
    assert read(tmp_path, tmp_path, ("no.csv", "q.jsonl")) == [{"question": "from lines"}]


def test_rows_without_images_are_rows_too(tmp_path: Path) -> None:
    table(tmp_path, image=False).to_parquet(str(tmp_path / "test.parquet"))
    assert read(tmp_path, tmp_path) == ROWS


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    for name in ("p", "s", "n", "d"):
        (tmp_path / name).mkdir()
    (tmp_path / "p" / "bad.parquet").write_bytes(b"PAR1 no table PAR1")
    with pytest.raises(DataError, match="bad.parquet cannot be read as parquet"):
        read(tmp_path / "p", tmp_path)
    (tmp_path / "s" / "dataset_info.json").write_text("{")
    with pytest.raises(DataError, match="s cannot be read as a saved data set"):
        read(tmp_path / "s", tmp_path)
    with pytest.raises(DataError, match=r"n has no q.jsonl or \*.parquet. Get it from the hub"):
        read(tmp_path / "n", tmp_path, ("q.jsonl",))
    (tmp_path / "n" / "q.csv").write_bytes(b"\xff\xfe\x00bad")
    with pytest.raises(DataError, match="q.csv cannot be read as CSV"):
        read(tmp_path / "n", tmp_path, ("q.csv",))
    made = table(tmp_path)
    datasets.DatasetDict({"val": made, "test": made}).save_to_disk(str(tmp_path / "d"))
    with pytest.raises(DataError, match="has the splits val, test; keep the one"):
        read(tmp_path / "d", tmp_path)
