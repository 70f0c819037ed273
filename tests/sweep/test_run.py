"""How a sweep of fake runs goes on: order, failures, kills, resume, and folders that are not mixed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gartk.errors import ConfigError
from gartk.sweep.executors import LocalExecutor, SubmititExecutor, child_environment
from gartk.sweep.run import run_sweep
from gartk.sweep.store import held, read_failure, state_of
from tests.sweep.helpers import FAKE, HERE, fake_command, sweep_with_fakes

TABLES = ("table.md", "table.csv", "table.json")


def starts(folder: Path) -> list[str]:
    """What the attempts at a run said when they began."""
    return [line for line in (folder / "log.txt").read_text().splitlines() if " starts after " in line]


def stamps(out: Path) -> dict[str, int]:
    """When each finished run's results were written."""
    return {str(p.relative_to(out)): p.stat().st_mtime_ns for p in out.glob("runs/*/*/results.json")}


# ---- as it should be --------------------------------------------------------------------------


def test_every_run_is_a_process_of_its_own_and_leaves_its_files(plan_of, tmp_path) -> None:
    out = tmp_path / "out"
    outcome, said = sweep_with_fakes(plan_of("4", "8", seeds=[0, 1]), out, report=True)
    assert outcome.failed == []
    assert outcome.before == 0
    for folder in ("runs/4/seed0", "runs/4/seed1", "runs/8/seed0", "runs/8/seed1"):
        assert state_of(out / folder) == "finished"
        assert starts(out / folder) == [f"{folder[5]} {folder[-1]} starts after 0 updates"]
    assert "row 8, seed 1 finished after 0:00:" in said
    assert "(4 of 4)" in said
    assert {"index.html", "loss.png", "loss.svg", *TABLES} <= {path.name for path in out.iterdir()}


def test_the_same_command_with_resume_does_nothing_again(plan_of, tmp_path) -> None:
    plan, out = plan_of("4", "8"), tmp_path / "out"
    sweep_with_fakes(plan, out, resume=True, report=True)
    before, tables = stamps(out), [(out / name).read_text() for name in TABLES]
    outcome, said = sweep_with_fakes(plan, out, resume=True, report=True)
    assert outcome.before == 2
    assert "2 finished before, 0 to do (0 new)" in said
    assert stamps(out) == before
    assert [(out / name).read_text() for name in TABLES] == tables


def test_a_child_gets_one_thread_its_gpu_and_this_gartk() -> None:
    environment = child_environment("1", {"PYTHONPATH": "there"})
    assert environment["OMP_NUM_THREADS"] == "1"
    assert environment["CUDA_VISIBLE_DEVICES"] == "1"
    assert environment["PYTHONPATH"].split(os.pathsep) == [str(HERE.parents[1]), "there"]
    assert child_environment(None, {"OMP_NUM_THREADS": "4"})["OMP_NUM_THREADS"] == "4"
    assert "CUDA_VISIBLE_DEVICES" not in child_environment(None, {})


def test_every_gpu_has_its_share_of_the_runs(plan_of, tmp_path) -> None:
    code = "import os, sys; open(sys.argv[1] + '/gpu', 'w').write(os.environ['CUDA_VISIBLE_DEVICES'])"
    command = [sys.executable, "-c", code]
    executor = LocalExecutor(gpus=["0", "3"], command=lambda folder: [*command, str(folder)])
    assert executor.jobs == 2
    out = tmp_path / "out"
    run_sweep(plan_of("1", "2", "3", "4"), out, executor=executor)
    assert {path.read_text() for path in out.glob("runs/*/*/gpu")} == {"0", "3"}
    with pytest.raises(ConfigError, match="jobs must be a multiple of the GPUs: got 3 jobs, 2 GPUs"):
        LocalExecutor(jobs=3, gpus=["0", "1"])


# ---- failures ---------------------------------------------------------------------------------


def test_a_failing_row_is_reported_and_the_others_go_on(plan_of, tmp_path) -> None:
    out = tmp_path / "out"
    outcome, said = sweep_with_fakes(plan_of("bad", "4", "8"), out, report=True)
    assert outcome.failed == ["row bad, seed 0"]
    assert "row bad, seed 0 FAILED (exit code 3); the others go on" in said
    assert "RuntimeError: the extractor exploded" in said
    failure = read_failure(out / "runs/bad/seed0")
    assert failure is not None
    assert failure.tail[-1] == "RuntimeError: the extractor exploded"
    for name in ("table.md", "index.html"):
        text = (out / name).read_text()
        assert "row bad, seed 0: failed (exit code 3) after 0 of 6 updates" in text
        assert "RuntimeError: the extractor exploded" in text
    rows = {row["name"]: row for row in json.loads((out / "table.json").read_text())["rows"]}
    assert [rows[name]["finished"] for name in ("bad", "4", "8")] == [0, 1, 1]
    assert rows["bad"]["states"] == {"0": "failed"}


def test_a_failed_run_is_tried_again_on_resume(plan_of, tmp_path) -> None:
    plan, out = plan_of("bad", "4"), tmp_path / "out"
    sweep_with_fakes(plan, out)
    before = stamps(out)
    outcome, _ = sweep_with_fakes(plan, out, resume=True)
    assert outcome.failed == ["row bad, seed 0"]
    assert len(starts(out / "runs/bad/seed0")) == 2
    assert stamps(out) == before


def test_a_run_that_is_killed_goes_on_by_itself(plan_of, tmp_path) -> None:
    out = tmp_path / "out"
    outcome, said = sweep_with_fakes(plan_of("dies", "4"), out)
    assert outcome.failed == []
    assert starts(out / "runs/dies/seed0") == [
        "dies 0 starts after 0 updates",
        "dies 0 starts after 3 updates",
    ]
    assert "row dies, seed 0 goes on" in said


def test_a_report_that_cannot_be_written_stops_no_run(plan_of, tmp_path) -> None:
    said: list[str] = []
    calls: list[int] = []

    def report() -> None:
        calls.append(1)
        if len(calls) < 4:
            raise OSError("disk full")

    executor = LocalExecutor(command=fake_command())
    outcome = run_sweep(
        plan_of("4", "8"), tmp_path / "out", executor=executor, report=report, say=said.append
    )
    assert outcome.failed == []
    assert sum("The report could not be written: OSError: disk full" in line for line in said) == 3


# ---- kills ------------------------------------------------------------------------------------


def start_driver(sweep: Path, out: Path, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, str(HERE / "drive.py"), str(sweep), str(out), str(seconds)]
    return subprocess.Popen(command, env=child_environment(), stdout=subprocess.PIPE, text=True)


def processes_of(out: Path) -> list[int]:
    """The processes whose command line names a folder of this sweep."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if str(FAKE) in command and any(part.startswith(str(out)) for part in command):
            found.append(int(entry.name))
    return found


def wait_for(condition, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
def test_killed_in_the_middle_it_goes_on_and_gives_the_uninterrupted_table(
    write_sweep, plan_of, tmp_path
) -> None:
    rows, settings = ["4", "8", "row three"], {"seeds": [0, 1], "baseline": "4", "resamples": 50}
    plan, sweep = plan_of(*rows, **settings), write_sweep(*rows, **settings)
    whole, out = tmp_path / "whole", tmp_path / "out"
    sweep_with_fakes(plan, whole, report=True)

    driver = start_driver(sweep, out, 0.3)
    wait_for(lambda: len(stamps(out)) >= 2 and len(processes_of(out)) == 2)
    wait_for(lambda: any(p.read_text() for p in out.glob("runs/row_three/seed0/train/losses.jsonl")))
    driver.kill()
    assert driver.wait(timeout=30) == -signal.SIGKILL
    wait_for(lambda: processes_of(out) == [], 10.0)  # no run outlives its sweep
    finished = stamps(out)
    assert 2 <= len(finished) < 6
    assert "of 2" in (out / "table.md").read_text()  # a partial sweep shows what it has

    outcome, said = sweep_with_fakes(plan, out, resume=True, report=True)
    assert outcome.failed == []
    assert outcome.before == len(finished)
    assert "row row three, seed 0 goes on" in said
    assert {name: stamps(out)[name] for name in finished} == finished
    assert all(len(starts(out / Path(name).parent)) == 1 for name in finished)
    went_on = starts(out / "runs/row_three/seed0")
    assert len(went_on) == 2
    assert not went_on[1].endswith("after 0 updates")
    for name in TABLES:
        assert (out / name).read_text() == (whole / name).read_text(), name
    losses = "runs/row_three/seed0/train/losses.jsonl"
    assert (out / losses).read_text() == (whole / losses).read_text()


def test_ctrl_c_ends_every_run_at_once(plan_of, tmp_path) -> None:
    def say(text: str) -> None:
        if "row 4, seed 0 finished" in text:
            raise KeyboardInterrupt

    out, began = tmp_path / "out", time.monotonic()
    command = lambda folder: fake_command(0.0 if "/4/" in str(folder) else 20.0)(folder)  # noqa: E731
    with pytest.raises(KeyboardInterrupt):
        run_sweep(plan_of("8", "4", "9"), out, executor=LocalExecutor(jobs=2, command=command), say=say)
    assert time.monotonic() - began < 15
    assert [state_of(out / f"runs/{row}/seed0") == "finished" for row in "849"] == [False, True, False]
    assert processes_of(out) == []


# ---- two sweeps -------------------------------------------------------------------------------


def test_a_folder_with_a_sweep_is_refused_without_resume(plan_of, tmp_path) -> None:
    plan, out = plan_of("4"), tmp_path / "out"
    sweep_with_fakes(plan, out)
    with pytest.raises(ConfigError, match="already holds a sweep of 1 runs. Go on with it by --resume"):
        sweep_with_fakes(plan, out)


def test_two_different_sweeps_are_not_mixed(plan_of, tmp_path) -> None:
    out = tmp_path / "out"
    sweep_with_fakes(plan_of("4", "8"), out)
    with pytest.raises(ConfigError, match="holds another sweep: runs/8/seed0 is there"):
        sweep_with_fakes(plan_of("4", "9"), out, resume=True)
    changed = plan_of("4", {"name": "8", "cfg_options": {"optim.lr": 0.5}})
    with pytest.raises(
        ConfigError, match=r"in row 8, seed 0 optim.lr was 0.001 and is 0.5\. Choose another --out"
    ):
        sweep_with_fakes(changed, out, resume=True)
    with pytest.raises(ConfigError, match="test_data.items_per_task was 3 and is 5"):
        sweep_with_fakes(plan_of("4", "8", items=5), out, resume=True)
    assert (out / "runs/8/seed0/run.json").is_file()


def test_rows_and_seeds_may_be_added(plan_of, tmp_path) -> None:
    out = tmp_path / "out"
    sweep_with_fakes(plan_of("4"), out)
    before = stamps(out)
    outcome, said = sweep_with_fakes(plan_of("4", "8", seeds=[0, 1], title="new"), out, resume=True)
    assert "1 finished before, 3 to do (3 new)" in said
    assert outcome.failed == []
    assert {name: stamps(out)[name] for name in before} == before


def test_a_run_that_never_trained_takes_its_corrected_config(plan_of, tmp_path) -> None:
    out = tmp_path / "out"
    sweep_with_fakes(plan_of("bad", "4"), out)
    corrected = plan_of({"name": "bad", "cfg_options": {"optim.lr": 0.5}}, "4")
    sweep_with_fakes(corrected, out, resume=True)
    assert "lr=0.5" in (out / "runs/bad/seed0/config.py").read_text()


def test_two_processes_do_not_carry_one_sweep_out(plan_of, tmp_path) -> None:
    out = tmp_path / "out"
    code = (
        "import sys, filelock, time; lock = filelock.FileLock(sys.argv[1]); lock.acquire();"
        "print(1, flush=True); time.sleep(60)"
    )
    out.mkdir()
    other = subprocess.Popen([sys.executable, "-c", code, str(out / ".lock")], stdout=subprocess.PIPE)
    try:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(ConfigError, match="another process carries out this sweep"):
            sweep_with_fakes(plan_of("4"), out)
    finally:
        other.kill()
        other.wait()
    with held(out, seconds=5.0, what="is dead"):
        pass


# ---- a cluster --------------------------------------------------------------------------------


def test_submitit_runs_the_same_runs_as_jobs(plan_of, tmp_path, monkeypatch) -> None:
    pytest.importorskip("submitit")
    monkeypatch.setenv("PYTHONPATH", str(HERE.parents[1]))
    plan, out = plan_of("bad", "4"), tmp_path / "out"
    executor = SubmititExecutor(out / "slurm", cluster="local", command=fake_command())
    outcome = run_sweep(plan, out, executor=executor)
    assert outcome.failed == ["row bad, seed 0"]
    failure = read_failure(out / "runs/bad/seed0")
    assert failure is not None
    assert failure.code == 3
    assert state_of(out / "runs/4/seed0") == "finished"


def test_wrong_parameters_of_a_cluster_are_a_users_error(tmp_path) -> None:
    pytest.importorskip("submitit")
    with pytest.raises(ConfigError, match="submitit refuses the sweep's slurm parameters .*slurm_partitoin"):
        SubmititExecutor(tmp_path, cluster="local", parameters={"slurm_partitoin": "a100"})
    with pytest.raises(ConfigError, match="submitit refuses"):
        SubmititExecutor(tmp_path, cluster="lsf")


def test_without_submitit_the_error_says_how_to_get_it(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'gartk\[sweep\]'"):
        SubmititExecutor(tmp_path)
