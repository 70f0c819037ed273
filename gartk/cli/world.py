"""Write RegionWorld as a dataset, or draw some of it.

    gartk world --out data/world_train --split train --num 1000
    gartk world --out data/world_test --split test --num 90 --balanced --sheet sheet.png
    gartk world --sheet sheet.png --num 20            only the sheet

The dataset is one of Hugging Face's. Its records hold image, mask_rle and conversations, as
the training data of Grasp Any Region does.
The same arguments give the same pixels, masks and texts.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from gartk.cli.report import Report

SHEET_SAMPLES = 20


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not WIDTHxHEIGHT, like 224x224")
    return int(height), int(width)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add("--out", metavar="DIR", help="folder to write the dataset to (new or empty)")
    add("--sheet", metavar="FILE", help=f"PNG of the first {SHEET_SAMPLES} samples with regions and text")
    add("--split", default="train", help="train, val or test (default: train)")
    add("--num", type=int, default=1000, metavar="N", help="number of samples (default: 1000)")
    add(
        "--size",
        type=_size,
        nargs="+",
        default=[(224, 224)],
        metavar="WxH",
        help="image size; several are drawn from",
    )
    add("--seed", type=int, default=0)
    add("--tasks", nargs="+", metavar="TASK", help="default: RegionWorld's mixture")
    add("--turns", type=int, default=1, metavar="N", help="questions per sample (default: 1)")
    add(
        "--balanced",
        action="store_true",
        help="tasks (default: those of a report) and answer letters in turn",
    )


def run(args: argparse.Namespace) -> Report:
    """Write what was asked for."""
    if args.out is None and args.sheet is None:
        args.parser.error("nothing to write: give --out, --sheet or both")
    from gartk.data.world.dataset import RegionWorldDataset
    from gartk.data.world.export import write_world
    from gartk.data.world.sheet import contact_sheet, png_bytes
    from gartk.data.world.tasks.catalogue import EVALUATION_TASKS

    data = RegionWorldDataset(
        args.split,
        length=args.num,
        seed=args.seed,
        sizes=args.size,
        tasks=args.tasks or (list(EVALUATION_TASKS) if args.balanced else None),
        turns_per_sample=args.turns,
        balanced=args.balanced,
    )
    lines = []
    if args.out is not None:
        write_world(data, args.out)
        lines.append(f"wrote {len(data)} samples to {args.out}")
    if args.sheet is not None:
        shown = [data[index] for index in range(min(SHEET_SAMPLES, len(data)))]
        Path(args.sheet).parent.mkdir(parents=True, exist_ok=True)
        Path(args.sheet).write_bytes(png_bytes(contact_sheet(shown)))
        lines.append(f"drew {len(shown)} samples to {args.sheet}")
    found = {"samples": len(data), "out": args.out, "sheet": args.sheet}
    return Report(found, lambda: print("\n".join(lines)))
