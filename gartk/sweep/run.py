"""Carrying a sweep out: what is left of it, with a report after every run that ends."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gartk.engine.log_hook import LOSSES_FILE, clock
from gartk.sweep.executors import Executor
from gartk.sweep.plan import Plan, Run
from gartk.sweep.store import (
    FAILURE_FILE,
    LOG_FILE,
    TRAIN_FOLDER,
    State,
    held,
    prepare,
    state_of,
    tail_of,
    write_failure,
)

Say = Callable[[str], None]
SECONDS_BETWEEN_WORDS = 120.0
_SHOWN_LINES = 5


@dataclass(frozen=True)
class SweepResult:
    """How a sweep ended: the runs by state, and how many of the finished ones had been finished before."""

    states: dict[str, State]
    before: int

    @property
    def failed(self) -> list[str]:
        """The titles of the runs that did not finish."""
        return [title for title, state in self.states.items() if state != "finished"]


def run_sweep(
    plan: Plan,
    out: Path,
    *,
    executor: Executor,
    resume: bool = False,
    report: Callable[[], None] | None = None,
    say: Say = lambda text: None,
) -> SweepResult:
    """Carry out every run of a plan that is not finished.

    A run that fails is noted and the others go on. ``report`` is called before the first run, after every
    run that ends, and at the end; only the last call may fail.

    Raises: ConfigError if the folder holds another sweep, or another process carries it out.
    """
    with held(out, seconds=0.0, what="carries out this sweep"):
        new = prepare(plan, out, resume=resume)
        todo = [run for run in plan.runs if state_of(out / run.folder) != "finished"]
        before = len(plan.runs) - len(todo)
        say(f"{len(plan.runs)} runs in {out}: {before} finished before, {len(todo)} to do ({new} new)")
        progress = _Progress(plan, out, report, say)
        if todo:
            progress.report()
            executor.run([out / run.folder for run in todo], progress)
        if report is not None:
            report()
        return SweepResult({run.title: state_of(out / run.folder) for run in plan.runs}, before)


class _Progress:
    """Notes and says how each run ends, and has the report written anew."""

    def __init__(self, plan: Plan, out: Path, report: Callable[[], None] | None, say: Say) -> None:
        self._runs = {out / run.folder: run for run in plan.runs}
        self._report = report
        self._say = say
        self._began: dict[Path, float] = {}
        self._spoke = time.monotonic()

    def report(self) -> None:
        """Write the report; a report that cannot be written stops no run."""
        if self._report is None:
            return
        try:
            self._report()
        except Exception as error:
            self._say(f"The report could not be written: {type(error).__name__}: {error}")

    def started(self, folder: Path) -> None:
        """Say that a run starts, or goes on."""
        self._began[folder] = time.monotonic()
        verb = "goes on" if (folder / TRAIN_FOLDER).is_dir() else "starts"
        self._say(f"{self._runs[folder].title} {verb}")

    def ended(self, folder: Path, code: int) -> None:
        """Note how a run ended."""
        run = self._runs[folder]
        seconds = time.monotonic() - self._began.pop(folder, time.monotonic())
        if state_of(folder) == "finished":
            (folder / FAILURE_FILE).unlink(missing_ok=True)
            self._say(f"{run.title} finished after {clock(seconds)} ({self._count()})")
        else:
            self._note_failure(run, folder, code)
        self.report()

    def waiting(self) -> None:
        """Say now and then how far the runs are that go on."""
        if time.monotonic() - self._spoke < SECONDS_BETWEEN_WORDS:
            return
        self._spoke = time.monotonic()
        going = [f"{self._runs[folder].title}: {_how_far(folder)}" for folder in list(self._began)]
        self._say("; ".join(going))

    def _note_failure(self, run: Run, folder: Path, code: int) -> None:
        failure = write_failure(folder, code)
        lines = "".join(f"\n    {line}" for line in tail_of(folder / LOG_FILE, _SHOWN_LINES))
        self._say(f"{run.title} FAILED ({failure}); the others go on. The end of {folder / LOG_FILE}:{lines}")

    def _count(self) -> str:
        done = sum(state_of(folder) == "finished" for folder in self._runs)
        return f"{done} of {len(self._runs)}"


def _how_far(folder: Path) -> str:
    """The last update of a run that goes on, from its losses."""
    lines = tail_of(folder / TRAIN_FOLDER / LOSSES_FILE, 2)
    for line in reversed(lines):  # the last line may be cut off
        try:
            record = json.loads(line)
            return f"{record['iter']:,} updates, loss {record['loss']:.3g}"
        except (ValueError, KeyError, TypeError):
            continue
    return "no update yet"
