from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gartk.data.world.dataset import RegionWorldDataset, evaluation_set
from gartk.data.world.export import write_world
from gartk.data.world.sheet import contact_sheet, draw_regions, png_bytes
from gartk.errors import DataError
from gartk.regions.masks import decode_rle

ROOT = Path(__file__).resolve().parents[3]


def test_a_written_dataset_reads_back_in_the_training_layout(tmp_path):
    datasets = pytest.importorskip("datasets", reason="the optional package 'datasets' is not installed")
    data = RegionWorldDataset("val", length=4, size=(64, 96), turns_per_sample=2)
    write_world(data, tmp_path / "world")
    read = datasets.load_from_disk(str(tmp_path / "world"))
    assert len(read) == 4
    for i, record in enumerate(read):
        sample = data[i]
        np.testing.assert_array_equal(np.asarray(record["image"]), sample.image)
        assert [c["from"] for c in record["conversations"]] == ["human", "gpt"] * 2
        assert [c["value"] for c in record["conversations"]] == [turn.text for turn in sample.turns]
        assert len(record["mask_rle"]) == len(sample.regions)
        for rle, region in zip(record["mask_rle"], sample.regions, strict=True):
            np.testing.assert_array_equal(decode_rle(rle), region.mask)
        assert json.loads(record["meta"])["scene_seed"] == sample.meta["scene_seed"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["world"]


def test_a_folder_with_something_in_it_is_not_written_over(tmp_path):
    pytest.importorskip("datasets", reason="the optional package 'datasets' is not installed")
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(DataError, match="not an empty folder"):
        write_world(RegionWorldDataset("val", length=1, size=(64, 64)), tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "keep"


def test_the_contact_sheet_has_the_same_bytes_each_time_and_shows_every_picture():
    data = evaluation_set(1, size=(96, 96))
    sheets = [contact_sheet([data[i] for i in range(9)], columns=3, width_px=96) for _ in range(2)]
    assert png_bytes(sheets[0]) == png_bytes(sheets[1])
    other = evaluation_set(1, size=(96, 96), seed=1)
    assert png_bytes(contact_sheet([other[i] for i in range(9)], columns=3, width_px=96)) != png_bytes(
        sheets[0]
    )
    page = np.asarray(sheets[0])
    sample = data[0]
    drawn = draw_regions(sample.image, [region.mask for region in sample.regions])
    np.testing.assert_array_equal(page[8 : 8 + 96, 8 : 8 + 96], drawn)


def test_outlines_follow_the_mask_and_leave_the_rest_of_the_picture():
    image = np.full((60, 60, 3), 128, np.uint8)
    mask = np.zeros((60, 60), bool)
    mask[10:50, 10:50] = True
    drawn = draw_regions(image, [mask])
    assert (drawn[10, 12:48] == 255).all()
    assert (drawn[:8] == 128).all()
    assert (drawn[14:20, 14:20] == 128).all()
    assert (drawn[25:35, 25:35] != 128).any()
    assert (image == 128).all()


def test_the_tool_draws_a_sheet_and_reports_bad_input(tmp_path):
    tool = [sys.executable, "-m", "gartk", "world"]
    sheet = tmp_path / "sheet.png"
    done = subprocess.run(
        [*tool, "--sheet", str(sheet), "--num", "2", "--size", "64x80"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert sheet.read_bytes().startswith(b"\x89PNG")
    done = subprocess.run([*tool, "--sheet", str(sheet), "--tasks", "colour"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "Did you mean 'color'" in done.stderr
    assert "Traceback" not in done.stderr
