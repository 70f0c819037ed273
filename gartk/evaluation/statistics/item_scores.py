"""What each item of a benchmark scored on its own, by every rule: the base of all statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gartk.errors import DataError, did_you_mean

if TYPE_CHECKING:
    from gartk.evaluation.benchmarks.base import Benchmark
    from gartk.evaluation.item import Item


@dataclass(frozen=True)
class ItemScores:
    """The scores of single items by rule, None where an item is missing.

    ``keys`` are (sub-task, id), and all lists run parallel to them. ``is_binary`` says that a score is 1
    (right) or 0; else it is a number in the benchmark's own unit. ``headline`` is the rule by which judges
    are compared.
    """

    benchmark: str
    keys: tuple[tuple[str, str], ...]
    by_rule: Mapping[str, tuple[float | None, ...]]
    is_binary: bool
    headline: str = ""

    @property
    def tasks(self) -> tuple[str, ...]:
        """The sub-task of every item."""
        return tuple(task for task, _ in self.keys)

    def rule(self, name: str | None = None) -> tuple[float | None, ...]:
        """Return the scores by a rule, the first one where none is named.

        Raises: DataError for a rule that the benchmark does not have.
        """
        name = next(iter(self.by_rule)) if name is None else name
        if name not in self.by_rule:
            raise DataError(f"{self.benchmark} has no rule {name!r}. {did_you_mean(name, self.by_rule)}")
        return self.by_rule[name]


def item_scores(benchmark: Benchmark, items: Sequence[Item]) -> ItemScores:
    """Return what every item scored by each of the benchmark's rules; items are scored if they are not.

    Items that the benchmark does not score are left out, and so is a rule that is about none of them.

    Raises: DataError if there is no item with a score.
    """
    items = with_scores(benchmark, [item for item in items if benchmark.has_score(item)])
    by_rule = {
        rule: tuple(item.scores.get(rule) for item in items)
        for rule in benchmark.rules
        if any(rule in item.scores for item in items)
    }
    if not by_rule:
        raise DataError(f"{benchmark.name}: there is no item with a score of its own.")
    keys = tuple((item.task, item.id) for item in items)
    return ItemScores(benchmark.name, keys, by_rule, benchmark.is_binary, benchmark.headline)


def with_scores(benchmark: Benchmark, items: Sequence[Item]) -> list[Item]:
    """Return items with the scores that a run has stored; if one has none, all are scored here."""
    return list(items) if all(item.scores for item in items) else benchmark.scored(items)
