"""``gartk test`` from a checkout."""

import sys

from gartk.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["test", *sys.argv[1:]]))
