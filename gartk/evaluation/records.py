"""What one item of a benchmark gave, and the file that keeps all of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gartk.errors import DataError

FORMAT = "gartk-results-1"


@dataclass(frozen=True)
class Record:
    """One item: what was asked, what was right, what was said, and how it scored.

    ``scores`` hold ``correct`` (0 or 1) for every item; ``meta`` what a report needs to know about it.
    Units: ``seconds`` of wall time, the item's share of its batch.
    """

    id: str
    task: str
    question: str
    reference: str
    prediction: str
    scores: Mapping[str, float]
    num_new_tokens: int
    ended: bool
    seconds: float
    meta: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_correct(self) -> bool:
        """Whether the item counts as right."""
        return self.scores["correct"] == 1.0


@dataclass(frozen=True)
class Results:
    """The outcome of one benchmark: all records, the summary of each metric, and what was run."""

    benchmark: str
    records: list[Record]
    summary: Mapping[str, Mapping[str, Any]]
    seconds: float
    info: Mapping[str, Any] = field(default_factory=dict)

    def save(self, path: str | Path) -> None:
        """Write everything as one JSON file."""
        file = Path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"format": FORMAT, **asdict(self)}, indent=1, ensure_ascii=False)
        file.write_text(text + "\n", encoding="utf-8")


def read_results(path: str | Path) -> Results:
    """Read a results file.

    Raises: DataError if it is missing or not a results file.
    """
    try:
        raw = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as a results file: {error}") from error
    if not isinstance(raw, dict) or raw.pop("format", None) != FORMAT:
        raise DataError(f"{path} is not a results file (its format is not {FORMAT!r}).")
    raw["records"] = [Record(**record) for record in raw["records"]]
    return Results(**raw)
