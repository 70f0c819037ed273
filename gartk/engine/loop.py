"""The training loop: one iteration is one optimiser update, however many micro steps it takes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from mmengine.runner import Runner
from mmengine.runner.base_loop import BaseLoop
from torch.utils.data import DataLoader

from gartk.checkpoints.work_dir import find_checkpoint
from gartk.engine import dist, state
from gartk.engine.samplers import ShardedBatchSampler
from gartk.errors import GartkError


class UpdateLoop(BaseLoop):
    """Trains for ``max_iters`` updates of ``accumulate`` micro batches each.

    MMEngine's IterBasedTrainLoop counts micro batches, so that schedules, logs and checkpoints fall
    between updates (a checkpoint there loses gradients), and on resume it reads all used data again.
    Here hooks run once per update, with losses averaged over micro batches and ranks.
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: DataLoader,
        *,
        max_iters: int,
        accumulate: int,
        device: torch.device,
        on_start: Callable[[], None],
    ) -> None:
        super().__init__(runner, dataloader)
        self.device = device
        self._max_iters = max_iters
        self._iter = 0
        self.accumulate = accumulate
        self.on_start = on_start
        self.stop_training = False
        self.data_seconds = 0.0
        self._generators: dict[str, Any] | None = None
        self._start_iter = 0
        self._start_samples = 0

    @property
    def sampler(self) -> ShardedBatchSampler:
        """What decides the order of samples."""
        sampler = self.dataloader.batch_sampler
        if not isinstance(sampler, ShardedBatchSampler):
            raise GartkError("UpdateLoop needs a data loader with a ShardedBatchSampler.")
        return sampler

    @property
    def max_iters(self) -> int:
        """Updates in all."""
        return self._max_iters

    @property
    def iter(self) -> int:
        """Updates done."""
        return self._iter

    @property
    def max_epochs(self) -> int:
        """Always 1: the run is one long epoch, as in MMEngine's loop by iterations."""
        return 1

    @property
    def epoch(self) -> int:
        """Always 0, see ``max_epochs``."""
        return 0

    def samples_per_update(self) -> int:
        """The global batch: samples of one update, over all micro steps and ranks."""
        return self.sampler.batch_size * self.sampler.world_size * self.accumulate

    def consumed(self, iteration: int) -> int:
        """Samples used when ``iteration`` updates are done."""
        return self._start_samples + (iteration - self._start_iter) * self.samples_per_update()

    def resume(self, iteration: int, consumed: int, generators: dict[str, Any] | None) -> None:
        """Go on after ``iteration`` updates and ``consumed`` samples, with the saved generators."""
        self._iter = self._start_iter = iteration
        self._start_samples = self.sampler.start = consumed
        self._generators = generators

    def run(self) -> Any:
        """Train to the end."""
        runner = self.runner
        runner.call_hook("before_train")
        runner.call_hook("before_train_epoch")
        batches = iter(self.dataloader)
        # The wrapper counts micro steps; the Runner told it the number of updates.
        runner.optim_wrapper.initialize_count_status(
            runner.model, self._iter * self.accumulate, self._max_iters * self.accumulate
        )
        self.on_start()
        if self._generators is not None:
            state.set_rng_state(self._generators)
        while self._iter < self._max_iters and not self.stop_training:
            runner.model.train()
            self._update(batches)
            self._iter += 1
        runner.call_hook("after_train_epoch")
        runner.call_hook("after_train")
        return runner.model

    def _update(self, batches: Iterator[Any]) -> None:
        runner = self.runner
        totals: dict[str, float] = {}
        for micro in range(self.accumulate):
            begin = time.monotonic()
            batch = next(batches)
            self.data_seconds += time.monotonic() - begin
            if micro == 0:
                runner.call_hook("before_train_iter", batch_idx=self._iter, data_batch=batch)
            logged = runner.model.train_step(batch, optim_wrapper=runner.optim_wrapper)
            for name, value in logged.items():
                totals[name] = totals.get(name, 0.0) + float(value)
        means = {name: total / self.accumulate for name, total in totals.items()}
        means = dist.mean_over_ranks(means, self.device)
        if not math.isfinite(means["loss"]):
            saved = find_checkpoint(Path(runner.work_dir))
            raise GartkError(
                f"The loss became {means['loss']} at update {self._iter + 1}. Lower optim.lr, set grad_clip, "
                f"or use precision='bf16' in place of 'fp16'. The last good state is {saved or 'not saved'}."
            )
        runner.call_hook("after_train_iter", batch_idx=self._iter, data_batch=batch, outputs=means)
