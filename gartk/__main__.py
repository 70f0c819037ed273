"""``python -m gartk`` is the command ``gartk``."""

import sys

from gartk.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
