"""The commands and code of README and the tutorial run as they are written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gartk.testing.benchmark_files import write_gar_bench, write_json
from tests.docs.run_page import RULES, blocks, commands, rule_of

PAGES = ("README.md", "docs/tutorial.md")


@pytest.fixture
def folder(tmp_path: Path, repo_root: Path) -> Path:
    """A folder with what README names: a photo, a mask, configs, a benchmark and recorded answers."""
    (tmp_path / "configs").symlink_to(repo_root / "configs")
    pixels = np.random.default_rng(0).integers(0, 255, (300, 400, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.jpg")
    mask = np.zeros((300, 400), dtype=bool)
    mask[150:250, 200:390] = True
    Image.fromarray(mask).save(tmp_path / "dog_mask.png")
    records = write_gar_bench(tmp_path, count=2)
    answered = [{**record, "model_output": "A"} for record in records]
    write_json(tmp_path / "gar_1b_vqa.json", answered)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_a_page_does_what_it_says(page: str, folder: Path, repo_root: Path) -> None:
    script = repo_root / "tests" / "docs" / "run_page.py"
    environment = {**os.environ, "PYTHONPATH": str(repo_root), "HOME": str(folder), "GARTK_PLUGINS": ""}
    ran = subprocess.run(
        [sys.executable, str(script), str(repo_root / page)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-4000:]


def test_only_commands_that_cost_minutes_or_a_network_are_left_out(repo_root: Path) -> None:
    every = [
        command
        for page in PAGES
        for block in blocks(repo_root / page)
        if block.language == "bash"
        for command in commands(block)
    ]
    assert len(every) > 10
    left_out = {command for command in every if rule_of(command).skip}
    assert all(command.startswith(("make ", "pip ", "gartk mmcv")) for command in left_out)
    assert [rule.pattern for rule in RULES if not any(rule_of(command) is rule for command in every)] == []
