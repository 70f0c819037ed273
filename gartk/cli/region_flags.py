"""Regions as command lines write them: ``40,30,200,180``, ``120,80``, ``records.json#12``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gartk.errors import RegionError
from gartk.io import read_json

# Where annotation records keep RLEs, in the order in which they are looked for.
RLE_KEYS = ("mask_rles", "mask_rle", "rle", "segmentation")


def read_box(text: str) -> dict[str, Any]:
    """Read ``x0,y0,x1,y1`` (pixels, maximum exclusive).

    Raises: RegionError if it is not four numbers.
    """
    numbers = _numbers(text)
    if numbers is None or len(numbers) != 4:
        raise RegionError(f"a box is written x0,y0,x1,y1 (pixels), e.g. 40,30,200,180; got {text!r}.")
    return {"box": numbers}


def read_point(text: str, *, segmenter: str | None = None) -> dict[str, Any]:
    """Read ``x,y`` or several points of one region, ``x,y;x,y;x,y,0``, where 0 says outside.

    Raises: RegionError if it is written otherwise.
    """
    points, labels = [], []
    for part in re.split(r"[;\s]+", text.strip().strip(";")):
        numbers = _numbers(part)
        if numbers is None or len(numbers) not in (2, 3) or (len(numbers) == 3 and numbers[2] not in (0, 1)):
            raise RegionError(
                f"a point is written x,y or x,y,0 for one that lies outside the region (several: x,y;x,y,0);"
                f" got {text!r}."
            )
        points.append(numbers[:2])
        labels.append(int(numbers[2]) if len(numbers) == 3 else 1)
    return {"points": points, "labels": labels, **_segmenter(segmenter)}


def read_scribble(text: str, *, segmenter: str | None = None) -> dict[str, Any]:
    """Read a stroke: ``x,y;x,y;...``, at least two places.

    Raises: RegionError if it is written otherwise.
    """
    places = [_numbers(part) for part in re.split(r"[;\s]+", text.strip().strip(";"))]
    if len(places) < 2 or any(place is None or len(place) != 2 for place in places):
        raise RegionError(f"a scribble is written x,y;x,y;... with at least two places; got {text!r}.")
    return {"scribble": places, **_segmenter(segmenter)}


def read_rles(text: str) -> list[dict[str, Any]]:
    """Read the RLEs of a JSON file: ``FILE`` or ``FILE#path``, the path being keys and indices.

    ``records.json#12`` is record 12 of a list, ``records.json#12/mask_rles/3`` one of its masks. What
    is found may be one RLE, a list of RLEs, or a record that keeps them under ``mask_rles``,
    ``mask_rle``, ``rle`` or ``segmentation``.

    Raises: RegionError naming the file and what is there.
    """
    name, _, path = text.partition("#")
    node = read_json(name, error=RegionError)
    for key in filter(None, path.split("/")):
        node = _step(node, key, text)
    if isinstance(node, Mapping) and "counts" not in node:
        found = next((key for key in RLE_KEYS if key in node), None)
        if found is None:
            raise RegionError(f"{text} is a record without {', '.join(RLE_KEYS)}; it has {sorted(node)}.")
        node = node[found]
    several = node if isinstance(node, list) else [node]
    if not several or not all(isinstance(rle, Mapping) and "counts" in rle for rle in several):
        count = (
            f"a list of {len(node)} records; choose one with {name}#0" if isinstance(node, list) else "no RLE"
        )
        raise RegionError(f"{text} must lead to RLEs {{'size', 'counts'}}; it leads to {count}.")
    return [dict(rle) for rle in several]


def _step(node: Any, key: str, text: str) -> Any:
    if isinstance(node, list):
        if not key.isdigit() or int(key) >= len(node):
            raise RegionError(f"{text}: {key!r} is no index of a list of {len(node)}.")
        return node[int(key)]
    if isinstance(node, Mapping) and key in node:
        return node[key]
    has = f"the keys {sorted(node)}" if isinstance(node, Mapping) else f"a {type(node).__name__}"
    raise RegionError(f"{text}: there is no {key!r} in {has}.")


def _numbers(text: str) -> list[float] | None:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        return None


def _segmenter(name: str | None) -> dict[str, Any]:
    return {} if name is None else {"segmenter": name}
