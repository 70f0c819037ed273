"""Masks as boolean arrays: decoding, encoding, measuring. Nothing here knows what a region is.

A mask is (H, W) bool in pixels of the original image. Boxes are xyxy with an exclusive maximum;
pixel i covers [i, i + 1), so its centre lies at i + 0.5.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gartk.errors import RegionError
from gartk.regions.images import check_pixel_limit, check_size, open_image, pixel_limit, read_mask_png

if TYPE_CHECKING:
    from numpy.typing import NDArray

    BoolMask = NDArray[np.bool_]

__all__ = [
    "check_pixel_limit",
    "check_size",
    "decode_polygons",
    "decode_rle",
    "encode_rle",
    "fill_box",
    "interior_point",
    "open_image",
    "pixel_limit",
    "polygon_rings",
    "read_mask_png",
    "rle_counts",
    "tight_box",
]


def decode_rle(rle: Mapping[str, Any], *, max_pixels: int | None = None) -> BoolMask:
    """Decode a COCO run-length mask, compressed (string or bytes) or not (list of counts).

    Shapes: rle has ``size`` [H, W] and ``counts``; returns (H, W).
    Raises: RegionError if a key is missing, the counts cannot be read, one is negative, or they
    do not fill H * W exactly.
    """
    if not isinstance(rle, Mapping) or "size" not in rle or "counts" not in rle:
        got = sorted(map(str, rle)) if isinstance(rle, Mapping) else type(rle).__name__
        raise RegionError(f"An RLE needs the keys 'size' ([H, W]) and 'counts'; got {got}.")
    height, width = check_size(rle["size"], what="RLE size", max_pixels=max_pixels)
    counts = rle_counts(rle["counts"])
    if counts.size and int(counts.min()) < 0:
        index = int(np.argmax(counts < 0))
        raise RegionError(
            f"RLE count number {index} is negative ({int(counts[index])}). Encode the mask again."
        )
    # Sum in Python integers: hostile counts could overflow int64.
    total = sum(counts.tolist())
    if total != height * width:
        raise RegionError(
            f"The RLE counts sum to {total}, but size [{height}, {width}] needs {height * width}."
            " Is the size [height, width], and the string complete?"
        )
    values = np.zeros(counts.size, dtype=np.bool_)
    values[1::2] = True
    return np.ascontiguousarray(np.repeat(values, counts).reshape(width, height).T)


def rle_counts(counts: Any) -> NDArray[np.int64]:
    """Read the counts of an RLE, whichever way they are written.

    Raises: RegionError if they are neither text nor a list of whole numbers.
    """
    if isinstance(counts, str):
        try:
            return _parse_compressed(counts.encode("ascii"))
        except UnicodeEncodeError as error:
            raise RegionError("The RLE counts string holds a character outside ASCII.") from error
    if isinstance(counts, (bytes, bytearray)):
        return _parse_compressed(bytes(counts))
    try:
        exact = np.asarray(counts)
        if exact.ndim != 1 or exact.size == 0 or exact.dtype.kind not in "iu":
            raise ValueError
        return exact.astype(np.int64)
    except (TypeError, ValueError) as error:
        raise RegionError(
            "RLE counts must be a non-empty list of whole numbers or COCO's compressed string;"
            f" got {type(counts).__name__}."
        ) from error


def _parse_compressed(text: bytes) -> NDArray[np.int64]:
    """Parse COCO's compressed counts: 5 bits a character, differences to the count two before.

    Checked here because pycocotools reads past the end of a malformed string.
    """
    codes = np.frombuffer(text, dtype=np.uint8).astype(np.int64) - 48
    if codes.size == 0:
        raise RegionError("The RLE counts string is empty.")
    if int(codes.min()) < 0 or int(codes.max()) > 63:
        index = int(np.argmax((codes < 0) | (codes > 63)))
        raise RegionError(
            f"The RLE counts string holds {chr(text[index])!r} at {index}, which is no RLE character."
        )
    last = (codes & 32) == 0
    if not last[-1]:
        raise RegionError("The RLE counts string breaks off within a number. Is it complete?")
    ends = np.flatnonzero(last)
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts + 1
    if int(lengths.max()) > 7:
        raise RegionError("The RLE counts string holds a number that is too large for any mask.")
    place = np.arange(codes.size) - np.repeat(starts, lengths)
    values = np.add.reduceat((codes & 31) << (5 * place), starts)
    negative = (codes[ends] & 16) != 0
    values = np.where(negative, values - (np.int64(1) << (5 * lengths)), values)
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return values


def encode_rle(mask: BoolMask) -> dict[str, Any]:
    """Encode a mask as compressed COCO RLE: ``{"size": [H, W], "counts": str}``, ready for JSON.

    Raises: RegionError if the mask is not (H, W) bool.
    """
    from pycocotools import mask as coco

    _need_bool(mask)
    encoded = coco.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": [int(v) for v in encoded["size"]], "counts": encoded["counts"].decode("ascii")}


def polygon_rings(polygon: Any) -> list[NDArray[np.float64]]:
    """Read a polygon in any of its forms as rings of vertices.

    Takes one ring or several, each a flat list [x0, y0, x1, y1, ...] (COCO) or a list of (x, y).
    Shapes: returns arrays (n, 2), n >= 3.
    Raises: RegionError for NaN, an odd number of values, fewer than three vertices.
    """
    nested = polygon.tolist() if isinstance(polygon, np.ndarray) else polygon
    if not isinstance(nested, Sequence) or isinstance(nested, (str, bytes)) or len(nested) == 0:
        raise RegionError("A polygon must be a non-empty list of vertices or of rings.")
    first = nested[0]
    is_vertex = isinstance(first, (Sequence, np.ndarray)) and len(first) == 2 and _is_number(first[0])
    one_ring = _is_number(first) or is_vertex
    return [_ring(ring, number) for number, ring in enumerate([nested] if one_ring else nested)]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)


def _ring(values: Any, number: int) -> NDArray[np.float64]:
    try:
        flat = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise RegionError(
            f"Ring {number} of the polygon is not a list of numbers or of (x, y) pairs."
        ) from error
    if flat.ndim > 2 or flat.size % 2 or (flat.ndim == 2 and flat.shape[1] != 2):
        raise RegionError(f"Ring {number} of the polygon must list x, y, x, y, ...; got shape {flat.shape}.")
    ring = flat.reshape(-1, 2)
    if len(ring) < 3:
        raise RegionError(f"Ring {number} of the polygon has {len(ring)} vertices; it needs at least 3.")
    if not np.isfinite(ring).all():
        raise RegionError(f"Ring {number} of the polygon holds NaN or infinity.")
    return ring


def decode_polygons(polygon: Any, image_hw: tuple[int, int]) -> BoolMask:
    """Fill a polygon of one or more rings by COCO's rule: the mask is the union of the rings.

    A ring inside another therefore adds nothing; a hole needs an RLE or a mask. What lies outside
    the image is cut off.
    Shapes: rings as ``polygon_rings`` reads them; returns (H, W).
    Raises: RegionError if a ring is malformed.
    """
    from pycocotools import mask as coco

    height, width = check_size(image_hw)
    rings = [_clip_ring(ring, width, height) for ring in polygon_rings(polygon)]
    flat = [ring.reshape(-1).tolist() for ring in rings if len(ring) >= 3]
    if not flat:
        return np.zeros((height, width), dtype=np.bool_)
    return decode_rle(coco.merge(coco.frPyObjects(flat, height, width)), max_pixels=height * width)


def _clip_ring(ring: NDArray[np.float64], width: int, height: int) -> NDArray[np.float64]:
    """Cut a ring at the image's four sides, so that far vertices cost no memory (Sutherland-Hodgman)."""
    for axis, bound, sign in (
        (0, 0.0, 1.0),
        (0, float(width), -1.0),
        (1, 0.0, 1.0),
        (1, float(height), -1.0),
    ):
        depth = sign * (ring[:, axis] - bound)
        if (depth >= 0).all():
            continue
        kept: list[NDArray[np.float64]] = []
        for i in range(len(ring)):
            before, here = depth[i - 1], depth[i]
            if (before < 0) != (here < 0):
                kept.append(ring[i - 1] + (ring[i] - ring[i - 1]) * (before / (before - here)))
            if here >= 0:
                kept.append(ring[i])
        if not kept:
            return np.zeros((0, 2))
        ring = np.stack(kept)
    return ring


def fill_box(box_px: Sequence[float], image_hw: tuple[int, int]) -> BoolMask:
    """Fill the pixels whose centre lies in the box; the pixel under its middle if there is none.

    Shapes: box_px (x0, y0, x1, y1), maximum exclusive; returns (H, W).
    """
    height, width = check_size(image_hw)
    mask = np.zeros((height, width), dtype=np.bool_)
    x0, y0, x1, y1 = box_px
    columns, rows = _centres(x0, x1, width), _centres(y0, y1, height)
    mask[rows, columns] = True
    return mask


def _centres(low: float, high: float, size: int) -> slice:
    first, stop = max(math.ceil(low - 0.5), 0), min(math.ceil(high - 0.5), size)
    if stop > first:
        return slice(first, stop)
    middle = min(max(math.floor((low + high) / 2), 0), size - 1)
    return slice(middle, middle + 1)


def tight_box(mask: BoolMask) -> tuple[int, int, int, int]:
    """Return the smallest box around a mask: (x0, y0, x1, y1), maximum exclusive.

    Raises: RegionError if the mask is empty.
    """
    _need_bool(mask)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        raise RegionError("The mask is empty: no pixel lies inside.")
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def interior_point(mask: BoolMask) -> tuple[int, int]:
    """Return a pixel (x, y) well inside a mask: the one farthest from its edge along row and column.

    Ties go to the first in raster order, so the answer depends on the mask alone.
    Raises: RegionError if the mask is empty.
    """
    x0, y0, x1, y1 = tight_box(mask)
    inside = np.pad(mask[y0:y1, x0:x1], 1)
    depth = np.full(inside.shape, np.iinfo(np.int32).max, dtype=np.int32)
    for axis in (0, 1):
        for view, out in ((inside, depth), (np.flip(inside, axis), np.flip(depth, axis))):
            index = np.arange(inside.shape[axis], dtype=np.int32).reshape((-1, 1) if axis == 0 else (1, -1))
            edge = np.maximum.accumulate(np.where(view, 0, index), axis=axis)
            np.minimum(out, index - edge, out=out)
    row, column = np.unravel_index(int(np.argmax(depth)), depth.shape)
    return x0 + int(column) - 1, y0 + int(row) - 1


def _need_bool(mask: Any) -> None:
    if not isinstance(mask, np.ndarray) or mask.ndim != 2 or mask.dtype != np.bool_:
        got = f"{mask.dtype} {mask.shape}" if isinstance(mask, np.ndarray) else type(mask).__name__
        raise RegionError(f"A mask must be a boolean array of shape (H, W); got {got}.")
