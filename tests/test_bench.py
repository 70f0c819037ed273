"""Every script in bench/ runs on the code as it is, and prints its sides."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# The least that each can be asked for, and what its table must hold.
RUNS: dict[str, tuple[list[str], list[str]]] = {
    "bench_replay": (["--regions", "1", "2", "--rounds", "1"], ["ours, auto", "loop"]),
    "bench_preprocess": (
        ["--size", "256x192", "--masks", "1", "2", "--rounds", "1"],
        ["ours 2 masks", "release 2 masks"],
    ),
    "bench_world": (
        ["--size", "96x96", "--scenes", "4", "--rounds", "1"],
        ["scene, grid", "sample, 8 turns"],
    ),
    "bench_designs": (
        [
            "--regions",
            "1",
            "--rounds",
            "1",
            "--tokens",
            "1",
            "--configs",
            "configs/tiny/ablation_roi_replay.py",
        ],
        ["roi_replay  1 regions"],
    ),
    "bench_compat": (["--items", "2", "--ask", "1"], ["double_scaled_roi", "all as released"]),
}


def test_every_script_is_run_here(repo_root: Path) -> None:
    assert sorted(RUNS) == sorted(file.stem for file in (repo_root / "bench").glob("*.py"))


@pytest.mark.parametrize("name", RUNS)
def test_a_script_runs_and_prints_its_sides(name: str, repo_root: Path, shared_dir: Path) -> None:
    args, sides = RUNS[name]
    done = subprocess.run(
        [sys.executable, f"bench/{name}.py", *args],
        cwd=repo_root,
        env={**os.environ, "OMP_NUM_THREADS": "1", "GARTK_DATA": str(shared_dir)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    for side in sides:
        line = next((line for line in done.stdout.splitlines() if side in line), "")
        assert any(part.strip(",{}()x:%").replace(".", "", 1).isdigit() for part in line.split()), done.stdout
