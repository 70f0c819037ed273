"""Every script in bench/ runs on the code as it is, and prints its figures."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

# The least that each can be asked for, and the figures that it must print.
RUNS: dict[str, tuple[str, list[str]]] = {
    "bench_replay": (
        "--regions 1 2 --rounds 1",
        [r"ours, auto.* 2 regions.*: +\d+\.\d ", r"loop +2 regions.*: +\d+\.\d "],
    ),
    "bench_preprocess": (
        "--size 256x192 --masks 1 2 --rounds 1",
        [r"ours 2 masks: +\d+\.\d ms", r"release 2 masks: +\d+\.\d ms"],
    ),
    "bench_world": ("--size 96x96 --scenes 4 --rounds 1", [r"scene, grid +\d+ ", r"sample, 8 turns +\d+ "]),
    "bench_designs": (
        "--regions 1 --rounds 1 --tokens 1 --configs configs/tiny/ablation_roi_replay.py",
        [r"roi_replay +1 regions: +\d+\.\d "],
    ),
    "bench_compat": (
        "--items 2 --ask 1",
        [r"double_scaled_roi: \{'right': \d", r"all as released: \{'right': \d"],
    ),
}


def test_every_script_is_run_here(repo_root: Path) -> None:
    assert sorted(RUNS) == sorted(file.stem for file in (repo_root / "bench").glob("*.py"))


@pytest.mark.parametrize("name", RUNS)
def test_a_script_runs_and_prints_its_figures(name: str, repo_root: Path, shared_dir: Path) -> None:
    args, figures = RUNS[name]
    done = subprocess.run(
        [sys.executable, f"bench/{name}.py", *args.split()],
        cwd=repo_root,
        env={**os.environ, "OMP_NUM_THREADS": "1", "GARTK_DATA": str(shared_dir)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    for figure in figures:
        assert re.search(figure, done.stdout), f"{figure}\n{done.stdout}"
