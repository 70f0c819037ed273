"""From clicks and strokes to a mask: checks the prompt, asks a segmenter, checks its answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gartk.errors import RegionError
from gartk.regions.segmenters.base import Segmenter, build_segmenter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Spec = Segmenter | str | Mapping[str, Any] | None

# A stroke is handed to the segmenter as this many points at most, evenly along its length.
MAX_STROKE_SEEDS = 32


@dataclass(frozen=True)
class MaskGuess:
    """A segmenter's mask (H, W), the points (x, y, label) it was asked with, and if it is rough."""

    mask: NDArray[np.bool_]
    points: tuple[tuple[float, float, int], ...]
    rough: bool


def mask_from_points(
    image: NDArray[np.uint8], points: Any, *, labels: Sequence[int] | None = None, segmenter: Spec = None
) -> MaskGuess:
    """Ask a segmenter for the mask that points name.

    Shapes: image (H, W, 3); points (P, 2) or (2,); labels (P,).
    Raises: RegionError for malformed points or labels, or an empty answer.
    """
    places = _read_points(points, image, "points")
    if labels is None:
        labels = [1] * len(places)
    marks = list(np.asarray(labels).reshape(-1).tolist())
    if len(marks) != len(places) or any(mark not in (0, 1) for mark in marks):
        raise RegionError(f"labels must be 0 or 1, one for each of the {len(places)} points; got {labels!r}.")
    if 1 not in marks:
        raise RegionError("no point has label 1 (inside). Click at least one point on the object.")
    chosen = build_segmenter(segmenter)
    pairs = [(float(x), float(y)) for x, y in places]
    marks = [int(mark) for mark in marks]
    mask = _ask(chosen, image, pairs, marks)
    if not mask.any():
        raise RegionError(
            f"{type(chosen).__name__} found nothing at {pairs}. Move or add points, or give a box."
        )
    return MaskGuess(
        mask, tuple((x, y, mark) for (x, y), mark in zip(pairs, marks, strict=True)), chosen.rough
    )


def mask_from_scribble(
    image: NDArray[np.uint8], stroke: Any, *, width_px: float | None = None, segmenter: Spec = None
) -> MaskGuess:
    """Ask a segmenter for the mask that a stroke lies in; the stroke itself is always part of it.

    Shapes: image (H, W, 3); stroke (P, 2), or a list of such strokes. Units: ``width_px`` pixels.
    Raises: RegionError for a malformed stroke or width.
    """
    lines = [_read_points(line, image, "stroke") for line in _strokes(stroke)]
    width = max(3.0, 0.01 * min(image.shape[:2])) if width_px is None else float(width_px)
    if not np.isfinite(width) or width <= 0:
        raise RegionError(f"width_px must be a positive number of pixels; got {width_px!r}.")
    chosen = build_segmenter(segmenter)
    seeds = _along(lines, MAX_STROKE_SEEDS)
    mask = _ask(chosen, image, seeds, [1] * len(seeds)) | _paint(lines, width, image.shape[:2])
    points = tuple((float(x), float(y), 1) for line in lines for x, y in line)
    return MaskGuess(mask, points, chosen.rough)


def _ask(
    segmenter: Segmenter, image: NDArray[np.uint8], points: list[tuple[float, float]], labels: list[int]
) -> NDArray[np.bool_]:
    mask = np.asarray(segmenter.segment(image, points=points, labels=labels))
    if mask.dtype != np.bool_ or mask.shape != image.shape[:2]:
        raise RegionError(
            f"{type(segmenter).__name__} returned {mask.dtype} {mask.shape};"
            f" it must return bool {image.shape[:2]}."
        )
    return mask


def _read_points(points: Any, image: NDArray[np.uint8], what: str) -> NDArray[np.float64]:
    height, width = image.shape[:2]
    try:
        places = np.asarray(points, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise RegionError(f"the {what} must be (x, y) pairs of numbers; got {points!r}.") from error
    if places.shape == (2,):
        places = places[None]
    if places.ndim != 2 or places.shape[1] != 2 or len(places) == 0:
        raise RegionError(f"the {what} must be a non-empty list of (x, y) pairs; got shape {places.shape}.")
    if not np.isfinite(places).all():
        raise RegionError(f"the {what} hold NaN or infinity.")
    outside = (places < 0).any(axis=1) | (places[:, 0] >= width) | (places[:, 1] >= height)
    if outside.any():
        x, y = places[int(np.argmax(outside))]
        raise RegionError(
            f"the {what} hold ({x:g}, {y:g}), outside the image of {width}x{height}."
            " Coordinates are pixel indices (x, y) of the original image."
        )
    return places


def _strokes(stroke: Any) -> list[Any]:
    """Return the strokes, given one (a list of pairs) or several (a list of lists of pairs)."""
    if isinstance(stroke, np.ndarray):
        return [stroke] if stroke.ndim <= 2 else list(stroke)
    if not isinstance(stroke, Sequence) or isinstance(stroke, (str, bytes)) or len(stroke) == 0:
        raise RegionError("the stroke must be a non-empty list of (x, y) pairs, or of such lists.")
    first = stroke[0]
    nested = isinstance(first, (Sequence, np.ndarray)) and len(first) > 0 and np.ndim(first[0]) == 1
    return list(stroke) if nested else [stroke]


def _along(lines: list[NDArray[np.float64]], count: int) -> list[tuple[float, float]]:
    """Choose at most ``count`` points evenly along the strokes, each stroke's start among them."""
    share = max(1, count // len(lines))
    seeds: list[tuple[float, float]] = []
    for line in lines[:count]:
        steps = np.linalg.norm(np.diff(line, axis=0), axis=1)
        travelled = np.concatenate(([0.0], np.cumsum(steps)))
        number = min(share, 1 + int(travelled[-1]))
        at = np.linspace(0.0, travelled[-1], number)
        xs, ys = np.interp(at, travelled, line[:, 0]), np.interp(at, travelled, line[:, 1])
        seeds.extend((float(x), float(y)) for x, y in zip(xs, ys, strict=True))
    return seeds


def _paint(lines: list[NDArray[np.float64]], width: float, image_hw: tuple[int, ...]) -> NDArray[np.bool_]:
    import cv2

    canvas = np.zeros(image_hw, dtype=np.uint8)
    pen = max(1, round(width))
    for line in lines:
        cv2.polylines(canvas, [np.rint(line).astype(np.int32).reshape(-1, 1, 2)], False, 1, pen)
    return canvas != 0
