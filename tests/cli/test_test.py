"""``gartk test`` as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Gartk = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("config") / "small.py"
    file.write_text(
        "test_data = dict(dataset=dict(type='RegionWorldDataset', split='test', size=(96, 96)),\n"
        "                 items_per_task=3, batch_size=8)\n",
        encoding="utf-8",
    )
    return file


def test_the_test_tool_prints_a_table_and_writes_every_item(
    repo_root: Path, work_dir: Path, config: Path, tmp_path: Path
) -> None:
    out = tmp_path / "results.json"
    command = [
        sys.executable,
        "-m",
        "gartk",
        "test",
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
    gartk: Gartk, work_dir: Path, config: Path, tmp_path: Path
) -> None:
    def predictions(name: str, *more: str) -> list[tuple[str, str, str]]:
        out = tmp_path / name
        options = ["--cfg-options", "test_data.tasks=['color','open_shape']"]
        assert gartk("test", config, work_dir, "--out", out, "--device", "cpu", *more, *options)[0] == 0
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
    gartk: Gartk,
    work_dir: Path,
    config: Path,
) -> None:
    filled = [arg.format(work=work_dir, config=config) for arg in argv]
    code, _, err = gartk("test", *filled)
    assert code == 2
    assert says in err
    assert "Traceback" not in err
