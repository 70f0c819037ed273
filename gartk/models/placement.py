"""Spreading a model over several devices for inference, by accelerate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gartk.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn


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
