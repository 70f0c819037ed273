"""Small data roots in the published layouts, with drawn images, for tests of loaders and runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gartk.regions.masks import encode_rle, fill_box

LETTERS = "ABCD"
COLOURS = {"red": (220, 30, 40), "green": (40, 170, 70), "blue": (30, 60, 220), "yellow": (240, 220, 40)}
SIZE_HW = (60, 80)


def draw_image(path: Path, boxes: Sequence[tuple[Sequence[int], str]]) -> None:
    """Draw filled boxes on a grey picture, as a PNG."""
    pixels = np.full((*SIZE_HW, 3), 128, dtype=np.uint8)
    for (x0, y0, x1, y1), colour in boxes:
        pixels[y0:y1, x0:x1] = COLOURS[colour]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, format="PNG")


def write_json(path: Path, value: object) -> Path:
    """Write a JSON file and the folders above it; one named .jsonl holds a record a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".jsonl" and isinstance(value, list):
        path.write_text("".join(json.dumps(one) + "\n" for one in value), encoding="utf-8")
    else:
        path.write_text(json.dumps(value), encoding="utf-8")
    return path


def rle(box: Sequence[int]) -> dict[str, Any]:
    """Give the RLE of a filled box."""
    return encode_rle(fill_box(box, SIZE_HW))
