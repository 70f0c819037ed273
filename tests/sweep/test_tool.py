"""``gartk sweep``: what the command line says, dry runs, and errors of the user's."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gartk.cli.main import main
from gartk.sweep import executors
from gartk.sweep.cost import count_costs
from gartk.sweep.plan import differences, make_plan
from gartk.sweep.settings import read_sweep
from tests.sweep.helpers import fake_command

ROOT = Path(__file__).resolve().parents[2]
SWEEPS = sorted((ROOT / "configs" / "sweeps").glob("*.py"))


@pytest.fixture
def run(capsys) -> Callable[..., tuple[int, str, str]]:
    def run_(*argv: object) -> tuple[int, str, str]:
        code = main(["sweep", *map(str, argv)])
        return code, *capsys.readouterr()

    return run_


def test_a_dry_run_prints_the_plan_with_its_cost_and_writes_nothing(run, write_sweep, tmp_path) -> None:
    path = write_sweep({"name": "4", "title": "replay"}, seeds=[0, 1], image_hw=(96, 96))
    grid = "model.region_extractor.output_size=2,4"
    out = tmp_path / "out"
    code, said, _ = run(path, "--dry-run", "--grid", grid, "--out", out, "--seeds", "5,6,7", "--jobs", "3")
    assert code == 0
    assert "6 runs, 3 at once; seeds 5, 6, 7" in said
    lines = {line.split()[0]: line.split() for line in said.splitlines() if line.strip().startswith("4/")}
    # 96x96 pixels: a thumbnail and 2x2 tiles of 2x2 cells; a region adds 2x2 or 4x4 tokens.
    assert lines["4/output_size=2"][-6:] == ["3", "6", "12", "228,432", "20", "24"]
    assert lines["4/output_size=4"][-2:] == ["20", "36"]
    assert "In all 36 updates on 72 samples." in said
    assert not out.exists()


def test_a_row_that_cannot_be_built_is_named_in_the_plan(run, write_sweep, tmp_path) -> None:
    row = {"name": "4", "cfg_options": {"model.region_extractor.type": "RoIAlignReplya"}}
    code, said, _ = run(write_sweep(row, "8"), "--dry-run")
    assert code == 0
    assert "Row 4 cannot be counted: model.region_extractor.type 'RoIAlignReplya' is not registered" in said


def test_measured_updates_and_items_become_a_time(run, write_sweep, monkeypatch) -> None:
    found = json.dumps({"update_s": 0.36, "item_s": 0.5, "items": 9})
    code = f"import sys; open(sys.argv[1] + '/measured.json', 'w').write('{found}')"
    command = [sys.executable, "-c", code]
    monkeypatch.setattr("gartk.sweep.cost.child_command", lambda folder: [*command, str(folder)])
    sweep = write_sweep("4", cfg_options={"schedule.max_iters": 10000}, seeds=[0, 1])
    status, said, _ = run(sweep, "--dry-run", "--measure", "--jobs", "2")
    assert status == 0
    row = next(line for line in said.splitlines() if line.strip().startswith("4 "))
    assert re.search(r"1 h 00 min +4 s$", row.rstrip())
    assert "About 2 h 00 min of computing, 1 h 00 min with 2 at once." in said


def test_a_row_that_cannot_be_measured_says_why(run, write_sweep, monkeypatch) -> None:
    code = "import sys; sys.exit('ValueError: the extractor exploded')"
    monkeypatch.setattr("gartk.sweep.cost.child_command", lambda folder: [sys.executable, "-c", code])
    status, said, _ = run(write_sweep("4"), "--dry-run", "--measure")
    assert status == 0
    assert "Row 4 cannot be counted: does not run: ValueError: the extractor exploded" in said


def test_a_sweep_with_a_failing_row_ends_with_1_and_can_be_resumed(
    run, write_sweep, tmp_path, monkeypatch
) -> None:
    original = executors.LocalExecutor

    def with_fakes(**kwargs):
        return original(**kwargs, command=fake_command())

    monkeypatch.setattr(executors, "LocalExecutor", with_fakes)
    path, out = write_sweep("4", "bad"), tmp_path / "out"
    code, said, _ = run(path, "--out", out)
    assert code == 1
    assert "1 of 2 runs did not finish: row bad, seed 0" in said
    assert str(out / "index.html") in said
    assert run(path, "--out", out)[0] == 2
    code, said, _ = run(path, "--out", out, "--resume")
    assert code == 1
    assert "2 runs in" in said
    assert "1 finished before, 1 to do (0 new)" in said


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["none.py"], "ConfigError: There is no config file 'none.py'"),
        (["{}", "--baseline", "5"], "baseline '5' is no row of the sweep"),
        (["{}", "--grid", "x"], "write PATH=V1,V2"),
        (["{}", "--cfg-options", "optimm.lr=1"], "row '4' .*Did you mean 'optim'"),
        (["{}", "--jobs", "0"], "jobs must be at least 1"),
        (["{}", "--gpus", "0,1", "--jobs", "3"], "jobs must be a multiple of the GPUs"),
        (["{}", "--executor", "slurm", "--gpus", "0"], "--gpus is for this machine"),
    ],
)
def test_a_users_error_is_one_message_and_exit_code_2(run, write_sweep, tmp_path, argv, says) -> None:
    path = str(write_sweep("4"))
    code, _, error = run(*[part.replace("{}", path) for part in argv], "--out", tmp_path / "out")
    assert code == 2
    assert re.search(says, error, re.DOTALL)
    assert "Traceback" not in error
    assert not (tmp_path / "out" / "runs").exists()


def test_ctrl_c_ends_with_130_and_says_how_to_go_on(run, write_sweep, tmp_path, monkeypatch) -> None:
    def stop(*args, **kwargs) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("gartk.sweep.run.run_sweep", stop)
    code, _, error = run(write_sweep("4"), "--out", tmp_path / "out")
    assert code == 130
    assert "same command and --resume" in error


@pytest.mark.parametrize("argv", [["x.py", "--seeds", "a"], ["x.py", "--measure"], []])
def test_a_wrong_command_line_is_argparses_error(argv, capsys) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["sweep", *argv])
    assert caught.value.code == 2
    capsys.readouterr()


# ---- the sweep files of this repository -------------------------------------------------------


def test_the_issues_sweeps_are_there() -> None:
    names = {path.stem for path in SWEEPS}
    assert names >= {"tiny_table9", "tiny_identity", "tiny_true_boxes", "table9", "table10", "table11"}


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_every_sweep_file_plans(path: Path) -> None:
    plan = make_plan(read_sweep([path]))
    assert plan.settings.baseline in [row.name for row in plan.rows]
    assert all(row.title and row.config.is_file() for row in plan.rows)
    updates = {run.updates for run in plan.runs}
    batch = {run.samples // run.updates for run in plan.runs}
    assert path.stem == "table11" or len(updates) == 1, "equal updates for every row"
    assert len(batch) == 1
    if not path.stem.startswith("tiny"):
        assert batch == {64}, "the paper's global batch"


def test_rows_of_the_tiny_table_differ_in_the_design_alone() -> None:
    plan = make_plan(read_sweep([ROOT / "configs" / "sweeps" / "tiny_table9.py"]))
    configs = [run.config.to_dict() for run in plan.runs if run.seed == 0]
    for config in configs:
        for key in ("prompt_encoder", "region_extractor", "use_global"):
            config["model"].pop(key, None)
    assert all(config == configs[0] for config in configs)
    assert [row.name for row in plan.rows] == list("12345678")


def test_the_double_scaling_is_the_only_difference_of_its_row() -> None:
    plan = make_plan(read_sweep([ROOT / "configs" / "sweeps" / "tiny_true_boxes.py"]))
    one, two = (run.config.to_dict() for run in plan.runs if run.seed == 0)
    assert [path for path, *_ in differences(one, two)] == ["model.release_compat.double_scaled_roi"]


def test_the_tiny_tables_rows_cost_what_their_designs_say() -> None:
    plan = make_plan(read_sweep([ROOT / "configs" / "sweeps" / "tiny_table9.py"]))
    costs = count_costs(plan)
    # One tile of 64 cells: crops are a tile more, replay is 4x4 tokens, pooling is one.
    assert {name: (cost.vit_tokens, cost.llm_tokens) for name, cost in costs.items()} == {
        "1": (64, 64), "2": (128, 64), "3": (128, 128), "4": (64, 80),
        "5": (64, 65), "6": (64, 80), "7": (64, 64), "8": (64, 64),
    }  # fmt: skip
