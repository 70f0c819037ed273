"""Reading what the runs of a sweep have left behind: scores of every item, times, curves, failures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gartk.engine.log_hook import LOSSES_FILE, read_losses
from gartk.errors import CheckpointError, DataError
from gartk.evaluation.validation import VALIDATION_FILE
from gartk.io import read_jsonl
from gartk.sweep.evals import published_scores
from gartk.sweep.plan import Plan, Run
from gartk.sweep.store import (
    EVALS_FOLDER,
    RESULTS_FILE,
    TRAIN_FOLDER,
    Failure,
    State,
    read_failure,
    state_of,
)

JOURNAL_FILE = "journal.jsonl"

# Benchmark ("" for the config's test_data), sub-task, id.
Key = tuple[str, str, str]
Curve = tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class ItemOutcome:
    """What one test item scored; ``chance`` and ``blind_chance`` as its record states them."""

    scores: Mapping[str, float]
    seconds: float | None
    chance: float | None
    blind_chance: float | None


@dataclass(frozen=True)
class RunData:
    """All that is known of one run.

    ``items`` are its test items by benchmark, sub-task and id, in order; empty until it is finished.
    ``loss`` and ``validation`` are (updates, value); the latter as a share of right answers, where the run
    wrote any.
    """

    run: Run
    state: State
    items: Mapping[Key, ItemOutcome]
    loss: Curve
    validation: Curve
    failure: Failure | None

    @property
    def updates_done(self) -> int:
        """Updates that it has trained for."""
        return self.loss[-1][0] if self.loss else 0


class Collector:
    """Reads the runs of a sweep, and what has not changed since the last time only once."""

    def __init__(self, plan: Plan, out: Path) -> None:
        self.plan = plan
        self.out = out
        self._read: dict[Path, tuple[tuple[int, int], Mapping[Key, ItemOutcome]]] = {}

    def collect(self) -> dict[str, list[RunData]]:
        """Return the runs of every row, by the row's name and in the order of the seeds."""
        return {row.name: [self._run(run) for run in self.plan.runs_of(row)] for row in self.plan.rows}

    def _run(self, run: Run) -> RunData:
        folder = self.out / run.folder
        state, failure = state_of(folder), read_failure(folder)
        items: Mapping[Key, ItemOutcome] = {}
        try:
            if state == "finished":
                items = self._all_items(run, folder)
            loss = read_curve(folder / TRAIN_FOLDER / LOSSES_FILE, "loss")
            validation = read_curve(folder / TRAIN_FOLDER / VALIDATION_FILE, "accuracy")
        except (DataError, CheckpointError) as error:
            return RunData(run, "failed", {}, (), (), Failure(1, (str(error),)))
        return RunData(run, state, items, loss, validation, failure)

    def _all_items(self, run: Run, folder: Path) -> Mapping[Key, ItemOutcome]:
        items: dict[Key, ItemOutcome] = {}
        if "test_data" in run.config:
            items.update(self._items(folder / RESULTS_FILE, ""))
        for one in run.evals:
            items.update(self._items(folder / EVALS_FOLDER / one.benchmark / RESULTS_FILE, one.benchmark))
        return items

    def _items(self, path: Path, benchmark: str) -> Mapping[Key, ItemOutcome]:
        stat = path.stat()
        stamp = (stat.st_mtime_ns, stat.st_size)
        if path not in self._read or self._read[path][0] != stamp:
            self._read[path] = (stamp, read_items(path, benchmark))
        return self._read[path][1]


def read_items(path: Path, benchmark: str = "") -> dict[Key, ItemOutcome]:
    """Read the test items of a results file; ``benchmark`` is the published one that it is of, or "".

    Raises: DataError if it is missing or malformed, or two items of a sub-task have one id.
    """
    from gartk.evaluation.benchmarks.base import build_benchmark
    from gartk.evaluation.results import read_results

    results = read_results(path)
    scores: dict[tuple[str, str], Mapping[str, float]] = {}
    if benchmark:
        scores.update(published_scores(build_benchmark(benchmark), results.records))
    times = answer_seconds(path.with_name(JOURNAL_FILE)) if benchmark else {}
    items: dict[Key, ItemOutcome] = {}
    for record in results.records:
        key = (benchmark, record.task, record.id)
        if key in items:
            raise DataError(f"{path}: two items of the sub-task {record.task!r} have the id {record.id!r}.")
        seconds = _number(record.extra.get("seconds", times.get(key[1:])))
        guesses = [_number(record.extra.get(name)) for name in ("chance", "blind_chance")]
        items[key] = ItemOutcome(scores.get(key[1:], _known(record.scores)), seconds, *guesses)
    return items


def answer_seconds(path: Path) -> dict[tuple[str, str], float]:
    """Read from the journal of a published benchmark how long each answer took; empty without one."""
    if not path.is_file():
        return {}
    found: dict[tuple[str, str], float] = {}
    for entry in read_jsonl(path, torn_end=True):
        if isinstance(entry, dict) and entry.get("kind") == "answer" and "seconds" in entry:
            found[entry.get("task", ""), entry.get("id", "")] = entry["seconds"]
    return found


def read_curve(path: Path, name: str) -> Curve:
    """Read (updates, value) from a JSON lines file that a run may still be writing; empty if it is not there.

    Raises: CheckpointError if a whole line is damaged.
    """
    records: Sequence[Mapping[str, Any]] = read_losses(path)
    return tuple((int(r["iter"]), float(r[name])) for r in records if r.get(name) is not None)


def _known(scores: Mapping[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in scores.items() if value is not None}


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
