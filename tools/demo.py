"""``gartk demo`` from a checkout."""

import sys

from gartk.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["demo", *sys.argv[1:]]))
