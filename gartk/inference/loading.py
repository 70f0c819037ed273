"""Finding a model by what a user has: a shipped name, a checkpoint, a work dir or a config."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gartk.compat.switches import ReleaseCompat
from gartk.errors import CheckpointError, ConfigError
from gartk.models.checkpoints import CONFIG_NAME, resolve_pretrained

if TYPE_CHECKING:
    import torch

    from gartk.models.region_vlm import RegionVLM

_HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w.-]+")
SHIPPED = {"tiny": Path(__file__).resolve().parents[1] / "assets" / "tiny"}


def find_folder(source: str | os.PathLike[str]) -> Path:
    """Find the checkpoint folder that a name, a checkpoint folder or a work dir stands for.

    ``org/name`` that is no folder here is looked for in gartk's cache, in the hub's and on the hub.

    Raises: CheckpointError that says what was looked for and how to get it.
    """
    if source in SHIPPED:
        folder = SHIPPED[str(source)]
        if not (folder / CONFIG_NAME).is_file():
            raise CheckpointError(
                f"This installation has no shipped checkpoint {source!r} (looked in {folder}). Train one:"
                " python tools/train.py configs/tiny/ablation_roi_replay.py, and give its work dir."
            )
        return folder
    path = Path(source).expanduser()
    if path.is_file():
        raise CheckpointError(
            f"{path} is a file. Give the folder that holds it (with {CONFIG_NAME}), or a config (.py)."
        )
    if not path.is_dir() and _HUB_NAME.fullmatch(str(source)) and not path.parent.is_dir():
        path = _from_hub(str(source))
    if not path.is_dir():
        raise CheckpointError(
            f"There is no checkpoint {str(source)!r}. Give a checkpoint folder, a work dir of tools/train.py,"
            f" a config file (.py), or a shipped name: {', '.join(sorted(SHIPPED))}."
        )
    if (path / CONFIG_NAME).is_file():
        return path
    from gartk.engine.state import find_checkpoint

    found = find_checkpoint(path)
    if found is None or not (found / CONFIG_NAME).is_file():
        raise CheckpointError(
            f"{path} is neither a checkpoint (it has no {CONFIG_NAME}) nor a work dir with one"
            " (it has no folder iter_*)."
        )
    return found


def _from_hub(name: str) -> Path:
    try:
        return resolve_pretrained(name)
    except CheckpointError as error:
        raise CheckpointError(
            f"There is no checkpoint {name!r}: no folder here, and neither gartk's cache nor the hub gave it"
            f" ({type(error.__cause__).__name__}). If it is on the hub, download it (config.json,"
            " *.safetensors, tokenizer files) and give its folder, or put it into"
            f" $GARTK_CACHE/models/{name}."
        ) from error


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
    from gartk.engine.dist import resolve_device
    from gartk.models.building import number_type
    from gartk.models.placement import is_placed, place
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
        model, origin = read_packed(folder).switched(release_compat).build(wanted), str(folder)
    if device_map is not None:
        place(model, device_map)
    elif not is_placed(model):
        model.to(device=target)
    return model.eval(), origin


def _from_config(
    source: str | os.PathLike[str],
    cfg_options: Mapping[str, Any] | None,
    dtype: torch.dtype | None,
    release_compat: Mapping[str, bool] | None,
) -> RegionVLM:
    from gartk.engine.config import load_config
    from gartk.registry import MODELS

    cfg = load_config(source, cfg_options)
    if "model" not in cfg:
        raise ConfigError(f"The config {source} has no 'model'.")
    settings = cfg.model.to_dict()
    if dtype is not None:
        settings["dtype"] = dtype
    if release_compat is not None:
        saved = ReleaseCompat.from_cfg(settings.get("release_compat"), path="model.release_compat")
        settings["release_compat"] = saved.changed(release_compat).on()
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
