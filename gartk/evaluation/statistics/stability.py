"""Whether a benchmark's numbers and its ranking survive when it is cut to a part of its items.

Source: Grasp Any Region, Tables 12 and 13, which show one unnamed draw for each size; here many
are drawn, and their spread is told.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from gartk.errors import ConfigError, DataError
from gartk.evaluation.statistics.bootstrap import members
from gartk.evaluation.statistics.item_scores import ItemScores

if TYPE_CHECKING:
    from numpy.typing import NDArray

SEEDS = 2000


@dataclass(frozen=True)
class Spread:
    """How a number varies over the draws; ``full`` is its value on all items.

    Units: per cent for right-or-wrong items, else the benchmark's.
    """

    full: float
    mean: float
    sd: float
    min: float
    max: float


@dataclass(frozen=True)
class Stability:
    """What ``draws`` draws of a ``1/parts`` share of the items give.

    ``items`` is the size of a draw. ``models`` has each model's spread, ``ahead`` for every pair of
    models (the better one on all items first) the share of draws in which the first one scores higher, and
    ``ties`` the share in which they score the same. Kendall's tau-b and Spearman's rho compare the order of
    the models in a draw with that on all items: mean and lowest over the draws where they are defined;
    ``same_order`` is the share of draws that keep the order of all. None with a single model.
    """

    parts: int
    items: int
    draws: int
    models: Mapping[str, Spread]
    ahead: Mapping[tuple[str, str], float]
    ties: Mapping[tuple[str, str], float]
    kendall: tuple[float, float] | None
    spearman: tuple[float, float] | None
    same_order: float | None

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON values; pairs are named "first > second"."""
        pairs = {
            name: {" > ".join(pair): share for pair, share in getattr(self, name).items()}
            for name in ("ahead", "ties")
        }
        return {**asdict(self), "models": {k: asdict(v) for k, v in self.models.items()}, **pairs}


def draw_part(strata: Sequence[Hashable], parts: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Draw floor(n / parts) of the n members of each stratum, without replacement.

    Source: the denominators of Table 12, 210 and 105, follow from this rule and not from its header.
    """
    drawn = [generator.choice(m, size=len(m) // parts, replace=False) for m in members(strata)]
    return np.concatenate(drawn)


def stability(
    models: Mapping[str, ItemScores], *, parts: int, seeds: int = SEEDS, rule: str | None = None
) -> Stability:
    """Draw the same items for all models, once for each seed from 0, and tell how the scores vary.

    A missing item is no hit, as in the scores themselves; of a benchmark that is not right or wrong, the
    mean is over the items that have a score.

    Raises: DataError if the models do not have the same items; ConfigError unless parts >= 2, seeds >= 1,
    and a draw has an item.
    """
    keys, scores, unit = _table(models, rule)
    tasks = [task for task, _ in keys]
    if parts < 2 or seeds < 1 or all(len(m) < parts for m in members(tasks)):
        raise ConfigError(
            f"Stability needs parts of at least 2, a seed, and a sub-task with as many items as parts;"
            f" got {parts} parts, {seeds} seeds and {len(keys)} items."
        )
    full = unit * np.nanmean(scores, axis=1)
    draws = [draw_part(tasks, parts, np.random.default_rng(seed)) for seed in range(seeds)]
    values = unit * np.stack([np.nanmean(scores[:, drawn], axis=1) for drawn in draws])
    names = list(models)
    order = sorted(range(len(names)), key=lambda i: -full[i])
    pairs = list(combinations(order, 2))
    ranks = _rank_correlations(full, values) if len(names) > 1 else (None, None, None)
    return Stability(
        parts=parts,
        items=len(draws[0]),
        draws=seeds,
        models={name: _spread(full[i], values[:, i]) for i, name in enumerate(names)},
        ahead={(names[a], names[b]): float((values[:, a] > values[:, b]).mean()) for a, b in pairs},
        ties={(names[a], names[b]): float((values[:, a] == values[:, b]).mean()) for a, b in pairs},
        kendall=ranks[0],
        spearman=ranks[1],
        same_order=ranks[2],
    )


def _table(
    models: Mapping[str, ItemScores], rule: str | None
) -> tuple[list[tuple[str, str]], NDArray[np.float64], int]:
    """The items, the scores of all models on them, and the factor that makes shares per cent."""
    if not models:
        raise DataError("There is no model whose stability could be told; give at least one.")
    first = next(iter(models.values()))
    rows = []
    for name, one in models.items():
        by_key = dict(zip(one.keys, one.rule(rule), strict=True))
        if set(by_key) != set(first.keys):
            odd = sorted(set(by_key) ^ set(first.keys))[0]
            raise DataError(
                f"{name} does not have the same items as {next(iter(models))}: {odd[1]!r} ({odd[0]}) is"
                " there for only one of them. Add --annotations, which fills in what is missing."
            )
        if all(score is None for score in by_key.values()):
            raise DataError(f"{name} has no score for any item, so nothing can be told of its stability.")
        empty = 0.0 if one.is_binary else np.nan
        rows.append([empty if by_key[key] is None else by_key[key] for key in first.keys])
    return list(first.keys), np.array(rows, dtype=float), 100 if first.is_binary else 1


def _spread(full: float, values: NDArray[np.float64]) -> Spread:
    numbers = (full, values.mean(), values.std(), values.min(), values.max())
    return Spread(*map(float, numbers))


def _rank_correlations(
    full: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[tuple[float, float] | None, tuple[float, float] | None, float]:
    from scipy.stats import kendalltau, spearmanr

    # A draw in which all models score the same has no order to compare.
    ordered = [row for row in values if len(set(row)) > 1] if len(set(full)) > 1 else []
    kendall = [float(kendalltau(full, row).statistic) for row in ordered]
    spearman = [float(spearmanr(full, row).statistic) for row in ordered]
    best = np.argsort(-full, kind="stable")
    same = [bool((np.argsort(-row, kind="stable") == best).all()) for row in values]
    return _mean_and_lowest(kendall), _mean_and_lowest(spearman), float(np.mean(same))


def _mean_and_lowest(values: Sequence[float]) -> tuple[float, float] | None:
    return (float(np.mean(values)), float(np.min(values))) if values else None
