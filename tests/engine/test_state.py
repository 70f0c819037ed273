from __future__ import annotations

import json
import os
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from gartk.engine import state
from gartk.engine.dist import seed_everything
from gartk.engine.log_hook import read_losses, truncate_losses
from gartk.errors import CheckpointError


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
    real = {"replace": os.replace, "fsync": os.fsync, "rmtree": state.shutil.rmtree}
    new = "iter_000010" if same_name else "iter_000020"
    for step in range(100):
        work = tmp_path / f"{same_name}_{step}"
        work.mkdir()
        state.publish(make_folder(work / ".tmp_iter_000010", "old"), work / "iter_000010")
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
            patch.setattr(state.os, "replace", dying("replace"))
            patch.setattr(state.os, "fsync", dying("fsync"))
            patch.setattr(state.shutil, "rmtree", dying("rmtree"))
            try:
                state.publish(make_folder(work / f".tmp_{new}", "new"), work / new)
                killed = False
            except Killed:
                killed = True
        state.clean(work)
        found = state.find_checkpoint(work)
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
        state.publish(make_folder(tmp_path / f".tmp_{done}", ""), tmp_path / state.folder_name(done))
    state.prune(tmp_path, 2)
    assert sorted(p.name for p in tmp_path.glob("iter_*")) == ["iter_000009", "iter_000010", "iter_000100"]
    assert state.find_checkpoint(tmp_path) == tmp_path / "iter_000009"
    state.prune(tmp_path, 0)
    assert len(list(tmp_path.glob("iter_*"))) == 3


def test_generators_come_back_through_json() -> None:
    seed_everything(1)
    random.gauss(0, 1)
    torch.rand(3)

    def draw() -> list[object]:
        numbers = np.random.standard_normal(3)  # noqa: NPY002 - the global generator is what is saved
        return [random.gauss(0, 1), random.random(), *numbers, *torch.randn(5).tolist()]

    saved = json.loads(json.dumps(state.rng_state()))
    expected = draw()
    seed_everything(9)
    assert draw() != expected
    state.set_rng_state(saved)
    assert draw() == expected


def make_optimizer(model: nn.Module, lr: float = 0.1) -> torch.optim.Optimizer:
    group = {"params": list(model.parameters()), "names": [n for n, _ in model.named_parameters()]}
    return torch.optim.AdamW([group], lr=lr, betas=(0.8, 0.9))


def test_the_optimiser_comes_back_bit_for_bit_without_pickle(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    first = make_optimizer(model)
    model(torch.randn(4, 3)).square().sum().backward()
    first.step()
    saved = json.loads(json.dumps(state.save_optimizer(first, tmp_path / "o.safetensors")))
    second = make_optimizer(model, lr=7.0)
    state.load_optimizer(second, tmp_path / "o.safetensors", saved, keep_settings=False)
    assert second.param_groups[0]["lr"] == 0.1
    assert second.param_groups[0]["betas"] == (0.8, 0.9)
    for parameter in model.parameters():
        for key, value in first.state[parameter].items():
            assert torch.equal(value, second.state[parameter][key])


def test_the_optimiser_of_another_model_is_refused(tmp_path: Path) -> None:
    saved = state.save_optimizer(make_optimizer(nn.Linear(3, 2)), tmp_path / "o.safetensors")
    other = make_optimizer(nn.Linear(3, 2, bias=False))
    with pytest.raises(CheckpointError, match="trained other parameters"):
        state.load_optimizer(other, tmp_path / "o.safetensors", saved, keep_settings=False)


def test_a_half_written_last_loss_is_dropped_and_later_ones_are_cut(tmp_path: Path) -> None:
    file = tmp_path / "losses.jsonl"
    file.write_text('{"iter": 1, "loss": 0.1}\n{"iter": 2, "loss": 0.30000000000000004}\n{"iter": 3, "lo')
    assert [r["iter"] for r in read_losses(file)] == [1, 2]
    truncate_losses(file, 2)
    assert file.read_text().splitlines()[-1] == '{"iter": 2, "loss": 0.30000000000000004}'
    truncate_losses(file, 1)
    assert [r["iter"] for r in read_losses(file)] == [1]
