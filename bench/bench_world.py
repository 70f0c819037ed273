"""Time RegionWorld on one core: scenes (picture and all masks), and whole samples with their questions.

    python bench/bench_world.py [--size 224x224] [--scenes 60] [--rounds 9]

Rounds go through all cases in a new order each time, so that a busy machine slows them alike. Printed are
medians over the rounds, by the wall clock and by processor time; the goal is 200 scenes/s at 224 px.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cv2

from gartk.data.world.dataset import RegionWorldDataset, build_scene
from gartk.data.world.scene import KINDS, Kind


def _scene_case(kind: Kind, hw: tuple[int, int]) -> Callable[[int], object]:
    def run(i: int) -> object:
        scene = build_scene((0, 0, i), hw, kind=kind)
        return [scene.mask(k) for k in range(len(scene.objects))]

    return run


def _cases(hw: tuple[int, int], count: int) -> dict[str, Callable[[int], object]]:
    cases = {f"scene, {kind}": _scene_case(kind, hw) for kind in KINDS}
    for turns in (1, 4, 8):
        data = RegionWorldDataset("train", length=count, size=hw, turns_per_sample=turns)
        cases[f"sample, {turns} turn{'s' * (turns > 1)}"] = data.__getitem__
    return cases


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark and print one line per case."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--size", default="224x224", help="WIDTHxHEIGHT")
    parser.add_argument("--scenes", type=int, default=60, help="scenes per case and round")
    parser.add_argument("--rounds", type=int, default=9)
    args = parser.parse_args(argv)
    width, height = (int(side) for side in args.size.split("x"))
    cv2.setNumThreads(1)
    cases = _cases((height, width), args.scenes)
    wall: dict[str, list[float]] = {name: [] for name in cases}
    cpu: dict[str, list[float]] = {name: [] for name in cases}
    order = list(cases)
    for run in cases.values():
        run(0)
    for round_number in range(args.rounds):
        random.Random(round_number).shuffle(order)
        for name in order:
            start, start_cpu = time.perf_counter(), time.process_time()
            for i in range(args.scenes):
                cases[name](i)
            wall[name].append(args.scenes / (time.perf_counter() - start))
            cpu[name].append(args.scenes / (time.process_time() - start_cpu))
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    print(f"{width}x{height}, one thread, {args.rounds} rounds of {args.scenes}, load average {load}")
    print(f"{'case':<20}{'per s (wall)':>14}{'min-max':>16}{'per s (CPU time)':>18}")
    for name in cases:
        low, high = min(wall[name]), max(wall[name])
        print(
            f"{name:<20}{statistics.median(wall[name]):>14.0f}{f'{low:.0f}-{high:.0f}':>16}"
            f"{statistics.median(cpu[name]):>18.0f}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
