"""Real runs of a toy model: trained, killed, continued, tested, and summed up; a plugin's row among them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from statistics import fmean

import pytest

from gartk.config import load_config
from gartk.evaluation.results import read_results
from gartk.sweep import child
from gartk.sweep.executors import LocalExecutor
from gartk.sweep.plan import Plan, make_plan
from gartk.sweep.report import reporter
from gartk.sweep.run import run_sweep
from gartk.sweep.settings import read_sweep
from gartk.sweep.store import prepare

pytestmark = pytest.mark.slow
KILLER = """
import os
from pathlib import Path

from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class KillOnce(Hook):
    def __init__(self, marker):
        self.marker = Path(marker)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if batch_idx == 3 and not self.marker.exists():
            self.marker.touch()
            os.kill(os.getpid(), 9)
"""


def starts(folder: Path) -> int:
    return (folder / "log.txt").read_text().count(" starts\n")


@pytest.fixture
def plugin_on_path(tmp_path: Path, repo_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the example plugin for child processes: its metadata in a folder, and its source."""
    info = tmp_path / "site" / "gartk_masked_pool-0.1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: gartk-masked-pool\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[gartk.plugins]\nmasked_pool = gartk_masked_pool:register\n")
    paths = [info.parent, repo_root / "plugins" / "gartk_masked_pool", os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, map(str, paths))))


@pytest.fixture
def swept(write_sweep: Callable[..., Path], tmp_path: Path, plugin_on_path: None) -> tuple[Plan, Path]:
    """Two rows, two seeds: the first row's first run is killed after an update; the other is a plugin's."""
    (tmp_path / "killer.py").write_text(KILLER)
    hook = {"type": "KillOnce", "marker": str(tmp_path / "killed")}
    rows = [
        {"name": "4", "cfg_options": {"custom_hooks": [hook]}},
        {"name": "masked", "cfg_options": {"model.region_extractor.type": "masked_pool.MaskedReplay"}},
    ]
    imports = {"imports": ["killer"]}
    sweep = write_sweep(*rows, custom_imports=imports, baseline="4", seeds=[0, 1], resamples=50)
    return make_plan(read_sweep([sweep])), tmp_path / "out"


def test_a_sweep_with_a_killed_run_and_a_plugin_gives_the_table_of_its_records(swept, tmp_path) -> None:
    plan, out = swept
    said: list[str] = []
    outcome = run_sweep(
        plan, out, executor=LocalExecutor(jobs=1), report=reporter(plan, out), say=said.append
    )
    assert outcome.failed == []
    _check_that_the_killed_run_went_on(out, said, tmp_path)
    _check_the_table(out)

    stamps = {path: path.stat().st_mtime_ns for path in out.glob("runs/*/*/*.json")}
    again = run_sweep(plan, out, executor=LocalExecutor(), resume=True)
    assert again.before == 4
    assert {path: path.stat().st_mtime_ns for path in out.glob("runs/*/*/*.json")} == stamps
    assert [starts(out / f"runs/masked/seed{seed}") for seed in (0, 1)] == [1, 1]


def _check_that_the_killed_run_went_on(out: Path, said: list[str], tmp_path: Path) -> None:
    """Its losses and what it says to the items are those of a training that nobody killed."""
    assert (tmp_path / "killed").exists()
    assert "row 4, seed 0 goes on" in said
    assert [starts(out / f"runs/4/seed{seed}") for seed in (0, 1)] == [2, 1]
    assert "resumed from" in (out / "runs/4/seed0/log.txt").read_text()
    uninterrupted = tmp_path / "uninterrupted"
    cfg = load_config(tmp_path / "toy_config.py", {"seed": 0})
    child.train(cfg, uninterrupted / "train")
    child.test(cfg, uninterrupted)
    folder = out / "runs/4/seed0"
    losses = "train/losses.jsonl"
    assert (folder / losses).read_text() == (uninterrupted / losses).read_text()
    predictions = [
        [(r.task, r.id, r.prediction, r.scores) for r in read_results(place / "results.json").records]
        for place in (folder, uninterrupted)
    ]
    assert predictions[0] == predictions[1]


def _check_the_table(out: Path) -> None:
    table = json.loads((out / "table.json").read_text())
    assert [(row["name"], row["finished"]) for row in table["rows"]] == [("4", 2), ("masked", 2)]
    assert [c["title"] for c in table["columns"]] == ["color", "shape", "caption_simple", "overall"]
    for row in table["rows"]:
        for seed in "01":
            results = read_results(out / f"runs/{row['name']}/seed{seed}/results.json")
            assert results.info["checkpoint"] == "train/iter_000006"
            correct = [record.scores["correct"] for record in results.records]
            assert len(correct) == 9
            assert row["cells"]["overall"]["by_seed"][seed] == pytest.approx(100 * fmean(correct))
    assert table["chance"]["color"] == pytest.approx(25.0)
    losses = [path.read_text() for path in out.glob("runs/*/*/train/losses.jsonl")]
    assert len(set(losses)) == 4


def test_a_few_updates_and_items_are_timed_and_leave_nothing_but_a_file(plan_of, tmp_path) -> None:
    plan, out = plan_of("4"), tmp_path / "out"
    prepare(plan, out, resume=False)
    folder = out / plan.runs[0].folder
    child.measure(folder, 2)
    found = json.loads((folder / "measured.json").read_text())
    assert found["items"] == 9
    assert 0 < found["update_s"] < 10
    assert 0 < found["item_s"] < 10
    assert not (folder / "train").exists()


def test_a_run_whose_model_cannot_be_built_is_one_message(plan_of, tmp_path, capsys) -> None:
    plan = plan_of({"name": "4", "cfg_options": {"model.region_extractor.type": "RoIAlignReplya"}})
    prepare(plan, tmp_path, resume=False)
    assert child.main([str(tmp_path / plan.runs[0].folder)]) == 2
    error = capsys.readouterr().err
    assert "Did you mean 'RoIAlignReplay'" in error
    assert "Traceback" not in error
