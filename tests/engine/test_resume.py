from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from safetensors.torch import load_file

from gartk.engine.log_hook import read_losses
from gartk.engine.runner import build_runner
from gartk.errors import CheckpointError, ConfigError, GartkError

WEIGHTS = "iter_000040/model.safetensors"


def log_lines(folder: Path) -> dict[str, str]:
    """The logged losses of a run by iteration, the later log winning."""
    text = "\n".join(p.read_text() for p in sorted(folder.glob("*/*.log")))
    return {m[1]: m[2] for m in re.finditer(r"iter (\d+)/40  (loss .*?)  [\d.]+ it/s", text)}


@pytest.mark.slow
def test_kill_9_and_resume_give_the_uninterrupted_curve_to_the_last_digit(
    run, train_process, tmp_path
) -> None:
    """With dropout, accumulation, warm-up and cosine, killed between the two halves of an update."""
    whole = run("whole")
    first = train_process("killed", "--cfg-options", "model.die_at=53")
    assert first.returncode == -9, first.stderr
    assert read_losses(tmp_path / "killed" / "losses.jsonl")[-1]["iter"] == 26
    assert (tmp_path / "killed" / "latest").read_text() == "iter_000020\n"

    last = train_process("killed", "--resume", "--cfg-options", "train_data.num_workers=1")
    assert last.returncode == 0, last.stderr
    assert "resumed from" in last.stdout
    assert (tmp_path / "killed" / "losses.jsonl").read_text() == (
        tmp_path / "whole" / "losses.jsonl"
    ).read_text()
    assert [r["iter"] for r in whole] == list(range(1, 41))
    assert len({r["loss"] for r in whole}) == 40
    assert log_lines(tmp_path / "killed") == log_lines(tmp_path / "whole")
    ours, theirs = load_file(tmp_path / "killed" / WEIGHTS), load_file(tmp_path / "whole" / WEIGHTS)
    assert all((ours[k] == theirs[k]).all() for k in theirs)


def test_a_run_that_ended_before_its_first_checkpoint_starts_again(run, tmp_path) -> None:
    with pytest.raises(GartkError, match="not saved"):
        run("run", {"model.nan_at": 11})
    assert read_losses(tmp_path / "run" / "losses.jsonl")[-1]["iter"] == 5
    assert run("run", {"schedule.max_iters": 7}, resume=True) == run("new", {"schedule.max_iters": 7})


def test_weights_have_the_models_own_names_and_tied_ones_stand_once(run, tmp_path) -> None:
    run("run", {"schedule.max_iters": 8, "checkpoint.interval": 4})
    names = set(load_file(tmp_path / "run" / "iter_000008" / "model.safetensors"))
    assert names == {"vision.1.weight", "vision.1.bias", "vision.2.weight", "vision.2.bias", "embed.weight"}
    files = {p.name for p in (tmp_path / "run" / "iter_000008").iterdir()}
    assert files == {
        "model.safetensors",
        "config.json",
        "config.py",
        "optimizer.safetensors",
        "train_state.json",
        "rng.json",
    }


def test_a_longer_schedule_goes_on_at_the_rate_it_would_have_had(run, tmp_path) -> None:
    short = {"schedule.max_iters": 20, "optim.lr": 0.001}
    run("run", short)
    long = run("run", {"schedule.max_iters": 30, "optim.lr": 0.002}, resume=True)
    other = run("other", {"schedule.max_iters": 30, "optim.lr": 0.002})
    assert [r["lr"] for r in long[20:]] == pytest.approx([r["lr"] for r in other[20:]], rel=1e-12)
    assert len(long) == 30


def test_resume_from_a_named_folder_takes_that_one(run, tmp_path) -> None:
    whole = run("run", {"checkpoint.keep": 0})
    again = run("run", {"checkpoint.keep": 0}, resume=tmp_path / "run" / "iter_000010")
    assert again == whole


def test_a_work_dir_with_a_run_in_it_is_not_overwritten(run, build, tmp_path) -> None:
    run("run", {"schedule.max_iters": 7})
    with pytest.raises(CheckpointError, match="already holds a run .at iter_000007.*--resume"):
        build("run")
    assert (tmp_path / "run" / "iter_000007").is_dir()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "train_state.json").unlink(), "has no train_state.json"),
        (
            lambda f: (f / "rng.json").write_text("{"),
            r"rng.json cannot be read.*Resume from an earlier",
        ),
        (lambda f: (f / "model.safetensors").write_bytes(b"xx"), "model.safetensors is not a readable"),
        (lambda f: (f / "optimizer.safetensors").write_bytes(b"xx"), "optimizer.safetensors cannot be read"),
    ],
)
def test_a_damaged_checkpoint_is_named(run, tmp_path, damage, message) -> None:
    run("run", {"schedule.max_iters": 7})
    damage(tmp_path / "run" / "iter_000007")
    with pytest.raises(CheckpointError, match=message):
        run("run", {"schedule.max_iters": 9}, resume=True)


def test_other_data_or_a_missing_folder_is_refused(run, tmp_path) -> None:
    run("run", {"schedule.max_iters": 7})
    with pytest.raises(CheckpointError, match="trained on other data"):
        run("run", {"seed": 3}, resume=True)
    with pytest.raises(CheckpointError, match="no checkpoint folder"):
        run("run", resume=tmp_path / "run" / "iter_000099")


def test_dataset_errors_are_raised_with_their_index(run) -> None:
    with pytest.raises(GartkError, match="item 5 of Numbers: this record is broken on purpose"):
        run("run", {"train_data.dataset.fail_at": 5})
    with pytest.raises(GartkError, match="item 5 of Numbers"):
        run("workers", {"train_data.dataset.fail_at": 5, "train_data.num_workers": 1})


def test_a_loss_that_is_not_finite_stops_the_run(run, tmp_path) -> None:
    with pytest.raises(GartkError, match=r"loss became nan at update 12.*iter_000010"):
        run("run", {"model.nan_at": 22})
    assert read_losses(tmp_path / "run" / "losses.jsonl")[-1]["iter"] == 11


def test_how_the_model_was_built_does_not_change_the_order_or_the_dropout(run) -> None:
    first = run("a", {"schedule.max_iters": 8})
    assert run("b", {"schedule.max_iters": 8, "num_threads": 1, "train_data.num_workers": 1}) == first
    assert run("c", {"schedule.max_iters": 8, "seed": 1}) != first


def test_the_state_is_plain_json(run, tmp_path) -> None:
    run("run", {"schedule.max_iters": 7})
    folder = tmp_path / "run" / "iter_000007"
    state = json.loads((folder / "train_state.json").read_text())
    assert (state["iter"], state["consumed_samples"], state["world_size"]) == (7, 28, 1)


def test_a_config_without_a_file_needs_a_work_dir() -> None:
    from mmengine.config import Config

    parts = {
        "model": {"type": "toy.Model"},
        "train_data": {"dataset": {"type": "toy.Numbers"}, "batch_size": 1},
    }
    with pytest.raises(ConfigError, match="give a work_dir"):
        build_runner(Config({**parts, "optim": {"lr": 0.1}, "schedule": {"max_iters": 3}}))
