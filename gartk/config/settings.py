"""The training part of a config, checked and typed: every key the engine knows, with its default."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field
from typing import Any, Literal, TypeVar, get_args

from gartk.errors import ConfigError, did_you_mean

Precision = Literal["fp32", "bf16", "fp16"]
T = TypeVar("T")


@dataclass(frozen=True)
class DataSettings:
    """``train_data``: the dataset (a part config) and how it is read. Sizes are per process."""

    dataset: Mapping[str, Any]
    batch_size: int
    num_workers: int = 0
    shuffle: bool = True
    prefetch_factor: int = 2


@dataclass(frozen=True)
class ScheduleSettings:
    """``schedule``: optimiser updates in all, linear warm-up, cosine down to a fraction of lr.

    A warm restart after ``restart_iter`` updates lifts the rate to ``restart_ratio * lr``; from there
    another cosine goes down to the same end. A run that is shorter has none.
    Source: SGDR, Loshchilov and Hutter 2017.
    """

    max_iters: int
    warmup_iters: int = 0
    min_lr_ratio: float = 0.0
    restart_iter: int | None = None
    restart_ratio: float = 1.0

    def __post_init__(self) -> None:
        if self.max_iters < 1:
            raise ConfigError(f"schedule.max_iters must be at least 1, got {self.max_iters}.")
        if not 0 <= self.warmup_iters < self.max_iters:
            raise ConfigError(
                f"schedule.warmup_iters must lie in 0..{self.max_iters - 1} (below max_iters), got"
                f" {self.warmup_iters}. A run this short needs both numbers: --cfg-options"
                f" schedule.max_iters={self.max_iters} schedule.warmup_iters={self.max_iters // 20}"
            )
        if not 0.0 <= self.min_lr_ratio <= 1.0:
            raise ConfigError(f"schedule.min_lr_ratio must lie in 0..1, got {self.min_lr_ratio}.")
        if self.restart_iter is not None and self.restart_iter <= self.warmup_iters:
            raise ConfigError(
                f"schedule.restart_iter must be above warmup_iters ({self.warmup_iters}), "
                f"got {self.restart_iter}."
            )
        if not 0.0 < self.restart_ratio <= 1.0:
            raise ConfigError(f"schedule.restart_ratio must lie in 0..1, above 0, got {self.restart_ratio}.")


@dataclass(frozen=True)
class CheckpointSettings:
    """``checkpoint``: every how many updates to save, and how many to keep (0 keeps all)."""

    interval: int = 500
    keep: int = 2

    def __post_init__(self) -> None:
        if self.interval < 1 or self.keep < 0:
            raise ConfigError(
                "checkpoint.interval must be at least 1 and checkpoint.keep at least 0, "
                f"got {self.interval} and {self.keep}."
            )


@dataclass(frozen=True)
class LoadSettings:
    """What the weights are before the first update: those of a trained model.

    ``path`` is a checkpoint folder, a work dir, ``org/name`` or a shipped name, as ``gartk.load`` takes.
    ``skip`` names modules (``region_extractor``) whose weights stay as the config makes them.
    """

    path: str
    skip: Sequence[str] = ()

    def __post_init__(self) -> None:
        if isinstance(self.skip, str):
            raise ConfigError(f"load_from.skip is the string {self.skip!r}; give a list of modules.")
        object.__setattr__(self, "skip", tuple(self.skip))


@dataclass(frozen=True)
class OptimSettings:
    """``optim``: the optimiser by name, its own arguments, and its parameter groups.

    ``no_decay`` and the keys of ``lr_mult`` are module prefixes of the model, such as
    ``'prompt_encoder'`` or ``'vision.patch_embed'``.
    """

    lr: float
    type: str = "AdamW"
    no_decay: tuple[str, ...] = ("prompt_encoder",)
    lr_mult: Mapping[str, float] = field(default_factory=dict)
    args: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> OptimSettings:
        """Sort the keys of ``optim``: ours to fields, the rest to the optimiser's arguments."""
        own = {f.name for f in dataclasses.fields(cls)} - {"args"}
        rest = {k: v for k, v in value.items() if k not in own}
        mine = {k: v for k, v in value.items() if k in own}
        if "lr" not in mine:
            raise ConfigError("optim.lr is missing.")
        if "no_decay" in mine:
            mine["no_decay"] = tuple(mine["no_decay"])
        return cls(**mine, args=rest)


@dataclass(frozen=True)
class TrainSettings:
    """Everything ``gartk train`` reads from a config, besides ``model``."""

    model: Mapping[str, Any]
    train_data: DataSettings
    optim: OptimSettings
    schedule: ScheduleSettings
    grad_clip: float | None = 1.0
    accumulate: int = 1
    precision: Precision = "fp32"
    freeze: tuple[str, ...] = ()
    load_from: LoadSettings | None = None
    seed: int = 0
    deterministic: bool = False
    device: str = "auto"
    num_threads: int | None = None
    find_unused_parameters: bool = False
    log_interval: int = 10
    checkpoint: CheckpointSettings = field(default_factory=CheckpointSettings)
    tensorboard: bool = True
    progress: bool | None = None
    custom_hooks: tuple[Mapping[str, Any], ...] = ()
    custom_imports: Any = None

    def __post_init__(self) -> None:
        if self.precision not in get_args(Precision):
            raise ConfigError(f"precision must be one of {get_args(Precision)}, got {self.precision!r}.")
        for name in ("accumulate", "log_interval"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if self.grad_clip is not None and self.grad_clip <= 0:
            raise ConfigError(f"grad_clip must be above 0, or None for no clipping, got {self.grad_clip}.")

    @classmethod
    def from_cfg(cls, cfg: Mapping[str, Any]) -> TrainSettings:
        """Read and check a config. Keys that belong to other tools are left alone.

        Raises: ConfigError for a missing key, an unknown key inside a section, or a top-level key
        that looks like a misspelt one.
        """
        check_top_level(cfg)
        values: dict[str, Any] = {k: cfg[k] for k in TOP_LEVEL if k in cfg}
        start = values.pop("load_from", None)
        if start is not None:
            values["load_from"] = {"path": start} if isinstance(start, str) else start
        for name, section in SECTIONS.items():
            if name in values:
                values[name] = build_section(section, values[name], name)
        if "optim" in values:
            values["optim"] = OptimSettings.from_dict(_as_mapping(values["optim"], "optim"))
        for name in ("freeze", "custom_hooks"):
            if name in values:
                values[name] = tuple(values[name] or ())
        return build_section(cls, values, "")


SECTIONS: dict[str, type] = {
    "train_data": DataSettings,
    "schedule": ScheduleSettings,
    "checkpoint": CheckpointSettings,
    "load_from": LoadSettings,
}
TOP_LEVEL: tuple[str, ...] = tuple(f.name for f in dataclasses.fields(TrainSettings))


def build_section(cls: type[T], value: Any, path: str) -> T:
    """Build a settings dataclass from a dict, naming unknown and missing keys in the error."""
    value = _as_mapping(value, path)
    known = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    dot = f"{path}." if path else ""
    for key in value:
        if key not in known:
            raise ConfigError(f"{dot}{key} is not a known key.\n  {did_you_mean(key, known)}")
    required = [k for k, f in known.items() if f.default is MISSING and f.default_factory is MISSING]
    missing = [k for k in required if k not in value]
    if missing:
        raise ConfigError(f"The config lacks {', '.join(dot + k for k in missing)}.")
    return cls(**value)


def check_top_level(cfg: Mapping[str, Any]) -> None:
    """Refuse a top-level key that is nearly, but not quite, one of the engine's."""
    import difflib

    for key in cfg:
        if key in TOP_LEVEL:
            continue
        near = difflib.get_close_matches(key, TOP_LEVEL, n=1, cutoff=0.85)
        if near:
            raise ConfigError(f"{key} is not a known key of a config. Did you mean {near[0]!r}?")


def _as_mapping(value: Any, path: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{path or 'The config'} must be a dict, got {type(value).__name__}: {value!r}.")
    return value
