"""Region-level multimodal language models: train, evaluate, and ask about regions of an image.

    import gartk
    model = gartk.load("tiny")
    model.describe("photo.jpg", [gartk.Region.from_box((40, 30, 200, 180), image_hw=(480, 640))])

The names below are imported on first use: ``import gartk`` itself loads neither torch nor a plugin.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gartk.checkpoints.checkpoint import Checkpoint
    from gartk.errors import (
        CheckpointError,
        ConfigError,
        DataError,
        GartkError,
        PluginError,
        RegionError,
    )
    from gartk.inference.api import load
    from gartk.models.region_vlm import RegionVLM
    from gartk.plugins import load_plugins as setup
    from gartk.regions import Region
    from gartk.structures import Answer

__version__ = "0.1.0.dev0"

__all__ = [
    "Answer",
    "Checkpoint",
    "CheckpointError",
    "ConfigError",
    "DataError",
    "GartkError",
    "PluginError",
    "Region",
    "RegionError",
    "RegionVLM",
    "__version__",
    "load",
    "setup",
]

# Public name -> the module that defines it, and its name there.
_LAZY: dict[str, tuple[str, str]] = {
    "Answer": ("gartk.structures", "Answer"),
    "Checkpoint": ("gartk.checkpoints.checkpoint", "Checkpoint"),
    "CheckpointError": ("gartk.errors", "CheckpointError"),
    "ConfigError": ("gartk.errors", "ConfigError"),
    "DataError": ("gartk.errors", "DataError"),
    "GartkError": ("gartk.errors", "GartkError"),
    "PluginError": ("gartk.errors", "PluginError"),
    "Region": ("gartk.regions", "Region"),
    "RegionError": ("gartk.errors", "RegionError"),
    "RegionVLM": ("gartk.models.region_vlm", "RegionVLM"),
    "load": ("gartk.inference.api", "load"),
    "setup": ("gartk.plugins", "load_plugins"),
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for (PEP 562)."""
    if name not in _LAZY:
        raise AttributeError(f"module 'gartk' has no attribute {name!r}; it has {', '.join(__all__)}")
    module, attribute = _LAZY[name]
    value = getattr(importlib.import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
