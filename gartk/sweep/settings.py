"""What a sweep file says, checked and typed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gartk.errors import ConfigError, did_you_mean
from gartk.sweep.evals import EvalSettings

DEFAULT_IMAGE_HW = (448, 448)
# Keys of a run's config that get its seed, unless the sweep says otherwise.
SEED_KEYS = ("seed",)
FEWEST_RESAMPLES = 20


@dataclass(frozen=True)
class RowSettings:
    """One row of the table: a config and what is changed in it.

    ``published`` holds numbers that others stated for this row; they are shown beside ours.
    """

    name: str
    config: str
    title: str = ""
    cfg_options: Mapping[str, Any] = field(default_factory=dict)
    published: Mapping[str, float | int | str] = field(default_factory=dict)


@dataclass(frozen=True)
class ColumnSettings:
    """One column: the mean of a score over the items of some sub-tasks, times a scale.

    Args:
        title: what stands above it.
        tasks: the sub-tasks; None for all.
        score: "correct" or another score of the records; of a published benchmark a rule ("strict": its
            headline) or a rule with one of its scores ("published/Pos").
        benchmark: which published benchmark (its name in ``evals``); "" for the configs' test_data.
        scale: None for 100 with test_data, and 1 with published benchmarks, whose scores are per cent.
    """

    title: str
    tasks: tuple[str, ...] | None = None
    score: str = "correct"
    benchmark: str = ""
    scale: float | None = None

    @property
    def factor(self) -> float:
        """What its scores are multiplied by."""
        return (1.0 if self.benchmark else 100.0) if self.scale is None else self.scale


@dataclass(frozen=True)
class SweepSettings:
    """A whole sweep as its file describes it; paths of configs are absolute.

    Args:
        name: what the output folder is called.
        folder: where the file lies; its ``custom_imports`` are looked for there.
        title, notes: what stands above the table.
        rows: in the order of the table.
        cfg_options: changes for every row; a row's own win over them.
        grid: paths with several values each; every row is run with every combination.
        seeds: each row is run with each of them.
        seed_keys: the paths of a config that get the seed.
        jobs: how many runs at once.
        baseline: the row that the others are compared with.
        columns: of the table; empty stands for one for each sub-task, and all of them together.
        items: test items for each sub-task (None: what the configs say).
        evals: published benchmarks that every run is put to, beside its config's test_data.
        image_hw: the size that tokens are counted for, in pixels.
        resamples: draws of the bootstrap.
        custom_imports: modules that every run imports, as in a config.
        slurm: parameters of submitit for ``--executor slurm``.
    """

    name: str
    folder: Path
    rows: tuple[RowSettings, ...]
    title: str = ""
    notes: str = ""
    cfg_options: Mapping[str, Any] = field(default_factory=dict)
    grid: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    seeds: tuple[int, ...] = (0,)
    seed_keys: tuple[str, ...] = SEED_KEYS
    jobs: int | None = None
    baseline: str | None = None
    columns: tuple[ColumnSettings, ...] = ()
    items: int | None = None
    evals: tuple[EvalSettings, ...] = ()
    image_hw: tuple[int, int] = DEFAULT_IMAGE_HW
    resamples: int = 1000
    custom_imports: Mapping[str, Any] | None = None
    slurm: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.rows:
            raise ConfigError("rows is empty: a sweep needs at least one row.")
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise ConfigError(f"seeds must be different whole numbers, at least one; got {self.seeds}.")
        for key, values in self.grid.items():
            if isinstance(values, str) or not isinstance(values, Sequence) or not values:
                raise ConfigError(f"grid[{key!r}] must be a list of values, got {values!r}.")
        if self.jobs is not None and self.jobs < 1:
            raise ConfigError(f"jobs must be at least 1, got {self.jobs}.")
        if self.items is not None and self.items < 1:
            raise ConfigError(f"items must be at least 1, got {self.items}.")
        names = [one.benchmark for one in self.evals]
        if len(set(names)) != len(names):
            raise ConfigError(f"evals names a benchmark twice: {', '.join(names)}.")
        for column in self.columns:
            if column.benchmark and column.benchmark not in names:
                raise ConfigError(
                    f"column {column.title!r}: benchmark {column.benchmark!r} is not among evals."
                    f" {did_you_mean(column.benchmark, names)}"
                )
        if self.resamples < FEWEST_RESAMPLES:
            raise ConfigError(f"resamples must be at least {FEWEST_RESAMPLES}, got {self.resamples}.")


def read_sweep(paths: Sequence[str | os.PathLike[str]]) -> SweepSettings:
    """Read one sweep file, or make a sweep of several configs, a row each.

    A file with ``rows`` is a sweep file; its own ``custom_imports`` are done here.

    Raises: ConfigError that names the file, the row and the key.
    """
    from gartk.config import load_config

    if not paths:
        raise ConfigError("Nothing to sweep: give a sweep file, or configs.")
    read = {Path(path): load_config(path) for path in paths}
    if len(read) < len(paths):
        raise ConfigError(f"A config is named twice: {', '.join(map(str, paths))}.")
    sweeps = [path for path, cfg in read.items() if "rows" in cfg]
    if not sweeps:
        rows = tuple(RowSettings(path.stem, str(path.absolute())) for path in read)
        return SweepSettings("+".join(row.name for row in rows), Path.cwd(), rows)
    if len(paths) > 1:
        raise ConfigError(
            f"{sweeps[0]} is a sweep file (it has rows), so it stands alone; got {len(paths)} files."
        )
    (path, cfg) = next(iter(read.items()))
    try:
        return _from_dict(cfg._cfg_dict.to_dict(), path)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _from_dict(values: dict[str, Any], path: Path) -> SweepSettings:
    from gartk.config.settings import build_section

    given = [key for key in ("name", "folder") if key in values]
    if given:
        raise ConfigError(f"{given[0]} is not a key of a sweep file; the file's own name and folder serve.")
    folder = path.absolute().parent
    rows = values["rows"]
    if not isinstance(rows, (list, tuple)):
        raise ConfigError(f"rows must be a list of dicts, got {rows!r}.")
    values["rows"] = tuple(_row(row, number, folder) for number, row in enumerate(rows))
    for key, read in (("columns", _column), ("evals", _eval)):
        if not isinstance(values.get(key, ()), (list, tuple)):
            raise ConfigError(f"{key} must be a list of dicts, got {values[key]!r}.")
        values[key] = tuple(read(value, number) for number, value in enumerate(values.get(key, ())))
    for key in ("seeds", "seed_keys", "image_hw"):
        if key in values:
            values[key] = _several(values[key], key, str if key == "seed_keys" else int)
    for key in ("cfg_options", "grid", "slurm"):
        if not isinstance(values.get(key, {}), Mapping):
            raise ConfigError(f"{key} must be a dict, got {values[key]!r}.")
    return build_section(SweepSettings, {"name": path.stem, "folder": folder, **values}, "")


def _row(value: Any, number: int, folder: Path) -> RowSettings:
    from gartk.config.settings import build_section

    where = f"rows[{number}]"
    if isinstance(value, Mapping) and "name" in value:
        where += f" (name {value['name']!r})"
        value = {**value, "name": str(value["name"])}
    row = build_section(RowSettings, value, where)
    for key in ("cfg_options", "published"):
        if not isinstance(getattr(row, key), Mapping):
            raise ConfigError(f"{where}.{key} must be a dict, got {getattr(row, key)!r}.")
    config = (folder / row.config).resolve()
    if not config.is_file():
        raise ConfigError(
            f"{where}.config: there is no file {row.config!r}"
            f" (looked for {config}; paths start at the sweep file's folder)."
        )
    return replace(row, config=str(config))


def _column(value: Any, number: int) -> ColumnSettings:
    from gartk.config.settings import build_section

    column = build_section(ColumnSettings, value, f"columns[{number}]")
    if column.tasks is None:
        return column
    tasks = _several(column.tasks, f"columns[{number}].tasks", str)
    return replace(column, tasks=tasks)


def _eval(value: Any, number: int) -> EvalSettings:
    from gartk.config.settings import build_section

    return build_section(EvalSettings, value, f"evals[{number}]")


def _several(value: Any, key: str, kind: type) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)) or not all(type(one) is kind for one in value):
        raise ConfigError(f"{key} must be a list of {kind.__name__}, got {value!r}.")
    return tuple(value)


def parse_grid(text: str) -> tuple[str, list[Any]]:
    """Read ``path=V1,V2,...``; a value is a Python literal, or else a string.

    Raises: ConfigError if there is no path or no value.
    """
    import ast

    path, _, values = text.partition("=")
    if not path or not values:
        raise ConfigError(f"--grid {text!r}: write PATH=V1,V2, such as model.vision.max_num_tiles=4,16.")
    try:
        whole = ast.literal_eval(f"[{values}]")
    except (ValueError, SyntaxError):
        return path, [_literal(value) for value in values.split(",")]
    return path, whole


def _literal(text: str) -> Any:
    import ast

    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def check_row_name(name: str | None, names: Sequence[str], option: str) -> None:
    """Refuse a row that does not exist. Raises: ConfigError naming near matches."""
    if name is not None and name not in names:
        raise ConfigError(f"{option} {name!r} is no row of the sweep. {did_you_mean(name, names)}")
