"""Write RegionWorld to disk as a Hugging Face dataset, and draw a contact sheet of it.

    python tools/world.py data/world_train --split train --num 1000
    python tools/world.py data/world_test --split test --num 90 --balanced --sheet sheet.png
    python tools/world.py --sheet sheet.png --num 20            only the sheet

The records hold image, mask_rle and conversations as the training data of Grasp Any Region does.
The same arguments give the same pixels, masks and texts. Sizes are WIDTHxHEIGHT.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # works from a checkout, too

from gartk.data.world.attributes import SPLITS
from gartk.data.world.dataset import RegionWorldDataset
from gartk.data.world.export import write_world
from gartk.data.world.sheet import contact_sheet, png_bytes
from gartk.data.world.tasks.catalogue import EVALUATION_TASKS, TASKS
from gartk.errors import GartkError

SHEET_SAMPLES = 20


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not WIDTHxHEIGHT, like 224x224")
    return int(height), int(width)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", nargs="?", help="folder to write the dataset to (new or empty)")
    parser.add_argument("--split", choices=SPLITS, default="train")
    parser.add_argument("--num", type=int, default=1000, help="number of samples (default 1000)")
    parser.add_argument("--size", type=_size, nargs="+", default=[(224, 224)], metavar="WxH",
                        help="image size; several are drawn from")  # fmt: skip
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tasks", nargs="+", metavar="TASK", help=f"of: {', '.join(TASKS)}")
    parser.add_argument("--turns", type=int, default=1, help="questions per sample (default 1)")
    parser.add_argument("--balanced", action="store_true",
                        help="tasks (default: those of a report) and answer letters in turn")  # fmt: skip
    parser.add_argument(
        "--sheet", help=f"PNG of the first {SHEET_SAMPLES} samples with their regions and text"
    )
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command; 0 if everything was written, 2 for bad arguments or data."""
    parser = _parser()
    args = parser.parse_args(argv)
    if args.out is None and args.sheet is None:
        parser.error("nothing to write: give OUT, --sheet or both")
    tasks = args.tasks or (list(EVALUATION_TASKS) if args.balanced else None)
    try:
        data = RegionWorldDataset(
            args.split, length=args.num, seed=args.seed, sizes=args.size, tasks=tasks,
            turns_per_sample=args.turns, balanced=args.balanced,
        )  # fmt: skip
        if args.out is not None:
            write_world(data, args.out)
            print(f"wrote {len(data)} samples to {args.out}")
        if args.sheet is not None:
            shown = [data[index] for index in range(min(SHEET_SAMPLES, len(data)))]
            Path(args.sheet).parent.mkdir(parents=True, exist_ok=True)
            Path(args.sheet).write_bytes(png_bytes(contact_sheet(shown)))
            print(f"drew {len(shown)} samples to {args.sheet}")
    except GartkError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
