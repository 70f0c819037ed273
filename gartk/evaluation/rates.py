"""Scores that carry what they were counted over, and can be computed anew for resampled items."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Tree = Mapping[str, "Score | Tree"]


@dataclass(frozen=True)
class Column:
    """The values of some items of a list, None where one is missing, and their places in the list."""

    values: tuple[float | None, ...] = ()
    places: tuple[int, ...] = ()

    @classmethod
    def of(cls, values: Iterable[float | None], places: Iterable[int] | None = None) -> Column:
        """Keep values; without places they are those of the first items."""
        kept = tuple(values)
        return cls(kept, tuple(range(len(kept)) if places is None else places))

    @property
    def known(self) -> list[float]:
        """The values that are not missing."""
        return [value for value in self.values if value is not None]

    def sums(self, weights: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the weighted sum of the known values, and their weight.

        Shapes: weights (resamples, items); returns (resamples,) each.
        """
        mine = weights[:, list(self.places)]
        numbers = np.array([0.0 if v is None else float(v) for v in self.values])
        known = np.array([v is not None for v in self.values], dtype=float)
        return mine @ numbers, mine @ known


class Score(ABC):
    """One number of a report, with what it was counted over."""

    @property
    @abstractmethod
    def number(self) -> float | None:
        """The score in its unit; None where nothing could be scored."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON values, with a text."""

    @abstractmethod
    def under(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the number for each resample of the items, NaN where there is none.

        Shapes: weights (resamples, items), how often an item was drawn; returns (resamples,).
        """

    @property
    @abstractmethod
    def column(self) -> Column:
        """What single items contribute, in the score's unit."""


@dataclass(frozen=True)
class Rate(Score):
    """How many of a number of items are hits; missing items stay in ``total`` and are no hits.

    Units: ``percent`` is 0..100 over ``total``, and None where nothing could be scored.
    """

    hits: int
    total: int
    missing: int = 0
    verdicts: Column = field(default_factory=Column, repr=False, compare=False)

    @classmethod
    def of(
        cls,
        verdicts: Iterable[float | None],
        places: Iterable[int] | None = None,
        *,
        total: int | None = None,
    ) -> Rate:
        """Count verdicts, 1 or True for right, None for missing; ``total`` is over their number."""
        column = Column.of(verdicts, places)
        count = len(column.values) if total is None else total
        return cls(sum(v == 1 for v in column.values), count, len(column.values) - len(column.known), column)

    @property
    def percent(self) -> float | None:
        """The hits in per cent of all items."""
        return 100 * self.hits / self.total if self.missing < self.total else None

    @property
    def number(self) -> float | None:
        """The hits in per cent of all items."""
        return self.percent

    def under(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Count again in each resample."""
        column = Column(tuple(None if v is None else float(v == 1) for v in self.verdicts.values),
                        self.verdicts.places)  # fmt: skip
        hits, known = column.sums(weights)
        drawn = weights[:, list(column.places)].sum(axis=1)
        total = drawn if self.total == len(column.values) else np.full(len(weights), float(self.total))
        return np.where(known > 0, 100 * hits / np.where(total > 0, total, 1), np.nan)

    @property
    def column(self) -> Column:
        """Right or wrong as 100 or 0, missing as 0."""
        values = tuple(100.0 if v == 1 else 0.0 for v in self.verdicts.values)
        return Column(values, self.verdicts.places)

    def __str__(self) -> str:
        shown = "no score" if self.percent is None else f"{self.percent:.1f} %"
        return f"{self.hits}/{self.total} = {shown}{_missing(self.missing)}"

    def to_json(self) -> dict[str, Any]:
        """Return hits, total, missing, percent and text."""
        counts = {"hits": self.hits, "total": self.total, "missing": self.missing}
        return {**counts, "percent": self.percent, "text": str(self)}


@dataclass(frozen=True)
class Mean(Score):
    """A mean over the items that have a value; how many there are and how many there should be."""

    value: float | None
    scored: int
    total: int
    digits: int = 1
    values: Column = field(default_factory=Column, repr=False, compare=False)
    parts: tuple[Score, ...] = field(default=(), repr=False, compare=False)
    whole: bool = field(default=True, repr=False, compare=False)

    @classmethod
    def of(
        cls, values: Iterable[float | None], places: Iterable[int] | None = None, *, digits: int = 1
    ) -> Mean:
        """Average values, of which None is missing."""
        column = Column.of(values, places)
        known = column.known
        mean = sum(known) / len(known) if known else None
        return cls(finite(mean), len(known), len(column.values), digits, column)

    @classmethod
    def over(
        cls,
        parts: Sequence[Score],
        *,
        digits: int = 1,
        whole: bool = True,
        scored: int | None = None,
        total: int | None = None,
    ) -> Mean:
        """Average other scores: all of them or, unless ``whole``, those that there are.

        ``scored`` of ``total`` are counts to state in place of those of the parts.
        """
        numbers = [part.number for part in parts]
        known = [number for number in numbers if number is not None]
        there = known and not (whole and len(known) < len(parts))
        return cls(
            finite(sum(known) / len(known)) if there else None,
            len(known) if scored is None else scored,
            len(parts) if total is None else total,
            digits,
            parts=tuple(parts),
            whole=whole,
        )

    @property
    def missing(self) -> int:
        """How many items have no value."""
        return self.total - self.scored

    @property
    def number(self) -> float | None:
        """The mean."""
        return self.value

    def under(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Average again in each resample."""
        if self.parts:
            numbers = np.stack([part.under(weights) for part in self.parts])
            known = ~np.isnan(numbers)
            count = known.sum(axis=0)
            enough = count == len(self.parts) if self.whole else count > 0
            total = np.where(known, numbers, 0.0).sum(axis=0)
            return np.where(enough, total / np.maximum(count, 1), np.nan)
        total, weight = self.values.sums(weights)
        return np.where(weight > 0, total / np.where(weight > 0, weight, 1), np.nan)

    @property
    def column(self) -> Column:
        """The values; of a mean of other scores, each item's mean over them."""
        if not self.parts:
            return self.values
        found: dict[int, list[float | None]] = {}
        for part in self.parts:
            for place, value in zip(part.column.places, part.column.values, strict=True):
                found.setdefault(place, []).append(value)
        means: list[float | None] = []
        for values in found.values():
            known = [value for value in values if value is not None]
            means.append(sum(known) / len(known) if len(known) == len(values) else None)
        return Column(tuple(means), tuple(found))

    def __str__(self) -> str:
        shown = "no score" if self.value is None else f"{self.value:.{self.digits}f}"
        return f"{shown} over {self.scored}/{self.total}{_missing(self.missing)}"

    def to_json(self) -> dict[str, Any]:
        """Return value, scored, total, missing and text."""
        counts = {"scored": self.scored, "total": self.total, "missing": self.missing}
        return {"value": self.value, **counts, "text": str(self)}


Share = Callable[[float, float], float | None]


@dataclass(frozen=True)
class Ratio(Score):
    """The mean score of a model in per cent of the mean score of the reference answers.

    ``share`` computes it from the two means, None where they allow none.
    """

    model: Mean
    reference: Mean
    share: Share = field(repr=False, compare=False)

    @property
    def value(self) -> float | None:
        """The model's mean in per cent of the reference's."""
        if self.model.value is None or self.reference.value is None:
            return None
        return finite(self.share(self.model.value, self.reference.value))

    @property
    def number(self) -> float | None:
        """The model's mean in per cent of the reference's."""
        return self.value

    def under(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Divide again in each resample."""
        pairs = zip(self.model.under(weights).tolist(), self.reference.under(weights).tolist(), strict=True)
        shares = [None if math.isnan(m + r) else finite(self.share(m, r)) for m, r in pairs]
        return np.array([math.nan if share is None else share for share in shares])

    @property
    def column(self) -> Column:
        """The model's own values."""
        return self.model.column

    def __str__(self) -> str:
        if self.value is None:
            return f"no score over {self.model.scored}/{self.model.total}{_missing(self.model.missing)}"
        parts = f"{self.model.value:.3f}/{self.reference.value:.3f}"
        counts = f"{self.model.scored}/{self.model.total}{_missing(self.model.missing)}"
        return f"{self.value:.{self.model.digits}f} = 100 x {parts} over {counts}"

    def to_json(self) -> dict[str, Any]:
        """Return value, the two means, scored, total, missing and text."""
        means = {"model": self.model.value, "reference": self.reference.value}
        counts = {"scored": self.model.scored, "total": self.model.total, "missing": self.model.missing}
        return {"value": self.value, **means, **counts, "text": str(self)}


def leaves(tree: Tree, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Score]]:
    """Return every score of a tree with its place, in order."""
    for name, value in tree.items():
        if isinstance(value, Score):
            yield (*path, name), value
        else:
            yield from leaves(value, (*path, name))


def tree_to_json(tree: Tree) -> dict[str, Any]:
    """Return a tree of scores as JSON values."""
    return {
        name: value.to_json() if isinstance(value, Score) else tree_to_json(value)
        for name, value in tree.items()
    }


def finite(value: float | None) -> float | None:
    """Return None for what is no finite number, which JSON cannot hold."""
    return value if value is not None and math.isfinite(value) else None


def _missing(count: int) -> str:
    return f" ({count} missing)" if count else ""
