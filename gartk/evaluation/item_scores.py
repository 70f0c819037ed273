"""What each item of a benchmark scored on its own, by every rule: the base of all statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gartk.errors import DataError, did_you_mean
from gartk.evaluation.score import SCORERS
from gartk.evaluation.scoring import mdvp_bench
from gartk.evaluation.scoring.items import Item

# Which score of a rule's variant is that of the whole benchmark; of GAR-Bench-Cap and MDVP-Bench it is
# the item's own kind or phase.
HEADLINES: Mapping[str, tuple[str, ...]] = {
    "dlc": ("Avg",),
    "ferret": ("refer_desc",),
    "lvis": ("Sem-IoU",),
    "mdvp": ("phases",),
    "paco": ("Sem-IoU",),
    "videorefer-d": ("Avg",),
}
_CAPTIONS = ("gar-cap", "gar-cap-simple", "gar-cap-detailed")


@dataclass(frozen=True)
class ItemScores:
    """The scores of single items by rule, None where an item is missing.

    ``keys`` are (sub-task, id), and all lists run parallel to them. ``is_binary`` says that a score is 1
    (right) or 0; else it is a number in the benchmark's own unit.
    """

    benchmark: str
    keys: tuple[tuple[str, str], ...]
    by_rule: Mapping[str, tuple[float | None, ...]]
    is_binary: bool

    @property
    def tasks(self) -> tuple[str, ...]:
        """The sub-task of every item."""
        return tuple(task for task, _ in self.keys)

    def rule(self, name: str | None = None) -> tuple[float | None, ...]:
        """Give the scores by a rule, the first one where none is named.

        Raises: DataError for a rule that the benchmark does not have.
        """
        name = next(iter(self.by_rule)) if name is None else name
        if name not in self.by_rule:
            raise DataError(f"{self.benchmark} has no rule {name!r}. {did_you_mean(name, self.by_rule)}")
        return self.by_rule[name]


def item_scores(benchmark: str, items: Sequence[Item]) -> ItemScores:
    """Score every item by itself, by each of the benchmark's rules.

    MDVP-Bench is scored by its reviews, and its captions are left out. The unit is that of the
    benchmark's own score, but a share counts as 0 or 1, and a ratio of means as the model's score.

    Raises: DataError if there is no item.
    """
    if benchmark == "mdvp":
        items = [item for item in items if mdvp_bench.is_review(item)]
    if not items:
        raise DataError(f"{benchmark}: there is no item with a score of its own.")
    by_rule: dict[str, list[float | None]] = {}
    is_binary = True
    for number, item in enumerate(items):
        for name, variant in SCORERS[benchmark].score([item])["variants"].items():
            if not _applies(name, item):
                continue
            leaf = _headline(benchmark, item, variant)
            is_binary = is_binary and "hits" in leaf
            column = by_rule.setdefault(name, [None] * len(items))
            column[number] = _value(leaf)
    keys = tuple((item.task, item.id) for item in items)
    return ItemScores(benchmark, keys, {name: tuple(v) for name, v in by_rule.items()}, is_binary)


def _applies(rule: str, item: Item) -> bool:
    """Whether a rule is about this item: those of MDVP-Bench are about one pairing each."""
    pairing, _, rest = rule.partition(" pairing, ")
    return not rest or item.extra.get("pairing", "published") == pairing


def _headline(benchmark: str, item: Item, variant: Mapping[str, Any]) -> Mapping[str, Any]:
    leaf: Any = variant
    if benchmark in _CAPTIONS:
        return variant[item.task]
    for name in HEADLINES.get(benchmark, ("overall",)):
        leaf = leaf[name]
    return leaf[item.task] if benchmark == "mdvp" else leaf


def _value(leaf: Mapping[str, Any]) -> float | None:
    if "hits" in leaf:
        return None if leaf["missing"] else float(leaf["hits"])
    return leaf["model"] if "model" in leaf else leaf["value"]
