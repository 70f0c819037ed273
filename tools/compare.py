"""``gartk eval agreement`` and ``gartk eval stability`` from a checkout."""

import sys

from gartk.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["eval", *sys.argv[1:]]))
