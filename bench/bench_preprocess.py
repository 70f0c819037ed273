"""Time preprocessing of one image with its masks: ours against the release's way.

    python bench/bench_preprocess.py [--size 1024x768] [--masks 1 5] [--rounds 15]

"ours" is the project's processor without its text: the image is tiled once, every mask is cut onto
the same tiles as one boolean plane, and boxes are computed. "release" does what the authors'
pipeline does: the masks are painted into one id picture, which is expanded to three channels and
goes through the image processor of transformers like the image itself. Everything runs in one
process on one thread; each round runs all cases in a new order, and medians are printed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import time
from collections.abc import Callable
from functools import partial

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from transformers.models.perception_lm import PerceptionLMImageProcessor

from gartk.data.tiling import AnyResTiler
from gartk.geometry import box_px_to_norm
from gartk.regions import Region

MAX_TILES, NO_PROMPT = 16, 5


def make_input(width: int, height: int, count: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Draw a noise picture and elliptic masks; same arguments, same arrays."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    y, x = np.mgrid[:height, :width]
    masks = []
    for _ in range(count):
        middle, radius = rng.uniform(0.3, 0.7, 2), rng.uniform(0.1, 0.3, 2)
        masks.append(
            ((x / width - middle[0]) / radius[0]) ** 2 + ((y / height - middle[1]) / radius[1]) ** 2 < 1
        )
    return image, masks


def run_ours(image: np.ndarray, masks: list[np.ndarray], tiler: AnyResTiler) -> None:
    """Tile the image, cut the masks, compute the boxes."""
    regions = [Region.from_mask(mask) for mask in masks]
    _, grid = tiler.tile_image(image)
    tiler.tile_masks(np.stack([region.mask for region in regions]), grid)
    [box_px_to_norm(region.box_px, grid.image_hw) for region in regions]


def run_release(image: np.ndarray, masks: list[np.ndarray], processor: PerceptionLMImageProcessor) -> None:
    """Process the image, paint the ids, process them as a second image, compute the boxes."""
    processor(image, return_tensors="pt")
    ids = np.full(image.shape[:2], NO_PROMPT, dtype=np.uint8)
    for number, mask in enumerate(masks):
        ids[mask & (ids == NO_PROMPT)] = number
        points = np.argwhere(mask)
        points.min(0), points.max(0)
    processor(np.repeat(ids[..., None], 3, axis=2), return_tensors="pt")


def main() -> None:
    """Parse arguments, run the rounds, print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--size", default="1024x768", help="width x height in pixels")
    parser.add_argument("--masks", type=int, nargs="+", default=[1, 5])
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()
    torch.set_num_threads(1)
    width, height = (int(side) for side in args.size.split("x"))
    tiler = AnyResTiler(448, max_num_tiles=MAX_TILES)
    processor = PerceptionLMImageProcessor(max_num_tiles=MAX_TILES)
    cases: dict[tuple[str, int], Callable[[], None]] = {}
    for count in args.masks:
        image, masks = make_input(width, height, count)
        cases["ours", count] = partial(run_ours, image, masks, tiler)
        cases["release", count] = partial(run_release, image, masks, processor)
    times: dict[tuple[str, int], list[float]] = {key: [] for key in cases}
    order = list(cases)
    for round_number in range(args.rounds + 1):
        random.Random(round_number).shuffle(order)
        for key in order:
            start = time.perf_counter()
            cases[key]()
            if round_number:  # the first round warms up
                times[key].append((time.perf_counter() - start) * 1e3)
    medians = {key: statistics.median(values) for key, values in times.items()}
    grid = tiler.grid((height, width))
    print(f"{width}x{height}: {grid.cols}x{grid.rows} tiles and a thumbnail, medians of {args.rounds} rounds")
    for (side, count), value in sorted(medians.items()):
        ratio = medians["release", count] / medians["ours", count]
        note = f"  release/ours {ratio:.1f}x" if side == "ours" else ""
        print(f"{side:>8} {count} masks: {value:7.1f} ms{note}")
    print(json.dumps({f"{side}_{count}_ms": round(value, 2) for (side, count), value in medians.items()}))


if __name__ == "__main__":
    main()
