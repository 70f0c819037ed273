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


def write_gar_bench(root: Path, *, count: int = 4, regions: int = 1) -> list[dict[str, Any]]:
    """Write GAR-Bench-VQA with ``count`` items of ``regions`` regions each; give its records.

    Item i asks for the colour of its first region, which is option i of the four. No two images are alike.
    """
    records = []
    names = list(COLOURS)
    for number in range(count):
        boxes = [[6 + 9 * k, 5, 14 + 9 * k, 20 + number] for k in range(regions)]
        shades = [names[(number + k) % 4] for k in range(regions)]
        image = f"images/vqa_{number}.png"
        draw_image(root / "gar_bench" / image, list(zip(boxes, shades, strict=True)))
        records.append(
            {
                "image_path": f"/somewhere/{number}.jpg",
                "mask_rles": [rle(box) for box in boxes],
                "question": "What color is <Prompt0>?",
                "choices": [f"{letter}. {name}" for letter, name in zip(LETTERS, names, strict=True)],
                "answer": LETTERS[number % 4],
                "type": "color",
                "image": image,
            }
        )
    write_json(root / "gar_bench" / "GAR-Bench-VQA.json", records)
    return records
