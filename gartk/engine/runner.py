"""Building MMEngine's Runner for a gartk config, with everything it needs passed as objects."""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.model import MMDistributedDataParallel
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from mmengine.visualization import TensorboardVisBackend, Visualizer
from torch import nn

from gartk.checkpoints import Checkpoint
from gartk.checkpoints.work_dir import LATEST, clean, find_checkpoint
from gartk.config import TrainSettings
from gartk.config.settings import LoadSettings
from gartk.engine import dist
from gartk.engine.checkpoint_hook import ExactCheckpointHook, resume_checkpoint
from gartk.engine.data import build_train_dataloader
from gartk.engine.log_hook import LOSSES_FILE, LogHook, LossRecordHook
from gartk.engine.loop import UpdateLoop
from gartk.engine.module import TrainModule
from gartk.engine.optim import AutocastOptimWrapper, build_optim_wrapper, build_schedulers, freeze
from gartk.engine.progress_hook import ProgressHook
from gartk.errors import CheckpointError, ConfigError
from gartk.models.placement import resolve_device
from gartk.models.region_vlm import RegionVLM

_RUN_NUMBER = itertools.count()


class TrainRunner(Runner):
    """MMEngine's Runner with gartk's loop, optimiser groups, wrapper and resume in their places."""

    def __init__(
        self, settings: TrainSettings, *, device: torch.device, resume_from: Path | None, **kwargs: Any
    ) -> None:
        self.settings = settings
        self.device = device
        self.resume_from = resume_from
        super().__init__(**kwargs)

    def _log_env(self, env_cfg: dict[str, Any]) -> None:
        """Log in a line what matters; MMEngine prints a page and runs nvcc and gcc for it."""
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "CPU"
        self.logger.info(
            f"torch {torch.__version__} on {self.world_size} x {name}, "
            f"{torch.get_num_threads()} threads each, {self.settings.precision}, seed {self.settings.seed}, "
            f"work dir {self.work_dir}"
        )

    def build_logger(
        self, log_level: int | str = "INFO", log_file: str | None = None, **kwargs: Any
    ) -> MMLogger:
        """Build the log under gartk's name."""
        logger: MMLogger = super().build_logger(log_level, log_file, logger_name="gartk", **kwargs)
        return logger

    def train(self) -> nn.Module:
        """Train to the end; whatever happens, the terminal and the open files are given back."""
        try:
            model: nn.Module = super().train()
        finally:
            for hook in self.hooks:
                if isinstance(hook, (ProgressHook, LossRecordHook)):
                    hook.close()
        return model

    def get_hooks_info(self) -> str:
        """Return the hooks in order of their calls; MMEngine lists them once per stage."""
        return ", ".join(type(hook).__name__ for hook in self.hooks)

    def wrap_model(self, model_wrapper_cfg: Any, model: nn.Module) -> nn.Module:
        """Move the model to its device and, with several ranks, wrap it in DDP.

        MMEngine would pass ``device_ids=[LOCAL_RANK]``, which DDP refuses for models on CPUs.
        """
        model = model.to(self.device)
        if not self.distributed:
            return model
        return MMDistributedDataParallel(
            module=model,
            device_ids=None,
            broadcast_buffers=False,
            find_unused_parameters=self.settings.find_unused_parameters,
        )

    def build_train_loop(self, loop: Any) -> UpdateLoop:
        """Build the loop that counts updates."""
        return UpdateLoop(
            self,
            self._train_dataloader,
            max_iters=self.settings.schedule.max_iters,
            accumulate=self.settings.accumulate,
            device=self.device,
            # Ranks draw different dropout; how many numbers building the model drew does not matter.
            on_start=lambda: dist.seed_everything(self.settings.seed + self.rank),
        )

    def build_optim_wrapper(self, optim_wrapper: Any) -> AutocastOptimWrapper:
        """Build the optimiser after the Runner's message hub, which the wrapper writes to."""
        module = self.model.module if self.distributed else self.model
        return build_optim_wrapper(
            module.model,
            self.settings.optim,
            device=self.device,
            precision=self.settings.precision,
            accumulate=self.settings.accumulate,
            grad_clip=self.settings.grad_clip,
        )

    def build_param_scheduler(self, scheduler: Any) -> Any:
        """Build warm-up and cosine."""
        return build_schedulers(self.optim_wrapper, self.settings.schedule)

    def load_or_resume(self) -> None:
        """Restore the checkpoint to go on from, if there is one."""
        if self.resume_from is not None:
            resume_checkpoint(self, self.resume_from)
        self._has_loaded = True


def build_runner(
    cfg: Config,
    work_dir: str | Path | None = None,
    resume: bool | str | Path = False,
    launcher: dist.Launcher = "none",
) -> TrainRunner:
    """Build everything that a training run needs; ``.train()`` of the result runs it.

    ``work_dir`` defaults to ``work_dirs/<config's name>``. ``resume``: False starts anew, True goes on
    from the newest checkpoint of the work dir (or starts, if there is none), a path from that folder.

    Raises: ConfigError for a wrong config; CheckpointError if the work dir holds another run, or
        there is nothing to resume from.
    """
    from gartk.models.region_vlm import MODELS

    settings = TrainSettings.from_cfg(cfg)
    device = resolve_device(settings.device)
    dist.set_threads(settings.num_threads, device)
    dist.init_distributed(launcher, device)
    folder = Path(work_dir) if work_dir is not None else default_work_dir(cfg)
    resume_from = _prepare_work_dir(folder, resume)
    if settings.deterministic:
        torch.use_deterministic_algorithms(True, warn_only=True)
    dist.seed_everything(settings.seed)

    if settings.model.get("device_map") is not None:
        raise ConfigError("model.device_map is for inference. Leave it out to train; use --launcher pytorch.")
    model = MODELS.build(settings.model, path="model")
    start = settings.load_from if resume_from is None else None
    loaded = None if start is None else _load_start(model, start)
    frozen = freeze(model, settings.freeze)
    loader = build_train_dataloader(
        settings.train_data, model.make_processor(training=True), seed=settings.seed, device=device
    )
    name = f"{Path(cfg.filename).stem if cfg.filename else 'run'}_{next(_RUN_NUMBER)}"
    runner = TrainRunner(
        settings,
        device=device,
        resume_from=resume_from,
        model=TrainModule(model),
        work_dir=str(folder),
        train_dataloader=loader,
        # The Runner wants these three to be there; TrainRunner builds them from the settings.
        train_cfg={"by_epoch": False, "max_iters": settings.schedule.max_iters},
        optim_wrapper={},
        param_scheduler=[],
        default_hooks={"logger": None, "checkpoint": None, "sampler_seed": None},
        custom_hooks=_hooks(settings),
        launcher=launcher,
        randomness={"seed": settings.seed},
        visualizer=_visualizer(name, folder, settings),
        experiment_name=name,
        cfg=cfg,
    )
    _announce(runner, model, frozen)
    if loaded is not None:
        runner.logger.info(f"starts from the weights of {loaded}")
    return runner


def _load_start(model: RegionVLM, settings: LoadSettings) -> str:
    """Copy the weights of a trained model into a new one; return where they came from."""
    checkpoint = Checkpoint.open(settings.path)
    checkpoint.load_into(model, skip=settings.skip)
    return str(checkpoint.folder)


def default_work_dir(cfg: Config) -> Path:
    """``work_dirs/<name of the config file>``, below the current folder."""
    if not cfg.filename:
        raise ConfigError("The config comes from no file, so give a work_dir.")
    return Path("work_dirs") / Path(cfg.filename).stem


def _prepare_work_dir(folder: Path, resume: bool | str | Path) -> Path | None:
    """Decide what to resume from, on rank 0, for all ranks; refuse to mix two runs in one folder."""
    outcome: Path | CheckpointError | None = None
    if dist.rank_and_world()[0] == 0:
        folder.mkdir(parents=True, exist_ok=True)
        clean(folder)
        found = find_checkpoint(folder)
        if resume is False:
            if found is not None or (folder / LOSSES_FILE).is_file():
                outcome = CheckpointError(
                    f"{folder} already holds a run{f' (at {found.name})' if found else ''}. "
                    "Go on with it by --resume, choose another --work-dir, or delete it."
                )
        elif resume is True:
            outcome = found
        else:
            outcome = Path(resume)
            if (outcome / LATEST).is_file():
                outcome = find_checkpoint(outcome)
    outcome = dist.gather_objects(outcome)[0]
    if isinstance(outcome, CheckpointError):
        raise outcome
    return outcome


def _hooks(settings: TrainSettings) -> list[Hook]:
    hooks: list[Hook] = [
        LossRecordHook(),
        LogHook(settings.log_interval),
        ProgressHook(settings.progress),
        ExactCheckpointHook(settings.checkpoint),
    ]
    return hooks + [_custom_hook(entry) for entry in settings.custom_hooks]


def _custom_hook(entry: Mapping[str, Any]) -> Hook:
    try:
        hook: Hook = HOOKS.build(dict(entry))
    except (KeyError, TypeError) as error:
        raise ConfigError(f"custom_hooks: {dict(entry)!r} cannot be built: {error}") from error
    return hook


def _visualizer(name: str, folder: Path, settings: TrainSettings) -> Visualizer:
    backends = []
    if settings.tensorboard and importlib.util.find_spec("tensorboard") is not None:
        backends.append(TensorboardVisBackend(save_dir=str(folder / "tensorboard")))
    return Visualizer.get_instance(f"visualizer_{name}", vis_backends=backends)


def _announce(runner: TrainRunner, model: nn.Module, frozen: int) -> None:
    settings, log = runner.settings, runner.logger.info
    if settings.tensorboard and importlib.util.find_spec("tensorboard") is None:
        runner.logger.warning(
            "tensorboard=True, but the package is not installed: pip install tensorboard, or set "
            f"tensorboard=False. {LOSSES_FILE} holds every loss in any case."
        )
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    batch = settings.train_data.batch_size * runner.world_size * settings.accumulate
    log(f"{type(model).__name__}: {trained:,} parameters trained, {frozen:,} frozen")
    log(
        f"global batch {batch} = {settings.train_data.batch_size} per process x {runner.world_size} processes"
        f" x {settings.accumulate} accumulated; {settings.schedule.max_iters} updates"
    )
