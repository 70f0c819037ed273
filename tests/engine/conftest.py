"""Shared set-up of the engine's tests: a toy config, runs in this process and in fresh ones."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from gartk.config import load_config
from gartk.engine.log_hook import read_losses
from gartk.engine.runner import TrainRunner, build_runner

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TOY_CONFIG = HERE / "toy_config.py"

Records = list[dict[str, Any]]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., TrainRunner]:
    """Build a runner of the toy config in this process."""

    def build_(name: str = "run", options: dict[str, Any] | None = None, **kwargs: Any) -> TrainRunner:
        cfg = load_config(TOY_CONFIG, options)
        return build_runner(cfg, tmp_path / name, **kwargs)

    return build_


@pytest.fixture
def run(build: Callable[..., TrainRunner], tmp_path: Path) -> Callable[..., Records]:
    """Train the toy config in this process and give its loss records."""

    def run_(name: str = "run", options: dict[str, Any] | None = None, **kwargs: Any) -> Records:
        build(name, options, **kwargs).train()
        return read_losses(tmp_path / name / "losses.jsonl")

    return run_


@pytest.fixture
def train_process(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run tools/train.py on the toy config in a fresh process, by torchrun if ``ranks`` is given."""

    def start(name: str, *args: str, ranks: int | None = None) -> subprocess.CompletedProcess[str]:
        command = [
            str(ROOT / "tools" / "train.py"),
            str(TOY_CONFIG),
            "--work-dir",
            str(tmp_path / name),
            *args,
        ]
        if ranks is not None:
            torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]
            command = [*torchrun, *command, "--launcher", "pytorch"]
        paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
        env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        return subprocess.run(
            [sys.executable, *command], env=env, capture_output=True, text=True, timeout=240, check=False
        )

    return start
