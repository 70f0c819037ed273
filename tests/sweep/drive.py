"""A sweep of fake runs in a process of its own, to be killed by tests: drive.py SWEEP.py OUT [seconds]."""

from __future__ import annotations

import sys
from pathlib import Path

from gartk.sweep.executors import LocalExecutor
from gartk.sweep.plan import make_plan
from gartk.sweep.report import reporter
from gartk.sweep.run import run_sweep
from gartk.sweep.settings import read_sweep

FAKE = Path(__file__).with_name("fake_child.py")


def command(seconds: float):
    return lambda folder: [sys.executable, str(FAKE), str(folder), str(seconds)]


if __name__ == "__main__":
    plan = make_plan(read_sweep([sys.argv[1]]))
    out = Path(sys.argv[2])
    executor = LocalExecutor(jobs=2, command=command(float(sys.argv[3])))
    run_sweep(plan, out, executor=executor, resume=True, report=reporter(plan, out), say=print)
