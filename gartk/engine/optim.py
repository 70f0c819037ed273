"""Optimiser groups, frozen parts, mixed precision and the learning-rate schedule."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.optim import CosineAnnealingLR, LinearLR, MultiStepLR, OptimWrapper
from mmengine.optim.scheduler.param_scheduler import _ParamScheduler
from mmengine.registry import OPTIMIZERS
from torch import Tensor, nn

from gartk.config.settings import OptimSettings, Precision, ScheduleSettings
from gartk.engine.muon import MATRICES
from gartk.errors import ConfigError, did_you_mean
from gartk.models.region_vlm import RegionVLM
from gartk.models.weights import is_under

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def freeze(model: nn.Module, prefixes: Sequence[str]) -> int:
    """Stop the gradients of all parameters under the given module prefixes; gives how many elements.

    Raises: ConfigError if a prefix names no parameter, or nothing is left to train.
    """
    frozen = 0
    for prefix in prefixes:
        for _, parameter in _under(model, prefix, "freeze"):
            frozen += parameter.numel() if parameter.requires_grad else 0
            parameter.requires_grad_(False)
    if not any(p.requires_grad for p in model.parameters()):
        raise ConfigError(f"freeze={list(prefixes)} leaves nothing to train.")
    return frozen


def param_groups(
    model: nn.Module, settings: OptimSettings, *, mark_matrices: bool = False
) -> list[dict[str, Any]]:
    """Sort the trainable parameters into groups by learning rate and weight decay.

    With ``mark_matrices`` also by whether they are inner weight matrices (``matrices=True`` in the group):
    two-dimensional, no embedding, not the output head and not under ``settings.no_decay``.
    No decay for vectors and scalars (norms, biases), embeddings, and everything under
    ``settings.no_decay``. Where prefixes of ``lr_mult`` nest, the longest one holds. The groups' order and
    their parameters' order depend on the model alone.
    """
    multiplier = {name: 1.0 for name, _ in model.named_parameters()}
    for prefix in sorted(settings.lr_mult, key=len):
        if settings.lr_mult[prefix] <= 0:
            raise ConfigError(
                f"optim.lr_mult[{prefix!r}] must be above 0; use freeze to stop training a part."
            )
        for name, _ in _under(model, prefix, "optim.lr_mult"):
            multiplier[name] = float(settings.lr_mult[prefix])
    embeddings = {
        id(p) for m in model.modules() if isinstance(m, nn.Embedding) for p in m.parameters(recurse=False)
    }
    decay = settings.args.get("weight_decay")
    head = _output_head(model)
    groups: dict[tuple[float, bool, bool], dict[str, Any]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        skip = parameter.ndim <= 1 or id(parameter) in embeddings or is_under(name, settings.no_decay)
        matrix = mark_matrices and parameter.ndim == 2 and not skip and parameter is not head
        key = (multiplier[name], skip, matrix)
        if key not in groups:
            groups[key] = {"params": [], "names": [], "lr": settings.lr * key[0], "lr_mult": key[0]}
            if skip or decay is not None:
                groups[key]["weight_decay"] = 0.0 if skip else decay
            if mark_matrices:
                groups[key][MATRICES] = matrix
        groups[key]["params"].append(parameter)
        groups[key]["names"].append(name)
    return sorted(
        groups.values(),
        key=lambda g: (
            g.get(MATRICES, False), g["lr_mult"] != 1.0, g["lr_mult"], g.get("weight_decay") == 0.0
        ),
    )  # fmt: skip


def _output_head(model: nn.Module) -> nn.Parameter | None:
    """The weight that gives logits; plain networks have none of their own kind."""
    return model.llm.output_weight() if isinstance(model, RegionVLM) else None


def build_optimizer(model: nn.Module, settings: OptimSettings) -> torch.optim.Optimizer:
    """Build the optimiser that ``optim.type`` names (any of torch's, or one registered with MMEngine).

    Raises: ConfigError for an unknown type or an argument it does not take.
    """
    cls = OPTIMIZERS.get(settings.type)
    if cls is None:
        hint = did_you_mean(settings.type, OPTIMIZERS.module_dict)
        raise ConfigError(f"optim.type {settings.type!r} is unknown.\n  {hint}")
    known = set(inspect.signature(cls).parameters) - {"params", "self"}
    for name in settings.args:
        if name not in known:
            raise ConfigError(
                f"optim.{name} is no argument of {settings.type}.\n  {did_you_mean(name, known)}"
            )
    args = {k: tuple(v) if isinstance(v, list) else v for k, v in settings.args.items()}
    groups = param_groups(model, settings, mark_matrices=getattr(cls, "marks_matrices", False))
    optimizer: torch.optim.Optimizer = cls(groups, lr=settings.lr, **args)
    return optimizer


class AutocastOptimWrapper(OptimWrapper):
    """MMEngine's OptimWrapper with autocast on any device, and a loss scaler for fp16.

    MMEngine's AmpOptimWrapper refuses CPUs and scales bf16 losses too, which bf16 does not need.
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, *, device: torch.device, precision: Precision, **kwargs: Any
    ):
        super().__init__(optimizer, **kwargs)
        self.device = device
        self.dtype = _DTYPES.get(precision)
        self.loss_scaler = torch.amp.GradScaler(device.type) if precision == "fp16" else None
        # The base class keeps a stand-in group for logging where there are several groups. Logs here
        # name the rate of the group with lr_mult 1, so there is one state less to save.
        self.base_param_settings = None

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Autocast around the forward pass; under DDP, no gradient exchange before the last micro step."""
        with super().optim_context(model):
            if self.dtype is None:
                yield
            else:
                with torch.autocast(self.device.type, dtype=self.dtype):
                    yield

    def backward(self, loss: Tensor, **kwargs: Any) -> None:
        """Back-propagate, scaled under fp16."""
        super().backward(loss if self.loss_scaler is None else self.loss_scaler.scale(loss), **kwargs)

    def step(self, **kwargs: Any) -> None:
        """Clip, then update; under fp16 an update with infinite gradients is left out."""
        if self.loss_scaler is None:
            super().step(**kwargs)
            return
        self.loss_scaler.unscale_(self.optimizer)
        self._clip_grad()
        self.loss_scaler.step(self.optimizer, **kwargs)
        self.loss_scaler.update()


def check_precision(precision: Precision, device: torch.device) -> None:
    """Raise ConfigError where the device does not have the asked precision."""
    if precision == "fp16" and device.type == "cpu":
        raise ConfigError("precision='fp16' needs a GPU. On a CPU use 'fp32', or 'bf16' (slow on most CPUs).")
    if (
        precision == "bf16"
        and device.type == "cuda"
        and not torch.cuda.is_bf16_supported(including_emulation=False)
    ):
        name = torch.cuda.get_device_name(device)
        raise ConfigError(f"precision='bf16' is not supported by {name}. Use 'fp16' or 'fp32'.")


def build_optim_wrapper(
    model: nn.Module,
    settings: OptimSettings,
    *,
    device: torch.device,
    precision: Precision = "fp32",
    accumulate: int = 1,
    grad_clip: float | None = None,
) -> AutocastOptimWrapper:
    """Build optimiser and wrapper. Without ``grad_clip`` the gradient norm is measured, not clipped."""
    check_precision(precision, device)
    return AutocastOptimWrapper(
        build_optimizer(model, settings),
        device=device,
        precision=precision,
        accumulative_counts=accumulate,
        clip_grad={"max_norm": float("inf") if grad_clip is None else grad_clip},
    )


def build_schedulers(optim_wrapper: OptimWrapper, settings: ScheduleSettings) -> list[_ParamScheduler]:
    """Linear warm-up from lr/warmup_iters to lr, then cosine to ``min_lr_ratio * lr`` at the last update.

    A restart cuts the cosine short, lifts the rate and begins another.
    """
    schedulers: list[_ParamScheduler] = []
    warmup, restart = settings.warmup_iters, settings.restart_iter
    if restart is not None and restart >= settings.max_iters:
        restart = None
    if warmup > 1:
        schedulers.append(
            LinearLR(optim_wrapper, start_factor=1.0 / warmup, begin=0, end=warmup, by_epoch=False)
        )
    schedulers += _cosine(optim_wrapper, settings, warmup, restart or settings.max_iters)
    if restart is not None:
        low = settings.min_lr_ratio
        progress = (restart - 1 - warmup) / (settings.max_iters - warmup - 1)
        reached = low + (1.0 - low) * (1.0 + math.cos(math.pi * progress)) / 2.0
        lift = settings.restart_ratio / reached
        schedulers.append(MultiStepLR(optim_wrapper, milestones=[restart], gamma=lift, by_epoch=False))
        schedulers += _cosine(optim_wrapper, settings, restart, settings.max_iters)
    return schedulers


def _cosine(
    optim_wrapper: OptimWrapper, settings: ScheduleSettings, begin: int, end: int
) -> list[_ParamScheduler]:
    """The cosine that begins at an update and would reach its end with the last one, until ``end``."""
    # The scheduler's first step leaves the rate alone, so n updates make one step less.
    length = settings.max_iters - begin - 1
    if length < 1:
        return []
    return [
        CosineAnnealingLR(
            optim_wrapper,
            T_max=length,
            eta_min_ratio=settings.min_lr_ratio,
            begin=begin,
            end=end,
            by_epoch=False,
        )
    ]


def base_lr(optimizer: torch.optim.Optimizer) -> float:
    """The present learning rate of parts without a multiplier of their own."""
    group: Mapping[str, Any] = optimizer.param_groups[0]
    return float(group["lr"]) / float(group.get("lr_mult", 1.0))


def _under(model: nn.Module, prefix: str, key: str) -> list[tuple[str, nn.Parameter]]:
    found = [(n, p) for n, p in model.named_parameters() if is_under(n, [prefix])]
    # A part without parameters, such as NullPrompt, leaves nothing to do and is no mistake.
    if not found and prefix not in dict(model.named_modules()):
        names = [n for n, _ in model.named_parameters()]
        depth = prefix.count(".") + 1
        known = {".".join(n.split(".")[:depth]) for n in names if n.count(".") >= depth}
        hint = did_you_mean(prefix, known)
        raise ConfigError(f"{key}: the model has no parameters under {prefix!r}.\n  {hint}")
    return found
