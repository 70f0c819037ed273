"""Convert a checkpoint between gartk's own format, the authors' release, and a Hugging Face folder.

    python tools/convert.py GAR-1B work_dirs/gar_1b --to gartk
    python tools/convert.py work_dirs/gar_1b my-model --to hf

SRC is a checkpoint folder of any of the three formats, or a work dir of tools/train.py. Weights are not
changed: converting there and back gives the same bits.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from gartk.errors import exit_code


def main(argv: Sequence[str] | None = None) -> int:
    """Convert, print what was written; the exit status is 2 after an error of use."""
    parser = argparse.ArgumentParser(description="Convert a checkpoint to another format.")
    parser.add_argument("source", metavar="SRC", help="a checkpoint folder, a work dir, or a hub id")
    parser.add_argument("out", metavar="DST", type=Path, help="folder to write; must not exist or be empty")
    parser.add_argument("--to", required=True, choices=("gartk", "release", "hf"), help="format to write")
    parser.add_argument("--max-shard-size", default="5GB", help="of --to release and hf (default: 5GB)")
    args = parser.parse_args(argv)
    return exit_code(lambda: run(args.source, args.out, args.to, args.max_shard_size))


def run(source: str, out: Path, to: str, max_shard_size: str) -> None:
    """Find the checkpoint, convert it, and say what it holds."""
    from gartk.convert import convert
    from gartk.engine.sources import find_folder

    folder = find_folder(source)
    notes = convert(folder, out, to, max_shard_size=max_shard_size)
    size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    print(f"{out}: {size / 1e6:.1f} MB in the format {to!r}, from {folder}")
    for note in notes:
        print(f"note: {note}")


if __name__ == "__main__":
    raise SystemExit(main())
