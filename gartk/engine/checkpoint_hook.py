"""Saves and restores a training run exactly; takes the place of MMEngine's CheckpointHook.

MMEngine's own checkpoints are pickles that torch's ``weights_only`` refuses, and its resume runs
through all used data again. A folder written here holds::

    iter_000100/ model.safetensors config.py   the model: all that testing needs
                 optimizer.safetensors         one tensor per parameter and kind of state
                 train_state.json              updates done, groups, schedules, scaler, data order, logs
                 rng.json                      generators of every rank
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from gartk.checkpoints import Checkpoint
from gartk.checkpoints.native import load_weights
from gartk.checkpoints.work_dir import folder_name, prune, publish
from gartk.config.settings import CheckpointSettings
from gartk.engine import dist, state
from gartk.engine.loop import UpdateLoop
from gartk.engine.optim import AutocastOptimWrapper
from gartk.errors import CheckpointError
from gartk.models.region_vlm import RegionVLM

OPTIMIZER_FILE = "optimizer.safetensors"
CONFIG_FILE = "config.py"
STATE_FILE = "train_state.json"
RNG_FILE = "rng.json"
# What fixes the learning rate of every update: as long as it is unchanged, its saved state holds.
_RATE_KEYS = ("optim", "schedule", "freeze")


class ExactCheckpointHook(Hook):
    """Saves every ``interval`` updates and at the end, after every other hook has done its part."""

    priority = "VERY_LOW"

    def __init__(self, settings: CheckpointSettings) -> None:
        self.settings = settings

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Save where the interval or the end is reached."""
        done = batch_idx + 1
        if done % self.settings.interval == 0 or done == runner.max_iters:
            folder = save_checkpoint(runner, done)
            if runner.rank == 0:
                prune(Path(runner.work_dir), self.settings.keep)
            runner.logger.info(f"saved {folder}")


def unwrap(runner: Runner) -> RegionVLM:
    """The model itself, without the wrappers of DDP and of the Runner."""
    module = runner.model.module if is_model_wrapper(runner.model) else runner.model
    model: RegionVLM = module.model
    return model


def save_checkpoint(runner: Runner, done: int) -> Path:
    """Write the state after ``done`` updates and publish it as ``work_dir/iter_...``.

    Every rank has to call it; rank 0 writes.
    """
    work_dir = Path(runner.work_dir)
    final = work_dir / folder_name(done)
    generators = dist.gather_objects(state.rng_state())
    if runner.rank == 0:
        temporary = work_dir / f".tmp_{final.name}"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        Checkpoint.save(unwrap(runner), temporary, info={"iter": done})
        runner.cfg.dump(temporary / CONFIG_FILE)
        state.write_json(temporary / RNG_FILE, generators)
        state.write_json(temporary / STATE_FILE, _train_state(runner, temporary, done))
        publish(temporary, final)
    dist.barrier()
    return final


def _train_state(runner: Runner, folder: Path, done: int) -> dict[str, Any]:
    wrapper, loop = _parts(runner)
    scaler = wrapper.loss_scaler
    return {
        "iter": done,
        "consumed_samples": loop.consumed(done),
        "world_size": runner.world_size,
        "sampler": loop.sampler.state_dict(),
        "optimizer": state.save_optimizer(wrapper.optimizer, folder / OPTIMIZER_FILE),
        "schedulers": [s.state_dict() for s in runner.param_schedulers],
        "loss_scaler": None if scaler is None else scaler.state_dict(),
        "rate_settings": _rate_settings(runner.cfg),
        "message_hub": state.hub_state(runner.message_hub),
    }


def resume_checkpoint(runner: Runner, folder: Path) -> None:
    """Put the whole run back to where it was saved; the next update is the one that would have followed.

    Raises: CheckpointError if the folder is missing, incomplete, damaged, or of another model or data.
    """
    if not folder.is_dir():
        raise CheckpointError(f"There is no checkpoint folder {folder} to resume from.")
    saved = state.read_json(folder / STATE_FILE)
    generators = state.read_json(folder / RNG_FILE)
    wrapper, loop = _parts(runner)
    if saved["sampler"] != loop.sampler.state_dict():
        raise CheckpointError(
            f"{folder} was trained on other data: its order is fixed by {saved['sampler']}, this run's by "
            f"{loop.sampler.state_dict()}. Give the same seed and dataset, or start in another --work-dir."
        )
    if saved["iter"] > runner.max_iters:
        raise CheckpointError(
            f"{folder} has {saved['iter']} updates, more than schedule.max_iters = {runner.max_iters}."
        )
    load_weights(unwrap(runner), folder)
    same = saved["rate_settings"] == _rate_settings(runner.cfg)
    state.load_optimizer(
        wrapper.optimizer, folder / OPTIMIZER_FILE, saved["optimizer"], keep_settings=not same
    )
    _restore_schedulers(runner, saved, same=same)
    if wrapper.loss_scaler is not None and saved["loss_scaler"]:
        wrapper.loss_scaler.load_state_dict(saved["loss_scaler"])
    state.set_hub_state(runner.message_hub, saved["message_hub"])
    loop.resume(saved["iter"], saved["consumed_samples"], _generators_of(runner, generators))
    runner.logger.info(f"resumed from {folder} after {saved['iter']} updates")


def _restore_schedulers(runner: Runner, saved: dict[str, Any], *, same: bool) -> None:
    schedulers = runner.param_schedulers
    if same:
        for scheduler, entry in zip(schedulers, saved["schedulers"], strict=True):
            scheduler.load_state_dict(entry)
        return
    runner.logger.warning(
        "optim, schedule or freeze differ from the checkpoint's: the new settings hold from here on, "
        "with the learning rate that the new schedule has at this update."
    )
    # Every rate is made from the one before it, so the new schedule is run through to this update.
    runner.optim_wrapper._global_step = 0
    for _ in range(saved["iter"]):
        for scheduler in schedulers:
            scheduler.step()


def _generators_of(runner: Runner, generators: list[dict[str, Any]]) -> dict[str, Any] | None:
    if len(generators) == runner.world_size:
        return generators[runner.rank]
    runner.logger.warning(
        f"The checkpoint was written by {len(generators)} processes and this run has {runner.world_size}: "
        "data and weights go on exactly, random numbers (dropout) do not."
    )
    return None


def _rate_settings(cfg: Config) -> dict[str, Any]:
    return {key: _plain(cfg.get(key)) for key in _RATE_KEYS}


def _plain(value: Any) -> Any:
    """The value as it comes back from JSON, so that saved and present settings compare equal."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, torch.Tensor):
        return value.tolist()
    return value


def _parts(runner: Runner) -> tuple[AutocastOptimWrapper, UpdateLoop]:
    wrapper, loop = runner.optim_wrapper, runner.train_loop
    if not isinstance(wrapper, AutocastOptimWrapper) or not isinstance(loop, UpdateLoop):
        raise CheckpointError("Only runs made by gartk.engine.runner.build_runner can be saved and resumed.")
    return wrapper, loop
