"""Measure what each deviation of the authors' release changes (gartk.compat quotes these figures).

    python bench/bench_compat.py [--data ../shared] [--items 628] [--ask 20]

Geometry is measured on the masks of GAR-Bench (``DATA/data/gar_bench/*.json``; only the masks are read) or,
without them, on RegionWorld's. "ask" lets the shipped tiny model, which was trained without any of them,
answer RegionWorld questions with one deviation at a time. Everything runs on one thread and repeats exactly.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from gartk.compat import AS_RELEASED, ReleaseCompat
from gartk.compat.geometry import bicubic_masks, boxes_px, boxes_scaled_twice
from gartk.data.tiling import AnyResTiler
from gartk.models.extractors import RoIAlignReplay
from gartk.regions import Region
from gartk.regions.masks import decode_rle
from gartk.structures import FeatureMap, RegionBatch, TileGrid

ROOT = Path(__file__).resolve().parents[1]
NUM_PROMPTS, TILE_PX, MAX_TILES, CELL_PX = 5, 448, 16, 28
BENCHES = ("GAR-Bench-VQA", "GAR-Bench-Caption-Simple", "GAR-Bench-Caption-Detailed")


def gar_bench_regions(folder: Path, items: int) -> Iterator[list[Region]]:
    """The regions of every item of GAR-Bench, from its annotation files."""
    records = [one for name in BENCHES for one in json.loads((folder / f"{name}.json").read_text())]
    for record in records[:items]:
        yield [Region.from_mask(decode_rle(rle)) for rle in record["mask_rles"]]


def region_world_regions(items: int) -> Iterator[list[Region]]:
    """The regions of RegionWorld samples."""
    from gartk.registry import DATASETS

    dataset = DATASETS.build({"type": "RegionWorldDataset", "split": "test", "length": items})
    yield from (dataset[i].regions for i in range(items))


# ------------------------------------------------------------------ double_scaled_roi


def roi_case(cols: int, rows: int, box: Sequence[float]) -> dict[str, object]:
    """Which cells the 256 replayed tokens of a box read, and how like they are to the right ones."""
    grid = TileGrid((rows * TILE_PX, cols * TILE_PX), rows, cols, (TILE_PX, TILE_PX), 14, 2, "first")
    data = torch.randn(64, *grid.map_hw, generator=torch.Generator().manual_seed(0)).requires_grad_()
    zero = torch.zeros(1, dtype=torch.long)
    regions = RegionBatch(torch.tensor([list(box)]), zero, zero, [], [])
    replay = RoIAlignReplay(16)
    right = replay([FeatureMap(data, grid)], regions)
    regions.boxes_norm = boxes_scaled_twice(regions.boxes_norm, zero, [grid])
    twice = replay([FeatureMap(data, grid)], regions)
    twice.square().sum().backward()
    reached = torch.nonzero(data.grad.abs().amax(0))  # type: ignore[union-attr]
    low, high = reached.amin(0).tolist(), reached.amax(0).tolist()
    cosine = torch.nn.functional.cosine_similarity(right, twice, dim=-1).mean().item()
    return {
        "map": f"{grid.map_hw[0]}x{grid.map_hw[1]}",
        "box": [round(float(v), 3) for v in box],
        "rows": [low[0], high[0]],
        "cols": [low[1], high[1]],
        "cells": len(reached),
        "of": grid.map_hw[0] * grid.map_hw[1],
        "cosine": round(cosine, 3),
    }


def measure_double_scaling() -> list[dict[str, object]]:
    """The cases of the grids and boxes that the release was measured on."""
    middle = (0.25, 0.25, 0.75, 0.75)
    cases = [(2, 2, middle), (3, 2, middle), (4, 4, middle), (16, 1, middle)]
    cases += [(4, 4, (0, 0, 1, 1)), (4, 4, (0.9, 0.9, 1, 1)), (1, 1, (0.4, 0.4, 0.6, 0.6))]  # type: ignore[list-item]
    return [roi_case(*case) for case in cases]


# ------------------------------------------------------------------ masks and boxes


class Geometry(NamedTuple):
    """Sums over items, and lists over regions."""

    regions: int
    inclusive_iou: list[float]
    no_area: int
    shift_cells: list[float]
    last_iou: list[float]
    changed: list[float]
    growth: list[float]
    patches: list[float]


def iou(one: Sequence[float], other: Sequence[float]) -> float:
    """Intersection over union of two boxes."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    inside = max(0.0, width) * max(0.0, height)
    areas = sum((b[2] - b[0]) * (b[3] - b[1]) for b in (one, other))
    return inside / (areas - inside) if areas > inside else 0.0


def measure_geometry(items: Iterator[list[Region]]) -> Geometry:
    """Compare boxes and masks with one deviation at a time, on the tiles that the model would read."""
    tiler = AnyResTiler(TILE_PX, max_num_tiles=MAX_TILES)
    out = Geometry(0, [], 0, [], [], [], [], [])
    count = no_area = 0
    for regions in items:
        grid = tiler.grid(regions[0].image_hw)
        plain, inclusive, last = (
            boxes_px(regions, ReleaseCompat(**on))
            for on in ({}, {"inclusive_box": True}, {"last_mask_box": True})
        )
        count += len(regions)
        no_area += sum(b[2] <= b[0] or b[3] <= b[1] for b in inclusive)
        out.inclusive_iou.extend(iou(a, b) for a, b in zip(plain, inclusive, strict=True))
        out.shift_cells.append(max(grid.map_hw[0] / grid.image_hw[0], grid.map_hw[1] / grid.image_hw[1]))
        if len(regions) > 1:
            out.last_iou.extend(iou(a, b) for a, b in zip(plain[:-1], last[:-1], strict=True))
        known = regions[:NUM_PROMPTS]
        masks = [region.mask for region in known]
        right = tiler.tile_masks(np.stack(masks), grid).any(0)
        bicubic = bicubic_masks(masks, range(len(known)), NUM_PROMPTS, grid).any(0)
        out.changed.append(float((right ^ bicubic).sum() / right.sum()))
        out.growth.append(float(bicubic.sum() / right.sum()) - 1)
        touched = [torch.nn.functional.max_pool2d(m[:, None].float(), 14)[:, 0] > 0 for m in (right, bicubic)]
        out.patches.append(float((touched[0] ^ touched[1]).sum() / touched[0].sum()))
    return out._replace(regions=count, no_area=no_area)


def summary(values: Sequence[float]) -> dict[str, float]:
    """Mean, median, smallest and largest, to four digits."""
    array = np.asarray(values)
    picks = {"mean": array.mean(), "median": np.median(array), "min": array.min(), "max": array.max()}
    return {name: round(float(value), 4) for name, value in picks.items()}


# ------------------------------------------------------------------ answers of the tiny model


def measure_answers(items_per_task: int) -> dict[str, dict[str, float]]:
    """Share of right answers, and of those that differ from the ones without any deviation."""
    from gartk.config import load_config
    from gartk.evaluation.test_data import build_test, run_test
    from gartk.inference.loading import load_any

    cfg = load_config(ROOT / "configs" / "tiny" / "demo.py")
    cfg.test_data.items_per_task = items_per_task
    benchmark = build_test(cfg)
    model, _ = load_any("tiny", device="cpu", release_compat={})
    base: list[str] = []
    out = {}
    names = [None, *AS_RELEASED.__dataclass_fields__, "all as released"]
    for name in names:
        own = AS_RELEASED if name == "all as released" else ReleaseCompat(**({name: True} if name else {}))
        model.release_compat = own
        records = run_test(model, benchmark).records
        texts = [record.prediction for record in records]
        base = base or texts
        right = [record.scores["correct"] for record in records]
        differ = float(np.mean([a != b for a, b in zip(texts, base, strict=True)]))
        out[str(name)] = {"right": round(float(np.mean(right)), 4), "answers changed": round(differ, 4)}
    return out


def main() -> None:
    """Parse arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=os.environ.get("GARTK_DATA") or ROOT.parent / "shared")
    parser.add_argument("--items", type=int, default=628, help="items whose masks are measured")
    parser.add_argument(
        "--ask", type=int, default=20, help="questions per task for the tiny model; 0 for none"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    print("double_scaled_roi: cells that 256 replayed tokens read, and cosine to the right tokens")
    for case in measure_double_scaling():
        print(f"  {case}")
    folder = args.data / "data" / "gar_bench"
    found = folder.is_dir()
    items = gar_bench_regions(folder, args.items) if found else region_world_regions(args.items)
    figures = measure_geometry(items)
    print(f"masks of {'GAR-Bench' if found else 'RegionWorld'}: {figures.regions} regions")
    print(
        f"  inclusive_box: IoU with the right box {summary(figures.inclusive_iou)},"
        f" no area: {figures.no_area}"
    )
    print(f"    one pixel in cells of the map: {summary(figures.shift_cells)}")
    if figures.last_iou:
        low = sum(value < 0.1 for value in figures.last_iou)
        print(f"  last_mask_box: {len(figures.last_iou)} boxes replaced, IoU with the right box"
              f" {summary(figures.last_iou)}, below 0.1: {low}")  # fmt: skip
    print(f"  id_map_bicubic: pixels changed, of those inside {summary(figures.changed)}")
    print(f"    area of the union grows by {summary(figures.growth)}")
    print(f"    patches touched that change {summary(figures.patches)}")
    if args.ask:
        print(f"answers of the shipped tiny model, {args.ask} questions per task")
        for name, row in measure_answers(args.ask).items():
            print(f"  {name}: {row}")


if __name__ == "__main__":
    main()
