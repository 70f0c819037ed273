#!/usr/bin/env python
"""Print what this installation has, and what is wrong with it.

Usage: python tools/doctor.py [--json] [--model CONFIG [--sizes 480x640 ...] [--cfg-options a.b=c ...]]
With --model it prints instead what the config's model costs: parameters by part, tokens by image size.
Exit status: 0 if all is well, 1 if a plugin failed, a part cannot be imported or RoI backends disagree,
2 for an error of the user's.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence


def image_size(text: str) -> tuple[int, int]:
    """Read HEIGHTxWIDTH in pixels."""
    height, _, width = text.lower().partition("x")
    if not (height.isdigit() and width.isdigit() and int(height) and int(width)):
        raise argparse.ArgumentTypeError(f"{text!r} is not HEIGHTxWIDTH in pixels, such as 480x640")
    return int(height), int(width)


def count(arguments: argparse.Namespace) -> None:
    """Print what a config's model costs."""
    from rich.console import Console

    from gartk.account import SIZES_HW, account, show

    cost = account(arguments.model, arguments.cfg_options, sizes_hw=arguments.sizes or SIZES_HW)
    if arguments.json:
        print(json.dumps(cost.as_dict(), indent=2))
    else:
        console = Console()
        show(cost, Console(width=140) if not console.is_terminal else console)


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the arguments, examine, print, and give the exit status."""
    from mmengine.config import DictAction

    from gartk.errors import exit_code

    parser = argparse.ArgumentParser(description="Print what this gartk installation has, and what is wrong.")
    parser.add_argument("--json", action="store_true", help="print plain JSON instead of tables")
    parser.add_argument("--model", metavar="CONFIG", help="count this config's parameters and tokens instead")
    parser.add_argument("--sizes", nargs="+", metavar="HxW", type=image_size, help="image sizes to count for")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, metavar="KEY=VALUE", help="changes")
    arguments = parser.parse_args(argv)
    if arguments.model:
        return exit_code(lambda: count(arguments))

    from rich.console import Console

    from gartk.doctor import examine, show
    from gartk.plugins import STRICT_ENV

    os.environ.pop(STRICT_ENV, None)  # a failed plugin has to be shown, not to stop the doctor
    checkup = examine()
    if arguments.json:
        print(json.dumps(checkup.as_dict(), indent=2))
    else:
        console = Console()
        show(checkup, Console(width=140) if not console.is_terminal else console)
    return 0 if checkup.is_healthy else 1


if __name__ == "__main__":
    raise SystemExit(main())
