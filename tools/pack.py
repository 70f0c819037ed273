"""Write a checkpoint as a small folder to hand on: weights in half precision, no training state.

    python tools/pack.py work_dirs/ablation_roi_replay gartk/assets/tiny

`gartk.load("tiny")` reads gartk/assets/tiny; any other folder is loaded by its path.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from gartk.errors import exit_code


def main(argv: Sequence[str] | None = None) -> int:
    """Load the checkpoint, save its model, print the size; the exit status is 2 after an error of use."""
    parser = argparse.ArgumentParser(description="Write a checkpoint as a small folder to hand on.")
    parser.add_argument("checkpoint", type=Path, help="a checkpoint folder, or the work dir of a run")
    parser.add_argument("out", type=Path, help="folder to write")
    parser.add_argument("--dtype", choices=("float16", "bfloat16", "float32"), default="float16")
    parser.add_argument("--note", default="", help="kept in config.json, e.g. the command that trained it")
    args = parser.parse_args(argv)
    return exit_code(lambda: pack(args.checkpoint, args.out, dtype=args.dtype, note=args.note))


def pack(checkpoint: Path, out: Path, *, dtype: str, note: str) -> None:
    """Save the model of a checkpoint, or of the newest one in a work dir."""
    from gartk.engine.sources import find_folder
    from gartk.models.checkpoints import CONFIG_NAME, load_model, read_config, save_model

    folder = find_folder(checkpoint)
    info = {**read_config(folder / CONFIG_NAME).get("info", {}), **({"note": note} if note else {})}
    save_model(load_model(folder), out, dtype=dtype, info=info)
    size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    print(f"{out}: {size / 1e6:.1f} MB, from {folder}")


if __name__ == "__main__":
    raise SystemExit(main())
