"""Train a model from a config.

    gartk train tiny/ablation_roi_replay --out work_dirs/replay
    gartk train CONFIG --resume
    torchrun --nproc-per-node 2 -m gartk train CONFIG --launcher pytorch

CONFIG is a file, or the name of a config that gartk brings along.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from gartk.cli.arguments import add_cfg_options
from gartk.cli.report import Report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add("config", metavar="CONFIG", help="a config, such as configs/tiny/ablation_roi_replay.py")
    add(
        "--out",
        "--work-dir",
        metavar="DIR",
        help="where results go (default: work_dirs/<name of the config>)",
    )
    add(
        "--resume",
        nargs="?",
        const=True,
        default=False,
        metavar="FOLDER",
        help="go on from the newest checkpoint of --out, or from a checkpoint folder",
    )
    add("--device", help="auto, cpu, cuda or cuda:1 (default: the config's)")
    add("--seed", type=int, help="default: the config's")
    add("--launcher", choices=["none", "pytorch"], default="none", help="pytorch: under torchrun")
    add_cfg_options(parser)


def run(args: argparse.Namespace) -> Report | None:
    """Train to the end; of several processes the first one reports."""
    from gartk.checkpoints.work_dir import find_checkpoint
    from gartk.config.reading import load_config
    from gartk.engine.dist import shutdown
    from gartk.engine.runner import build_runner

    named = {key: value for key in ("device", "seed") if (value := getattr(args, key)) is not None}
    cfg = load_config(args.config, {**(args.cfg_options or {}), **named})
    runner = build_runner(cfg, args.out, args.resume, args.launcher)
    runner.train()
    is_first = runner.rank == 0
    shutdown()
    if not is_first:
        return None
    newest = find_checkpoint(Path(runner.work_dir))
    data = {"out": str(runner.work_dir), "checkpoint": str(newest), "updates": runner.iter}
    return Report(data, lambda: print(f"{runner.iter} updates; the newest checkpoint is {newest}"))
