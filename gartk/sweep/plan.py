"""From a sweep's settings to its runs: rows times grid times seeds, each with a config of its own."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gartk.errors import ConfigError
from gartk.sweep.evals import EvalSettings
from gartk.sweep.settings import RowSettings, SweepSettings, check_row_name

if TYPE_CHECKING:
    from mmengine.config import Config

_UNSAFE = re.compile(r"[^A-Za-z0-9._=,+-]+")


@dataclass(frozen=True)
class Row:
    """One row after the grid: ``options`` are all changes to its config but the seed.

    ``source`` is the config as it is shown; ``slug`` the name as a folder.
    """

    name: str
    title: str
    config: Path
    options: Mapping[str, Any]
    published: Mapping[str, float | int | str] = field(default_factory=dict)

    @property
    def slug(self) -> str:
        """The name, fit for a folder."""
        return _UNSAFE.sub("_", self.name)

    @property
    def source(self) -> str:
        """The config's path from the current folder, or its name where it lies elsewhere."""
        relative = os.path.relpath(self.config)
        return self.config.name if relative.startswith("..") else relative


@dataclass(frozen=True)
class Run:
    """One training with its test: a row and a seed.

    ``config`` is whole and fixed; ``imports`` are entries of ``custom_imports`` with the folders that their
    modules are looked for in. ``fingerprint`` tells it from any other run.
    """

    row: Row
    seed: int
    config: Config
    imports: tuple[tuple[Mapping[str, Any], str], ...]
    evals: tuple[EvalSettings, ...] = ()

    @property
    def folder(self) -> str:
        """Its folder, below the sweep's."""
        return f"runs/{self.row.slug}/seed{self.seed}"

    @property
    def title(self) -> str:
        """Its name in messages."""
        return f"row {self.row.name}, seed {self.seed}"

    @property
    def updates(self) -> int:
        """Updates that it trains for."""
        return int(self.config.schedule.max_iters)

    @property
    def samples(self) -> int:
        """Training samples that it reads."""
        return self.updates * int(self.config.train_data.batch_size) * int(self.config.get("accumulate", 1))

    @property
    def fingerprint(self) -> str:
        """A hash of the whole config, of what is imported for it, and of the benchmarks it is put to."""
        modules = [entry.get("imports") for entry, _ in self.imports]
        evals = [one.to_json() for one in self.evals]
        text = json.dumps([self.config.to_dict(), modules, evals], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Plan:
    """All rows in the table's order, and all runs in the order in which they start: seed by seed."""

    settings: SweepSettings
    rows: tuple[Row, ...]
    runs: tuple[Run, ...]

    def runs_of(self, row: Row) -> list[Run]:
        """The runs of a row, by seed."""
        return [run for run in self.runs if run.row.name == row.name]


def make_plan(settings: SweepSettings, options: Mapping[str, Any] | None = None) -> Plan:
    """Expand a sweep and read every run's config, so that a mistake is found before anything runs.

    ``options`` (of the command line) win over those of the sweep and of its rows; the grid's win over all.

    Raises: ConfigError that names the row, its config and the key.
    """
    rows = tuple(_expand(settings, options or {}))
    names = [row.name for row in rows]
    _check_distinct("name", names, names)
    _check_distinct("folder name", names, [row.slug.lower() for row in rows])
    check_row_name(settings.baseline, names, "baseline")
    runs = tuple(_run(settings, row, seed) for seed in settings.seeds for row in rows)
    return Plan(settings, rows, runs)


def _check_distinct(kind: str, names: Sequence[str], values: Sequence[str]) -> None:
    twice = next((n for n, value in zip(names, values, strict=True) if values.count(value) > 1), None)
    if twice is not None:
        raise ConfigError(f"Two rows have the same {kind}, {twice!r}; give each a name of its own.")


def _expand(settings: SweepSettings, options: Mapping[str, Any]) -> Iterator[Row]:
    short = _short_names(settings.grid)
    for row in settings.rows:
        for values in itertools.product(*settings.grid.values()):
            point = dict(zip(settings.grid, values, strict=True))
            merged = {**settings.cfg_options, **row.cfg_options, **options, **point}
            named = ",".join(f"{short[key]}={value}" for key, value in point.items())
            yield _row(row, named, merged)


def _row(row: RowSettings, named: str, options: Mapping[str, Any]) -> Row:
    name = f"{row.name}/{named}" if named else row.name
    title = f"{row.title}, {named}" if row.title and named else row.title
    return Row(name, title, Path(row.config), options, row.published)


def _short_names(grid: Mapping[str, Any]) -> dict[str, str]:
    """The last part of every path, where it tells the paths apart; else the whole path."""
    last = {key: key.rpartition(".")[2] for key in grid}
    is_clear = len(set(last.values())) == len(last)
    return {key: last[key] if is_clear else key for key in grid}


def _run(settings: SweepSettings, row: Row, seed: int) -> Run:
    from gartk.config import TrainSettings

    clash = sorted(set(row.options) & set(settings.seed_keys))
    try:
        if clash:
            raise ConfigError(f"{clash[0]} is set by the sweep's seeds; use --seeds (or seeds, seed_keys).")
        cfg = _read(row, settings, seed)
        TrainSettings.from_cfg(cfg)
        if "test_data" not in cfg and not settings.evals:
            raise ConfigError(
                "The config has no test_data and the sweep no evals, so there is nothing to fill the table"
                " with. Add evals, or cfg_options = {'test_data': dict(type='RegionWorldBenchmark')}."
            )
    except ConfigError as error:
        raise ConfigError(f"row {row.name!r} ({row.source}): {error}") from error
    imports = [(settings.custom_imports, settings.folder), (cfg.get("custom_imports"), row.config.parent)]
    kept = tuple((dict(entry), str(folder)) for entry, folder in imports if entry)
    return Run(row, seed, cfg, kept, tuple(_limited(one, settings.items) for one in settings.evals))


def _limited(one: EvalSettings, items: int | None) -> EvalSettings:
    return one if items is None else replace(one, limit=items)


def _read(row: Row, settings: SweepSettings, seed: int) -> Config:
    from gartk.config import load_config
    from gartk.evaluation.test_data import TEST_KEYS

    options = {**row.options, **dict.fromkeys(settings.seed_keys, seed)}
    cfg = load_config(row.config, options, extra_keys=["test_data", *TEST_KEYS])
    if settings.items is not None and "test_data" in cfg:
        cfg.test_data.items_per_task = settings.items
    return cfg


def flat(values: Any, path: str = "") -> dict[str, Any]:
    """Return every leaf of a config by its dotted path."""
    if isinstance(values, Mapping) and values:
        below = [flat(one, f"{path}.{key}" if path else str(key)) for key, one in values.items()]
        return {key: value for part in below for key, value in part.items()}
    return {path: list(values) if isinstance(values, tuple) else values}


def differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """List the paths at which two configs differ with both values; ABSENT where one lacks it."""
    one, two = flat(first), flat(second)
    keys = dict.fromkeys([*one, *two])
    pairs = [(key, one.get(key, ABSENT), two.get(key, ABSENT)) for key in keys]
    return [(key, a, b) for key, a, b in pairs if a is ABSENT or b is ABSENT or a != b]


class _Absent:
    def __repr__(self) -> str:
        return "(absent)"


ABSENT = _Absent()


def with_options(
    settings: SweepSettings,
    *,
    seeds: tuple[int, ...] | None = None,
    jobs: int | None = None,
    items: int | None = None,
    baseline: str | None = None,
    grid: Mapping[str, list[Any]] | None = None,
) -> SweepSettings:
    """Change a sweep by what a command line says; None leaves a setting alone.

    Raises: ConfigError for a value out of range.
    """
    given = {"seeds": seeds, "jobs": jobs, "items": items, "baseline": baseline}
    changes: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    if grid:
        changes["grid"] = {**settings.grid, **grid}
    return replace(settings, **changes)
