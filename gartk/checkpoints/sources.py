"""Finding a checkpoint by what a user has: a shipped name, a checkpoint, a work dir or a name on the hub."""

from __future__ import annotations

import os
import re
from pathlib import Path

from gartk.checkpoints.work_dir import find_checkpoint
from gartk.errors import CheckpointError
from gartk.models.weights import CONFIG_NAME, resolve_pretrained

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
                " gartk train tiny/ablation_roi_replay, and give its work dir."
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
            f"There is no checkpoint {str(source)!r}. Give a checkpoint folder, a work dir of gartk train,"
            f" a config file (.py), or a shipped name: {', '.join(sorted(SHIPPED))}."
        )
    if (path / CONFIG_NAME).is_file():
        return path
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
