"""GrabCut from a point or a box: finds a plain object, keeps to its seeds, and always answers alike."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from gartk.errors import ConfigError
from gartk.regions.images import open_image
from gartk.regions.masks import decode_rle, interior_point
from gartk.regions.segmenters import GrabCutSegmenter, Segmenter, build_segmenter, default_segmenter
from gartk.registry import SEGMENTERS

DATA = Path(os.environ.get("GARTK_DATA", "../shared/data")) / "gar_bench"


def _scene(height: int = 120, width: int = 160) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    image = rng.integers(90, 120, (height, width, 3), dtype=np.uint8)
    rows, columns = np.mgrid[:height, :width]
    disc = (rows - 60) ** 2 + (columns - 70) ** 2 < 18**2
    image[disc] = rng.integers(200, 230, (int(disc.sum()), 3), dtype=np.uint8) // np.array(
        [1, 4, 4], np.uint8
    )
    return image, disc


def _iou(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


def test_a_point_on_a_plain_object_finds_it():
    image, disc = _scene()
    mask = GrabCutSegmenter().segment(image, points=[(75, 55)], labels=[1])
    assert mask.shape == disc.shape and mask.dtype == np.bool_
    assert _iou(mask, disc) > 0.85


def test_a_box_around_a_plain_object_finds_it_and_nothing_outside_the_box():
    image, disc = _scene()
    mask = GrabCutSegmenter().segment(image, points=[], labels=[], box=(48, 38, 92, 82))
    assert _iou(mask, disc) > 0.85
    assert mask[38:82, 48:92].sum() == mask.sum()


def test_equal_calls_give_equal_masks_whatever_ran_between():
    image, _ = _scene()
    noise = np.random.default_rng(1).integers(0, 256, image.shape, dtype=np.uint8)
    segmenter = GrabCutSegmenter()
    first = segmenter.segment(image, points=[(20, 20)], labels=[1])
    segmenter.segment(noise, points=[(80, 60)], labels=[1])
    assert np.array_equal(segmenter.segment(image, points=[(20, 20)], labels=[1]), first)


def test_inside_points_are_inside_and_outside_points_are_outside():
    noise = np.random.default_rng(2).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    mask = GrabCutSegmenter().segment(noise, points=[(0, 0), (89, 69), (45, 30)], labels=[1, 1, 0])
    assert mask[0, 0] and mask[69, 89] and not mask[30, 45]


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (900, 3), (2, 2)])
def test_images_of_extreme_shape_are_served(shape):
    image = np.zeros((*shape, 3), np.uint8)
    mask = GrabCutSegmenter().segment(image, points=[(shape[1] - 1, shape[0] - 1)], labels=[1])
    assert mask.shape == shape and mask[-1, -1]


def test_it_is_the_default_and_can_be_had_by_name_config_or_object():
    assert "GrabCutSegmenter" in SEGMENTERS.names()
    assert isinstance(default_segmenter(), GrabCutSegmenter)
    assert build_segmenter({"type": "GrabCutSegmenter", "iterations": 7}).iterations == 7
    mine = GrabCutSegmenter()
    assert build_segmenter(mine) is mine
    assert isinstance(mine, Segmenter)


def test_wrong_specs_and_settings_are_config_errors():
    with pytest.raises(ConfigError, match="no segmenter"):
        build_segmenter(3)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="iteration"):
        build_segmenter({"type": "GrabCutSegmenter", "iterationz": 7})
    with pytest.raises(ConfigError, match="iterations >= 1"):
        GrabCutSegmenter(iterations=0)


def test_on_real_photos_a_point_is_about_as_good_as_the_docs_say():
    if not DATA.is_dir():
        pytest.skip(f"needs the GAR-Bench photos in {DATA} (set GARTK_DATA)")
    files = [DATA / f"GAR-Bench-{part}.json" for part in ("VQA", "Caption-Simple", "Caption-Detailed")]
    records = [record for file in files for record in json.loads(file.read_text())]
    regions = [(r["image"], rle) for r in records if (DATA / r["image"]).is_file() for rle in r["mask_rles"]]
    scores = []
    for name, rle in regions[::6]:
        image, truth = open_image(DATA / name), decode_rle(rle)
        mask = GrabCutSegmenter().segment(image, points=[interior_point(truth)], labels=[1])
        scores.append(_iou(mask, truth))
    assert len(scores) >= 20
    assert 0.3 < np.mean(scores) < 0.5
