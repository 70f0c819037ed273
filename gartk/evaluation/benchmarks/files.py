"""Where the files of published benchmarks lie, and what to say if they do not."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from gartk.errors import DataError

ENVIRONMENT = "GARTK_DATA"


def data_root(given: str | Path | None = None) -> Path:
    """Find the folder that holds the benchmarks' folders (``gar_bench``, ``dlc_bench``, ...).

    It is the given one, else the one that ``GARTK_DATA`` names, else ``shared/data`` beside the project;
    a folder ``data`` in it is looked into.

    Raises: DataError that says what to set if there is none.
    """
    named = given or os.environ.get(ENVIRONMENT)
    folder = Path(named).expanduser() if named else Path(__file__).resolve().parents[4] / "shared"
    inside = folder / "data"
    if inside.is_dir():
        return inside
    if named and folder.is_dir():
        return folder
    missing = f"There is no folder {folder}" if named else "The data of the benchmarks is not there"
    raise DataError(
        f"{missing}. Let {ENVIRONMENT} (or --data) name the folder that holds the benchmarks' folders:"
        " gar_bench, dlc_bench, ferret_bench, mdvp_bench, ..."
    )


def find_file(root: Path, folder: str, names: Sequence[str], *, source: str) -> Path:
    """Find a file of a benchmark by one of its names, below the benchmark's folder.

    Raises: DataError that says what to get from where if there is none.
    """
    for name in names:
        for place in (root / folder, root / folder / "annotations"):
            if (place / name).is_file():
                return place / name
    several = " or ".join(names)
    raise DataError(f"{root / folder} has no {several}. Get it from {source} and put it there.")


def first_file(folders: Iterable[Path], name: str) -> Path | None:
    """Return the first file of a name in some folders: by the whole name, else by its last part."""
    places = list(folders)
    for wanted in dict.fromkeys((name, Path(name).name)):
        for folder in places:
            path = folder / wanted
            if path.is_file():
                return path
    return None
