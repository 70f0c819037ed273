"""What lies in a sweep's folder, and how far each run is, read from the run's own folder.

The folder of a run holds::

    run.json  config.py   what it is: written before it starts, fixed once it trains
    train/                work dir of the training: checkpoints, losses.jsonl
    results.json          every item of the config's test_data
    evals/<benchmark>/    the same of published benchmarks, as gartk eval leaves it
    finished.json         written last
    failure.json          why the last attempt ended, if it did not finish
    log.txt               all that its attempts printed
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gartk.errors import ConfigError, DataError
from gartk.io import read_json, read_json_object, write_atomic
from gartk.sweep.plan import Plan, Run, differences

RUN_FILE = "run.json"
CONFIG_FILE = "config.py"
RESULTS_FILE = "results.json"
FAILURE_FILE = "failure.json"
FINISHED_FILE = "finished.json"
EVALS_FOLDER = "evals"
LOG_FILE = "log.txt"
TRAIN_FOLDER = "train"
LOCK_FILE = ".lock"
_SHOWN = 4

State = Literal["finished", "failed", "started", "waiting"]


@dataclass(frozen=True)
class Failure:
    """How a run ended that did not finish: the exit code (negative: a signal), its log's last lines."""

    code: int
    tail: tuple[str, ...]

    def __str__(self) -> str:
        return f"killed by signal {-self.code}" if self.code < 0 else f"exit code {self.code}"


def state_of(folder: Path) -> State:
    """Return how far a run is."""
    if (folder / FINISHED_FILE).is_file():
        return "finished"
    if (folder / FAILURE_FILE).is_file():
        return "failed"
    return "started" if (folder / TRAIN_FOLDER).is_dir() else "waiting"


def read_failure(folder: Path) -> Failure | None:
    """Read why a run's last attempt ended, or None if it finished or was not tried."""
    if state_of(folder) != "failed":
        return None
    try:
        raw = read_json(folder / FAILURE_FILE)
        return Failure(int(raw["code"]), tuple(map(str, raw["tail"])))
    except (DataError, ValueError, KeyError, TypeError):
        return Failure(1, (f"{FAILURE_FILE} cannot be read",))


def write_failure(folder: Path, code: int, *, lines: int = 20) -> Failure:
    """Note why a run ended, with the last lines of its log."""
    failure = Failure(code, tail_of(folder / LOG_FILE, lines))
    write_atomic(folder / FAILURE_FILE, json.dumps({"code": code, "tail": failure.tail}, indent=1) + "\n")
    return failure


def tail_of(path: Path, lines: int) -> tuple[str, ...]:
    """The last lines of a text file that are not empty; none if it is not there."""
    if not path.is_file():
        return ()
    with path.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - 20_000))
        text = file.read().decode("utf-8", errors="replace")
    return tuple([line.rstrip() for line in text.splitlines() if line.strip()][-lines:])


@contextmanager
def held(folder: Path, *, seconds: float, what: str) -> Iterator[None]:
    """Keep other processes out of a folder for as long as this lasts, or as this process lives.

    Raises: ConfigError if another process is still in it after some seconds.
    """
    import filelock

    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / LOCK_FILE)
    try:
        lock.acquire(timeout=seconds)
    except filelock.Timeout:
        raise ConfigError(f"{folder}: another process {what}. Wait for it or end it; try again.") from None
    try:
        yield
    finally:
        lock.release()


# ---- preparing --------------------------------------------------------------------------------


def prepare(plan: Plan, out: Path, *, resume: bool) -> int:
    """Write what each run is into its folder, once; gives how many runs are new.

    Rows and seeds may be added to a sweep that is resumed; what has begun may not change or be left out.

    Raises: ConfigError if the folder holds another sweep, or one that is not to be resumed.
    """
    there = {path.parent.relative_to(out).as_posix() for path in out.glob(f"runs/*/*/{RUN_FILE}")}
    if there and not resume:
        raise ConfigError(
            f"{out} already holds a sweep of {len(there)} runs. Go on with it by --resume, choose another"
            " --out, or delete it."
        )
    dropped = sorted(there - {run.folder for run in plan.runs})
    if dropped:
        raise ConfigError(
            f"{out} holds another sweep: {dropped[0]} is there and this sweep has no such run"
            f" ({len(dropped)} in all). Choose another --out; two sweeps are not mixed in one folder."
        )
    begun = {folder for folder in there if has_begun(out / folder)}
    for run in plan.runs:
        if run.folder in begun:
            _check_same(run, out / run.folder)
    for run in plan.runs:
        if run.folder not in begun:
            _write_run(run, out / run.folder)
    return sum(run.folder not in there for run in plan.runs)


def has_begun(folder: Path) -> bool:
    """Whether a run has trained for an update: from then on its config is fixed."""
    losses = folder / TRAIN_FOLDER / "losses.jsonl"
    return (folder / FINISHED_FILE).is_file() or (losses.is_file() and losses.stat().st_size > 0)


def _write_run(run: Run, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    run.config.dump(folder / CONFIG_FILE)
    about = {
        "row": run.row.name,
        "seed": run.seed,
        "source": run.row.source,
        "imports": run.imports,
        "evals": [one.to_json() for one in run.evals],
        "fingerprint": run.fingerprint,
    }
    # This file comes last: without it the folder counts as empty.
    write_atomic(folder / RUN_FILE, json.dumps(about, indent=1) + "\n")


def read_run(folder: Path) -> dict[str, Any]:
    """Read what a run is. Raises: DataError if its file is missing or damaged."""
    hint = "Delete this run's folder."
    about = read_json_object(folder / RUN_FILE, hint=hint)
    if missing := {"fingerprint", "imports"} - set(about):
        raise DataError(f"{folder / RUN_FILE} lacks {', '.join(sorted(missing))}. {hint}")
    return about


def _check_same(run: Run, folder: Path) -> None:
    if read_run(folder)["fingerprint"] == run.fingerprint:
        return
    from mmengine.config import Config

    old = Config.fromfile(folder / CONFIG_FILE, import_custom_modules=False, lazy_import=False)
    changed = differences(old.to_dict(), run.config.to_dict())
    shown = "; ".join(f"{key} was {a!r} and is {b!r}" for key, a, b in changed[:_SHOWN])
    shown = shown or "custom_imports or evals differ"
    more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
    raise ConfigError(
        f"{folder.parents[2]} holds another sweep: in {run.title} {shown}{more}."
        " Choose another --out; two sweeps are not mixed in one folder."
    )
