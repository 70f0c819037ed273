"""Test a checkpoint on what a config names as test_data.

    gartk test tiny/ablation_roi_replay work_dirs/replay --items 50

The model is the checkpoint's; CONFIG says what to test on. Every item is written to --out.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from gartk.cli.arguments import add_cfg_options, add_device, add_dtype
from gartk.cli.report import Report, wide_console


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add("config", metavar="CONFIG", help="a config, such as configs/tiny/ablation_roi_replay.py")
    add("model", metavar="MODEL", help="a checkpoint folder, a work dir, or 'tiny' (shipped)")
    add("--items", type=int, metavar="N", help="items per task (default: the config's)")
    add("--split", choices=["test", "val", "train"], help="default: the config's")
    add("--out", metavar="FILE", help="results file (default: in the checkpoint)")
    add_device(parser)
    add_dtype(parser)
    add("--seed", type=int, help="seed of the test data (default: the config's)")
    add_cfg_options(parser)


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


def run(args: argparse.Namespace) -> Report:
    """Load, test, and write the results."""
    from rich.console import Console
    from rich.progress import Progress

    from gartk.checkpoints import Checkpoint
    from gartk.engine.dist import set_threads
    from gartk.evaluation.test_data import build_test, describe_run, print_results, run_test

    console = Console()
    cfg = read_config(args)
    benchmark = build_test(cfg)
    checkpoint = Checkpoint.open(args.model)
    model, origin = checkpoint.build(device=args.device, dtype=args.dtype), str(checkpoint.folder)
    set_threads(None, model.device)
    info = describe_run(
        cfg.test_data.to_dict(), config=args.config, checkpoint=origin, device=str(model.device)
    )
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("items", total=benchmark.size)
        results = run_test(model, benchmark, info=info, on_batch=lambda n: progress.advance(bar, n))
    out = Path(args.out) if args.out else Path(origin) / f"results_{Path(args.config).stem}.json"
    results.save(out)

    def show() -> None:
        wide = wide_console(150)
        print_results(benchmark, results, wide)
        rate = len(results.records) / results.seconds
        wide.print(f"{rate:.1f} items/s; every item is in {out}", soft_wrap=True)

    data = {"out": str(out), "records": len(results.records), "seconds": results.seconds}
    return Report({**data, "info": results.info, "summary": results.summary}, show)
