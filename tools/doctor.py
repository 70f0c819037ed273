#!/usr/bin/env python
"""Print what this installation has, and what is wrong with it.

Usage: python tools/doctor.py [--json]
Exit status: 0 if all is well, 1 if a plugin failed, a part cannot be imported or RoI backends disagree.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the arguments, examine, print, and give the exit status."""
    parser = argparse.ArgumentParser(description="Print what this gartk installation has, and what is wrong.")
    parser.add_argument("--json", action="store_true", help="print plain JSON instead of tables")
    arguments = parser.parse_args(argv)

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
