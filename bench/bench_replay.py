"""Time feature replay: all regions in one call against a loop over the regions.

    python bench/bench_replay.py [--regions 1 5 9] [--rounds 15] [--backward] [--dtype bfloat16]
                                 [--backends auto torch torchvision]

Both sides start from the projected tokens of one image (a thumbnail and 4 x 4 tiles of 16 x 16
cells, hidden size 2048) and the embedded text, and end with the sequence that the language model
reads. Our side is the project's own code, once for each RoI backend: one map, one RoIAlign call,
one splice. "loop" does what
the authors' release does for every region: merge the tiles, cast the map to float32, align one
box, and rebuild the whole sequence by concatenation. Their results are compared before the
timing. Everything runs in one process on one thread; each round runs all cases in a new order,
so that a busy machine slows them alike, and medians are printed.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import Tensor
from torchvision.ops import roi_align as one_roi_align

from gartk.geometry import tokens_to_map
from gartk.models.extractors.roi_align_replay import RoIAlignReplay
from gartk.models.splice import splice
from gartk.ops.roi import choose_backend
from gartk.structures import FeatureMap, RegionBatch, TileGrid

HIDDEN, REPLAY = 2048, 16
GRID = TileGrid(image_hw=(1024, 1024), rows=4, cols=4, tile_hw=(448, 448), patch_px=14, pool=2)
LOOP = "loop"
IMAGE_ID, FIRST_REGION_ID = 0, 1
# Words of the prompt: with 1 and 5 regions the sequence has 4692 and 5732 tokens.
WORDS, WORDS_PER_REGION = 80, 4
SIDE_LIMITS = (0.15, 0.6)


@dataclass
class Case:
    """The inputs of one run: projected tokens, embedded text, ids and regions."""

    tiles: Tensor
    embeddings: Tensor
    ids: Tensor
    regions: RegionBatch

    @property
    def count(self) -> int:
        """Number of regions."""
        return len(self.regions)


def make_case(count: int, dtype: torch.dtype, *, backward: bool) -> Case:
    """Draw features, a prompt and boxes for this many regions; same seed, same numbers."""
    rng = torch.Generator().manual_seed(0)
    cells = GRID.cell_hw[0] * GRID.cell_hw[1]
    tiles = torch.randn(GRID.num_tiles, cells, HIDDEN, generator=rng).to(dtype)
    word = FIRST_REGION_ID + count
    parts = [torch.full((GRID.num_tokens,), IMAGE_ID)]
    for i in range(count):
        parts += [torch.full((WORDS_PER_REGION,), word), torch.full((REPLAY**2,), FIRST_REGION_ID + i)]
    ids = torch.cat([*parts, torch.full((WORDS,), word)])[None]
    embeddings = torch.randn(1, ids.shape[1], HIDDEN, generator=rng).to(dtype)
    low, high = SIDE_LIMITS
    sides = low + torch.rand(count, 2, generator=rng) * (high - low)
    corner = torch.rand(count, 2, generator=rng) * (1 - sides)
    regions = RegionBatch(
        boxes_norm=torch.cat([corner, corner + sides], 1),
        image_index=torch.zeros(count, dtype=torch.int64),
        prompt_index=torch.arange(count),
        masks=[],
        points=[],
    )
    return Case(tiles.requires_grad_(backward), embeddings.requires_grad_(backward), ids, regions)


def run_ours(case: Case, extractor: RoIAlignReplay) -> Tensor:
    """Map once, align all regions in one call, splice once."""
    features = FeatureMap(tokens_to_map(case.tiles.flatten(0, 1), GRID), GRID)
    return splice(
        case.embeddings,
        case.ids,
        image_tokens=[case.tiles.flatten(0, 1)],
        image_rows=torch.zeros(1, dtype=torch.int64),
        image_id=IMAGE_ID,
        region_tokens=extractor([features], case.regions),
        region_ids=range(FIRST_REGION_ID, FIRST_REGION_ID + case.count),
        regions=case.regions,
    )


def run_loop(case: Case) -> Tensor:
    """Place the image tokens, then merge, cast, align and concatenate once per region."""
    image = (case.ids[0] == IMAGE_ID)[:, None]
    sequence = case.embeddings[0].masked_scatter(image, case.tiles.flatten(0, 1))
    height, width = GRID.map_hw
    for i in range(case.count):
        split = case.tiles[1:].view(GRID.rows, GRID.cols, *GRID.cell_hw, HIDDEN)
        merged = split.permute(4, 0, 2, 1, 3).reshape(1, HIDDEN, height, width)
        box = case.regions.boxes_norm[i] * torch.tensor([width, height, width, height])
        rois = torch.cat([torch.zeros(1), box])[None]
        tokens = one_roi_align(merged.float(), rois, REPLAY, 1.0, 2, True)
        tokens = tokens[0].flatten(1).t().to(sequence.dtype)
        places = (case.ids[0] == FIRST_REGION_ID + i).nonzero()[:, 0]
        head, tail = int(places.min()), int(places.max())
        sequence = torch.cat([sequence[:head], tokens, sequence[tail + 1 :]])
    return sequence[None]


def timed(run: Callable[[], Tensor], case: Case, *, backward: bool) -> float:
    """Milliseconds of one run, with the gradients if asked for."""
    case.tiles.grad = case.embeddings.grad = None
    start = time.perf_counter()
    result = run()
    if backward:
        result.backward(torch.ones_like(result))
    return (time.perf_counter() - start) * 1e3


def check_equal(case: Case, extractor: RoIAlignReplay, dtype: torch.dtype) -> float:
    """Largest difference between both sequences; ends the program if they are not the same job."""
    with torch.no_grad():
        gap = float((run_ours(case, extractor).float() - run_loop(case).float()).abs().max())
    limit = 1e-4 if dtype == torch.float32 else 0.04
    if gap > limit:
        raise SystemExit(f"The two sides disagree by {gap:.3g} with {case.count} regions; nothing was timed.")
    return gap


def main() -> None:
    """Run the comparison and print a table, the ratios and one line of JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--regions", type=int, nargs="+", default=[1, 5, 9])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--backward", action="store_true", help="time forward and backward")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--backends", nargs="+", default=["auto", "torch"], help="RoI backends of our side")
    args = parser.parse_args()
    torch.set_num_threads(1)
    dtype = getattr(torch, args.dtype)
    sides = {name: RoIAlignReplay(REPLAY, backend=name) for name in args.backends}
    cases = {count: make_case(count, dtype, backward=args.backward) for count in sorted(set(args.regions))}
    gap = max(check_equal(case, side, dtype) for case in cases.values() for side in sides.values())
    runs: dict[tuple[str, int], Callable[[], Tensor]] = {}
    for count, case in cases.items():
        for name, side in sides.items():
            runs[name, count] = functools.partial(run_ours, case, side)
        runs[LOOP, count] = functools.partial(run_loop, case)
    with torch.set_grad_enabled(args.backward):
        times = time_all(runs, cases, rounds=args.rounds, backward=args.backward)
    report(args, cases, times, gap)


def time_all(
    runs: dict[tuple[str, int], Callable[[], Tensor]], cases: dict[int, Case], *, rounds: int, backward: bool
) -> dict[tuple[str, int], list[float]]:
    """Run every case once a round, in a new order each time; the first round only warms up."""
    times: dict[tuple[str, int], list[float]] = {key: [] for key in runs}
    order, rng = list(runs), random.Random(0)
    for turn in range(rounds + 1):
        rng.shuffle(order)
        for key in order:
            spent = timed(runs[key], cases[key[1]], backward=backward)
            if turn:
                times[key].append(spent)
    return times


def report(
    args: argparse.Namespace, cases: dict[int, Case], times: dict[tuple[str, int], list[float]], gap: float
) -> None:
    """Print medians, the ratios between them, and the same as JSON."""
    medians = {key: statistics.median(values) for key, values in times.items()}
    what = "forward+backward" if args.backward else "forward"
    print(
        f"{what}, {args.dtype}, 1 thread, median (min-max) ms of {args.rounds} rounds; largest gap {gap:.1e}"
    )
    first = min(cases)
    growth: dict[str, float] = {}
    faster: dict[str, float] = {}
    for side in (*args.backends, LOOP):
        label = LOOP if side == LOOP else f"ours, {side}"
        label += f" = {choose_backend('roi_align', side)}" if side == "auto" else ""
        for count, case in cases.items():
            key, value = f"{side}_{count}", medians[side, count]
            growth[key], faster[key] = value / medians[side, first], medians[LOOP, count] / value
            spread = f"{value:.1f} ({min(times[side, count]):.0f}-{max(times[side, count]):.0f})"
            print(
                f"{label:<20}{count:>3} regions,{case.ids.shape[1]:>5} tokens:{spread:>22}"
                f"{growth[key]:>7.2f} x {first} region(s){faster[key]:>7.1f} x faster than the loop"
            )
    record = {
        "bench": "replay",
        "what": what,
        "dtype": args.dtype,
        "auto": choose_backend("roi_align", "auto"),
        "rounds": args.rounds,
        "median_ms": {f"{side}_{count}": round(value, 2) for (side, count), value in medians.items()},
        "growth": {key: round(value, 3) for key, value in growth.items()},
        "times_faster_than_loop": {key: round(value, 2) for key, value in faster.items()},
        "max_gap": gap,
    }
    print(json.dumps(record))


if __name__ == "__main__":
    main()
