"""The contracts of segmenters and datasets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from gartk.data.base import DATASETS
from gartk.regions import Region
from gartk.regions.segmenters.base import SEGMENTERS
from gartk.structures import Sample
from gartk.testing.checks import PartSpec, build_part, pickled, require

_PROMPT = re.compile(r"<Prompt\s*(\d+)>")
_HW = (48, 64)


def check_segmenter(spec: PartSpec) -> None:
    """Check everything that regions rely on in a segmenter.

    Promises: ``rough`` is a bool; any points inside the image, also at its corners, with or without
    a box, give a boolean mask of the image's size; the image is left as it was; the same call
    gives the same mask; it can be pickled. How good the masks are is not part of it.

    Raises: ContractViolation naming the promise that is broken.
    """
    segmenter = build_part(SEGMENTERS, spec)
    require(isinstance(segmenter.rough, bool), "rough is a bool.", repr(segmenter.rough))
    twin = pickled(segmenter, "A segmenter")
    image = _scene()
    height, width = _HW
    calls: list[tuple[list[tuple[float, float]], list[int], list[float] | None]] = [
        ([(20.0, 20.0)], [1], None),
        ([(20.0, 20.0), (60.0, 40.0), (24.0, 18.0)], [1, 0, 1], None),
        ([(0.0, 0.0), (width - 1.0, height - 1.0)], [1, 1], None),
        ([(20.0, 20.0)], [1], [8.0, 8.0, 34.0, 33.0]),
    ]
    for points, labels, box in calls:
        before = image.copy()
        mask = segmenter.segment(image, points=points, labels=labels, box=box)
        what = f"for points {points}, labels {labels}, box {box}"
        require(isinstance(mask, np.ndarray), f"The mask {what} is an array.", type(mask).__name__)
        fits = mask.dtype == np.bool_ and mask.shape == _HW
        require(fits, f"The mask {what} is bool {_HW}.", f"{mask.dtype} {mask.shape}")
        require(np.array_equal(image, before), "The image is left as it was.")
        again = twin.segment(image, points=points, labels=labels, box=box)
        require(np.array_equal(mask, again), f"The same call gives the same mask ({what}).")


def check_dataset(spec: PartSpec, *, num_items: int = 8) -> None:
    """Check everything that training and tests rely on in a dataset.

    Promises: it has a length and gives a Sample for every index below it, IndexError at it; regions
    have their image's size; turns start with the user (after an optional system turn), alternate, are
    not empty, and name only regions that exist; ids are not empty and differ; the same index gives the same
    sample, also after pickling.

    Args:
        num_items: how many items to look at, spread evenly from the first to the last.

    Raises: ContractViolation naming the promise that is broken.
    """
    dataset = build_part(DATASETS, spec)
    size = len(dataset)
    require(size > 0, "A dataset holds at least one sample.", str(size))
    _check_end(dataset, size)
    twin = pickled(dataset, "A dataset")
    step = max(1, (size - 1) // max(1, num_items - 1))
    ids = []
    for index in list(range(0, size, step))[:num_items]:
        sample = dataset[index]
        _check_sample(sample, index)
        _check_equal(sample, dataset[index], f"Item {index} is the same each time.")
        _check_equal(sample, twin[index], f"Item {index} is the same after pickling the dataset.")
        ids.append(sample.id)
    require(len(set(ids)) == len(ids), "Every sample has an id of its own.", str(ids))


def _scene() -> np.ndarray:
    """A bright disc on a dark, noisy ground, (H, W, 3) uint8."""
    ys, xs = np.mgrid[: _HW[0], : _HW[1]]
    disc = (xs - 20) ** 2 + (ys - 20) ** 2 <= 11**2
    noise = np.random.default_rng(0).integers(0, 30, (*_HW, 3))
    return np.asarray(noise + disc[..., None] * np.array([200, 180, 40]), dtype=np.uint8)


def _check_end(dataset: Any, size: int) -> None:
    try:
        item = dataset[size]
    except IndexError:
        return
    require(False, "An index at the length raises IndexError.", type(item).__name__)


def _check_sample(sample: Any, index: int) -> None:
    where = f"of item {index}"
    require(isinstance(sample, Sample), "An item is a Sample.", type(sample).__name__)
    require(bool(sample.id), f"The id {where} is not empty.")
    sizes = [_image_hw(image, where) for image in sample.images]
    for number, image, region in sample.pairs():
        require(isinstance(region, Region), f"Region {number} {where} is a Region.", type(region).__name__)
        fits = region.image_hw == sizes[image]
        require(fits, f"Region {number} {where} has the image's size {sizes[image]}.", str(region.image_hw))
    _check_turns(sample, where)


def _image_hw(image: Any, where: str) -> tuple[int, int]:
    if isinstance(image, Image.Image):
        return image.height, image.width
    is_rgb = (
        isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3
    )
    require(is_rgb, f"The image {where} is a PIL image or uint8 (H, W, 3).", type(image).__name__)
    return int(image.shape[0]), int(image.shape[1])


def _check_turns(sample: Sample, where: str) -> None:
    roles: Sequence[str] = [turn.role for turn in sample.turns]
    spoken = roles[1:] if roles[:1] == ["system"] else roles
    wanted = ["user", "assistant"] * (len(spoken) // 2 + 1)
    alternate = bool(spoken) and list(spoken) == wanted[: len(spoken)]
    require(alternate, f"The turns {where} alternate, the user first.", str(roles))
    for turn in sample.turns:
        require(bool(turn.text.strip()), f"Every turn {where} has text.", repr(turn))
        absent = [n for n in _PROMPT.findall(turn.text) if int(n) >= len(sample.regions)]
        require(not absent, f"The turns {where} name only regions that exist.", f"{turn.text!r}")


def _check_equal(left: Sample, right: Sample, promise: str) -> None:
    same = (
        len(left.images) == len(right.images)
        and all(map(np.array_equal, map(np.asarray, left.images), map(np.asarray, right.images)))
        and left.regions == right.regions
        and left.turns == right.turns
        and left.id == right.id
    )
    require(same, promise)
