"""gartk's own format: ``config.json`` (how to build the model), ``model.safetensors``, ``tokenizer/``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import save_file

from gartk.checkpoints.checkpoint import (
    NATIVE,
    Checkpoint,
    CheckpointFormat,
    Content,
    copy_small_files,
    model_cfg,
    write_config,
)
from gartk.models.weights import (
    CONFIG_NAME,
    TOKENIZER_NAME,
    WEIGHTS_NAME,
    assign,
    own_state,
    read_config,
    read_tensors,
)

if TYPE_CHECKING:
    from torch import nn

FORMAT = "gartk-1"
# Where a folder keeps the files of the release that it was made from.
RELEASE_FILES = "release"


class NativeFormat(CheckpointFormat):
    """What a training leaves."""

    name = NATIVE
    marked_by = f"the format {FORMAT!r}"

    def recognises(self, config: Mapping[str, Any]) -> bool:
        """Return whether the config names this format."""
        return config.get("format") == FORMAT

    def read(self, folder: Path) -> Checkpoint:
        """Read a folder."""
        config = read_config(folder / CONFIG_NAME)
        files = folder / RELEASE_FILES
        return Checkpoint(
            format=self.name,
            folder=folder,
            cfg=model_cfg(config, folder),
            tokenizer=folder / TOKENIZER_NAME,
            read_state=partial(read_tensors, [folder / WEIGHTS_NAME]),
            info=dict(config.get("info") or {}),
            release_files=files if (files / CONFIG_NAME).is_file() else None,
        )

    def write(self, content: Content, folder: Path, *, max_shard_size: str) -> list[str]:
        """Write a folder; the weights are one file, whatever their size."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file(content.state, folder / WEIGHTS_NAME, metadata={"format": "pt"})
        content.model.llm.tokenizer.save_pretrained(folder / TOKENIZER_NAME)
        config = {"format": FORMAT, "model": content.model.saved_cfg(), "info": content.info}
        write_config(folder / CONFIG_NAME, config)
        if content.release_files is not None:
            copy_small_files(content.release_files, folder / RELEASE_FILES)
        return []


def load_weights(model: nn.Module, folder: Path) -> None:
    """Load the weights of a folder into the model that wrote them, as a resume does.

    Raises: CheckpointError if they do not fit.
    """
    state = read_tensors([folder / WEIGHTS_NAME])
    shared = set(model.state_dict()) - set(own_state(model))
    assign(model, state, str(folder), optional=sorted(shared))
