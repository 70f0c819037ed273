"""Carrying sweeps out with fake runs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from gartk.sweep.executors import LocalExecutor
from gartk.sweep.plan import Plan
from gartk.sweep.report import reporter
from gartk.sweep.run import SweepResult, run_sweep

HERE = Path(__file__).parent
FAKE = HERE / "fake_child.py"


def fake_command(seconds: float = 0.0) -> Callable[[Path], list[str]]:
    return lambda folder: [sys.executable, str(FAKE), str(folder), str(seconds)]


def sweep_with_fakes(
    plan: Plan, out: Path, *, resume: bool = False, report: bool = False
) -> tuple[SweepResult, str]:
    """Carry a plan out with fake runs; also gives what was said."""
    said: list[str] = []
    executor = LocalExecutor(jobs=2, command=fake_command())
    write = reporter(plan, out) if report else None
    outcome = run_sweep(plan, out, executor=executor, resume=resume, report=write, say=said.append)
    return outcome, "\n".join(said)
