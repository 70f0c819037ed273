"""Prints the folder of the task definitions: lmms-eval --include_path "$(python -m gartk_lmms_eval)"."""

import sys
from pathlib import Path

sys.stdout.write(f"{Path(__file__).parent / 'tasks'}\n")
