"""Building a model from what a user has: a shipped name, a checkpoint, a work dir or a config."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gartk.engine.sources import find_folder
from gartk.errors import ConfigError

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
    from gartk.models.building import number_type
    from gartk.models.placement import is_placed, place, resolve_device
    from gartk.models.release import read_packed

    if device_map is not None and device != "auto":
        raise ConfigError("Give either device or device_map, not both.")
    target = resolve_device(device)
    wanted = None if dtype is None else number_type(dtype)
    if Path(source).suffix == ".py":
        model = _from_config(source, cfg_options, wanted, release_compat)
        origin = str(source)
    else:
        if cfg_options:
            raise ConfigError(
                "cfg_options only change a config file; a checkpoint is built as it was trained."
            )
        folder = find_folder(source)
        packed = read_packed(folder)
        _switch(packed.cfg, release_compat)
        model, origin = packed.build(wanted), str(folder)
    if device_map is not None:
        place(model, device_map)
    elif not is_placed(model):
        model.to(device=target)
    return model.eval(), origin


def _switch(model: dict[str, Any], release_compat: Mapping[str, bool] | None) -> None:
    """Set single switches in the config of a model; those that it has else stay."""
    if release_compat is not None:
        model["release_compat"] = {**(model.get("release_compat") or {}), **release_compat}


def _from_config(
    source: str | os.PathLike[str],
    cfg_options: Mapping[str, Any] | None,
    dtype: torch.dtype | None,
    release_compat: Mapping[str, bool] | None,
) -> RegionVLM:
    from gartk.config import load_config
    from gartk.registry import MODELS

    cfg = load_config(source, cfg_options)
    if "model" not in cfg:
        raise ConfigError(f"The config {source} has no 'model'.")
    settings = cfg.model.to_dict()
    if dtype is not None:
        settings["dtype"] = dtype
    _switch(settings, release_compat)
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
