"""Train: python tools/train.py CONFIG [--work-dir DIR] [--resume [FOLDER]] [--cfg-options a.b=c ...]."""

from __future__ import annotations

import argparse
import sys

from gartk.errors import GartkError


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    from mmengine.config import DictAction

    parser = argparse.ArgumentParser(description="Train a model from a config.")
    parser.add_argument("config", help="a config file, such as configs/tiny/ablation_roi_replay.py")
    parser.add_argument("--work-dir", help="where results go (default: work_dirs/<name of the config>)")
    parser.add_argument(
        "--resume",
        nargs="?",
        const=True,
        default=False,
        metavar="FOLDER",
        help="go on from the newest checkpoint of the work dir, or from a checkpoint folder",
    )
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, metavar="KEY=VALUE", help="changes")
    parser.add_argument("--launcher", choices=["none", "pytorch"], default="none", help="pytorch: torchrun")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Train; gives the exit code: 0, 2 for an error of the user's, 130 after Ctrl-C."""
    args = parse_args(argv)
    from gartk.config import load_config
    from gartk.engine.dist import shutdown
    from gartk.engine.runner import build_runner

    try:
        cfg = load_config(args.config, args.cfg_options)
        build_runner(cfg, args.work_dir, args.resume, args.launcher).train()
        shutdown()
    except GartkError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped. Go on from the last checkpoint with --resume.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
