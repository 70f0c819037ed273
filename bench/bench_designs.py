"""Time the eight designs of the paper's Table 9 side by side: a question, until its first and last word.

    python bench/bench_designs.py [--regions 1 4] [--tokens 16] [--rounds 9] [--configs CONFIG ...]

Each row's model of the tiny base (or each of some configs) has random weights, which cost the same time
as trained ones. One picture of RegionWorld with so many regions is asked a question of fixed length; the
first token needs the tower, the extractor and the language model's prefill, the others only the language
model. Everything runs in one process on one thread; each round runs all cases in a new order, and
medians are printed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from gartk.config import load_config
from gartk.data.world.dataset import RegionWorldDataset
from gartk.inference.api import RegionAssistant
from gartk.models.region_vlm import RegionVLM
from gartk.registry import MODELS
from gartk.structures import Sample

TINY = Path(__file__).resolve().parents[1] / "configs" / "tiny"
ROWS = {
    "1 crops": "crop",
    "2 crops with cross-attention": "gated_crop",
    "3 image and crops": "global_crop",
    "4 image and replay": "roi_replay",
    "5 image and pooling": "roi_pool",
    "6 image and replay, no masks": "roi_replay_no_mask",
    "7 crops, no masks": "crop_no_mask",
    "8 image alone": "no_local",
}
BASELINE = "4 image and replay"


def build(path: Path) -> RegionAssistant:
    """Build a config's model with random weights."""
    torch.manual_seed(0)
    model: RegionVLM = MODELS.build(load_config(path).model.to_dict(), path="model")
    return RegionAssistant(model.eval())


def picture(regions: int) -> Sample:
    """The first scene of RegionWorld that is asked about so many regions."""
    data = RegionWorldDataset("val", tasks=["caption"], turns_per_sample=7, max_regions=regions)
    scenes = (data[index] for index in range(len(data)))
    return next(sample for sample in scenes if len(sample.regions) == regions)


def ask(assistant: RegionAssistant, sample: Sample, tokens: int) -> float:
    """Milliseconds of one question that is answered with at most so many tokens."""
    names = " and ".join(f"<Prompt{i}>" for i in range(len(sample.regions)))
    start = time.perf_counter()
    assistant.ask(sample.image, sample.regions, f"Compare {names}.", max_new_tokens=tokens)
    return (time.perf_counter() - start) * 1e3


def main() -> None:
    """Parse arguments, run the rounds, print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--regions", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--tokens", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--configs", type=Path, nargs="+", help="in place of the eight rows")
    args = parser.parse_args()
    torch.set_num_threads(1)
    paths = {name: TINY / f"ablation_{stem}.py" for name, stem in ROWS.items()}
    if args.configs:
        paths = {path.stem.removeprefix("ablation_"): path for path in args.configs}
    models = {name: build(path) for name, path in paths.items()}
    samples = {count: picture(count) for count in args.regions}
    cases = [(name, count, tokens) for name in models for count in samples for tokens in (1, args.tokens)]
    times: dict[tuple[str, int, int], list[float]] = {case: [] for case in cases}
    order = list(cases)
    for round_number in range(args.rounds + 1):
        random.Random(round_number).shuffle(order)
        for name, count, tokens in order:
            spent = ask(models[name], samples[count], tokens)
            if round_number:  # the first round warms up
                times[name, count, tokens].append(spent)
    medians = {case: statistics.median(values) for case, values in times.items()}
    baseline = BASELINE if BASELINE in models else next(iter(models))
    print(
        f"medians of {args.rounds} rounds: first token / {args.tokens} tokens (first token to {baseline!r})"
    )
    for name in models:
        parts = []
        for count in samples:
            first, last = medians[name, count, 1], medians[name, count, args.tokens]
            ratio = first / medians[baseline, count, 1]
            parts.append(f"{count} regions: {first:6.1f} / {last:6.1f} ms ({ratio:4.2f}x)")
        print(f"{name:>30}  {'   '.join(parts)}")
    named = {f"{name}|{count}|{tokens}": round(ms, 2) for (name, count, tokens), ms in medians.items()}
    print(json.dumps(named))


if __name__ == "__main__":
    main()
