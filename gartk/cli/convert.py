"""Convert a checkpoint to another format.

    gartk convert GAR-1B work_dirs/gar_1b --to gartk
    gartk convert work_dirs/gar_1b my-model --to hf

The formats are gartk's own, the authors' release, and a Hugging Face folder. Weights are not changed:
converting there and back gives the same bits.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from gartk.cli.report import Report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add("model", metavar="MODEL", help="a checkpoint folder, a work dir, or a name on the hub")
    add("out", metavar="OUT", type=Path, help="folder to write; must not exist or be empty")
    add("--to", required=True, choices=("gartk", "release", "hf"), help="format to write")
    add("--max-shard-size", default="5GB", metavar="SIZE", help="of --to release and hf (default: 5GB)")


def run(args: argparse.Namespace) -> Report:
    """Find the checkpoint, convert it, and say what was written."""
    from gartk.convert import convert
    from gartk.engine.sources import find_folder

    folder = find_folder(args.model)
    notes = convert(folder, args.out, args.to, max_shard_size=args.max_shard_size)
    size = sum(file.stat().st_size for file in args.out.rglob("*") if file.is_file())
    lines = [f"{args.out}: {size / 1e6:.1f} MB in the format {args.to!r}, from {folder}"]
    lines += [f"note: {note}" for note in notes]
    data = {
        "out": str(args.out),
        "format": args.to,
        "model": str(folder),
        "bytes": size,
        "notes": list(notes),
    }
    return Report(data, lambda: print("\n".join(lines)))
