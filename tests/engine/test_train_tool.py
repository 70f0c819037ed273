from __future__ import annotations

import importlib.util
import logging
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gartk.cli.main import main as command_line
from gartk.engine.progress_hook import ProgressHook
from gartk.errors import GartkError

TOY_CONFIG = Path(__file__).with_name("toy_config.py")


@pytest.fixture
def main() -> Callable[[list[str]], int]:
    return lambda argv: command_line(["train", *argv])


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["no_such_config.py"], "ConfigError: There is no config file"),
        ([str(TOY_CONFIG), "--cfg-options", "optimm.lr=1"], "Did you mean 'optim'"),
        ([str(TOY_CONFIG), "--cfg-options", "model.type=toy.Modle"], "Did you mean 'toy.Model'"),
        ([str(TOY_CONFIG), "--cfg-options", "device=tpu"], "device must be"),
        ([str(TOY_CONFIG), "--resume", "nowhere"], "no checkpoint folder nowhere"),
        ([str(TOY_CONFIG), "--launcher", "pytorch"], "torchrun --nproc-per-node"),
    ],
)
def test_a_users_error_is_one_message_and_exit_code_2(
    main, args, message, capsys, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    assert main(args) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_the_work_dir_is_named_after_the_config(main, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([str(TOY_CONFIG), "--cfg-options", "schedule.max_iters=7", "tensorboard=True"]) == 0
    assert (tmp_path / "work_dirs" / "toy_config" / "latest").read_text() == "iter_000007\n"
    if importlib.util.find_spec("tensorboard") is not None:
        assert list((tmp_path / "work_dirs" / "toy_config" / "tensorboard").glob("events.*"))


def test_a_missing_tensorboard_is_said_and_training_goes_on(run, capsys, monkeypatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "tensorboard" else find(name)
    )
    assert len(run("run", {"schedule.max_iters": 7, "tensorboard": True})) == 7
    assert "pip install tensorboard" in capsys.readouterr().out


def test_an_error_takes_the_bar_down_too(build) -> None:
    runner = build("run", {"progress": True, "model.nan_at": 5})
    with pytest.raises(GartkError, match="nan"):
        runner.train()
    assert sys.stdout.__class__.__module__ != "rich.file_proxy"


def test_the_bar_shows_loss_and_hands_the_console_back(build, capsys) -> None:
    runner = build("run", {"schedule.max_iters": 7, "progress": True})
    streams = [h.stream for h in runner.logger.handlers if isinstance(h, logging.StreamHandler)]
    runner.train()
    shown = capsys.readouterr().out
    assert "7/7" in shown
    assert "loss" in shown
    assert [h.stream for h in runner.logger.handlers if isinstance(h, logging.StreamHandler)] == streams
    assert sys.stdout.__class__.__module__ != "rich.file_proxy"
    assert any(isinstance(hook, ProgressHook) for hook in runner.hooks)
