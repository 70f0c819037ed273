"""Validation while a model trains: a hook that asks it a few items now and then.

A config names it, and the training goes on bit for bit as it would without::

    custom_imports = dict(imports=["gartk.evaluation.validation"])
    custom_hooks = [dict(type="ValidationHook", interval=500, test_data=dict(...))]
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from gartk.engine import state
from gartk.engine.checkpoint_hook import unwrap
from gartk.engine.log_hook import truncate_losses
from gartk.errors import ConfigError
from gartk.evaluation.benchmarks.files import data_root
from gartk.evaluation.item import Item
from gartk.evaluation.test_data import answer_items, build_test

VALIDATION_FILE = "validation.jsonl"


@HOOKS.register_module()
class ValidationHook(Hook):
    """Appends the share of right answers to ``work_dir/validation.jsonl``, one line each time (rank 0).

    Fields: iter (updates done), accuracy (over all items) and tasks (by sub-task).

    Args:
        interval: every how many updates; the last update always counts.
        test_data: the items, as a config's ``test_data``; give it the validation split.

    Raises: ConfigError for an interval below 1 or test data that cannot be built.
    """

    priority = "BELOW_NORMAL"  # before the checkpoint, so that a resumed run has no gap

    def __init__(self, *, interval: int, test_data: Mapping[str, Any]) -> None:
        if interval < 1:
            raise ConfigError(f"ValidationHook.interval must be at least 1, got {interval}.")
        self.interval = interval
        self.benchmark = build_test({"test_data": test_data})
        self._root = data_root() if self.benchmark.folder else Path()
        self._items: list[Item] = []

    def before_train(self, runner: Runner) -> None:
        """Drop what was written after the point of resume."""
        if runner.rank == 0:
            truncate_losses(Path(runner.work_dir) / VALIDATION_FILE, runner.iter)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Ask, where the interval or the end is reached."""
        done = batch_idx + 1
        if runner.rank != 0 or (done % self.interval and done != runner.max_iters):
            return
        generators = state.rng_state()
        self._items = self._items or self.benchmark.load(self._root)
        records = answer_items(
            unwrap(runner),
            self.benchmark,
            self._items,
            self.benchmark.find_image(self._root),
        )
        state.set_rng_state(generators)
        rule = self.benchmark.rules[0]
        groups: dict[str, list[float]] = {}
        for record in records:
            groups.setdefault(record.task, []).append(record.scores[rule] or 0.0)
        tasks = {task: fmean(values) for task, values in groups.items()}
        accuracy = fmean(value for values in groups.values() for value in values)
        line = json.dumps({"iter": done, "accuracy": accuracy, "tasks": tasks})
        with (Path(runner.work_dir) / VALIDATION_FILE).open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        runner.logger.info(f"validation after {done} updates: {100 * accuracy:.1f} % of {len(records)} right")
