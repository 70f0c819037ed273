"""Two models on the same items: the difference of their scores, and how sure it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gartk.errors import DataError
from gartk.evaluation.statistics.bootstrap import (
    LEVEL,
    RESAMPLES,
    check_resampling,
    draw,
    members,
    tails,
)
from gartk.evaluation.statistics.item_scores import ItemScores, item_scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gartk.evaluation.benchmarks.base import Benchmark
    from gartk.evaluation.item import Item


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
        """Return all of it as JSON values."""
        return {**asdict(self), "interval": list(self.interval)}


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
    check_resampling(resamples, level)
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


def compare(benchmark: Benchmark, first: Sequence[Item], second: Sequence[Item]) -> dict[str, dict[str, Any]]:
    """Compare two models by every rule by which some item has a score for both.

    Raises: DataError if there is no such rule.
    """
    one, two = item_scores(benchmark, first), item_scores(benchmark, second)
    compared: dict[str, dict[str, Any]] = {}
    for rule in one.by_rule:
        if rule in two.by_rule and _has_common(one, two, rule):
            compared[rule] = paired_test(one, two, rule=rule).to_json()
    if not compared:
        raise DataError(NOTHING_COMMON.format(benchmark=benchmark.name))
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
    generator, groups = np.random.default_rng(seed), members(tasks)
    means = [difference[draw(groups, generator)].mean() for _ in range(resamples)]
    low, high = np.percentile(means, tails(level))
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
