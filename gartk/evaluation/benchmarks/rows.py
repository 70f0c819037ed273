"""Rows of data sets in the layouts of the Hugging Face hub: parquet or arrow with images inside, or files."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gartk.errors import ConfigError, DataError
from gartk.evaluation.item import Fields, read_records, shown

IMAGE = "image"
_ENDINGS = {b"\xff\xd8": "jpg", b"\x89P": "png", b"RI": "webp", b"GI": "gif", b"BM": "bmp"}


def read_rows(folder: Path, *, tables: Sequence[str], source: str, images: Path) -> list[Fields]:
    """Read the rows of a data set in a folder.

    Looked for are, in this order: the files named in ``tables`` (.json, .jsonl or .csv), a data set that
    ``datasets`` saved, and *.parquet, also in a folder ``data``. An image inside a row is written
    to ``images`` (once) and its field becomes the name of that file.

    Raises: DataError naming file and record, or what to get from where.
    """
    for name in tables:
        path = folder / name
        if path.is_file():
            return _from_csv(path) if path.suffix == ".csv" else read_records(path)
    shards = sorted(folder.glob("*.parquet")) or sorted(folder.glob("data/*.parquet"))
    if shards:
        return [_row(row, where, images) for row, where in _parquet(shards)]
    if (folder / "dataset_info.json").is_file() or (folder / "dataset_dict.json").is_file():
        return [_row(row, where, images) for row, where in _saved(folder)]
    named = " or ".join([*tables, "*.parquet"])
    raise DataError(f"{folder} has no {named}. Get it from {source} and put it there.")


def _datasets() -> Any:
    try:
        import datasets
    except ImportError as error:
        raise ConfigError("Reading parquet needs the package datasets: pip install 'gartk[eval]'.") from error
    return datasets


def _parquet(shards: Sequence[Path]) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Read shard by shard, without a copy in a cache, so that errors can name the file."""
    datasets = _datasets()
    number = 0
    for shard in shards:
        try:
            rows = datasets.load_dataset("parquet", data_files=[str(shard)], split="train", streaming=True)
            for row in _undecoded(datasets, rows):
                yield row, f"{shard}, record {number}"
                number += 1
        except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
            raise DataError(f"{shard} cannot be read as parquet: {error}") from error


def _saved(folder: Path) -> Iterator[tuple[Mapping[str, Any], str]]:
    datasets = _datasets()
    try:
        found = datasets.load_from_disk(str(folder))
    except (OSError, ValueError) as error:
        raise DataError(f"{folder} cannot be read as a saved data set: {error}") from error
    parts = list(found.values()) if isinstance(found, Mapping) else [found]
    if len(parts) != 1:
        raise DataError(f"{folder} has the splits {', '.join(found)}; keep the one to test on.")
    for number, row in enumerate(_undecoded(datasets, parts[0])):
        yield row, f"{folder}, record {number}"


def _undecoded(datasets: Any, rows: Any) -> Any:
    """Return the images as they are stored, so that nothing is compressed a second time."""
    columns = rows.column_names or []
    return rows.cast_column(IMAGE, datasets.Image(decode=False)) if IMAGE in columns else rows


def _row(row: Mapping[str, Any], where: str, images: Path) -> Fields:
    record = dict(row)
    stored = record.get(IMAGE)
    fields = Fields(record, where)
    if isinstance(stored, Mapping):
        data, path = stored.get("bytes"), stored.get("path")
        if not data and not path:
            fields.fail(IMAGE, "holds neither an image nor a path")
        record[IMAGE] = _write_once(images, data) if data else path
    elif stored is not None and not isinstance(stored, str):
        fields.fail(IMAGE, f"must be an image or a path, not {shown(stored)}")
    return fields


def _write_once(folder: Path, data: bytes) -> str:
    """Write an image under a name made of its content, unless it is there; return the name."""
    name = f"{hashlib.sha256(data).hexdigest()[:24]}.{_ENDINGS.get(bytes(data[:2]), 'img')}"
    path = folder / name
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        unfinished.write_bytes(data)
        unfinished.replace(path)
    return name


def _from_csv(path: Path) -> list[Fields]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as CSV: {error}") from error
    return [Fields(row, f"{path}, record {number}") for number, row in enumerate(rows)]
