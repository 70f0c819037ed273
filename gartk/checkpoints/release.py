"""The format of the authors' release of GAR."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gartk.checkpoints.checkpoint import Checkpoint, CheckpointFormat, Content
from gartk.checkpoints.release_reader import RELEASE, RELEASE_MODEL_TYPE, read_release
from gartk.checkpoints.release_writer import write_release


class ReleaseFormat(CheckpointFormat):
    """What the authors published, and what their code reads."""

    name = RELEASE
    marked_by = f"the model_type {RELEASE_MODEL_TYPE!r} (the authors' release)"

    def recognises(self, config: Mapping[str, Any]) -> bool:
        """Return whether the config is of the authors' model."""
        return config.get("model_type") == RELEASE_MODEL_TYPE

    def read(self, folder: Path) -> Checkpoint:
        """Read a folder."""
        return read_release(folder)

    def write(self, content: Content, folder: Path, *, max_shard_size: str) -> list[str]:
        """Write a folder that the authors' code reads."""
        return write_release(content, folder, max_shard_size=max_shard_size)
