"""``gartk world`` from a checkout."""

import sys

from gartk.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["world", *sys.argv[1:]]))
