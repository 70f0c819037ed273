"""The checkpoints of a work dir: folders ``iter_...`` that appear whole, and ``latest``, which names one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from gartk.io import flush, write_atomic

LATEST = "latest"
_PREFIX = "iter_"


def folder_name(iteration: int) -> str:
    """The name of the checkpoint folder after so many updates: ``iter_000100``."""
    return f"{_PREFIX}{iteration:06d}"


def list_checkpoints(work_dir: Path) -> list[Path]:
    """All whole checkpoint folders of a work dir, oldest first (they appear by rename, so never in part)."""
    found = [
        (int(p.name[len(_PREFIX) :]), p)
        for p in work_dir.glob(f"{_PREFIX}*")
        if p.is_dir() and p.name[len(_PREFIX) :].isdigit()
    ]
    return [p for _, p in sorted(found)]


def find_checkpoint(work_dir: Path) -> Path | None:
    """The checkpoint to go on from: what ``latest`` names, else the newest folder, else None."""
    pointer = work_dir / LATEST
    if pointer.is_file():
        target = work_dir / pointer.read_text(encoding="utf-8").strip()
        if target.is_dir() and target != work_dir:
            return target
    found = list_checkpoints(work_dir)
    return found[-1] if found else None


def publish(temporary: Path, final: Path) -> None:
    """Make a finished folder appear under its name at once, and point ``latest`` at it.

    Everything is flushed to disk first. A kill at any moment leaves either the old or the new state.
    """
    for file in sorted(temporary.rglob("*")):
        if file.is_file():
            flush(file)
    flush(temporary)
    if final.exists():
        aside = final.with_name(f".old_{final.name}_{os.getpid()}")
        os.replace(final, aside)
        os.replace(temporary, final)
        shutil.rmtree(aside)
    else:
        os.replace(temporary, final)
    flush(final.parent)
    write_atomic(final.parent / LATEST, final.name + "\n")


def clean(work_dir: Path) -> None:
    """Delete what a killed save left behind; a checkpoint that was being replaced is put back."""
    for path in sorted(work_dir.glob(".old_iter_*")):
        final = work_dir / path.name[len(".old_") :].rpartition("_")[0]
        if final.exists():
            shutil.rmtree(path)
        else:
            os.replace(path, final)
    for path in [*sorted(work_dir.glob(".tmp_iter_*")), *sorted(work_dir.glob(".gone_iter_*"))]:
        shutil.rmtree(path)


def prune(work_dir: Path, keep: int) -> None:
    """Delete all but the newest ``keep`` checkpoints (0 keeps all), never the one ``latest`` names."""
    current = find_checkpoint(work_dir)
    for folder in list_checkpoints(work_dir)[:-keep] if keep else []:
        if folder != current:
            gone = folder.with_name(f".gone_{folder.name}")
            os.replace(folder, gone)
            shutil.rmtree(gone)
