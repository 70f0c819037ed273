"""How sure a score is: bootstrap intervals over items."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gartk.errors import ConfigError
from gartk.evaluation.rates import leaves
from gartk.evaluation.statistics.item_scores import with_scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gartk.evaluation.benchmarks.base import Benchmark
    from gartk.evaluation.item import Item

RESAMPLES = 1000
LEVEL = 0.95
# Under one interval of fewer scores nothing can be said about its ends.
FEWEST = 20


def score_intervals(
    benchmark: Benchmark,
    items: Sequence[Item],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = LEVEL,
) -> dict[tuple[str, ...], tuple[float, float]]:
    """Return the percentile bootstrap interval of every score of a benchmark, by its place in the report.

    Items are drawn with replacement within each sub-task, as many as it has; those of one resampling unit
    (a pair, the rotations of a question) stay together. Each score is summed up anew from the items'
    scores. One that exists in fewer than 20 resamples gets no interval.

    Units: those of the score.
    Raises: ConfigError unless resamples >= 20 and 0 < level < 1.
    """
    check_resampling(resamples, level)
    items = with_scores(benchmark, [item for item in items if benchmark.has_score(item)])
    if not items:
        return {}
    weights = _weights(benchmark, items, resamples, np.random.default_rng(seed))
    found = {}
    for path, score in leaves(benchmark.variants(items)):
        values = score.under(weights)
        values = values[~np.isnan(values)]
        if len(values) >= FEWEST:
            low, high = np.percentile(values, tails(level))
            found[path] = (float(low), float(high))
    return found


def add_intervals(
    report: dict[str, Any], benchmark: Benchmark, items: Sequence[Item], *, resamples: int = RESAMPLES
) -> None:
    """Write the interval of every score of a report beside it, as ``interval``; None where it has none.

    Raises: ConfigError as ``score_intervals``.
    """
    found = score_intervals(benchmark, items, resamples=resamples)
    _write(report["variants"], (), found)


def _write(scores: Any, path: tuple[str, ...], found: dict[tuple[str, ...], tuple[float, float]]) -> None:
    for name, value in scores.items():
        if "text" in value:
            ends = found.get((*path, name))
            value["interval"] = None if ends is None else list(ends)
        else:
            _write(value, (*path, name), found)


def draw_with_replacement(strata: Sequence[Hashable], generator: np.random.Generator) -> NDArray[np.int64]:
    """Draw as many indices from each stratum as it has members."""
    return draw(members(strata), generator)


def draw(groups: Sequence[NDArray[np.int64]], generator: np.random.Generator) -> NDArray[np.int64]:
    """Draw as many members of each group as it has, with replacement."""
    return np.concatenate([generator.choice(group, size=len(group)) for group in groups])


def members(strata: Sequence[Hashable]) -> list[NDArray[np.int64]]:
    """Return the indices of each stratum's members, strata in the order in which they first occur."""
    groups: dict[Hashable, list[int]] = {}
    for index, stratum in enumerate(strata):
        groups.setdefault(stratum, []).append(index)
    return [np.asarray(group, dtype=np.int64) for group in groups.values()]


def tails(level: float) -> list[float]:
    """Return the two percentiles between which a share ``level`` lies."""
    return [50 * (1 - level), 50 * (1 + level)]


def check_resampling(resamples: int, level: float) -> None:
    """Raise ConfigError unless there are 20 resamples, and the level lies between 0 and 1."""
    if resamples < FEWEST or not 0 < level < 1:
        raise ConfigError(
            f"A bootstrap needs at least {FEWEST} resamples and a level between 0 and 1;"
            f" got {resamples} and {level}."
        )


def _weights(
    benchmark: Benchmark, items: Sequence[Item], resamples: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Draw the units of the items again and again, and count how often each item is drawn.

    Shapes: (resamples, items).
    """
    numbers: dict[Hashable, int] = {}
    strata: list[Hashable] = []
    unit_of = []
    for place, item in enumerate(items):
        shared = benchmark.resampling_unit(item)
        number = numbers.setdefault(("item", place) if shared is None else ("unit", shared), len(numbers))
        if number == len(strata):
            strata.append(benchmark.stratum(item))
        unit_of.append(number)
    groups = members(strata)
    counts = np.empty((resamples, len(strata)))
    for row in counts:
        row[:] = np.bincount(draw(groups, generator), minlength=len(strata))
    return counts[:, unit_of]
