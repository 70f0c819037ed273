"""What a training run writes down: every update in losses.jsonl, some on screen and in TensorBoard."""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path
from typing import IO, Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from gartk.engine.optim import base_lr
from gartk.errors import CheckpointError
from gartk.io import read_jsonl, write_atomic

LOSSES_FILE = "losses.jsonl"


def read_losses(path: Path) -> list[dict[str, Any]]:
    """Read a losses.jsonl; a last line that was cut off by a kill is left out.

    Raises: CheckpointError if another line is not JSON.
    """
    if not path.is_file():
        return []
    hint = "Delete it, or resume elsewhere."
    return read_jsonl(path, error=CheckpointError, hint=hint, non_finite=True, torn_end=True)


def truncate_losses(path: Path, done: int) -> None:
    """Drop the records of updates after ``done``: a resumed run will write them again."""
    kept = [r for r in read_losses(path) if r["iter"] <= done]
    write_atomic(path, "".join(json.dumps(r) + "\n" for r in kept))


class LossRecordHook(Hook):
    """Appends one JSON line per update to ``work_dir/losses.jsonl`` (rank 0, means over ranks).

    Fields: iter (updates done), loss and the model's other scalars, lr, grad_norm (null if infinite).
    Numbers keep every digit, so two runs can be compared exactly.
    """

    priority = "BELOW_NORMAL"

    def __init__(self) -> None:
        self._file: IO[str] | None = None

    def before_train(self, runner: Runner) -> None:
        """Open the file, cut back to the point of resume."""
        if runner.rank == 0:
            path = Path(runner.work_dir) / LOSSES_FILE
            truncate_losses(path, runner.iter)
            self._file = path.open("a", encoding="utf-8", buffering=1)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Write the line of this update."""
        if self._file is None:
            return
        norm = runner.message_hub.get_scalar("train/grad_norm").current()
        record = {"iter": batch_idx + 1, **outputs, "lr": base_lr(runner.optim_wrapper.optimizer)}
        record["grad_norm"] = norm if math.isfinite(norm) else None
        self._file.write(json.dumps(record) + "\n")

    def close(self) -> None:
        """Close the file; safe to call at any time."""
        if self._file is not None:
            self._file.close()
            self._file = None


class LogHook(Hook):
    """Every ``interval`` updates: one plain line to the log, and scalars to the visualiser.

    The loss shown is the mean over the updates since the last line.
    """

    priority = "BELOW_NORMAL"

    def __init__(self, interval: int) -> None:
        self.interval = interval

    def before_train(self, runner: Runner) -> None:
        """Start the clock of speed and remaining time."""
        self._start, self._start_iter = time.monotonic(), runner.iter
        self._last, self._last_iter, self._waited = self._start, runner.iter, 0.0

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Log where the interval or the end is reached."""
        done = batch_idx + 1
        if done % self.interval and done != runner.max_iters:
            return
        window = self.interval if done % self.interval == 0 else done % self.interval
        hub = runner.message_hub
        scalars = {name: float(hub.get_scalar(f"train/{name}").mean(window)) for name in outputs}
        now = time.monotonic()
        speed = (done - self._last_iter) / max(now - self._last, 1e-9)
        overall = (done - self._start_iter) / max(now - self._start, 1e-9)
        waiting = (runner.train_loop.data_seconds - self._waited) / max(now - self._last, 1e-9)
        self._last, self._last_iter, self._waited = now, done, runner.train_loop.data_seconds
        scalars["lr"] = base_lr(runner.optim_wrapper.optimizer)
        scalars["grad_norm"] = float(hub.get_scalar("train/grad_norm").mean(window))
        shown = "  ".join(f"{name} {value:.4g}" for name, value in scalars.items())
        runner.logger.info(
            f"iter {done}/{runner.max_iters}  {shown}  {speed:.2f} it/s  data {100 * waiting:.0f}%  "
            f"eta {clock((runner.max_iters - done) / overall)}  mem {peak_memory()}"
        )
        runner.visualizer.add_scalars({f"train/{k}": v for k, v in scalars.items()}, step=done)


def clock(seconds: float) -> str:
    """Format a duration as h:mm:ss."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def peak_memory() -> str:
    """Return this process's peak memory as text: of the GPU if one is in use, else resident memory."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        return f"{torch.cuda.max_memory_allocated() / 2**20:.0f} MB"
    if sys.platform == "win32":
        return "unknown"  # Python has no module resource there
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return f"{peak / 2**20 if sys.platform == 'darwin' else peak / 2**10:.0f} MB"
