"""``gartk convert`` from a checkout."""

import sys

from gartk.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["convert", *sys.argv[1:]]))
