"""A live progress bar of rich, where there is a terminal to draw it on."""

from __future__ import annotations

import logging
import sys
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from gartk.engine.log_hook import peak_memory
from gartk.engine.optim import base_lr

_SMOOTH = 20


class ProgressHook(Hook):
    """Draws loss, learning rate, speed, memory and remaining time; log lines scroll above the bar.

    ``show``: True always, False never, None only on a terminal. Other ranks than 0 draw nothing.
    """

    priority = "BELOW_NORMAL"

    def __init__(self, show: bool | None = None) -> None:
        self.show = show
        self._progress: Progress | None = None
        self._moved: list[tuple[logging.StreamHandler[Any], Any]] = []

    def before_train(self, runner: Runner) -> None:
        """Put the bar on screen and send the log's console output through it."""
        show = sys.stdout.isatty() if self.show is None else self.show
        if runner.rank != 0 or not show:
            return
        self._progress = Progress(
            TextColumn("train"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[facts]}"),
            TimeElapsedColumn(),
            TextColumn("eta"),
            TimeRemainingColumn(elapsed_when_finished=False),
            console=Console(force_terminal=True if self.show else None),
        )
        self._task = self._progress.add_task("train", total=runner.max_iters, completed=runner.iter, facts="")
        self._progress.start()
        for handler in runner.logger.handlers:
            if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
                self._moved.append((handler, handler.stream))
                handler.setStream(sys.stdout)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Move the bar on."""
        if self._progress is None:
            return
        seconds = runner.message_hub.get_scalar("train/time").mean(_SMOOTH)
        facts = (
            f"loss {outputs['loss']:.4f}  lr {base_lr(runner.optim_wrapper.optimizer):.2e}  "
            f"{1 / max(seconds, 1e-9):.2f} it/s  {peak_memory()}"
        )
        self._progress.update(self._task, completed=batch_idx + 1, facts=facts)

    def close(self) -> None:
        """Take the bar down and give the console back; safe to call at any time."""
        if self._progress is None:
            return
        self._progress.stop()
        self._progress = None
        for handler, stream in self._moved:
            handler.setStream(stream)
        self._moved.clear()
