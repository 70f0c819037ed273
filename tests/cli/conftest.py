from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from gartk.checkpoints import Checkpoint
from gartk.cli.main import main
from gartk.registry import MODELS
from gartk.testing.toy import toy_model

Gartk = Callable[..., tuple[int, str, str]]


@pytest.fixture
def gartk(capsys: pytest.CaptureFixture[str]) -> Gartk:
    """Run a command line in this process: exit status, stdout, stderr."""

    def run(*argv: Any) -> tuple[int, str, str]:
        code = main([str(arg) for arg in argv])
        return code, *capsys.readouterr()

    return run


@pytest.fixture(scope="module")
def work_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work dir with one checkpoint of a toy model that says something."""
    torch.manual_seed(0)
    model = MODELS.build(toy_model(llm={**toy_model()["llm"], "num_prompts": 16}))
    with torch.no_grad():
        for parameter in model.llm.lm.parameters():
            if parameter.ndim == 2:
                parameter.normal_(std=0.3)
    folder = tmp_path_factory.mktemp("run")
    Checkpoint.save(model, folder / "iter_000003", info={"iter": 3})
    (folder / "latest").write_text("iter_000003\n", encoding="utf-8")
    return folder
