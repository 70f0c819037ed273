"""Scores that carry what they were counted over."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Rate:
    """How many of a number of items are hits; missing items stay in ``total`` and are no hits.

    Units: ``percent`` is 0..100 over ``total``, and None where nothing could be scored.
    """

    hits: int
    total: int
    missing: int = 0

    @classmethod
    def of(cls, verdicts: Iterable[bool | None]) -> Rate:
        """Count verdicts, of which None is missing."""
        known = list(verdicts)
        return cls(sum(v is True for v in known), len(known), sum(v is None for v in known))

    @property
    def percent(self) -> float | None:
        """The hits in per cent of all items."""
        return 100 * self.hits / self.total if self.missing < self.total else None

    def __str__(self) -> str:
        shown = "no score" if self.percent is None else f"{self.percent:.1f} %"
        return f"{self.hits}/{self.total} = {shown}{_missing(self.missing)}"

    def to_json(self) -> dict[str, Any]:
        """Give hits, total, missing, percent and text."""
        counts = {"hits": self.hits, "total": self.total, "missing": self.missing}
        return {**counts, "percent": self.percent, "text": str(self)}


@dataclass(frozen=True)
class Mean:
    """A mean over the items that have a value; how many there are and how many there should be."""

    value: float | None
    scored: int
    total: int
    digits: int = 1

    @classmethod
    def of(cls, values: Iterable[float | None], *, scale: float = 1.0, digits: int = 1) -> Mean:
        """Average values, of which None is missing, and multiply the mean by ``scale``."""
        every = list(values)
        known = [value for value in every if value is not None]
        mean = scale * sum(known) / len(known) if known else None
        return cls(finite(mean), len(known), len(every), digits)

    @property
    def missing(self) -> int:
        """How many items have no value."""
        return self.total - self.scored

    def __str__(self) -> str:
        shown = "no score" if self.value is None else f"{self.value:.{self.digits}f}"
        return f"{shown} over {self.scored}/{self.total}{_missing(self.missing)}"

    def to_json(self) -> dict[str, Any]:
        """Give value, scored, total, missing and text."""
        counts = {"scored": self.scored, "total": self.total, "missing": self.missing}
        return {"value": self.value, **counts, "text": str(self)}


@dataclass(frozen=True)
class Ratio:
    """The mean score of a model in per cent of the mean score of the reference answers."""

    value: float | None
    model: Mean
    reference: Mean

    def __str__(self) -> str:
        if self.value is None or self.model.value is None or self.reference.value is None:
            return f"no score over {self.model.scored}/{self.model.total}{_missing(self.model.missing)}"
        parts = f"{self.model.value:.3f}/{self.reference.value:.3f}"
        counts = f"{self.model.scored}/{self.model.total}{_missing(self.model.missing)}"
        return f"{self.value:.{self.model.digits}f} = 100 x {parts} over {counts}"

    def to_json(self) -> dict[str, Any]:
        """Give value, the two means, scored, total, missing and text."""
        means = {"model": self.model.value, "reference": self.reference.value}
        counts = {"scored": self.model.scored, "total": self.model.total, "missing": self.model.missing}
        return {"value": self.value, **means, **counts, "text": str(self)}


def finite(value: float | None) -> float | None:
    """Give None for what is no finite number, which JSON cannot hold."""
    return value if value is not None and math.isfinite(value) else None


def _missing(count: int) -> str:
    return f" ({count} missing)" if count else ""
