"""``gartk eval run`` from a checkout."""

import sys

from gartk.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["eval", "run", *sys.argv[1:]]))
