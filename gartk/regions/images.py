"""Reading pictures from the outside world: images as RGB, mask pictures as booleans, the pixel limit.

The size in a file's header is checked before a single pixel is decoded.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from gartk.errors import ConfigError, DataError, GartkError, RegionError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    BoolMask = NDArray[np.bool_]
    Source = str | os.PathLike[str] | bytes | bytearray | Image.Image

DEFAULT_MAX_PIXELS = 100_000_000
MAX_PIXELS_VARIABLE = "GARTK_MAX_PIXELS"
# Formats whose header is read without running another program or fetching anything.
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "PPM")
_open_lock = threading.Lock()


def pixel_limit(max_pixels: int | None = None) -> int:
    """Return the pixel limit in force: the argument, else GARTK_MAX_PIXELS, else 100 million.

    Raises: ConfigError if the limit is not a positive whole number.
    """
    given: object = os.environ.get(MAX_PIXELS_VARIABLE) if max_pixels is None else max_pixels
    if given is None or given == "":
        return DEFAULT_MAX_PIXELS
    try:
        limit = int(str(given).replace("_", ""))
    except ValueError:
        limit = 0
    if limit <= 0:
        where = MAX_PIXELS_VARIABLE if max_pixels is None else "max_pixels"
        raise ConfigError(f"{where} must be a positive whole number of pixels; got {given!r}.")
    return limit


def check_pixel_limit(
    size_hw: tuple[int, int], *, what: str = "image", max_pixels: int | None = None
) -> None:
    """Refuse a size that has more pixels than the limit, before anything is allocated.

    Raises: RegionError naming the size, the limit and how to raise it.
    """
    height, width = size_hw
    limit = pixel_limit(max_pixels)
    if height * width > limit:
        raise RegionError(
            f"The {what} is {width}x{height} = {height * width:,} pixels; the limit is {limit:,}."
            f" Shrink it, or raise the limit with max_pixels or {MAX_PIXELS_VARIABLE}."
        )


def check_size(size_hw: Any, *, what: str = "image_hw", max_pixels: int | None = None) -> tuple[int, int]:
    """Turn (height, width) into two positive ints within the pixel limit.

    Raises: RegionError otherwise.
    """
    try:
        height, width = (int(v) for v in size_hw)
        exact = [float(v) for v in size_hw] == [height, width]
    except (TypeError, ValueError, OverflowError):
        exact, height, width = False, 0, 0
    if not exact or height <= 0 or width <= 0:
        raise RegionError(f"{what} must be two positive whole numbers (height, width); got {size_hw!r}.")
    check_pixel_limit((height, width), what=f"size given by {what}", max_pixels=max_pixels)
    return height, width


@contextmanager
def _opened(
    source: Source, *, what: str, error: type[GartkError], max_pixels: int | None
) -> Iterator[Image.Image]:
    """Open a file far enough to know its size, check that, and close what was opened."""
    if isinstance(source, Image.Image):
        check_pixel_limit((source.height, source.width), what=what, max_pixels=max_pixels)
        yield source
        return
    shown = f"{len(source)} bytes" if isinstance(source, (bytes, bytearray)) else repr(str(source))
    handle = io.BytesIO(source) if isinstance(source, (bytes, bytearray)) else Path(source)
    try:
        with _open_lock:
            # Pillow has a limit of its own, fixed for the process; ours replaces it for this call.
            theirs, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
            try:
                image = Image.open(handle, formats=_FORMATS)
            finally:
                Image.MAX_IMAGE_PIXELS = theirs
    except FileNotFoundError as missing:
        raise error(f"There is no file {shown}.") from missing
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as bad:
        raise error(f"{shown} cannot be read as an image ({bad}). Accepted: {', '.join(_FORMATS)}.") from bad
    with image:
        check_pixel_limit((image.height, image.width), what=f"{what} {shown}", max_pixels=max_pixels)
        try:
            image.load()
        except (OSError, ValueError, SyntaxError, EOFError) as bad:
            raise error(f"{shown} is damaged: {bad}.") from bad
        yield image


def read_mask_png(source: Source, *, max_pixels: int | None = None) -> BoolMask:
    """Read a mask from a PNG (or another lossless) picture: what is not black is inside.

    Transparent pictures: if any pixel is not fully opaque, inside is what has alpha > 0, whatever
    its colour (a painted layer). Palette pictures count by their colours, not their indices. Grey
    values between black and white are inside too. JPEG is refused: its compression leaves
    non-black specks outside. An EXIF orientation is applied, as to images.
    Shapes: returns (H, W).
    Raises: RegionError if it cannot be read or is over the pixel limit (checked before decoding).
    """
    return read_mask_levels(source, max_pixels=max_pixels)[0]


def read_mask_levels(source: Source, *, max_pixels: int | None = None) -> tuple[BoolMask, int]:
    """Like ``read_mask_png``, with the number of different values the picture holds."""
    with _opened(source, what="mask", error=RegionError, max_pixels=max_pixels) as opened:
        if opened.format in ("JPEG", "MPO"):
            raise RegionError("The mask is a JPEG, which blurs masks. Save it as PNG.")
        image = ImageOps.exif_transpose(opened)
        if image.mode in ("P", "PA") or "transparency" in image.info:
            image = image.convert("RGBA")
        if image.mode in ("LA", "La", "RGBa"):
            image = image.convert("RGBA")
        if image.mode == "CMYK":
            image = image.convert("RGB")
        values = np.asarray(image)
    if values.ndim == 3 and values.shape[2] == 4:
        alpha = values[..., 3]
        values = values[..., :3] if bool((alpha == 255).all()) else alpha
    if values.ndim == 3:
        values = values.max(axis=2)
    return values != 0, int(np.unique(values).size)


def open_image(source: Source | NDArray[Any], *, max_pixels: int | None = None) -> NDArray[np.uint8]:
    """Read an image from a path, bytes, Pillow image or array as RGB.

    EXIF orientation is applied; transparency is laid on white; grey is repeated over the channels;
    16-bit values are scaled to 8; a float array must lie in 0..1.
    Shapes: arrays (H, W), (H, W, 1), (H, W, 3) or (H, W, 4); returns (H, W, 3) uint8.
    Raises: DataError if it cannot be read; RegionError if it is over the pixel limit (default 100
    million; checked before decoding).
    """
    if isinstance(source, np.ndarray):
        return _array_to_rgb(source, max_pixels)
    if not isinstance(source, (str, os.PathLike, bytes, bytearray, Image.Image)):
        raise DataError(
            f"An image must be a path, bytes, a Pillow image or an array; got {type(source).__name__}."
        )
    with _opened(source, what="image", error=DataError, max_pixels=max_pixels) as opened:
        image = ImageOps.exif_transpose(opened)
        if image.mode in ("F", "I", "I;16", "I;16B", "I;16L", "I;16N"):
            return _array_to_rgb(_wide_grey(image), max_pixels)
        if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
            image = image.convert("RGBA")
        elif image.mode != "RGB":
            image = image.convert("RGB")
        return _array_to_rgb(np.array(image), max_pixels)


def _wide_grey(image: Image.Image) -> NDArray[Any]:
    values = np.asarray(image)
    if image.mode == "F":
        return values
    if values.size and (int(values.min()) < 0 or int(values.max()) > 65535):
        raise DataError("The image holds 32-bit values beyond 65535. Scale it to 8 or 16 bits.")
    return values.astype(np.uint16)


def _array_to_rgb(values: NDArray[Any], max_pixels: int | None) -> NDArray[np.uint8]:
    shape = values.shape
    if values.ndim not in (2, 3) or (values.ndim == 3 and shape[2] not in (1, 3, 4)) or 0 in shape:
        raise DataError(
            f"An image array must be (H, W), (H, W, 1), (H, W, 3) or (H, W, 4); got shape {shape}."
        )
    check_pixel_limit((shape[0], shape[1]), max_pixels=max_pixels)
    pixels = _to_uint8(values)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.shape[2] == 1:
        pixels = np.repeat(pixels, 3, axis=2)
    if pixels.shape[2] == 4:
        alpha = pixels[..., 3:].astype(np.uint16)
        pixels = ((pixels[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
    return np.ascontiguousarray(pixels)


def _to_uint8(values: NDArray[Any]) -> NDArray[np.uint8]:
    if values.dtype == np.uint8:
        return values
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype == np.uint16:
        return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if values.dtype.kind == "f":
        if not np.isfinite(values).all() or float(values.min()) < 0 or float(values.max()) > 1:
            raise DataError("A float image must lie in 0..1, without NaN. Convert it to uint8.")
        return np.rint(values * 255).astype(np.uint8)
    raise DataError(f"An image array must be uint8, uint16, bool or float in 0..1; got {values.dtype}.")
