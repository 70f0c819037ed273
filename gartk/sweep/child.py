"""The process of one run: trains, or goes on training, then tests. Started by the sweep, not by hand.

    python -m gartk.sweep.child RUN_FOLDER [--measure UPDATES]

It needs nothing but its folder (``gartk.sweep.store``), and may be killed at any moment. With --measure
it trains a few updates in a temporary folder and writes how long they took.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gartk.errors import ConfigError, exit_code
from gartk.io import write_atomic
from gartk.sweep.evals import EvalSettings, run_eval
from gartk.sweep.store import (
    CONFIG_FILE,
    EVALS_FOLDER,
    FINISHED_FILE,
    RESULTS_FILE,
    TRAIN_FOLDER,
    held,
    read_run,
)

if TYPE_CHECKING:
    from mmengine.config import Config

    from gartk.engine.runner import TrainRunner

LIFELINE = "GARTK_SWEEP_LIFELINE"
MEASURE_FILE = "measured.json"
LOST_PARENT = 75
# Data workers of a killed process notice its death within a few seconds.
WAIT_FOR_THE_DEAD_S = 60.0


def main(argv: list[str] | None = None) -> int:
    """Train and test one run; return the exit code: 0, 2 for an error of the user's, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(description="One run of a sweep.")
    parser.add_argument("folder", type=Path, help="the run's folder")
    parser.add_argument("--measure", type=int, metavar="UPDATES", help="only measure how long updates take")
    args = parser.parse_args(argv)
    warnings.simplefilter("default", UserWarning)
    end_with_parent()
    if args.measure:
        return exit_code(lambda: measure(args.folder, args.measure))
    return exit_code(lambda: run(args.folder))


def end_with_parent() -> None:
    """End this process at once when the sweep that started it is gone, however it ended.

    The sweep holds the other end of standard input; it closes when the sweep's process ends.
    """
    if os.environ.pop(LIFELINE, None) is None:
        return
    lifeline = os.dup(sys.stdin.fileno())
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, sys.stdin.fileno())
    os.close(nothing)

    def wait() -> None:
        while os.read(lifeline, 1):
            pass
        os._exit(LOST_PARENT)

    threading.Thread(target=wait, daemon=True, name="lifeline").start()


def run(folder: Path) -> None:
    """Do what is left of a run: train, test, and go through the published benchmarks.

    Raises: ConfigError if another process is still at it.
    """
    with held(folder, seconds=WAIT_FOR_THE_DEAD_S, what="works on this run"):
        about, cfg = read_run(folder), read_config(folder)
        train(cfg, folder / TRAIN_FOLDER)
        if "test_data" in cfg and not (folder / RESULTS_FILE).is_file():
            test(cfg, folder)
        for entry in about["evals"]:
            settings = EvalSettings(**entry)
            place = folder / EVALS_FOLDER / settings.benchmark
            run_eval(settings, folder / TRAIN_FOLDER, place, device=cfg.get("device", "auto"))
        write_atomic(folder / FINISHED_FILE, json.dumps({"fingerprint": about["fingerprint"]}) + "\n")


def read_config(folder: Path) -> Config:
    """Read a run's fixed config, and import what the sweep and the config name."""
    from mmengine.config import Config

    from gartk.custom_imports import import_custom

    for entry, place in read_run(folder)["imports"]:
        import_custom({"custom_imports": entry}, place)
    return Config.fromfile(folder / CONFIG_FILE, import_custom_modules=False, lazy_import=False)


def train(cfg: Config, work_dir: Path) -> None:
    """Train from the newest checkpoint, or from the start; nothing if the last one is there."""
    from gartk.checkpoints.work_dir import find_checkpoint, folder_name
    from gartk.engine.runner import build_runner

    found = find_checkpoint(work_dir)
    if found is not None and found.name == folder_name(cfg.schedule.max_iters):
        return
    build_runner(cfg, work_dir, resume=True).train()


def test(cfg: Config, folder: Path) -> None:
    """Test the trained model and write its results."""
    from gartk.checkpoints import Checkpoint
    from gartk.engine.dist import set_threads
    from gartk.evaluation.test_data import build_test, describe_run, run_test

    benchmark = build_test(cfg)
    checkpoint = Checkpoint.open(folder / TRAIN_FOLDER)
    model, origin = checkpoint.build(device=cfg.get("device", "auto")), str(checkpoint.folder)
    set_threads(cfg.get("num_threads"), model.device)
    test_data, device = cfg.test_data.to_dict(), str(model.device)
    info = describe_run(test_data, config=CONFIG_FILE, checkpoint=origin, device=device)
    info["checkpoint"] = os.path.relpath(origin, folder)
    results = run_test(model, benchmark, info=info)
    results.save(folder / RESULTS_FILE)


# ---- measuring --------------------------------------------------------------------------------


def measure(folder: Path, updates: int) -> None:
    """Time a few updates and a few test items; writes ``measured.json``.

    On a CPU without data workers it is CPU time that counts, so that what else the machine does changes
    nothing. An untrained model often talks to the limit of its tokens: testing is an upper bound.
    """
    cfg = read_config(folder)
    is_alone = cfg.get("device", "auto") != "cuda" and not cfg.train_data.get("num_workers", 0)
    with tempfile.TemporaryDirectory() as scratch:
        runner, clock = _timed_training(cfg, Path(scratch), updates, is_alone=is_alone)
        item_seconds, items = _timed_test(cfg, runner, clock.now) if "test_data" in cfg else (0.0, 0)
    found = {"update_s": clock.median(), "item_s": item_seconds, "items": items}
    write_atomic(folder / MEASURE_FILE, json.dumps(found))


class Clock:
    """Notes when each update ends, in CPU time of this process or in time of day."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.ends: list[float] = []

    def median(self) -> float:
        """The median time between two ends; the first update, which warms up, does not count."""
        return statistics.median(b - a for a, b in pairwise(self.ends))


def _timed_training(
    cfg: Config, work_dir: Path, updates: int, *, is_alone: bool
) -> tuple[TrainRunner, Clock]:
    from mmengine.hooks import Hook

    from gartk.engine.runner import build_runner

    class ClockHook(Hook):
        def after_train_iter(self, *args: Any, **kwargs: Any) -> None:
            clock.ends.append(clock.now())

    cfg.schedule.update(max_iters=updates + 1, warmup_iters=0)
    cfg.checkpoint = {"interval": updates + 2}
    cfg.tensorboard = False
    cfg.custom_hooks = []
    runner = build_runner(cfg, work_dir)
    on_cpu = is_alone and runner.device.type == "cpu"
    clock = Clock(time.process_time if on_cpu else time.perf_counter)
    runner.register_hook(ClockHook(), priority="HIGH")
    runner.train()
    return runner, clock


def _timed_test(cfg: Config, runner: TrainRunner, now: Callable[[], float]) -> tuple[float, int]:
    from gartk.evaluation.benchmarks.files import data_root
    from gartk.evaluation.test_data import answer_items, build_test

    benchmark = build_test(cfg)
    root = data_root() if benchmark.folder else Path()
    every = benchmark.load(root)
    items = every[: benchmark.batch_size]
    if not items:
        raise ConfigError("test_data has no items.")
    began = now()
    answer_items(runner.model.model.eval(), benchmark, items, benchmark.find_image(root))
    return (now() - began) / len(items), len(every)


if __name__ == "__main__":
    sys.exit(main())
