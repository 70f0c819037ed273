"""Stands in for gartk.sweep.child in tests: the same files within a blink, resumed the same way.

python fake_child.py RUN_FOLDER [seconds per update]. Row "bad" fails; a row named "dies" kills itself once.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from gartk.sweep.child import end_with_parent

UPDATES = 6
ITEMS = 8


def main(folder: Path, seconds: float) -> int:
    end_with_parent()
    about = json.loads((folder / "run.json").read_text())
    row, seed = about["row"], about["seed"]
    losses = folder / "train" / "losses.jsonl"
    losses.parent.mkdir(exist_ok=True)
    done = len(losses.read_text().splitlines()) if losses.is_file() else 0
    sys.stderr.write(f"{row} {seed} starts after {done} updates\n")
    if row == "bad":
        sys.stderr.write("RuntimeError: the extractor exploded\n")
        return 3
    for update in range(done + 1, UPDATES + 1):
        time.sleep(seconds)
        with losses.open("a") as file:
            file.write(json.dumps({"iter": update, "loss": 4.0 / update + len(row)}) + "\n")
        if row == "dies" and update == 3:
            os.kill(os.getpid(), 9)
    write_results(folder / "results.json", row, seed)
    (folder / "finished.json").write_text("{}")
    return 0


def write_results(path: Path, row: str, seed: int) -> None:
    """Items whose scores are a rule of row, seed and number, so that tests can work them out by hand."""
    records = [
        {
            "benchmark": "toy",
            "id": f"item-{number}",
            "task": task,
            "question": "?",
            "reference": "yes",
            "prediction": "yes",
            "scores": {"correct": float(is_right(row, seed, number))},
            "extra": {"seconds": 0.01 * (number + 1), "chance": 0.25, "blind_chance": 0.5},
        }
        for task in ("color", "relation")
        for number in range(ITEMS)
    ]
    whole = {
        "format": "gartk-results-2",
        "benchmark": "toy",
        "records": records,
        "summary": {},
        "seconds": 1.0,
        "info": {},
    }
    path.with_suffix(".part").write_text(json.dumps(whole))
    path.with_suffix(".part").replace(path)


def is_right(row: str, seed: int, number: int) -> bool:
    return (number + seed + len(row)) % 3 != 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 0.0))
