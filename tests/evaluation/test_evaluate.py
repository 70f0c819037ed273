"""Evaluating a model on RegionWorld: the right items, the right scores, in the right order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from gartk.data.world.tasks.catalogue import EVALUATION_TASKS, TASKS
from gartk.errors import ConfigError, DataError
from gartk.evaluation.benchmarks.base import Benchmark
from gartk.evaluation.benchmarks.region_world import RegionWorldBenchmark
from gartk.evaluation.configured import build_test
from gartk.evaluation.evaluate import evaluate, run_benchmark
from gartk.evaluation.records import read_results
from gartk.evaluation.report import results_table
from gartk.inference.batching import Reply
from gartk.models.region_vlm import Generated, RegionVLM
from gartk.registry import BENCHMARKS, METRICS, MODELS
from gartk.structures import Sample, Turn
from gartk.testing.toy import toy_model, toy_sample

DATASET = {"type": "RegionWorldDataset", "split": "test", "size": (96, 96)}


@pytest.fixture(scope="module")
def model() -> RegionVLM:
    torch.manual_seed(0)
    built: RegionVLM = MODELS.build(toy_model())
    with torch.no_grad():
        for parameter in built.llm.lm.parameters():
            if parameter.ndim == 2:
                parameter.normal_(std=0.3)
    return built.eval()


@pytest.fixture
def parrot(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace the model by one that gives the reference, or what the test puts in the list."""
    instead: list[str] = []

    def answer(_model: Any, samples: Iterable[Sample], **_: Any) -> Iterator[tuple[Sample, Reply]]:
        for sample in samples:
            yield sample, Reply(Generated((instead or [sample.turns[1].text])[0], 2, True), 0.01)

    monkeypatch.setattr("gartk.evaluation.evaluate.answer_samples", answer)
    return instead


def run(model: Any, benchmark: Any, **options: Any) -> Any:
    return run_benchmark(model, benchmark, metrics=build_test({"test_data": {}})[1], **options)


# ------------------------------------------------------------------ the benchmark


def test_every_task_has_as_many_items_and_every_letter_as_many_answers() -> None:
    benchmark = RegionWorldBenchmark(dataset=DATASET, items_per_task=4)
    samples = list(benchmark.samples())
    assert len(samples) == len(benchmark) == 36
    assert Counter(sample.meta["task"] for sample in samples) == dict.fromkeys(EVALUATION_TASKS, 4)
    assert [len(sample.turns) for sample in samples] == [2] * 36
    colours = [s.turns[1].text for s in samples if s.meta["task"] == "color"]
    assert sorted(colours) == ["A", "B", "C", "D"]


def test_reference_answers_score_full_marks_on_every_task(parrot: list[str]) -> None:
    benchmark = RegionWorldBenchmark(dataset=DATASET, items_per_task=3, tasks=list(TASKS))
    results = run(None, benchmark)
    assert {task: n["accuracy"] for task, n in results.summary["accuracy"].items()} == dict.fromkeys(
        TASKS, 1.0
    )
    assert set(results.summary["scores"]["caption_detailed"]) >= {"attributes", "relation"}


def test_one_letter_for_everything_stays_at_chance(parrot: list[str]) -> None:
    parrot.append("B")
    results = run(
        None, RegionWorldBenchmark(dataset=DATASET, items_per_task=8, tasks=["color", "caption_simple"])
    )
    assert results.summary["accuracy"]["color"]["correct"] == 2
    assert results.summary["letters"]["color"]["said"]["B"] == 8
    assert results.summary["accuracy"]["caption_simple"]["correct"] == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"items_per_task": 0}, "items_per_task must be at least 1"),
        ({"dataset": {**DATASET, "length": 9}}, "may not set length"),
        ({"max_new_tokens": {"captions": 9}}, "no kind 'captions'. Did you mean 'caption'"),
        ({"tasks": ["colour"]}, "no task 'colour'. Did you mean 'color'"),
    ],
)
def test_a_wrong_benchmark_is_named(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        RegionWorldBenchmark(**options)


def test_every_registered_benchmark_and_metric_keeps_its_promise() -> None:
    for name in BENCHMARKS.names():
        assert isinstance(BENCHMARKS.build({"type": name}), (Benchmark, RegionWorldBenchmark)), name
    for name in METRICS.names():
        metric = METRICS.build({"type": name})
        assert isinstance(metric.name, str)
        assert metric([]) == {}, name


def test_test_data_names_benchmark_and_metrics() -> None:
    benchmark, metrics = build_test(
        {"test_data": {"dataset": DATASET, "items_per_task": 2, "metrics": [{"type": "LetterMetric"}]}}
    )
    assert len(benchmark) == 18
    assert [metric.name for metric in metrics] == ["letters"]
    with pytest.raises(ConfigError, match="no test_data"):
        build_test({})
    with pytest.raises(ConfigError, match="test_data.type 'RegionWord' is not registered in BENCHMARKS"):
        build_test({"test_data": {"type": "RegionWord"}})


# ------------------------------------------------------------------ a real model


def test_records_do_not_depend_on_the_batch_size(model: RegionVLM) -> None:
    def records(batch_size: int) -> list[tuple[str, str, str]]:
        tasks = ["color", "relation", "open_shape", "caption_simple"]
        budgets = {"choice": 3, "open": 4, "caption": 5}
        benchmark = RegionWorldBenchmark(
            dataset=DATASET, items_per_task=3, tasks=tasks, batch_size=batch_size, max_new_tokens=budgets
        )
        results = run(model, benchmark)
        limits = {"color": 3, "relation": 3, "open_shape": 4, "caption_simple": 5}
        assert all(r.extra["num_new_tokens"] <= limits[r.task] for r in results.records)
        return [(r.id, r.task, r.prediction or "") for r in results.records]

    alone = records(1)
    assert [task for _, task, _ in alone] == ["color", "relation", "open_shape", "caption_simple"] * 3
    assert len({prediction for *_, prediction in alone}) > 3
    assert records(5) == alone
    assert records(32) == alone


def test_a_reasoned_choice_gets_room_for_its_reasons() -> None:
    dataset = {**DATASET, "choice_answer": "reasoned"}
    budgets = {"choice": 3, "reasoned": 40}
    benchmark = RegionWorldBenchmark(
        dataset=dataset, items_per_task=2, tasks=["color", "relation"], max_new_tokens=budgets
    )
    assert [benchmark.max_new_tokens(sample) for sample in benchmark.samples()] == [3, 40, 3, 40]


def test_results_come_back_from_their_file(model: RegionVLM, tmp_path: Path) -> None:
    benchmark = RegionWorldBenchmark(dataset=DATASET, items_per_task=2, tasks=["color", "caption_simple"])
    seen: list[int] = []
    results = run(model, benchmark, info={"checkpoint": "x"}, on_batch=seen.append)
    assert sum(seen) == 4
    results.save(tmp_path / "sub" / "results.json")
    back = read_results(tmp_path / "sub" / "results.json")
    assert back == results
    assert back.records[0].extra["scene_seed"] == list(benchmark._dataset[0].meta["scene_seed"])
    (tmp_path / "other.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DataError, match="not a results file"):
        read_results(tmp_path / "other.json")


def test_the_table_shows_counts_chance_and_scores(parrot: list[str]) -> None:
    results = run(
        None, RegionWorldBenchmark(dataset=DATASET, items_per_task=4, tasks=["color", "caption_detailed"])
    )
    console = Console(width=150, record=True, file=StringIO())
    console.print(results_table(results))
    colour, caption = (line for line in console.export_text().splitlines() if "4/4" in line)
    assert all(part in colour for part in ("color", "100.0", "25.0", "lenient 100.0"))
    assert "attributes 100.0, relation 100.0" in caption


def test_a_sample_with_several_questions_is_refused(model: RegionVLM) -> None:
    two = toy_sample((56, 56), 1, turns=[("a", "b"), ("c", "d")])
    two.meta["task"] = "color"
    unnamed = Sample(two.image, two.regions, [Turn("user", "a"), Turn("assistant", "b")], id="x")
    for sample in (two, unnamed):
        with pytest.raises(DataError, match=f"{sample.id}.*needs one question, one answer and meta"):
            evaluate(model, [sample], score=lambda *_: {"correct": 0.0}, max_new_tokens=lambda _: 2)
