"""Building a model from what a user has: a shipped name, a checkpoint, a work dir or a config."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gartk.checkpoints import Checkpoint
from gartk.checkpoints.checkpoint import with_switches
from gartk.errors import ConfigError
from gartk.models.building import number_type
from gartk.models.placement import chosen_device, put
from gartk.models.region_vlm import MODELS

if TYPE_CHECKING:
    import torch

    from gartk.models.region_vlm import RegionVLM


def load_any(
    source: str | os.PathLike[str],
    *,
    device: str = "auto",
    dtype: str | torch.dtype | None = None,
    device_map: str | dict[str, Any] | None = None,
    cfg_options: Mapping[str, Any] | None = None,
    release_compat: Mapping[str, bool] | None = None,
) -> tuple[RegionVLM, str]:
    """Build a model with its weights, ready to answer; also tells where the weights came from.

    Raises: CheckpointError, ConfigError.
    """
    if Path(source).suffix != ".py":
        if cfg_options:
            raise ConfigError(
                "cfg_options only change a config file; a checkpoint is built as it was trained."
            )
        checkpoint = Checkpoint.open(source)
        model = checkpoint.build(
            device=device, dtype=dtype, device_map=device_map, release_compat=release_compat
        )
        return model, str(checkpoint.folder)
    target = chosen_device(device, device_map)
    model = _from_config(source, cfg_options, dtype, release_compat)
    put(model, target, device_map)
    return model.eval(), str(source)


def _from_config(
    source: str | os.PathLike[str],
    cfg_options: Mapping[str, Any] | None,
    dtype: str | torch.dtype | None,
    release_compat: Mapping[str, bool] | None,
) -> RegionVLM:
    from gartk.config import load_config  # brings MMEngine

    cfg = load_config(source, cfg_options)
    if "model" not in cfg:
        raise ConfigError(f"The config {source} has no 'model'.")
    settings = with_switches(cfg.model.to_dict(), release_compat)
    if dtype is not None:
        settings["dtype"] = number_type(dtype)
    model: RegionVLM = MODELS.build(settings, path="model")
    fresh = [part for part in ("vision", "connector", "llm") if not settings.get(part, {}).get("pretrained")]
    if fresh:
        warnings.warn(
            f"{source} names no pretrained weights for {', '.join(fresh)}: they are random, and so are the"
            " answers. Load a checkpoint folder for a trained model.",
            UserWarning,
            stacklevel=4,
        )
    return model
