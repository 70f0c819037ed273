"""The command line tools for testing and packing, run as a user runs them."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gartk.checkpoints import Checkpoint
from gartk.registry import MODELS
from gartk.testing.toy import toy_model

Main = Callable[..., tuple[int, str, str]]


def load_tool(repo_root: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"tool_{name}", repo_root / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


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


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("config") / "small.py"
    file.write_text(
        "test_data = dict(dataset=dict(type='RegionWorldDataset', split='test', size=(96, 96)),\n"
        "                 items_per_task=3, batch_size=8)\n",
        encoding="utf-8",
    )
    return file


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 90, (60, 90, 3), dtype=np.uint8)
    pixels[20:50, 30:70] = (240, 200, 40)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    mask = np.zeros((60, 90), np.uint8)
    mask[5:20, 5:25] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    return tmp_path / "photo.png"


def call(tool: ModuleType, capsys: pytest.CaptureFixture[str], *argv: Any) -> tuple[int, str, str]:
    """Run a tool's main in this process: exit code, stdout, stderr."""
    code = tool.main([str(arg) for arg in argv])
    return code, *capsys.readouterr()


# ------------------------------------------------------------------ tools/test.py


def test_the_test_tool_prints_a_table_and_writes_every_item(
    repo_root: Path, work_dir: Path, config: Path, tmp_path: Path
) -> None:
    out = tmp_path / "results.json"
    command = [
        sys.executable,
        "tools/test.py",
        config,
        work_dir,
        "--items",
        "2",
        "--out",
        out,
        "--device",
        "cpu",
    ]
    options = ["--cfg-options", "test_data.max_new_tokens.caption=4"]
    run = subprocess.run(
        [*map(str, command), *options],
        cwd=repo_root,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    raw = json.loads(out.read_text(encoding="utf-8"))
    assert len(raw["records"]) == 18
    first = raw["records"][0]
    assert {"benchmark", "id", "task", "question", "reference", "prediction", "scores"} <= set(first)
    assert {"num_new_tokens", "seconds", "ended", "num_regions"} <= set(first["extra"])
    assert first["scores"]["correct"] in (0.0, 1.0)
    assert all(r["extra"]["num_new_tokens"] <= 4 for r in raw["records"] if r["task"] == "caption_simple")
    assert raw["info"]["checkpoint"] == str(work_dir / "iter_000003")
    assert raw["info"]["checkpoint_info"] == {"iter": 3}
    assert raw["info"]["test_data"]["items_per_task"] == 2
    for task, numbers in raw["summary"]["accuracy"].items():
        row = next(line for line in run.stdout.splitlines() if f" {task} " in line)
        assert f"{numbers['correct']}/2" in row
    assert f"every item is in {out}" in run.stdout


def test_the_same_checkpoint_and_seed_give_the_same_predictions(
    repo_root: Path, work_dir: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tool = load_tool(repo_root, "test")

    def predictions(name: str, *more: str) -> list[tuple[str, str, str]]:
        out = tmp_path / name
        options = ["--cfg-options", "test_data.tasks=['color','open_shape']"]
        assert call(tool, capsys, config, work_dir, "--out", out, "--device", "cpu", *more, *options)[0] == 0
        records = json.loads(out.read_text(encoding="utf-8"))["records"]
        return [(r["id"], r["question"], r["prediction"]) for r in records]

    first = predictions("a.json")
    assert len(first) == 6
    assert predictions("b.json") == first
    assert predictions("c.json", "--seed", "5") != first
    assert all(name.startswith("val-") for name, *_ in predictions("d.json", "--split", "val"))


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["missing.py", "{work}"], "ConfigError: There is no config file 'missing.py'"),
        (["{config}", "nowhere"], "CheckpointError: There is no checkpoint 'nowhere'"),
        (["{config}", "{work}", "--items", "0"], "items_per_task must be at least 1"),
        (["{config}", "{work}", "--cfg-options", "test_data.bach_size=2"], "Did you mean 'batch_size'"),
        (["{config}", "{work}", "--cfg-options", "test_data.tasks=['colour']"], "Did you mean 'color'"),
    ],
)
def test_the_test_tool_ends_with_2_and_one_clear_error(
    argv: list[str],
    says: str,
    repo_root: Path,
    work_dir: Path,
    config: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    filled = [arg.format(work=work_dir, config=config) for arg in argv]
    code, _, err = call(load_tool(repo_root, "test"), capsys, *filled)
    assert code == 2
    assert says in err
    assert "Traceback" not in err
