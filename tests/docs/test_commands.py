"""The commands and code of README and the tutorial run as they are written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gartk.testing.benchmark_files import draw_image, rle, write_json
from tests.docs.run_page import RULES, blocks, commands, rule_of
from tests.support.gar_bench import write_gar_bench

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


def run(folder: Path, repo_root: Path, *pages: str, plugins: str = "") -> None:
    """Run pages in a process of their own; ``plugins`` are those that may load."""
    script = repo_root / "tests" / "docs" / "run_page.py"
    path = os.pathsep.join(map(str, (folder / "site", repo_root)))
    environment = {**os.environ, "PYTHONPATH": path, "HOME": str(folder), "GARTK_PLUGINS": plugins}
    ran = subprocess.run(
        [sys.executable, str(script), *(str(repo_root / page) for page in pages)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-4000:]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_a_page_does_what_it_says(page: str, folder: Path, repo_root: Path) -> None:
    run(folder, repo_root, page)


@pytest.mark.slow
def test_the_pages_for_plugins_do_what_they_say(folder: Path, repo_root: Path) -> None:
    package = repo_root / "plugins" / "gartk_acme"
    (folder / "plugins").symlink_to(repo_root / "plugins")
    info = folder / "site" / "gartk_acme-0.1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: gartk-acme\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text("[gartk.plugins]\nacme = gartk_acme:register\n")
    (folder / "site" / "gartk_acme").symlink_to(package / "gartk_acme")
    draw_image(folder / "acme_colours" / "0.png", [((10, 8, 40, 30), "red")])
    record = {"id": "0", "image": "0.png", "masks": [rle((10, 8, 40, 30))], "colour": "red"}
    write_json(folder / "acme_colours" / "colours.json", [record])
    pages = sorted(page.relative_to(repo_root).as_posix() for page in repo_root.glob("docs/extend/*.md"))
    assert len(pages) == 8
    run(folder, repo_root, *pages, plugins="acme")


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
