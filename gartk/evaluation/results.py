"""The file that keeps what was run on a benchmark: every item, with what was said, and the scores."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gartk.errors import DataError
from gartk.evaluation.item import Fields, Item, is_number, shown
from gartk.io import read_json, write_atomic

FORMAT = "gartk-results-2"


@dataclass(frozen=True)
class Results:
    """The outcome of one benchmark: all items, the summary of their scores, and what was run."""

    benchmark: str
    records: list[Item]
    summary: Mapping[str, Any]
    seconds: float
    info: Mapping[str, Any] = field(default_factory=dict)

    def save(self, path: str | Path) -> None:
        """Write everything as one JSON file, which is whole or not there."""
        text = json.dumps({"format": FORMAT, **asdict(self)}, indent=1, ensure_ascii=False)
        write_atomic(path, text + "\n")


def read_results(path: str | Path) -> Results:
    """Read a results file.

    Raises: DataError if it is missing, not a results file, or an item in it is malformed.
    """
    raw = read_json(path)
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        raise DataError(f"{path} is not a results file (its format is not {FORMAT!r}).")
    fields = Fields(raw, str(path))
    items = []
    for number, entry in enumerate(fields.entries("records")):
        if not isinstance(entry, dict):
            fields.fail("records", f"has a record {number} that is no object but {shown(entry)}")
        items.append(item_from_json(Fields(entry, f"{path}, record {number}")))
    if not is_number(raw.get("seconds")):
        fields.fail("seconds", f"must be a number, not {shown(raw.get('seconds'))}")
    return Results(
        benchmark=fields.needed_text("benchmark"),
        records=items,
        summary=_mapping(fields, "summary"),
        seconds=raw["seconds"],
        info=_mapping(fields, "info"),
    )


def item_from_json(fields: Fields) -> Item:
    """Read an item that ``dataclasses.asdict`` and JSON have written.

    Raises: DataError if it is malformed.
    """
    unknown = set(fields.record) - set(Item.__dataclass_fields__)
    if unknown:
        fields.fail(min(unknown), "is not part of an item")
    scores = _mapping(fields, "scores")
    for name, value in scores.items():
        if value is not None and not is_number(value):
            fields.fail("scores", f"must hold numbers or null; {name!r} is {shown(value)}")
    return Item(
        benchmark=fields.text("benchmark") or "",
        id=fields.needed_text("id"),
        task=fields.text("task") or "",
        image=fields.text("image"),
        masks=fields.masks("masks", single=False),
        question=fields.text("question") or "",
        reference=fields.text("reference") or "",
        prediction=fields.text("prediction"),
        replies={name: _reply(fields, reply) for name, reply in _mapping(fields, "replies").items()},
        extra=_mapping(fields, "extra"),
        scores=scores,
    )


def _mapping(fields: Fields, key: str) -> dict[str, Any]:
    value = fields.record.get(key, {})
    if not isinstance(value, dict):
        fields.fail(key, f"must be an object, not {shown(value)}")
    return value


def _reply(fields: Fields, reply: Any) -> str | list[str | None]:
    if isinstance(reply, list) and all(one is None or isinstance(one, str) for one in reply):
        return reply
    if not isinstance(reply, str):
        fields.fail("replies", f"must hold texts or lists of texts, not {shown(reply)}")
    return reply
