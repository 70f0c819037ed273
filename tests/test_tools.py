"""The command line tools for testing, describing and the demo, run as a user runs them."""

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

from gartk.engine.sources import find_folder
from gartk.models.checkpoints import load_model, save_model
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
    save_model(model, folder / "iter_000003", info={"iter": 3})
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


# ------------------------------------------------------------------ tools/describe.py


@pytest.fixture
def describe(repo_root: Path, work_dir: Path, capsys: pytest.CaptureFixture[str]) -> Main:
    tool = load_tool(repo_root, "describe")

    def run(*argv: Any) -> tuple[int, str, str]:
        return call(tool, capsys, *argv, "--model", work_dir, "--device", "cpu", "--max-new-tokens", 3)

    return run


def test_regions_keep_the_order_of_the_command_line(describe: Main, photo: Path) -> None:
    kinds = ["--point", "50,35", "--mask", photo.with_name("mask.png"), "--box", "1,2,30,40"]
    code, out, _ = describe(photo, *kinds, "--scribble", "35,30;60,40", "--json")
    assert code == 0
    said = json.loads(out)
    assert [region["kind"] for region in said["regions"]] == ["point", "mask", "box", "scribble"]
    assert said["regions"][1]["area_px"] == 15 * 20
    assert said["regions"][2]["box"] == [1, 2, 30, 40]
    assert [region["rough"] for region in said["regions"]] == [True, False, False, True]
    assert (said["width"], said["height"]) == (90, 60)
    assert len(said["answers"]) == 4


def test_a_question_gets_one_answer_with_its_warnings(describe: Main, photo: Path) -> None:
    boxes = ["--box", "1,2,30,40", "--box", "40,2,80,40"]
    code, out, err = describe(photo, *boxes, "--question", "Is <Prompt1> left of <Prompt4>?")
    assert code == 0
    assert "question  Is <Prompt1> left of <Prompt4>?" in out
    assert len([line for line in out.splitlines() if line.startswith("answer")]) == 1
    assert "note: The question names <Prompt4>" in out
    assert "warning: The question names <Prompt4>" in err
    assert "photo.png: 90x60 px" in out
    assert "region  <Prompt1> box, box (40, 2, 80, 40), 1520 px = 28 % of the image" in out


def test_the_picture_shows_every_region_and_keeps_the_photo(
    describe: Main, photo: Path, tmp_path: Path
) -> None:
    out = tmp_path / "made" / "picture.png"
    code, text, _ = describe(photo, "--box", "5,5,40,30", "--box", "50,10,80,50", "--out", out)
    assert code == 0
    assert f"written: {out}" in text
    picture, original = np.asarray(Image.open(out)), np.asarray(Image.open(photo))
    assert picture.shape[1] == 90
    assert picture.shape[0] > 60  # a strip with the text
    changed = (picture[:60] != original).any(-1)
    assert changed[5, 6:39].mean() > 0.5  # the outlines
    assert changed[10, 51:79].mean() > 0.5
    assert not changed[55:, :3].any()


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ([], "No region was given"),
        (["--box", "1,2,3"], "a box is written x0,y0,x1,y1"),
        (
            ["--box", "1,2,3,4", "--box", "100,100,120,120"],
            "Region 1: the box (100, 100, 120, 120) lies wholly",
        ),
        (["--box", "10,10,10,30"], "has no area"),
        (["--mask", "missing.png"], "Region 0: There is no file 'missing.png'"),
        (["--point", "500,2"], "Region 0: "),
        (["--rle", "missing.json#3"], "missing.json cannot be read as JSON"),
        (["--box", "1,2,30,40", "--question", " "], "The question is empty"),
        (["--box", "1,2,30,40", "--out", "picture.xyz"], "Use .png"),
        (["--point", "5,5", "--segmenter", "Grabcut"], "Did you mean 'GrabCutSegmenter'"),
    ],
)
def test_the_describe_tool_ends_with_2_and_one_clear_error(
    argv: list[str], says: str, describe: Main, photo: Path
) -> None:
    code, out, err = describe(photo, *argv)
    assert code == 2
    assert says in err
    assert out == ""
    assert "Traceback" not in err


def test_a_box_partly_outside_is_clipped_with_a_warning(describe: Main, photo: Path) -> None:
    code, out, err = describe(photo, "--box=-10,5,30,40")
    assert code == 0
    assert "reaches outside the image of 90x60; clipped" in err
    assert "box (0, 5, 30, 40)" in out


def test_a_real_photo_with_nine_masks_is_described(
    repo_root: Path, work_dir: Path, shared_dir: Path, tmp_path: Path
) -> None:
    base = shared_dir / "data" / "gar_bench"
    records = base / "GAR-Bench-VQA.json"
    photo = base / "images" / "vqa_408.png"
    if not (records.is_file() and photo.is_file()):
        pytest.skip(f"{records} or {photo} is missing")
    out = tmp_path / "photo.png"
    command = ["tools/describe.py", photo, "--rle", f"{records}#408", "--model", work_dir, "--out", out]
    run = subprocess.run(
        [sys.executable, *map(str, command), "--max-new-tokens", "4", "--device", "cpu"],
        cwd=repo_root,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "640x480 px" in run.stdout
    for index in range(9):
        assert f"region  <Prompt{index}> mask, box (" in run.stdout
        assert len([line for line in run.stdout.splitlines() if line.startswith(f"<Prompt{index}> ")]) == 1
    with Image.open(out) as picture:
        assert picture.width == 640
        assert picture.height > 480


# ------------------------------------------------------------------ tools/demo.py


def test_the_demo_trains_tests_and_draws(
    repo_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GARTK_DATA", str(tmp_path))  # no photo: that is tested above
    tool = load_tool(repo_root, "demo")
    out = tmp_path / "demo"
    for _ in range(2):  # a second demo replaces the first
        code, text, err = call(tool, capsys, "--out", out, "--iters", 2, "--items", 2)
        assert code == 0, err
    assert "2 updates of 8 scenes" in text
    assert {path.name for path in out.glob("*.png")} == {
        *(f"scene_{i}.png" for i in range(4)),
        *(f"open_{name}.png" for name in ("color", "shape", "texture", "material")),
    }
    assert len(json.loads((out / "results.json").read_text(encoding="utf-8"))["records"]) == 12
    assert "of 12 descriptions right" in text
    with Image.open(out / "scene_0.png") as picture:
        assert picture.width == 3 * 224


def test_the_demo_never_deletes_what_is_not_its_own(
    repo_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("years of work", encoding="utf-8")
    code, _, err = call(load_tool(repo_root, "demo"), capsys, "--out", tmp_path, "--iters", 2)
    assert code == 2
    assert "holds something else" in err
    assert (tmp_path / "run" / "thesis.txt").is_file()


def test_a_packed_checkpoint_is_half_as_large_and_loads(
    repo_root: Path, work_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pack = load_tool(repo_root, "pack")
    code, out, _ = call(pack, capsys, work_dir, tmp_path / "small", "--note", "made by a test")
    assert code == 0
    assert "MB, from" in out
    packed, whole = load_model(tmp_path / "small"), load_model(find_folder(work_dir))
    for key, value in whole.state_dict().items():
        torch.testing.assert_close(packed.state_dict()[key], value.half().float(), rtol=0, atol=0)
    weights = tmp_path / "small" / "model.safetensors"
    assert weights.stat().st_size < 0.6 * (find_folder(work_dir) / "model.safetensors").stat().st_size
    assert json.loads((tmp_path / "small" / "config.json").read_text())["info"]["note"] == "made by a test"
    code, _, err = call(pack, capsys, tmp_path / "missing", tmp_path / "small")
    assert code == 2
    assert "CheckpointError" in err
