"""Published benchmarks in a sweep: run on a trained model, and read back item by item."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gartk.checkpoints import Checkpoint
from gartk.errors import ConfigError, DataError
from gartk.evaluation.item import Item
from gartk.evaluation.results import Results
from gartk.registry import MODELS
from gartk.sweep.collect import ItemOutcome, RunData, answer_seconds, read_items
from gartk.sweep.evals import EvalSettings, published_scores, run_eval
from gartk.sweep.settings import ColumnSettings
from gartk.sweep.table import make_table
from gartk.testing.toy import toy_llm, toy_model
from tests.evaluation.benches import bench, report
from tests.evaluation.colours import registered
from tests.support.gar_bench import write_gar_bench


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    folder = tmp_path / "iter_000001"
    Checkpoint.save(MODELS.build(toy_model(llm=toy_llm(num_prompts=4))), folder)
    return folder


def test_a_trained_model_is_put_to_a_benchmark_once(checkpoint, tmp_path, monkeypatch) -> None:
    write_gar_bench(tmp_path / "data", count=4)
    monkeypatch.setenv("GARTK_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("GARTK_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "run" / "gar-vqa"
    settings = EvalSettings("gar-vqa", limit=3)
    monkeypatch.setattr("gartk.evaluation.benchmarks.gar_bench.GARVQABenchmark.max_new_tokens", 2)
    run_eval(settings, checkpoint, folder, device="cpu")
    items = read_items(folder / "results.json", "gar-vqa")
    assert len(items) == 3
    assert all(key[0] == "gar-vqa" for key in items)
    assert all(set(item.scores) >= {"strict", "strict/overall"} for item in items.values())
    assert all(item.seconds is not None and item.seconds > 0 for item in items.values())
    assert (folder / "results.html").is_file()
    monkeypatch.delenv("GARTK_DATA")
    run_eval(settings, checkpoint, folder, device="cpu")  # all there: nothing is asked


def test_too_many_missing_answers_are_an_error_and_not_a_score(checkpoint, tmp_path, monkeypatch) -> None:
    write_gar_bench(tmp_path / "data", count=4)
    for image in list((tmp_path / "data").rglob("*.png"))[:2]:
        image.unlink()
    monkeypatch.setenv("GARTK_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("GARTK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("gartk.evaluation.benchmarks.gar_bench.GARVQABenchmark.max_new_tokens", 2)
    with pytest.raises(DataError, match="gar-vqa: 50.0 % is missing"):
        run_eval(EvalSettings("gar-vqa"), checkpoint, tmp_path / "run", device="cpu")
    assert not (tmp_path / "run" / "results.json").exists()
    run_eval(EvalSettings("gar-vqa", max_missing=60), checkpoint, tmp_path / "run", device="cpu")
    assert (tmp_path / "run" / "results.json").is_file()


def vqa(number: int, task: str, said: str | None) -> Item:
    choices = ["A. red", "B. blue"]
    return Item(
        benchmark="gar-vqa",
        id=f"{number}.png",
        task=task,
        question="?",
        reference="A",
        prediction=said,
        extra={"choices": choices},
    )


def test_the_mean_over_items_is_the_benchmarks_own_score() -> None:
    said = [("Color", "A"), ("Color", "B"), ("Color", None), ("Shape", "a"), ("Shape", "A. red")]
    records = [vqa(number, task, text) for number, (task, text) in enumerate(said)]
    whole = report("gar-vqa", records)["variants"]
    scores = published_scores(bench("gar-vqa"), records)
    for rule in whole:
        mine = [one[rule] for one in scores.values()]
        assert sum(mine) / len(mine) == pytest.approx(whole[rule]["overall"]["percent"]), rule
        shapes = [one[rule] for (task, _), one in scores.items() if task == "Shape"]
        assert sum(shapes) / len(shapes) == pytest.approx(whole[rule]["tasks"]["Shape"]["percent"])
    assert scores["Color", "2.png"]["strict"] == 0.0  # missing stays in the total


def test_columns_of_a_published_benchmark_are_in_per_cent_and_apart_from_test_data(plan_of) -> None:
    columns = [
        {"title": "VQA", "benchmark": "gar-vqa", "score": "strict"},
        {"title": "Shape", "benchmark": "gar-vqa", "score": "strict/overall", "tasks": ["Shape"]},
    ]
    plan = plan_of("4", evals=[{"benchmark": "gar-vqa"}], columns=columns)
    assert ColumnSettings("a", benchmark="x").factor == 1.0
    records = [vqa(0, "Color", "B"), vqa(1, "Shape", "A")]
    found = published_scores(bench("gar-vqa"), records)
    items = {("gar-vqa", *key): ItemOutcome(one, 0.1, None, None) for key, one in found.items()}
    items["", "color", "0"] = ItemOutcome({"correct": 1.0}, 0.3, None, None)
    table = make_table(plan, {"4": [RunData(plan.runs[0], "finished", items, (), (), None)]})
    assert {title: cell.mean for title, cell in table.rows[0].cells.items()} == {"VQA": 50.0, "Shape": 100.0}
    assert table.rows[0].latency_ms == pytest.approx(300)  # test_data's own items, where there are any


def test_a_sweep_may_only_name_benchmarks_that_it_runs(plan_of) -> None:
    with pytest.raises(ConfigError, match="column 'a': benchmark 'gar-cap' is not among evals"):
        plan_of("4", evals=[{"benchmark": "gar-vqa"}], columns=[{"title": "a", "benchmark": "gar-cap"}])
    with pytest.raises(ConfigError, match=r"evals\[0\].benchmrk is not a known key"):
        plan_of("4", evals=[{"benchmrk": "gar-vqa"}])
    with pytest.raises(ConfigError, match="evals names a benchmark twice"):
        plan_of("4", evals=[{"benchmark": "gar-vqa"}, {"benchmark": "gar-vqa", "limit": 3}])


def test_benchmarks_are_part_of_what_a_run_is_and_take_the_number_of_items(plan_of) -> None:
    bare, judged = plan_of("4").runs[0], plan_of("4", evals=[{"benchmark": "gar-vqa"}]).runs[0]
    assert bare.fingerprint != judged.fingerprint
    assert plan_of("4", evals=[{"benchmark": "gar-vqa"}], items=5).runs[0].evals[0].limit == 5


def test_times_of_answers_come_from_the_journal(tmp_path) -> None:
    file = tmp_path / "journal.jsonl"
    file.write_text(
        '{"format": "x"}\n{"kind": "answer", "task": "a", "id": "1", "seconds": 0.5}\n{"kind": "answ'
    )
    assert answer_seconds(file) == {("a", "1"): 0.5}
    assert answer_seconds(tmp_path / "none") == {}


def test_a_plugins_benchmark_is_read_with_the_scores_that_its_run_has_stored(tmp_path) -> None:
    item = Item("acme-colours", id="1", task="a", prediction="x", scores={"word": 1.0, "judged": None})
    Results("acme-colours", [item], {}, 1.0).save(tmp_path / "results.json")
    with registered():
        found = read_items(tmp_path / "results.json", "acme-colours")
    scores = found["acme-colours", "a", "1"].scores
    assert (scores["word"], scores["word/tasks/a"], scores["judged"]) == (100.0, 100.0, 0.0)
