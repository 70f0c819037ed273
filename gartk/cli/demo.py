"""Train a tiny model, test it, draw what it says.

It learns from scratch and is tested on scenes that it has never seen: offline, within minutes.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gartk.cli.report import Report, wide_console
from gartk.errors import ConfigError, DataError

if TYPE_CHECKING:
    import numpy as np

    from gartk.inference.api import RegionAssistant
    from gartk.regions import Region
    from gartk.structures import Sample

CONFIG = "tiny/demo.py"
NUM_SCENES = 4
QUESTION_TASKS = ("open_color", "open_shape", "open_texture", "open_material")
PICTURE_SCALE = 3  # RegionWorld's scenes are small; text needs room
PHOTO_RECORD = 408
PHOTO_REGIONS = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add("--out", default="demo", metavar="DIR", help="where everything goes (default: demo)")
    add("--iters", type=int, metavar="N", help="training updates (default: the config's)")
    add("--items", type=int, metavar="N", help="test items per task (default: the config's)")
    add("--data", metavar="DIR", help="folder with gar_bench, for a real photo (default: GARTK_DATA)")


def read_config(args: argparse.Namespace) -> Any:
    """Read the demo's config with the options of the command line."""
    from gartk.config.reading import load_config

    options: dict[str, Any] = {}
    if args.iters is not None:
        options["schedule.max_iters"] = args.iters
        options["schedule.warmup_iters"] = min(50, max(args.iters - 1, 0))
    if args.items is not None:
        options["test_data.items_per_task"] = args.items
    return load_config(CONFIG, options)


def fresh_work_dir(out: Path) -> Path:
    """Return an empty folder for the run; that of an earlier demo is replaced."""
    work_dir = out / "run"
    if (work_dir / "losses.jsonl").is_file():
        shutil.rmtree(work_dir)
    elif work_dir.exists() and any(work_dir.iterdir()):
        raise ConfigError(f"{work_dir} holds something else than an earlier demo. Choose another --out.")
    return work_dir


def train(cfg: Any, work_dir: Path) -> None:
    """Train from scratch."""
    from gartk.engine.runner import build_runner

    build_runner(cfg, work_dir).train()


def test(cfg: Any, assistant: RegionAssistant, out: Path) -> None:
    """Test on unseen scenes, print the table, keep every item."""
    from gartk.evaluation.test_data import build_test, print_results, run_test

    benchmark = build_test(cfg)
    info = {"config": Path(CONFIG).name, "checkpoint": assistant.origin, "decoding": "greedy"}
    results = run_test(assistant.model, benchmark, info=info)
    results.save(out / "results.json")
    print_results(benchmark, results, wide_console(150))


# ---------------------------------------------------------------- pictures


@dataclass(frozen=True)
class Tally:
    """How many texts on the pictures are right."""

    right: int
    total: int

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.right + other.right, self.total + other.total)


def draw_scenes(assistant: RegionAssistant, out: Path) -> Tally:
    """Describe three regions of some unseen scenes, each beside what is true."""
    from gartk.data.world.dataset import RegionWorldDataset

    dataset = RegionWorldDataset(
        "test", length=NUM_SCENES, seed=7, tasks=["caption"], turns_per_sample=3, max_regions=3
    )
    tally = Tally(0, 0)
    for index in range(NUM_SCENES):
        tally += draw_scene(assistant, dataset[index], out / f"scene_{index}.png")
    return tally


def draw_scene(assistant: RegionAssistant, sample: Sample, path: Path) -> Tally:
    """Describe the regions of one scene that have a reference."""
    from gartk.data.world.scoring import score

    answers = assistant.describe(sample.image, sample.regions, max_new_tokens=64)
    captions, right = ["(not asked)"] * len(sample.regions), 0
    metas = sample.meta["turns"]
    for meta, turn in zip(metas, sample.turns[1::2], strict=True):
        number = int(next(iter(meta["facts"]["prompts"])))
        said = answers[number].text.replace("<Prompt0>", f"<Prompt{number}>")
        is_right = score(said, meta)["correct"] == 1.0
        right += is_right
        captions[number] = f"{said}\n{'right' if is_right else 'reference: ' + turn.text}"
    save_picture(sample.image, [pair.region for pair in sample.pairs()], captions, path)
    return Tally(right, len(metas))


def draw_questions(assistant: RegionAssistant, out: Path) -> Tally:
    """Ask one question about each of some unseen scenes."""
    from gartk.data.world.dataset import RegionWorldDataset
    from gartk.data.world.scoring import score

    tally = Tally(0, 0)
    for task in QUESTION_TASKS:
        sample = RegionWorldDataset("test", length=1, seed=8, tasks=[task], balanced=True)[0]
        question, reference = (turn.text for turn in sample.turns)
        said = assistant.ask(sample.image, sample.regions, question, max_new_tokens=16).text
        is_right = score(said, sample.meta)["correct"] == 1.0
        text = f"question: {question}\nanswer: {said}\n{'right' if is_right else 'reference: ' + reference}"
        save_picture(sample.image, [p.region for p in sample.pairs()], text, out / f"{task}.png")
        tally += Tally(int(is_right), 1)
    return tally


def draw_photo(assistant: RegionAssistant, out: Path, data: str | None) -> bool:
    """Describe regions of one real photo, where GAR-Bench lies beside the checkout."""
    from gartk.cli.region_flags import read_rles
    from gartk.evaluation.benchmarks.files import data_root
    from gartk.regions import Region
    from gartk.regions.images import open_image

    try:
        base = data_root(data) / "gar_bench"
    except DataError:
        return False
    photo = base / "images" / f"vqa_{PHOTO_RECORD}.png"
    if not photo.is_file() or not (base / "GAR-Bench-VQA.json").is_file():
        return False
    rles = read_rles(f"{base / 'GAR-Bench-VQA.json'}#{PHOTO_RECORD}")[:PHOTO_REGIONS]
    regions = [Region.from_rle(rle) for rle in rles]
    image = open_image(photo)
    answers = assistant.describe(image, regions, max_new_tokens=64)
    captions = [answer.text.replace("<Prompt0>", f"<Prompt{i}>") for i, answer in enumerate(answers)]
    save_picture(image, regions, captions, out / "photo.png", scale=1)
    return True


def save_picture(
    image: Any,
    regions: Sequence[Region],
    captions: str | Sequence[str],
    path: Path,
    *,
    scale: int = PICTURE_SCALE,
) -> None:
    """Draw outlined, numbered regions and texts on the image, enlarged by a whole factor."""
    from PIL import Image

    from gartk.inference.overlay import draw_regions
    from gartk.regions import Region

    def enlarge(pixels: np.ndarray) -> np.ndarray:
        return pixels.repeat(scale, 0).repeat(scale, 1)

    large = [Region.from_mask(enlarge(region.mask)) for region in regions]
    Image.fromarray(draw_regions(enlarge(image), large, captions=captions)).save(path)


# ---------------------------------------------------------------- all of it


def run(args: argparse.Namespace) -> Report:
    """Train, test, draw and say what it is worth."""
    import gartk

    began = time.perf_counter()
    cfg = read_config(args)
    out = Path(args.out)
    work_dir = fresh_work_dir(out)
    print(f"1. Training from scratch: {cfg.schedule.max_iters} updates of {cfg.train_data.batch_size} scenes")
    train(cfg, work_dir)
    trained = time.perf_counter()
    assistant = gartk.load(work_dir, device=cfg.device)
    print(f"   {trained - began:.0f} s, loss {first_and_last_loss(work_dir)}")
    print("\n2. Testing on scenes it has never seen, some with looks that training holds out")
    test(cfg, assistant, out)
    tested = time.perf_counter()
    print(f"   {tested - trained:.0f} s; every item is in {out / 'results.json'}\n\n3. Pictures in {out}/")
    scenes, questions = draw_scenes(assistant, out), draw_questions(assistant, out)
    print(f"   scene_*.png   {scenes.right} of {scenes.total} descriptions right in every attribute")
    print(f"   open_*.png    {questions.right} of {questions.total} answers right")
    if draw_photo(assistant, out, args.data):
        print("   photo.png     a real photo: this model has only seen drawn scenes, so expect no sense")
    seconds = time.perf_counter() - began
    data = {
        "out": str(out),
        "checkpoint": assistant.origin,
        "seconds": round(seconds, 1),
        "descriptions": asdict(scenes),
        "answers": asdict(questions),
    }
    lines = (
        f"\n{seconds:.0f} s in all. This run is short and only asks about single regions. The full one:",
        "   gartk train tiny/ablation_roi_replay",
        "   gartk test tiny/ablation_roi_replay work_dirs/ablation_roi_replay",
        f"Ask this model: gartk describe {out}/scene_0.png --box 30,30,300,300 --model {work_dir}",
    )
    return Report(data, lambda: print("\n".join(lines)))


def first_and_last_loss(work_dir: Path) -> str:
    """Return how far the loss fell: means over the first and last 20 updates."""
    lines = (work_dir / "losses.jsonl").read_text(encoding="utf-8").splitlines()
    losses = [json.loads(line)["loss"] for line in lines]
    first, last = losses[:20], losses[-20:]
    return f"{sum(first) / len(first):.2f} -> {sum(last) / len(last):.2f}"
