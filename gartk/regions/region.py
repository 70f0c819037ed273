"""Regions: what a question about an image points at, in one form for the rest of gartk.

A region always has a boolean mask of the original image's size. It may be given as a mask, COCO
RLE, polygon, PNG, box, points or a scribble; the last two become a mask through a segmenter.
Points are pixel indices (x, y): (0, 0) names the first pixel. Boxes are (x0, y0, x1, y1) in
pixels, maximum exclusive.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from gartk.errors import RegionError, did_you_mean
from gartk.regions.formats import GivenForm, recognise
from gartk.regions.images import check_pixel_limit, check_size, open_image, read_mask_levels
from gartk.regions.masks import decode_polygons, decode_rle, fill_box, polygon_rings, tight_box
from gartk.regions.segmenters.guess import mask_from_points, mask_from_scribble

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gartk.regions.images import Source
    from gartk.regions.segmenters.base import Segmenter

RegionKind = Literal["mask", "box", "polygon", "point", "scribble"]
Box = tuple[float, float, float, float]
Points = tuple[tuple[float, float, int], ...]


class RegionWarning(UserWarning):
    """A region was changed to fit its image, or may not mean what was intended."""


def _title(name: str | None, index: int | None = None) -> str:
    parts = ["Region", *([] if index is None else [str(index)]), *([] if name is None else [repr(name)])]
    return " ".join(parts)


@contextmanager
def _naming(name: str | None, index: int | None = None) -> Iterator[None]:
    """Put the region's name and number before the text of any RegionError from inside."""
    try:
        yield
    except RegionError as error:
        bare = str(error).removeprefix(f"{_title(name)}: ")
        raise RegionError(f"{_title(name, index)}: {bare}") from error


@dataclass(frozen=True, eq=False)
class Region:
    """One region of one image; frozen, compared by content, cheap to pickle (one bit a pixel).

    Two regions are equal if all their fields are, the masks pixel by pixel. Use the ``from_*``
    constructors: they check what they are given and copy it.

    Shapes: mask (H, W) bool, read-only. Units: ``box_px`` floats, maximum exclusive (the box as
    given for kind 'box', else the tight box of the mask); ``points`` of (x, y, label), label 1
    inside and 0 outside, as given. ``rough`` says that the mask was guessed by a segmenter that
    is often wrong.
    Raises: RegionError if the mask is not boolean (H, W) or is empty.
    """

    mask: NDArray[np.bool_]
    kind: RegionKind
    box_px: Box
    points: Points = ()
    name: str | None = None
    rough: bool = False

    def __post_init__(self) -> None:
        with _naming(self.name):
            if self.kind not in get_args(RegionKind):
                raise RegionError(
                    f"unknown kind {self.kind!r}. {did_you_mean(str(self.kind), get_args(RegionKind))}"
                )
            if len(self.box_px) != 4 or not np.isfinite(self.box_px).all():
                raise RegionError(f"box_px must be four finite numbers; got {self.box_px!r}.")
            tight_box(self.mask)
        if self.mask.flags.writeable:
            self._set("mask", _read_only(self.mask.copy()))

    def _set(self, field: str, value: object) -> None:
        object.__setattr__(self, field, value)

    @property
    def image_hw(self) -> tuple[int, int]:
        """Height and width of the image that the region lies in."""
        return self.mask.shape[0], self.mask.shape[1]

    @cached_property
    def area_px(self) -> int:
        """Number of pixels inside."""
        return int(np.count_nonzero(self.mask))

    @property
    def box_norm(self) -> Box:
        """The box divided by the image's width and height."""
        (height, width), (x0, y0, x1, y1) = self.image_hw, self.box_px
        return x0 / width, y0 / height, x1 / width, y1 / height

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Region):
            return NotImplemented
        return self._light() == other._light() and np.array_equal(self.mask, other.mask)

    def __hash__(self) -> int:
        return hash((self._light(), self.area_px))

    def _light(self) -> tuple[object, ...]:
        return self.kind, self.box_px, self.points, self.name, self.rough, self.mask.shape

    def __repr__(self) -> str:
        height, width = self.image_hw
        box = ", ".join(f"{v:g}" for v in self.box_px)
        named = f" {self.name!r}" if self.name is not None else ""
        rough = ", rough" if self.rough else ""
        return f"Region({self.kind}{named}, box [{box}], {self.area_px} px of {width}x{height}{rough})"

    def __getstate__(self) -> dict[str, Any]:
        state = {key: getattr(self, key) for key in ("kind", "box_px", "points", "name", "rough")}
        return {**state, "hw": self.image_hw, "bits": np.packbits(self.mask)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        height, width = state.pop("hw")
        flat = np.unpackbits(state.pop("bits"), count=height * width)
        self._set("mask", _read_only(flat.astype(np.bool_).reshape(height, width)))
        for key, value in state.items():
            self._set(key, value)

    # ------------------------------------------------------------ constructors

    @classmethod
    def from_mask(
        cls, mask: Any, *, name: str | None = None, image_hw: tuple[int, int] | None = None
    ) -> Region:
        """Make a region from a mask array: bool, integers with at most two values, or floats 0 and 1.

        Shapes: mask (H, W). Integer masks may be 0/1 or 0/255 (or 0 and any one other value).
        Raises: RegionError if it is empty, not two-valued, or not of ``image_hw``.
        """
        with _naming(name):
            return cls._from_bool(_to_bool(mask), "mask", image_hw, name)

    @classmethod
    def _from_bool(
        cls,
        mask: NDArray[np.bool_],
        kind: RegionKind,
        image_hw: tuple[int, int] | None,
        name: str | None,
        *,
        points: Points = (),
        rough: bool = False,
    ) -> Region:
        if image_hw is not None and tuple(mask.shape) != tuple(image_hw):
            raise RegionError(
                f"the mask is {mask.shape[1]}x{mask.shape[0]} (width x height), but the image is"
                f" {image_hw[1]}x{image_hw[0]}. Give the mask at the image's own size"
                + (" (are height and width swapped?)." if tuple(mask.shape[::-1]) == tuple(image_hw) else ".")
            )
        x0, y0, x1, y1 = tight_box(mask)
        box = (float(x0), float(y0), float(x1), float(y1))
        return cls(_read_only(mask), kind, box, points, name, rough)

    @classmethod
    def from_rle(
        cls, rle: Mapping[str, Any], *, image_hw: tuple[int, int] | None = None, name: str | None = None
    ) -> Region:
        """Make a region from a COCO RLE, compressed or not.

        Raises: RegionError if the RLE is malformed, its counts do not fill its size, or it is empty.
        """
        with _naming(name):
            return cls._from_bool(decode_rle(rle), "mask", image_hw, name)

    @classmethod
    def from_polygon(cls, polygon: Any, *, image_hw: tuple[int, int], name: str | None = None) -> Region:
        """Make a region from a polygon of one or more rings (their union; see ``decode_polygons``).

        What lies outside the image is cut off with a RegionWarning.
        Raises: RegionError if it is malformed, covers no pixel, or lies wholly outside.
        """
        with _naming(name):
            height, width = check_size(image_hw)
            vertices = np.concatenate(polygon_rings(polygon))
            low, high = vertices.min(axis=0), vertices.max(axis=0)
            box = _inside_image((*low, *high), (height, width), "polygon with the box", name)
            mask = decode_polygons(polygon, (height, width))
            if not mask.any():
                raise RegionError(
                    f"the polygon covers no pixel (its box is {_show(box)}). Use a box or a point."
                )
            return cls._from_bool(mask, "polygon", None, name)

    @classmethod
    def from_png(
        cls,
        source: Source,
        *,
        image_hw: tuple[int, int] | None = None,
        name: str | None = None,
        max_pixels: int | None = None,
    ) -> Region:
        """Make a region from a mask picture; what is not black (or not transparent) is inside.

        A picture with more than two values warns: it may be a map of several objects.
        Raises: RegionError if it cannot be read, is over the pixel limit, empty or of another size.
        """
        with _naming(name):
            mask, levels = read_mask_levels(source, max_pixels=max_pixels)
            if levels > 2:
                _warn(name, f"the mask picture holds {levels} different values; all but black are inside.")
            return cls._from_bool(mask, "mask", image_hw, name)

    @classmethod
    def from_box(
        cls, box_px: Sequence[float], *, image_hw: tuple[int, int], name: str | None = None
    ) -> Region:
        """Make a region from a box; its mask holds the pixels whose centre lies inside (at least one).

        Units: (x0, y0, x1, y1) in pixels, maximum exclusive. A box partly outside the image is
        clipped with a RegionWarning.
        Raises: RegionError for NaN, a box without area, or one wholly outside.
        """
        with _naming(name):
            size = check_size(image_hw)
            x0, y0, x1, y1 = box = _four_numbers(box_px)
            if x1 <= x0 or y1 <= y0:
                raise RegionError(
                    f"the box {_show(box)} has no area. Boxes are (x0, y0, x1, y1) with x0 < x1 and y0 < y1;"
                    " (x, y, width, height) must be converted."
                )
            box = _inside_image(box, size, "box", name)
            return cls(_read_only(fill_box(box, size)), "box", box, (), name)

    @classmethod
    def from_points(
        cls,
        points: Any,
        *,
        image: Any,
        labels: Sequence[int] | None = None,
        segmenter: Segmenter | str | Mapping[str, Any] | None = None,
        name: str | None = None,
    ) -> Region:
        """Make a region from clicked points, through a segmenter (default: offline GrabCut, rough).

        Shapes: points (P, 2) of (x, y) or one (x, y); labels (P,), 1 inside and 0 outside, default
        all 1. Units: pixel indices of the image.
        Raises: RegionError for NaN, a point outside, no inside point, or an empty result.
        """
        with _naming(name):
            pixels = open_image(image)
            guess = mask_from_points(pixels, points, labels=labels, segmenter=segmenter)
            return cls._from_bool(guess.mask, "point", None, name, points=guess.points, rough=guess.rough)

    @classmethod
    def from_scribble(
        cls,
        stroke: Any,
        *,
        image: Any,
        width_px: float | None = None,
        segmenter: Segmenter | str | Mapping[str, Any] | None = None,
        name: str | None = None,
    ) -> Region:
        """Make a region from a line drawn inside it; the stroke itself always belongs to the mask.

        Shapes: stroke (P, 2) of (x, y), or a list of such strokes. Units: pixel indices;
        ``width_px`` the pen's width (default: 1 % of the image's shorter side, at least 3).
        Raises: as ``from_points``.
        """
        with _naming(name):
            pixels = open_image(image)
            guess = mask_from_scribble(pixels, stroke, width_px=width_px, segmenter=segmenter)
            return cls._from_bool(guess.mask, "scribble", None, name, points=guess.points, rough=guess.rough)

    @classmethod
    def parse(
        cls,
        given: Any,
        *,
        image: Any = None,
        image_hw: tuple[int, int] | None = None,
        name: str | None = None,
        index: int | None = None,
    ) -> Region:
        """Make a region from whatever describes one; see ``gartk.regions.formats.ACCEPTED_FORMATS``.

        ``image`` (or at least ``image_hw``) is needed for boxes and polygons, ``image`` itself for
        points and scribbles; masks are checked against its size. ``index`` is named in errors.
        Raises: RegionError naming the region and, for an unknown form, the accepted ones.
        """
        if isinstance(given, Mapping):
            name = given.get("name", name)
        with _naming(name, index):
            pixels = None if image is None else open_image(image)
            size = _known_size(pixels, image_hw)
            if isinstance(given, Region):
                return _made_for(given, size)
            return cls._from_form(recognise(given), pixels, size, name)

    @classmethod
    def _from_form(
        cls, form: GivenForm, pixels: NDArray[np.uint8] | None, size: tuple[int, int] | None, name: str | None
    ) -> Region:
        if form.name == "mask":
            return cls.from_mask(form.value, image_hw=size, name=name)
        if form.name == "rle":
            return cls.from_rle(form.value, image_hw=size, name=name)
        if form.name == "png":
            return cls.from_png(form.value, image_hw=size, name=name)
        if form.name in ("box", "polygon"):
            if size is None:
                raise RegionError(
                    f"a {form.name} needs to know the image's size."
                    " Pass image=... or image_hw=(height, width)."
                )
            make = cls.from_box if form.name == "box" else cls.from_polygon
            return make(form.value, image_hw=size, name=name)
        if pixels is None:
            raise RegionError(
                f"{form.name} become a mask through a segmenter, which needs the image. Pass image=..."
            )
        guess = cls.from_points if form.name == "points" else cls.from_scribble
        return guess(form.value, image=pixels, name=name, **form.options)


def parse_regions(
    given: Iterable[Any], *, image: Any = None, image_hw: tuple[int, int] | None = None
) -> list[Region]:
    """Parse several regions of one image, in order; errors name the number of the region.

    Raises: RegionError as ``Region.parse``.
    """
    if image is not None:
        image = open_image(image)
    return [Region.parse(item, image=image, image_hw=image_hw, index=i) for i, item in enumerate(given)]


def _known_size(pixels: NDArray[np.uint8] | None, image_hw: tuple[int, int] | None) -> tuple[int, int] | None:
    if pixels is None:
        return image_hw
    size = (pixels.shape[0], pixels.shape[1])
    if image_hw is not None and tuple(image_hw) != size:
        raise RegionError(
            f"image_hw is {tuple(image_hw)}, but the image has (height, width) {size}. Leave one out."
        )
    return size


def _made_for(region: Region, size: tuple[int, int] | None) -> Region:
    if size is not None and region.image_hw != tuple(size):
        (have_h, have_w), (height, width) = region.image_hw, size
        raise RegionError(
            f"the region was made for an image of {have_w}x{have_h}, but this one is {width}x{height}."
        )
    return region


def _read_only(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    mask.flags.writeable = False
    return mask


def _to_bool(mask: Any) -> NDArray[np.bool_]:
    """Copy a two-valued array into a boolean one, refusing what would have to be guessed."""
    values = np.asarray(mask.detach().cpu() if hasattr(mask, "detach") else mask)
    if values.ndim != 2 or 0 in values.shape:
        raise RegionError(f"a mask must have shape (H, W), both at least 1; got {values.shape}.")
    check_pixel_limit((values.shape[0], values.shape[1]), what="mask")
    if values.dtype == np.bool_:
        return values.copy()
    if values.dtype.kind == "f":
        if np.isnan(values).any():
            raise RegionError("the mask holds NaN.")
        if not ((values == 0) | (values == 1)).all():
            raise RegionError("a float mask may only hold 0 and 1. Threshold it first, e.g. mask > 0.5.")
        return np.asarray(values != 0)
    if values.dtype.kind not in "iu":
        raise RegionError(f"a mask must be bool, integer or float; got dtype {values.dtype}.")
    inside = values != 0
    if inside.any():
        chosen = values[inside]
        if (chosen != chosen[0]).any():
            ids = np.unique(chosen)
            some = ", ".join(map(str, ids[:5])) + (", ..." if ids.size > 5 else "")
            raise RegionError(
                f"the integer mask holds {ids.size} different values besides 0 ({some})."
                f" If it is an id map, choose one id: mask == {ids[0]}."
            )
    return np.asarray(inside)


def _four_numbers(box_px: Any) -> Box:
    try:
        numbers = [float(v) for v in box_px]
    except (TypeError, ValueError) as error:
        raise RegionError(f"a box must be four numbers (x0, y0, x1, y1); got {box_px!r}.") from error
    if len(numbers) != 4:
        raise RegionError(f"a box must be four numbers (x0, y0, x1, y1); got {len(numbers)} of them.")
    box = (numbers[0], numbers[1], numbers[2], numbers[3])
    if not np.isfinite(box).all():
        raise RegionError(f"the box {_show(box)} holds NaN or infinity.")
    return box


def _inside_image(box: Sequence[float], image_hw: tuple[int, int], what: str, name: str | None) -> Box:
    """Clip a box to the image, warning if that changes it and refusing one that is wholly outside."""
    height, width = image_hw
    x0, y0, x1, y1 = (float(v) for v in box)
    if x1 <= 0 or y1 <= 0 or x0 >= width or y0 >= height:
        raise RegionError(
            f"the {what} {_show(box)} lies wholly outside the image of {width}x{height}."
            " Coordinates are pixels of the original image."
        )
    clipped = (max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height)))
    if clipped != (x0, y0, x1, y1):
        _warn(name, f"the {what} {_show(box)} reaches outside the image of {width}x{height}; clipped.")
    return clipped


def _show(box: Sequence[float]) -> str:
    return "(" + ", ".join(f"{v:g}" for v in box) + ")"


def _warn(name: str | None, text: str) -> None:
    warnings.warn(f"{_title(name)}: {text}", RegionWarning, stacklevel=4)
