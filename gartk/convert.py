"""Between checkpoint formats: gartk's own, the authors' release, and a Hugging Face export."""

from __future__ import annotations

from pathlib import Path

from gartk.errors import CheckpointError
from gartk.hf import write_hf
from gartk.models.packed import write_gartk
from gartk.models.release import read_packed
from gartk.models.release_files import write_release

FORMATS = ("gartk", "release", "hf")


def convert(source: Path, folder: Path, to: str, *, max_shard_size: str = "5GB") -> list[str]:
    """Write a checkpoint in another format, every weight bit by bit; give notes on what will differ.

    Raises: CheckpointError if the source is incomplete, the target exists, or the format has no place
        for the model.
    """
    if to not in FORMATS:
        raise CheckpointError(f"There is no format {to!r}. Known: {', '.join(FORMATS)}.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CheckpointError(f"{folder} exists and is not an empty folder. Give a new one.")
    packed = read_packed(source)
    if to == "release":
        return write_release(packed, folder, max_shard_size=max_shard_size)
    if to == "hf":
        write_hf(packed, folder, max_shard_size=max_shard_size)
    else:
        write_gartk(packed, folder)
    return []
