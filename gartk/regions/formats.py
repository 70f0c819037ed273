"""The forms in which a region may be described, for command lines, JSON records and notebooks."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import numpy as np
from PIL import Image

from gartk.errors import RegionError, did_you_mean

FormName = Literal["mask", "rle", "png", "polygon", "box", "points", "scribble"]

ACCEPTED_FORMATS = (
    "a Region; a mask array (H, W); a mask picture (path, bytes or Pillow image); a box [x0, y0, x1, y1];"
    " a polygon [[x, y], ...] or [[x0, y0, x1, y1, ...], ...]; or a dict: COCO RLE {'size', 'counts'},"
    " {'mask'}, {'rle'}, {'polygon'}, {'segmentation'}, {'png'}, {'box'}, {'points', 'labels'?, 'segmenter'?}"
    " or {'scribble', 'width_px'?, 'segmenter'?}, each with an optional 'name'"
)
# The key that tells a dict's form, and what else it may carry.
_FORMS: dict[str, frozenset[str]] = {
    "counts": frozenset({"size"}),
    "mask": frozenset(),
    "rle": frozenset(),
    "polygon": frozenset(),
    "segmentation": frozenset(),
    "png": frozenset(),
    "box": frozenset(),
    "points": frozenset({"labels", "segmenter"}),
    "scribble": frozenset({"width_px", "segmenter"}),
}


@dataclass(frozen=True)
class GivenForm:
    """Which form a region was given in: the form's name, its value, and the options beside it."""

    name: FormName
    value: Any
    options: Mapping[str, Any] = field(default_factory=dict)


def recognise(given: Any) -> GivenForm:
    """Return in which of the accepted forms a region was given, without decoding it.

    Raises: RegionError, naming the accepted forms if this is none of them.
    """
    if isinstance(given, Mapping):
        return _of_dict(given)
    if isinstance(given, (str, os.PathLike, bytes, bytearray, Image.Image)):
        return GivenForm("png", given)
    if isinstance(given, np.ndarray) and given.shape == (4,):
        given = given.tolist()
    if isinstance(given, np.ndarray) or hasattr(given, "detach"):
        return GivenForm("mask", given)
    if isinstance(given, Sequence) and len(given) == 4 and all(np.ndim(v) == 0 for v in given):
        return GivenForm("box", given)
    if (
        isinstance(given, Sequence)
        and len(given) > 0
        and all(isinstance(v, (Sequence, np.ndarray)) for v in given)
    ):
        return GivenForm("polygon", given)
    raise RegionError(f"unknown format: got {_shorten(given)}. Accepted: {ACCEPTED_FORMATS}.")


def _of_dict(given: Mapping[str, Any]) -> GivenForm:
    forms = [key for key in _FORMS if key in given]
    if len(forms) != 1:
        found = "several of" if forms else "none of"
        raise RegionError(
            f"unknown format: a dict with the keys {sorted(map(str, given))}, which hold {found} the"
            f" forms {sorted(_FORMS)}. Accepted: {ACCEPTED_FORMATS}."
            + (_bbox_hint(given) if not forms else "")
        )
    form = forms[0]
    known = {form, "name", *_FORMS[form]}
    unknown = sorted(str(key) for key in given if key not in known)
    if unknown:
        raise RegionError(
            f"a region given by {form!r} takes no {unknown[0]!r}. {did_you_mean(unknown[0], known)}"
        )
    value = given[form]
    if form == "counts":
        return GivenForm("rle", given)
    if form == "segmentation":
        return GivenForm("rle" if isinstance(value, Mapping) else "polygon", value)
    return GivenForm(cast("FormName", form), value, {k: given[k] for k in _FORMS[form] if k in given})


def _bbox_hint(given: Mapping[str, Any]) -> str:
    if "bbox" not in given:
        return ""
    return " 'bbox' is (x, y, width, height) in COCO; pass {'box': [x, y, x + width, y + height]}."


def _shorten(given: Any) -> str:
    shown = repr(given)
    return f"{type(given).__name__} {shown if len(shown) <= 80 else shown[:77] + '...'}"
