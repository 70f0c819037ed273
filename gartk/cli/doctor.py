"""Report what is installed here, and what is wrong.

    gartk doctor                       versions, RoI backends and their parity, plugins, registered names
    gartk doctor --model CONFIG        count a config's parameters by part, and tokens by image size

Exit status: 1 if a plugin failed, a part cannot be imported or RoI backends disagree.
"""

from __future__ import annotations

import argparse
import os

from gartk.cli.arguments import add_cfg_options
from gartk.cli.report import Report, wide_console


def image_size(text: str) -> tuple[int, int]:
    """Read HEIGHTxWIDTH in pixels."""
    height, _, width = text.lower().partition("x")
    if not (height.isdigit() and width.isdigit() and int(height) and int(width)):
        raise argparse.ArgumentTypeError(f"{text!r} is not HEIGHTxWIDTH in pixels, such as 480x640")
    return int(height), int(width)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--model", metavar="CONFIG", help="count this config's parameters and tokens instead")
    parser.add_argument("--sizes", nargs="+", metavar="HxW", type=image_size, help="image sizes to count for")
    add_cfg_options(parser)


def run(args: argparse.Namespace) -> Report:
    """Examine the installation, or count what a config's model costs."""
    if args.model:
        from gartk import model_cost

        sizes = args.sizes or model_cost.SIZES_HW
        cost = model_cost.model_cost(args.model, args.cfg_options, sizes_hw=sizes)
        return Report(cost.as_dict(), lambda: model_cost.show(cost, wide_console()))
    from gartk.doctor import examine, show
    from gartk.plugins import STRICT_ENV

    os.environ.pop(STRICT_ENV, None)  # a failed plugin has to be shown, not to stop the doctor
    checkup = examine()
    return Report(
        checkup.as_dict(), lambda: show(checkup, wide_console()), code=0 if checkup.is_healthy else 1
    )
