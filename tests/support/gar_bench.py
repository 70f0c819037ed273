"""A small GAR-Bench in the published layout, with drawn images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gartk.testing.benchmark_files import COLOURS, LETTERS, draw_image, rle, write_json


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
