"""``python -m gartk`` is the command ``gartk``."""

import sys

from gartk.cli.main import program

if __name__ == "__main__":
    sys.exit(program())
