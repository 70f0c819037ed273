"""Convert a checkpoint to another format or number type.

    gartk convert GAR-1B work_dirs/gar_1b --to gartk
    gartk convert work_dirs/gar_1b my-model --to hf
    gartk convert work_dirs/ablation_roi_replay small --dtype float16

The formats are gartk's own, the authors' release, and a Hugging Face folder. Without --dtype weights are not
changed: converting there and back gives the same bits.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from gartk.cli.arguments import add_dtype
from gartk.cli.report import Report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add("model", metavar="MODEL", help="a checkpoint folder, a work dir, or a name on the hub")
    add("out", metavar="OUT", type=Path, help="folder to write; must not exist or be empty")
    add("--to", default="gartk", choices=("gartk", "release", "hf"), help="format to write (default: gartk)")
    add_dtype(parser)
    add("--note", help="kept in config.json, e.g. the command that trained it")
    add("--max-shard-size", default="5GB", metavar="SIZE", help="of --to release and hf (default: 5GB)")


def run(args: argparse.Namespace) -> Report:
    """Find the checkpoint, convert it, and say what was written."""
    from gartk.checkpoints import Checkpoint

    checkpoint = Checkpoint.open(args.model)
    notes = checkpoint.convert(
        args.to,
        args.out,
        dtype=args.dtype,
        info={"note": args.note} if args.note else None,
        max_shard_size=args.max_shard_size,
    )
    size = sum(file.stat().st_size for file in args.out.rglob("*") if file.is_file())
    lines = [f"{args.out}: {size / 1e6:.1f} MB in the format {args.to!r}, from {checkpoint.folder}"]
    lines += [f"note: {note}" for note in notes]
    data = {
        "out": str(args.out),
        "format": args.to,
        "model": str(checkpoint.folder),
        "bytes": size,
        "notes": notes,
    }
    return Report(data, lambda: print("\n".join(lines)))
