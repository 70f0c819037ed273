"""Pictures as they are sent to a server: encoded, with the type that they really have."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Picture = NDArray[Any] | Image.Image

PictureFormat = Literal["jpeg", "png"]
# Without chroma subsampling thin coloured lines keep their colour.
_JPEG: dict[str, Any] = {"quality": 95, "subsampling": 0}


def to_pillow(picture: Picture, *, max_side_px: int | None = None) -> Image.Image:
    """Turn a picture into a Pillow image, scaled down if its longer side is above ``max_side_px``.

    Shapes: picture a Pillow image, (H, W, 3) uint8, or (H, W) bool for a mask, made black and white.
    """
    if isinstance(picture, Image.Image):
        image = picture
    else:
        image = Image.fromarray(picture.astype(np.uint8) * 255 if picture.dtype == np.bool_ else picture)
    longest = max(image.size)
    if max_side_px is None or longest <= max_side_px:
        return image
    width, height = (max(1, round(side * max_side_px / longest)) for side in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def data_url(
    picture: Picture, *, picture_format: PictureFormat = "jpeg", max_side_px: int | None = None
) -> str:
    """Encode a picture as a data URL; a mask is always PNG, which keeps it black and white.

    Shapes: as ``to_pillow``.
    """
    image = to_pillow(picture, max_side_px=max_side_px)
    kind = "png" if image.mode in ("L", "1") else picture_format
    buffer = io.BytesIO()
    image.save(buffer, format=kind.upper(), **(_JPEG if kind == "jpeg" else {}))
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
