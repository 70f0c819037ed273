"""How sure a score is: bootstrap intervals, and a paired test between two models."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gartk.errors import ConfigError, DataError
from gartk.evaluation.item_scores import ItemScores, item_scores
from gartk.evaluation.score import SCORERS
from gartk.evaluation.scoring import mdvp_bench
from gartk.evaluation.scoring.choices import CIRCLE
from gartk.evaluation.scoring.items import Item

if TYPE_CHECKING:
    from numpy.typing import NDArray

RESAMPLES = 1000
LEVEL = 0.95
# Under one interval of fewer scores nothing can be said about its ends.
FEWEST = 20


@dataclass(frozen=True)
class Paired:
    """Two models on the same items, by one rule.

    ``items`` were scored for both, ``left_out`` for only one or neither. ``difference`` is second minus
    first with its bootstrap interval. For right-or-wrong items ``only_first`` and ``only_second`` count
    those that one model alone has right, and the test is McNemar's exact one; else the sign of each
    item's difference is permuted.
    Units: ``first``, ``second`` and ``difference`` per cent for right-or-wrong items, else the benchmark's.
    """

    rule: str
    items: int
    left_out: int
    first: float
    second: float
    difference: float
    interval: tuple[float, float]
    only_first: int | None
    only_second: int | None
    test: str
    p_value: float

    def to_json(self) -> dict[str, Any]:
        """Give all of it as JSON values."""
        return {**asdict(self), "interval": list(self.interval)}


# ------------------------------------------------------------------ intervals of every score


def score_intervals(
    benchmark: str,
    items: Sequence[Item],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = LEVEL,
) -> dict[tuple[str, ...], tuple[float, float]]:
    """Give the percentile bootstrap interval of every score of a benchmark, by its place in the report.

    Items are drawn with replacement within each sub-task, as many as it has, and scored anew each time
    by the scorer itself; the pairs of MMVP and the rotations of one question stay together. A score that
    exists in fewer than 20 resamples gets no interval.

    Units: those of the score (``percent`` or ``value``).
    Raises: ConfigError unless resamples >= 20 and 0 < level < 1.
    """
    _check(resamples, level)
    score = SCORERS[benchmark].score
    units = _units(benchmark, items)
    strata = [stratum for stratum, _ in units]
    generator = np.random.default_rng(seed)
    found: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for _ in range(resamples):
        drawn = draw_with_replacement(strata, generator)
        sample = [
            _renamed(benchmark, item, number) for number, unit in enumerate(drawn) for item in units[unit][1]
        ]
        for path, leaf in leaves(score(sample)["variants"]):
            value = leaf_value(leaf)
            if value is not None:
                found[path].append(value)
    tails = [50 * (1 - level), 50 * (1 + level)]
    ends = {path: np.percentile(values, tails) for path, values in found.items() if len(values) >= FEWEST}
    return {path: (float(low), float(high)) for path, (low, high) in ends.items()}


def add_intervals(
    report: dict[str, Any],
    benchmark: str,
    items: Sequence[Item],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> None:
    """Write the interval of every score of a report beside it, as ``interval``; None where it has none.

    Raises: ConfigError as ``score_intervals``.
    """
    found = score_intervals(benchmark, items, resamples=resamples, seed=seed)
    for path, leaf in leaves(report["variants"]):
        ends = found.get(path)
        leaf["interval"] = None if ends is None else list(ends)


def draw_with_replacement(strata: Sequence[Hashable], generator: np.random.Generator) -> NDArray[np.int64]:
    """Draw as many indices from each stratum as it has members."""
    return np.concatenate([generator.choice(m, size=len(m)) for m in members(strata)])


def members(strata: Sequence[Hashable]) -> list[NDArray[np.int64]]:
    """Give the indices of each stratum's members, strata in the order in which they first occur."""
    groups: dict[Hashable, list[int]] = {}
    for index, stratum in enumerate(strata):
        groups.setdefault(stratum, []).append(index)
    return [np.asarray(group, dtype=np.int64) for group in groups.values()]


def leaves(scores: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Give every score below some variants with its place, in order."""
    for name, value in scores.items():
        if not isinstance(value, dict):
            continue
        if isinstance(value.get("text"), str):
            yield (*path, name), value
        else:
            yield from leaves(value, (*path, name))


def leaf_value(leaf: Mapping[str, Any]) -> float | None:
    """Give the number of a score, in its unit; None where nothing could be scored."""
    return leaf["percent"] if "percent" in leaf else leaf["value"]


def _check(resamples: int, level: float) -> None:
    if resamples < FEWEST or not 0 < level < 1:
        raise ConfigError(
            f"A bootstrap needs at least {FEWEST} resamples and a level between 0 and 1;"
            f" got {resamples} and {level}."
        )


def _units(benchmark: str, items: Sequence[Item]) -> list[tuple[Hashable, list[Item]]]:
    """Group the items that are drawn together, each group with its stratum."""
    groups: dict[Hashable, list[Item]] = {}
    strata: dict[Hashable, Hashable] = {}
    for number, item in enumerate(items):
        if benchmark == "mdvp" and not mdvp_bench.is_review(item):
            continue
        key, stratum = _unit(benchmark, item, number)
        groups.setdefault(key, []).append(item)
        strata[key] = stratum
    return [(strata[key], group) for key, group in groups.items()]


def _unit(benchmark: str, item: Item, number: int) -> tuple[Hashable, Hashable]:
    if benchmark == "mmvp" and "Index" in item.extra:
        return ("pair", (int(str(item.extra["Index"])) - 1) // 2), item.task
    if CIRCLE in item.extra:
        return ("circle", str(item.extra[CIRCLE])), item.task
    return number, (item.task, item.extra.get("pairing"))


def _renamed(benchmark: str, item: Item, number: int) -> Item:
    """Give a drawn item a name of its own where the scorer tells items apart by it."""
    if benchmark == "mdvp":
        return replace(item, id=f"review {number}")
    if CIRCLE not in item.extra and benchmark != "mmvp":
        return item
    extra = dict(item.extra)
    if CIRCLE in extra:
        extra[CIRCLE] = str(number)
    if benchmark == "mmvp":
        side = (int(str(extra["Index"])) - 1) % 2
        extra["Index"] = 2 * number + 1 + side
    return replace(item, extra=extra)


# ------------------------------------------------------------------ two models on the same items


def paired_test(
    first: ItemScores,
    second: ItemScores,
    *,
    rule: str | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = LEVEL,
) -> Paired:
    """Compare two models by one rule, on the items that both have a score for.

    Raises: DataError if they are of different benchmarks or have no scored item in common.
    """
    _check(resamples, level)
    if first.benchmark != second.benchmark:
        raise DataError(f"{first.benchmark} and {second.benchmark} cannot be compared item by item.")
    rule = next(iter(first.by_rule)) if rule is None else rule
    ones, twos = (dict(zip(s.keys, s.rule(rule), strict=True)) for s in (first, second))
    common = [key for key in ones if ones[key] is not None and twos.get(key) is not None]
    if not common:
        raise DataError(NOTHING_COMMON.format(benchmark=first.benchmark))
    one = np.array([ones[key] for key in common], dtype=float)
    two = np.array([twos[key] for key in common], dtype=float)
    is_binary = first.is_binary and second.is_binary
    unit = 100 if is_binary else 1
    tasks = [task for task, _ in common]
    interval = _difference_interval(two - one, tasks, resamples, seed, level)
    only = (int((one > two).sum()), int((two > one).sum())) if is_binary else (None, None)
    test, p_value = _mcnemar(*only) if only[0] is not None else _sign_permutation(two - one, resamples, seed)
    return Paired(
        rule=rule,
        items=len(common),
        left_out=len(set(ones) | set(twos)) - len(common),
        first=unit * float(one.mean()),
        second=unit * float(two.mean()),
        difference=unit * float((two - one).mean()),
        interval=(unit * interval[0], unit * interval[1]),
        only_first=only[0],
        only_second=only[1],
        test=test,
        p_value=p_value,
    )


def compare(benchmark: str, first: Sequence[Item], second: Sequence[Item]) -> dict[str, dict[str, Any]]:
    """Compare two models by every rule by which some item has a score for both.

    Raises: DataError if there is no such rule.
    """
    one, two = item_scores(benchmark, first), item_scores(benchmark, second)
    compared: dict[str, dict[str, Any]] = {}
    for rule in one.by_rule:
        if rule in two.by_rule and _has_common(one, two, rule):
            compared[rule] = paired_test(one, two, rule=rule).to_json()
    if not compared:
        raise DataError(NOTHING_COMMON.format(benchmark=benchmark))
    return compared


NOTHING_COMMON = "{benchmark}: no item has a score for both models; are these its files?"


def _has_common(one: ItemScores, two: ItemScores, rule: str) -> bool:
    known = [
        {key for key, score in zip(s.keys, s.rule(rule), strict=True) if score is not None}
        for s in (one, two)
    ]
    return bool(known[0] & known[1])


def _difference_interval(
    difference: NDArray[np.float64], tasks: Sequence[str], resamples: int, seed: int, level: float
) -> tuple[float, float]:
    generator = np.random.default_rng(seed)
    means = [difference[draw_with_replacement(tasks, generator)].mean() for _ in range(resamples)]
    low, high = np.percentile(means, [50 * (1 - level), 50 * (1 + level)])
    return float(low), float(high)


def _mcnemar(only_first: int, only_second: int) -> tuple[str, float]:
    """The exact test: under no difference, each discordant item is a fair coin."""
    from scipy.stats import binomtest

    discordant = only_first + only_second
    p_value = binomtest(only_first, discordant).pvalue if discordant else 1.0
    return "McNemar, exact", float(p_value)


def _sign_permutation(difference: NDArray[np.float64], resamples: int, seed: int) -> tuple[str, float]:
    from scipy.stats import permutation_test

    statistic: Callable[..., Any] = lambda values, axis: values.mean(axis=axis)  # noqa: E731
    result = permutation_test(
        (difference,),
        statistic,
        permutation_type="samples",
        vectorized=True,
        n_resamples=max(resamples, 9999),
        rng=np.random.default_rng(seed),
    )
    return "permutation of signs", float(result.pvalue)
