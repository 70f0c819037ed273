"""The numbers of a sweep: means and spread over seeds, chance beside them, differences from the baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from statistics import fmean, median, stdev
from typing import TYPE_CHECKING, Any

import numpy as np

from gartk.errors import ConfigError, did_you_mean
from gartk.sweep.collect import ItemOutcome, Key, RunData
from gartk.sweep.settings import ColumnSettings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gartk.sweep.cost import RowCost
    from gartk.sweep.plan import Plan, Row

FORMAT = "gartk-sweep-1"
LEVEL = 0.95
OVERALL = "overall"


@dataclass(frozen=True)
class Difference:
    """A row minus the baseline on the items that all runs of both have, in the column's unit.

    ``interval`` is the bootstrap interval over items and seeds, ``items_interval`` that over items alone,
    for these very trainings. ``left_out`` items are not in all of the runs.
    """

    value: float
    interval: tuple[float, float]
    items_interval: tuple[float, float]
    items: int
    left_out: int


@dataclass(frozen=True)
class Cell:
    """A row's number in one column: ``mean`` and sample standard deviation over the seeds in ``by_seed``."""

    mean: float
    std: float | None
    by_seed: Mapping[int, float]
    items: int
    versus: Difference | None


@dataclass(frozen=True)
class RowNumbers:
    """One row: its cells by column title (those that exist), and what it costs.

    ``finished`` of ``runs`` runs are in it; ``latency_ms`` is the median over all items of their share of
    their batch's time.
    """

    name: str
    title: str
    source: str
    runs: int
    finished: int
    states: Mapping[int, str]
    cost: RowCost | None
    latency_ms: float | None
    cells: Mapping[str, Cell]
    published: Mapping[str, float | int | str]


@dataclass(frozen=True)
class Table:
    """All rows in order, and what guessing gives in each column (None: not stated by every item)."""

    title: str
    notes: str
    baseline: str | None
    seeds: tuple[int, ...]
    columns: tuple[ColumnSettings, ...]
    chance: Mapping[str, float | None]
    blind_chance: Mapping[str, float | None]
    rows: tuple[RowNumbers, ...]
    resamples: int
    level: float

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON values."""
        return {"format": FORMAT, **asdict(self)}


def make_table(
    plan: Plan, data: Mapping[str, Sequence[RunData]], costs: Mapping[str, RowCost] | None = None
) -> Table:
    """Sum up what the runs of a plan have given so far.

    Raises: ConfigError if two columns have the same title, or a column's sub-task or score does not exist.
    """
    settings = plan.settings
    columns = settings.columns or _default_columns(data)
    _check_columns(columns, data)
    base = data[settings.baseline] if settings.baseline is not None else None
    rows = []
    for row in plan.rows:
        versus = None if row.name == settings.baseline else base
        cost = (costs or {}).get(row.name)
        rows.append(_row(row, data[row.name], columns, versus, cost, settings.resamples))
    chance, blind = ({c.title: _guess(data, c, name) for c in columns} for name in ("chance", "blind_chance"))
    return Table(
        title=settings.title or settings.name,
        notes=settings.notes,
        baseline=settings.baseline,
        seeds=settings.seeds,
        columns=columns,
        chance=chance,
        blind_chance=blind,
        rows=tuple(rows),
        resamples=settings.resamples,
        level=LEVEL,
    )


# ---- columns ----------------------------------------------------------------------------------


def _default_columns(data: Mapping[str, Sequence[RunData]]) -> tuple[ColumnSettings, ...]:
    """One for each sub-task of test_data, one for all of its items, and one for each published rule."""
    every = [run.items for runs in data.values() for run in runs]
    tasks = dict.fromkeys(task for items in every for benchmark, task, _ in items if not benchmark)
    columns = [ColumnSettings(task, (task,)) for task in tasks]
    columns += [ColumnSettings(OVERALL)] if tasks else []
    published: dict[str, dict[str, None]] = {}
    for items in every:
        for (benchmark, _, _), item in items.items():
            if benchmark:
                published.setdefault(benchmark, {}).update(dict.fromkeys(item.scores))
    for benchmark, names in published.items():
        rules = [name for name in names if "/" not in name]
        columns += [ColumnSettings(f"{benchmark}, {rule}", score=rule, benchmark=benchmark) for rule in rules]
    return tuple(columns)


def _check_columns(columns: Sequence[ColumnSettings], data: Mapping[str, Sequence[RunData]]) -> None:
    titles = [column.title for column in columns]
    twice = next((title for title in titles if titles.count(title) > 1), None)
    if twice is not None:
        raise ConfigError(f"Two columns have the title {twice!r}.")
    first = next((run.items for runs in data.values() for run in runs if run.items), None)
    if first is None:
        return
    for column in columns:
        known = {task for benchmark, task, _ in first if benchmark == column.benchmark}
        unknown = [task for task in column.tasks or () if task not in known]
        where = f"Column {column.title!r}: no item"
        if unknown:
            raise ConfigError(f"{where} is of the sub-task {unknown[0]!r}. {did_you_mean(unknown[0], known)}")
        if not _chosen(first, column):
            names = {
                name for key, item in first.items() if key[0] == column.benchmark for name in item.scores
            }
            raise ConfigError(
                f"{where} of its sub-tasks has a score {column.score!r}. {did_you_mean(column.score, names)}"
            )


def _chosen(items: Mapping[Key, ItemOutcome], column: ColumnSettings) -> dict[Key, float]:
    """The scores that a column is about, in its unit."""
    return {
        key: column.factor * item.scores[column.score]
        for key, item in items.items()
        if key[0] == column.benchmark
        and (column.tasks is None or key[1] in column.tasks)
        and column.score in item.scores
    }


def _guess(data: Mapping[str, Sequence[RunData]], column: ColumnSettings, name: str) -> float | None:
    """What guessing gives on the items of the first finished run; None unless each item states it."""
    if column.score != "correct":
        return None
    first = next((run.items for runs in data.values() for run in runs if run.items), {})
    values = [getattr(first[key], name) for key in _chosen(first, column)]
    return column.factor * fmean(values) if values and None not in values else None


# ---- rows -------------------------------------------------------------------------------------


def _row(
    row: Row,
    runs: Sequence[RunData],
    columns: Sequence[ColumnSettings],
    base: Sequence[RunData] | None,
    cost: RowCost | None,
    resamples: int,
) -> RowNumbers:
    seconds = _seconds(runs)
    cells = {column.title: _cell(runs, column, base, resamples) for column in columns}
    return RowNumbers(
        name=row.name,
        title=row.title,
        source=row.source,
        runs=len(runs),
        finished=sum(run.state == "finished" for run in runs),
        states={run.run.seed: run.state for run in runs},
        cost=cost,
        latency_ms=1000 * median(seconds) if seconds else None,
        cells={title: cell for title, cell in cells.items() if cell is not None},
        published=row.published,
    )


def _seconds(runs: Sequence[RunData]) -> list[float]:
    """The times of single items: those of test_data, or else those of the published benchmarks."""
    every = [(key, item.seconds) for run in runs for key, item in run.items.items()]
    own = [seconds for key, seconds in every if not key[0] and seconds is not None]
    return own or [seconds for _, seconds in every if seconds is not None]


def _cell(
    runs: Sequence[RunData], column: ColumnSettings, base: Sequence[RunData] | None, resamples: int
) -> Cell | None:
    by_seed = {run.run.seed: scores for run in runs if (scores := _chosen(run.items, column))}
    if not by_seed:
        return None
    means = {seed: fmean(scores.values()) for seed, scores in by_seed.items()}
    others = [scores for run in base or () if (scores := _chosen(run.items, column))]
    return Cell(
        mean=fmean(means.values()),
        std=stdev(means.values()) if len(means) > 1 else None,
        by_seed=means,
        items=max(len(scores) for scores in by_seed.values()),
        versus=paired_difference(list(by_seed.values()), others, resamples=resamples) if others else None,
    )


# ---- differences ------------------------------------------------------------------------------


def paired_difference(
    ones: Sequence[Mapping[Key, float]],
    others: Sequence[Mapping[Key, float]],
    *,
    resamples: int,
    seed: int = 0,
    level: float = LEVEL,
) -> Difference | None:
    """Compare two rows item by item; each is given as the scores of its runs, one for each seed.

    An item stands for itself in all runs of both rows: it is drawn, within its sub-task, together with
    everything that was said to it. The runs of each row are drawn too, independently, since a training
    with another seed is another draw. None if no item is in all runs.
    """
    keys = [key for key in ones[0] if all(key in scores for scores in (*ones, *others))]
    if not keys:
        return None
    every = set().union(*ones, *others)
    one, other = (np.array([[scores[key] for key in keys] for scores in runs]) for runs in (ones, others))
    drawn = _draws(tuple(task for _, task, _ in keys), resamples, seed)
    # (runs, resamples): the mean of each run over each draw of the items.
    one_means, other_means = (np.stack([row[drawn].mean(axis=1) for row in rows]) for rows in (one, other))
    generator = np.random.default_rng(seed)
    with_seeds = _draw_runs(one_means, generator) - _draw_runs(other_means, generator)
    return Difference(
        value=float(one.mean() - other.mean()),
        interval=_ends(with_seeds, level),
        items_interval=_ends(one_means.mean(axis=0) - other_means.mean(axis=0), level),
        items=len(keys),
        left_out=len(every) - len(keys),
    )


@lru_cache(maxsize=64)
def _draws(tasks: tuple[str, ...], resamples: int, seed: int) -> NDArray[np.int64]:
    """Draw the items of all resamples, (resamples, items); the same for all rows with these items."""
    from gartk.evaluation.statistics.bootstrap import draw_with_replacement

    generator = np.random.default_rng(seed)
    return np.stack([draw_with_replacement(tasks, generator) for _ in range(resamples)])


def _draw_runs(means: NDArray[np.float64], generator: np.random.Generator) -> NDArray[np.float64]:
    """Average over as many runs as there are, drawn with replacement for each resample."""
    runs, resamples = means.shape
    drawn = generator.integers(runs, size=(runs, resamples))
    mean: NDArray[np.float64] = np.take_along_axis(means, drawn, axis=0).mean(axis=0)
    return mean


def _ends(values: NDArray[np.float64], level: float) -> tuple[float, float]:
    low, high = np.percentile(values, [50 * (1 - level), 50 * (1 + level)])
    return float(low), float(high)
