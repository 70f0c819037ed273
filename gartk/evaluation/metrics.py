"""Metrics: from records to numbers, one entry for each task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from statistics import NormalDist, fmean
from typing import Any, Protocol

from gartk.data.world.scoring import final_answer
from gartk.errors import ConfigError
from gartk.evaluation.item import Item
from gartk.registry import METRICS

TaskNumbers = Mapping[str, Mapping[str, Any]]


class Metric(Protocol):
    """Turns records into numbers for each task, in the order in which the tasks first occur."""

    name: str

    def __call__(self, records: Sequence[Item]) -> TaskNumbers:
        """Give the numbers of every task that the metric has something to say about."""
        ...


def wilson_interval(correct: int, total: int, *, level: float = 0.95) -> tuple[float, float]:
    """Give the Wilson score interval of a share.

    Raises: ConfigError unless 0 <= correct <= total, total >= 1 and 0 < level < 1.
    Source: Wilson, "Probable inference", JASA 22 (1927).
    """
    if not (0 <= correct <= total and total >= 1 and 0 < level < 1):
        raise ConfigError(f"wilson_interval got correct={correct}, total={total}, level={level}.")
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = correct / total
    scale = 1 + z * z / total
    middle = (share + z * z / (2 * total)) / scale
    half = z * (share * (1 - share) / total + z * z / (4 * total * total)) ** 0.5 / scale
    # At the ends rounding could leave 0..1 by an ulp.
    return (0.0 if correct == 0 else middle - half), (1.0 if correct == total else middle + half)


def by_task(records: Sequence[Item]) -> dict[str, list[Item]]:
    """Group records by task, tasks in the order in which they first occur."""
    groups: dict[str, list[Item]] = {}
    for record in records:
        groups.setdefault(record.task, []).append(record)
    return groups


def share_right(records: Sequence[Item], *, level: float = 0.95) -> dict[str, Any] | None:
    """Count what is right among records, beside what guessing would give; None for no records.

    ``chance`` is a guess among the options, ``blind_chance`` the best guess of one who sees image and
    regions but not which region has which number; both None where no record states them.
    """
    if not records:
        return None
    correct = sum(record.scores["correct"] == 1.0 for record in records)
    return {
        "correct": correct,
        "total": len(records),
        "accuracy": correct / len(records),
        "interval": list(wilson_interval(correct, len(records), level=level)),
        "chance": _mean_meta(records, "chance"),
        "blind_chance": _mean_meta(records, "blind_chance"),
    }


def _mean_meta(records: Sequence[Item], key: str) -> float | None:
    values = [float(record.extra[key]) for record in records if record.extra.get(key) is not None]
    return fmean(values) if values else None


@METRICS.register()
class AccuracyMetric:
    """Share of right items with its Wilson interval, overall and where it is hard.

    ``needs_identity``: the items that cannot be known without telling prompts apart (blind chance
    below 1). ``held_out``: items about attribute combinations that training never shows; ``seen`` the rest.
    """

    name = "accuracy"

    def __init__(self, *, level: float = 0.95) -> None:
        self.level = level

    def __call__(self, records: Sequence[Item]) -> TaskNumbers:
        """Count by task."""
        return {task: self._count(group) for task, group in by_task(records).items()}

    def _count(self, group: Sequence[Item]) -> dict[str, Any]:
        subsets: dict[str, Callable[[Item], bool]] = {
            "needs_identity": lambda record: bool(record.extra.get("needs_identity")),
            "held_out": lambda record: record.extra.get("held_out") is True,
            "seen": lambda record: record.extra.get("held_out") is False,
        }
        whole = share_right(group, level=self.level) or {}
        parts = {
            name: share_right([r for r in group if keep(r)], level=self.level)
            for name, keep in subsets.items()
        }
        return {**whole, **parts}


@METRICS.register()
class MeanScoreMetric:
    """Mean of every score that a task's records carry besides ``correct``.

    For RegionWorld: ``lenient`` of choices, ``attributes`` (recall) and ``relation`` of captions.
    """

    name = "scores"

    def __call__(self, records: Sequence[Item]) -> TaskNumbers:
        """Average by task."""
        numbers: dict[str, dict[str, float]] = {}
        for task, group in by_task(records).items():
            names = dict.fromkeys(name for record in group for name in record.scores)
            names.pop("correct", None)
            means = {n: fmean(r.scores[n] or 0.0 for r in group if n in r.scores) for n in names}
            if means:
                numbers[task] = means
        return numbers


def _letter_said(record: Item) -> str:
    """The letter of the option that a reply gives by its letter or by its text, else ``other``."""
    reply = final_answer(record.prediction or "", record.extra).strip().upper()
    for choice in record.extra["choices"]:
        if reply in (choice[0], choice[3:].upper()):
            return str(choice[0])
    return "other"


@METRICS.register()
class LetterMetric:
    """How often each letter was the answer, and was said; what is no option counts as ``other``.

    An option's text counts as its letter. A model that always says one letter shows here, whatever its
    accuracy.
    """

    name = "letters"

    def __call__(self, records: Sequence[Item]) -> TaskNumbers:
        """Count by task, tasks with options only."""
        numbers: dict[str, dict[str, dict[str, int]]] = {}
        for task, group in by_task(records).items():
            asked = [record for record in group if record.extra.get("choices")]
            if not asked:
                continue
            letters = sorted({choice[0] for record in asked for choice in record.extra["choices"]})
            said = Counter(_letter_said(record) for record in asked)
            right = Counter(record.reference for record in asked)
            numbers[task] = {
                "answer": {letter: right[letter] for letter in letters},
                "said": {letter: said[letter] for letter in [*letters, "other"]},
            }
        return numbers
