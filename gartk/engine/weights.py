"""The model's part of a checkpoint folder: weights, how to build the model, and the run's config."""

from __future__ import annotations

from pathlib import Path

from mmengine.config import Config
from safetensors.torch import save_file
from torch import nn

from gartk.models import checkpoints

CONFIG_FILE = "config.py"


def save_weights(model: nn.Module, folder: Path, cfg: Config, *, iteration: int) -> None:
    """Write a folder that ``gartk.load`` reads, and the whole training config beside it.

    A model of another kind (one without ``saved_cfg``) leaves its weights alone: those can be
    resumed from with the config that built it.
    """
    if hasattr(model, "saved_cfg"):
        checkpoints.save_model(model, folder, info={"iter": iteration})  # type: ignore[arg-type]
    else:
        save_file(checkpoints.own_state(model), folder / checkpoints.WEIGHTS_NAME, metadata={"format": "pt"})
    cfg.dump(folder / CONFIG_FILE)
