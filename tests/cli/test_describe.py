"""``gartk describe`` as a user runs it."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Main = Callable[..., tuple[int, str, str]]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 90, (60, 90, 3), dtype=np.uint8)
    pixels[20:50, 30:70] = (240, 200, 40)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    mask = np.zeros((60, 90), np.uint8)
    mask[5:20, 5:25] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    return tmp_path / "photo.png"


@pytest.fixture
def describe(gartk: Main, work_dir: Path) -> Main:
    def run(*argv: Any) -> tuple[int, str, str]:
        options = ("--model", work_dir, "--device", "cpu", "--max-new-tokens", 3)
        return gartk("describe", *argv, *options)

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
def test_a_users_error_ends_with_2_and_one_clear_error(
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


def test_a_real_photo_with_nine_masks_is_described(describe: Main, shared_dir: Path, tmp_path: Path) -> None:
    base = shared_dir / "data" / "gar_bench"
    records = base / "GAR-Bench-VQA.json"
    photo = base / "images" / "vqa_408.png"
    if not (records.is_file() and photo.is_file()):
        pytest.skip(f"{records} or {photo} is missing")
    out = tmp_path / "photo.png"
    code, said, error = describe(photo, "--rle", f"{records}#408", "--out", out)
    assert code == 0, error
    assert "640x480 px" in said
    for index in range(9):
        assert f"region  <Prompt{index}> mask, box (" in said
        assert len([line for line in said.splitlines() if line.startswith(f"<Prompt{index}> ")]) == 1
    with Image.open(out) as picture:
        assert picture.width == 640
        assert picture.height > 480


def test_a_description_that_begins_with_its_name_is_printed_once(gartk: Main, photo: Path) -> None:
    boxes = ("--box", "30,20,70,50", "--box", "5,5,25,20")
    code, text, _ = gartk("describe", photo, *boxes, "--device", "cpu")
    assert code == 0
    raw = json.loads(gartk("describe", photo, *boxes, "--device", "cpu", "--json")[1])
    texts = [answer["text"] for answer in raw["answers"]]
    assert [said.partition(" ")[0] for said in texts] == ["<Prompt0>", "<Prompt1>"]
    lines = [line for line in text.splitlines() if line.startswith("<Prompt")]
    assert [" ".join(line.split()) for line in lines] == texts


def test_a_segmenter_takes_arguments_and_is_built_once(
    describe: Main, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gartk.regions.segmenters import GrabCutSegmenter

    seen: list[dict[str, Any]] = []
    build = GrabCutSegmenter.__init__

    def noted(self: GrabCutSegmenter, **arguments: Any) -> None:
        seen.append(arguments)
        build(self, **arguments)

    monkeypatch.setattr(GrabCutSegmenter, "__init__", noted)
    named = ("--segmenter", "GrabCutSegmenter", "--segmenter-arg", "iterations=1")
    code, _, error = describe(photo, "--point", "50,35", "--point", "10,10", *named)
    assert code == 0, error
    assert seen == [{"iterations": 1}]
    for argv, says in (
        (("--point", "50,35", "--segmenter-arg", "iterations=1"), "needs --segmenter NAME"),
        (("--box", "1,2,30,40", *named), "neither was given"),
        (("--point", "50,35", "--segmenter", "SamSegmenter"), "--segmenter-arg weights="),
    ):
        code, _, error = describe(photo, *argv)
        assert code == 2
        assert says in error


NOT_NEEDED = (
    *("datasets", "sklearn", "matplotlib", "openai", "supervision", "mmengine"),
    *("gartk.evaluation", "gartk.sweep", "gartk.engine.runner", "gartk.data.world", "gartk.testing"),
)


def test_describing_imports_nothing_that_only_training_and_evaluation_need(photo: Path) -> None:
    code = (
        "import sys; from gartk.cli.main import main\n"
        "assert main(sys.argv[1:]) == 0\n"
        f"sys.exit(' '.join(name for name in {NOT_NEEDED} if name in sys.modules) or 0)"
    )
    command = [sys.executable, "-c", code, "describe", photo, "--box", "1,2,30,40", "--device", "cpu"]
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_garbage_collector_is_on_after_a_model_was_loaded(describe: Main, photo: Path) -> None:
    assert describe(photo, "--box", "1,2,30,40")[0] == 0
    assert gc.isenabled()
    assert describe(photo, "--box", "1,2,30,40", "--dtype", "int8")[0] == 2
    assert gc.isenabled()
