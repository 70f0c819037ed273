"""On which device a model and its batches are; spreading a model over several, by accelerate."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from gartk.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn


def resolve_device(name: str) -> torch.device:
    """Turn ``device`` of a config into a device: ``auto`` is this rank's GPU, or the CPU.

    Raises: ConfigError if it asks for a GPU that is not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cpu":
        return torch.device("cpu")
    if name.partition(":")[0] != "cuda":
        raise ConfigError(f"device must be 'auto', 'cpu' or 'cuda', got {name!r}.")
    if not torch.cuda.is_available():
        raise ConfigError(f"device={name!r}, but torch sees no CUDA device. Use device='cpu' or 'auto'.")
    return (
        torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if name == "cuda" else torch.device(name)
    )


def move_to_device(value: Any, device: torch.device, *, non_blocking: bool = False) -> Any:
    """Move every tensor inside dataclasses, dicts, lists and tuples to ``device``.

    Objects that hold no tensor are returned as they are, not copied.
    """
    if isinstance(value, Tensor):
        return value.to(device, non_blocking=non_blocking)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        old = {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.init}
        new = {k: move_to_device(v, device, non_blocking=non_blocking) for k, v in old.items()}
        changed = {k: v for k, v in new.items() if v is not old[k]}
        return dataclasses.replace(value, **changed) if changed else value
    if isinstance(value, dict):
        moved = {k: move_to_device(v, device, non_blocking=non_blocking) for k, v in value.items()}
        return moved if any(moved[k] is not value[k] for k in value) else value
    if isinstance(value, (list, tuple)):
        items = [move_to_device(v, device, non_blocking=non_blocking) for v in value]
        if all(new is old for new, old in zip(items, value, strict=True)):
            return value
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return value


def chosen_device(device: str, device_map: str | dict[str, Any] | None) -> torch.device:
    """Return the device that a model is to go to, where it is not spread by a map.

    Raises: ConfigError if both are chosen, or the device is not there.
    """
    if device_map is not None and device != "auto":
        raise ConfigError("Give either device or device_map, not both.")
    return resolve_device(device)


def put(model: nn.Module, device: torch.device, device_map: str | dict[str, Any] | None) -> None:
    """Spread a model by a map; without one, put it on a device, unless its config has spread it already."""
    if device_map is not None:
        place(model, device_map)
    elif not is_placed(model):
        model.to(device=device)


def is_placed(model: nn.Module) -> bool:
    """Whether ``place`` spread a model, which then must not be moved as a whole."""
    return getattr(model, "hf_device_map", None) is not None


def place(model: nn.Module, device_map: str | dict[str, Any]) -> None:
    """Put the modules of a model on their devices; each then moves its input to where it stands.

    ``device_map`` is "auto", "balanced", "sequential", or a dict of module names to devices (a name
    stands for all below it, "" for the rest). Transformer layers stay whole.

    Raises: ConfigError without accelerate, or for a map that does not cover the model.
    """
    try:
        from accelerate import dispatch_model, infer_auto_device_map
        from accelerate.utils import get_balanced_memory
    except ImportError as error:
        raise ConfigError("device_map needs accelerate: pip install accelerate.") from error
    try:
        if isinstance(device_map, str):
            kept = {name for m in model.modules() for name in getattr(m, "_no_split_modules", None) or ()}
            whole = sorted(kept)
            memory = None
            if device_map != "sequential":
                memory = get_balanced_memory(
                    model, no_split_module_classes=whole, low_zero=device_map == "balanced_low_0"
                )
            device_map = infer_auto_device_map(model, max_memory=memory, no_split_module_classes=whole)
        dispatch_model(model, device_map, offload_dir=None)
    except (ValueError, RuntimeError) as error:
        raise ConfigError(f"device_map {device_map!r} cannot be used: {error}") from error
