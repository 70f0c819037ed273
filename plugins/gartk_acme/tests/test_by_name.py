"""gartk finds the parts of an installed gartk-acme by their names: in configs and on its command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gartk_acme.connector import WEIGHTS, BottleneckConnector
from gartk_acme.dataset import COLOURS
from PIL import Image
from safetensors.torch import save_file

from gartk.testing.benchmark_files import draw_image, rle, write_json

PACKAGE = Path(__file__).resolve().parents[1]
BOX = (10, 8, 40, 30)
SHORT = [
    "schedule.max_iters=2",
    "schedule.warmup_iters=1",
    "train_data.batch_size=2",
    "checkpoint.interval=2",
]
pytestmark = pytest.mark.slow


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder with what pip would lay out of this package."""
    site = tmp_path / "site"
    info = site / "gartk_acme-0.1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: gartk-acme\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text("[gartk.plugins]\nacme = gartk_acme:register\n")
    (site / "gartk_acme").symlink_to(PACKAGE / "gartk_acme")
    return site


def gartk(*words: object, site: Path, cwd: Path) -> str:
    """Run the command in a process of its own; return what it prints."""
    path = os.pathsep.join([str(site), *filter(None, sys.path)])
    ran = subprocess.run(
        [sys.executable, "-m", "gartk", *map(str, words)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path, "HF_HUB_OFFLINE": "1", "GARTK_PLUGINS": "acme"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    return ran.stdout


def test_the_benchmark_is_run_judged_replayed_and_scored(installed: Path, tmp_path: Path) -> None:
    records: list[dict[str, Any]] = []
    for number, name in enumerate(COLOURS):
        image = f"{number}.png"
        draw_image(tmp_path / "acme_colours" / image, [(BOX, name)])
        records.append(
            {"id": str(number), "kind": "box", "image": image, "masks": [rle(BOX)], "colour": name}
        )
    write_json(tmp_path / "acme_colours" / "colours.json", records)
    place = {"site": installed, "cwd": tmp_path}
    model = ["--model", "acme.MeanColour", "--model-arg", "form=a {} box"]
    judge = ["--judge", "acme.Judge"]
    asked = ["eval", "acme-colours", "--data", ".", *model, *judge, "--intervals"]
    gartk(*asked, "--out", "run", **place)
    overall = json.loads((tmp_path / "run" / "results.json").read_text())["summary"]["variants"]["correct"][
        "overall"
    ]
    assert overall["text"].startswith("4/4 = 100.0 %")
    assert overall["interval"][1] == 100.0
    page = (tmp_path / "run" / "results.html").read_text()
    assert page.count("<article") == 4
    assert "a red box" in page
    outputs = tmp_path / "run" / "outputs.json"
    strict = [*judge, "--judge-arg", "strict=true"]
    gartk("eval", "acme-colours", "--data", ".", "--records", outputs, *strict, "--out", "again", **place)
    results = json.loads((tmp_path / "again" / "results.json").read_text())
    assert results["info"]["judge"] == "acme-strict"
    assert results["info"]["judged_by"] == {"kind": "acme.Judge", "strict": True}
    assert results["summary"]["variants"]["correct"]["overall"]["hits"] == 0
    scored = gartk("eval", "score", "acme-colours", "--records", outputs, "--json", **place)
    assert json.loads(scored)["variants"]["correct"]["overall"]["hits"] == 4


def test_a_chat_model_answers_and_judges_by_its_short_name(installed: Path, tmp_path: Path) -> None:
    draw_image(tmp_path / "acme_colours" / "0.png", [(BOX, "red")])
    record = {"id": "0", "image": "0.png", "masks": [rle(BOX)], "colour": "red"}
    write_json(tmp_path / "acme_colours" / "colours.json", [record])
    asked = [
        "eval",
        "acme-colours",
        "--data",
        ".",
        "--model",
        "acme.parrot:blue",
        "--judge",
        "acme.parrot:Yes.",
    ]
    gartk(*asked, "--out", "run", site=installed, cwd=tmp_path)
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["records"][0]["prediction"] == "blue"
    assert results["info"]["run"]["model"]["says"] == "blue"
    assert results["summary"]["variants"]["correct"]["overall"]["hits"] == 1


def test_a_model_of_its_parts_trains_and_is_read_without_the_connectors_folder(
    installed: Path, tmp_path: Path
) -> None:
    place = {"site": installed, "cwd": tmp_path}
    source = tmp_path / "source"
    source.mkdir()
    weights = BottleneckConnector(in_dim=96, out_dim=128, hidden_dim=24).layers.state_dict()
    save_file(weights, source / WEIGHTS)
    options = [f"model.connector.pretrained={source}", *SHORT]
    config = PACKAGE / "configs" / "acme_row.py"
    gartk("train", config, "--out", "work", "--cfg-options", *options, **place)
    pixels = np.full((64, 64, 3), 128, dtype=np.uint8)
    pixels[8:40, 8:40] = COLOURS["red"]
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    ask = ["describe", "photo.png", "--box", "8,8,40,40", "--model", "work", "--max-new-tokens", 8, "--json"]
    before = gartk(*ask, **place)
    source.rename(tmp_path / "gone")
    assert gartk(*ask, **place) == before
