from __future__ import annotations

import pytest
from safetensors.torch import load_file

from gartk.engine.log_hook import read_losses

NO_DROPOUT = "model.dropout=0.0"


@pytest.mark.slow
def test_two_processes_give_the_single_process_loss_at_the_same_global_batch(
    run, train_process, tmp_path
) -> None:
    single = run("single", {"model.dropout": 0.0, "train_data.batch_size": 4})
    process = train_process("double", "--cfg-options", NO_DROPOUT, ranks=2)
    assert process.returncode == 0, process.stderr[-3000:]
    double = read_losses(tmp_path / "double" / "losses.jsonl")
    assert "global batch 8 = 2 per process x 2 processes x 2 accumulated" in process.stdout
    assert [r["iter"] for r in double] == list(range(1, 41))
    assert [r["loss"] for r in double] == pytest.approx([r["loss"] for r in single], rel=1e-5)
    assert [r["loss"] for r in double[:5]] == pytest.approx([r["loss"] for r in single[:5]], rel=1e-6)
    assert [r["lr"] for r in double] == [r["lr"] for r in single]


@pytest.mark.slow
def test_two_processes_resume_exactly_with_each_ranks_own_dropout(train_process, tmp_path) -> None:
    whole = train_process("whole", "--cfg-options", "schedule.max_iters=12", "checkpoint.interval=6", ranks=2)
    assert whole.returncode == 0, whole.stderr[-3000:]
    options = ("--cfg-options", "schedule.max_iters=12", "checkpoint.interval=6")
    killed = train_process("killed", *options, "model.die_at=17", ranks=2)
    assert killed.returncode != 0
    resumed = train_process("killed", "--resume", *options, ranks=2)
    assert resumed.returncode == 0, resumed.stderr[-3000:]
    assert (tmp_path / "killed" / "losses.jsonl").read_text() == (
        tmp_path / "whole" / "losses.jsonl"
    ).read_text()
    final = "iter_000012/model.safetensors"
    ours, theirs = load_file(tmp_path / "killed" / final), load_file(tmp_path / "whole" / final)
    assert all((ours[k] == theirs[k]).all() for k in theirs)
