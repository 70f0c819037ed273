"""Test: python tools/test.py CONFIG CHECKPOINT [--items N] [--split test|val] [--out results.json].

CHECKPOINT is a checkpoint folder, a work dir of tools/train.py (its newest checkpoint) or "tiny".
The model is the checkpoint's; CONFIG says what to test on (test_data).
"""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path
from typing import Any

from gartk.errors import exit_code


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    from mmengine.config import DictAction

    parser = argparse.ArgumentParser(description="Test a checkpoint on what a config names as test_data.")
    parser.add_argument("config", help="a config file, such as configs/tiny/ablation_roi_replay.py")
    parser.add_argument("checkpoint", help="a checkpoint folder, a work dir, or 'tiny' (shipped)")
    parser.add_argument("--items", type=int, metavar="N", help="items per task (default: the config's)")
    parser.add_argument("--split", choices=["test", "val", "train"], help="default: the config's")
    parser.add_argument("--out", metavar="FILE", help="results file (default: in the checkpoint)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")
    parser.add_argument("--seed", type=int, help="seed of the test data (default: the config's)")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, metavar="KEY=VALUE", help="changes")
    return parser.parse_args(argv)


def read_config(args: argparse.Namespace) -> Any:
    """Read the config with the options that the command line gives by name."""
    from gartk.config import load_config
    from gartk.evaluation.test_data import TEST_KEYS

    cfg = load_config(args.config, args.cfg_options, extra_keys=TEST_KEYS)
    if "test_data" in cfg:
        if args.items is not None:
            cfg.test_data.items_per_task = args.items
        for name in ("split", "seed"):
            if getattr(args, name) is not None:
                cfg.test_data.dataset[name] = getattr(args, name)
    return cfg


def run(args: argparse.Namespace) -> None:
    """Load, test, print the table and write the results."""
    from rich.console import Console
    from rich.progress import Progress

    from gartk.checkpoints import Checkpoint
    from gartk.engine.dist import set_threads
    from gartk.evaluation.test_data import build_test, describe_run, print_results, run_test

    console = Console()
    cfg = read_config(args)
    benchmark = build_test(cfg)
    checkpoint = Checkpoint.open(args.checkpoint)
    model, origin = checkpoint.build(device=args.device), str(checkpoint.folder)
    set_threads(None, model.device)
    info = describe_run(
        cfg.test_data.to_dict(), config=args.config, checkpoint=origin, device=str(model.device)
    )
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("items", total=benchmark.size)
        results = run_test(model, benchmark, info=info, on_batch=lambda n: progress.advance(bar, n))
    out = Path(args.out) if args.out else Path(origin) / f"results_{Path(args.config).stem}.json"
    results.save(out)
    wide = console if console.is_terminal else Console(width=150)
    print_results(benchmark, results, wide)
    rate = len(results.records) / results.seconds
    console.print(f"{rate:.1f} items/s; every item is in {out}", soft_wrap=True)


def main(argv: list[str] | None = None) -> int:
    """Test; gives the exit code: 0, 2 for an error of the user's, 130 after Ctrl-C."""
    args = parse_args(argv)
    warnings.simplefilter("default", UserWarning)
    return exit_code(lambda: run(args))


if __name__ == "__main__":
    sys.exit(main())
