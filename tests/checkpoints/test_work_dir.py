"""Checkpoints of a work dir appear whole, and the one that is gone on from is never lost."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from gartk.checkpoints import work_dir


def make_folder(path: Path, text: str) -> Path:
    path.mkdir()
    (path / "model.safetensors").write_text(text)
    return path


class Killed(BaseException):
    """Stands for the process ending at this very call."""


@pytest.mark.parametrize("same_name", [False, True])
def test_a_kill_at_any_step_of_saving_leaves_a_whole_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, same_name: bool
) -> None:
    real = {"replace": os.replace, "fsync": os.fsync, "rmtree": shutil.rmtree}
    new = "iter_000010" if same_name else "iter_000020"
    for step in range(100):
        work = tmp_path / f"{same_name}_{step}"
        work.mkdir()
        work_dir.publish(make_folder(work / ".tmp_iter_000010", "old"), work / "iter_000010")
        calls = 0

        def dying(name: str):  # type: ignore[no-untyped-def]
            def call(*args: object, **kwargs: object) -> object:
                nonlocal calls
                calls += 1
                if calls == step + 1:  # noqa: B023 - used within this turn of the loop only
                    raise Killed
                return real[name](*args, **kwargs)

            return call

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", dying("replace"))
            patch.setattr(os, "fsync", dying("fsync"))
            patch.setattr(shutil, "rmtree", dying("rmtree"))
            try:
                work_dir.publish(make_folder(work / f".tmp_{new}", "new"), work / new)
                killed = False
            except Killed:
                killed = True
        work_dir.clean(work)
        found = work_dir.find_checkpoint(work)
        assert found is not None
        assert (found / "model.safetensors").read_text() in ("old", "new")
        assert not list(work.glob(".tmp_*"))
        assert not list(work.glob(".old_*"))
        if not killed:
            assert step > 4
            assert (found.name, (found / "model.safetensors").read_text()) == (new, "new")
            return
    pytest.fail("saving never came to its end")


def test_old_checkpoints_go_and_the_one_in_use_stays(tmp_path: Path) -> None:
    for done in (2, 10, 100, 9):
        work_dir.publish(make_folder(tmp_path / f".tmp_{done}", ""), tmp_path / work_dir.folder_name(done))
    work_dir.prune(tmp_path, 2)
    assert sorted(p.name for p in tmp_path.glob("iter_*")) == ["iter_000009", "iter_000010", "iter_000100"]
    assert work_dir.find_checkpoint(tmp_path) == tmp_path / "iter_000009"
    work_dir.prune(tmp_path, 0)
    assert len(list(tmp_path.glob("iter_*"))) == 3
