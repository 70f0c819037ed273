"""Evaluating a model on RegionWorld: the right items, the right scores, in the right order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

from gartk.data.world.tasks.catalogue import EVALUATION_TASKS, TASKS
from gartk.errors import ConfigError, DataError
from gartk.evaluation.benchmarks.base import Benchmark
from gartk.evaluation.benchmarks.region_world import RegionWorldBenchmark
from gartk.evaluation.item import Item, asked
from gartk.evaluation.pictures import item_regions
from gartk.evaluation.results import read_results
from gartk.evaluation.test_data import answer_items, build_test, print_results, run_test
from gartk.inference.batching import Reply
from gartk.models.region_vlm import Generated, RegionVLM
from gartk.registry import BENCHMARKS, MODELS
from gartk.structures import Sample
from gartk.testing.toy import toy_model

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
    references: dict[str, str] = {}
    load = RegionWorldBenchmark.load

    def noting(benchmark: RegionWorldBenchmark, root: Path) -> list[Item]:
        items = load(benchmark, root)
        references.update((item.id, item.reference) for item in items)
        return items

    monkeypatch.setattr(RegionWorldBenchmark, "load", noting)

    def answer(_model: Any, samples: Iterable[Sample], **_: Any) -> Iterator[tuple[Sample, Reply]]:
        for sample in samples:
            yield sample, Reply(Generated((instead or [references[sample.id]])[0], 2, True), 0.01)

    monkeypatch.setattr("gartk.inference.batching.answer_samples", answer)
    return instead


def run(model: Any, benchmark: Any, **options: Any) -> Any:
    return run_test(model, benchmark, **options)


# ------------------------------------------------------------------ the benchmark


def test_every_task_has_as_many_items_and_every_letter_as_many_answers() -> None:
    benchmark = RegionWorldBenchmark(dataset=DATASET, items_per_task=4)
    items = benchmark.load(Path())
    assert len(items) == benchmark.size == 36
    assert Counter(item.task for item in items) == dict.fromkeys(EVALUATION_TASKS, 4)
    colours = [item.reference for item in items if item.task == "color"]
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


def test_an_item_shows_the_scene_and_the_regions_that_were_drawn() -> None:
    benchmark = RegionWorldBenchmark(dataset=DATASET, items_per_task=1, tasks=["relation", "caption_simple"])
    find = benchmark.find_image(Path())
    for place, item in enumerate(benchmark.load(Path())):
        sample = benchmark._dataset[place]
        assert np.array_equal(find(item), sample.image)
        regions = item_regions(item.masks, sample.image.shape[:2])
        assert len(regions) == len(sample.regions)
        assert all(np.array_equal(a.mask, b.mask) for a, b in zip(regions, sample.regions, strict=True))
        assert asked(item) == sample.turns[0].text
    stranger = Item("RegionWorld", "test-9-9")
    assert find(stranger) is None


def test_every_registered_benchmark_is_one() -> None:
    for name in BENCHMARKS.names():
        assert isinstance(BENCHMARKS.build({"type": name}), Benchmark), name


def test_test_data_names_the_benchmark() -> None:
    benchmark = build_test({"test_data": {"dataset": DATASET, "items_per_task": 2}})
    assert (benchmark.name, benchmark.size) == ("RegionWorld", 18)
    assert build_test({"test_data": {"type": "GARVQABenchmark"}}).name == "gar-vqa"
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
    assert [benchmark.max_tokens_of(item) for item in benchmark.load(Path())] == [3, 40, 3, 40]


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
    print_results(RegionWorldBenchmark(dataset=DATASET), results, console)
    colour, caption = (line for line in console.export_text().splitlines() if "4/4" in line)
    assert all(part in colour for part in ("color", "100.0", "25.0", "lenient 100.0"))
    assert "attributes 100.0, relation 100.0" in caption


def test_an_item_whose_image_is_not_there_is_refused(model: RegionVLM) -> None:
    benchmark = RegionWorldBenchmark(dataset=DATASET, items_per_task=1, tasks=["color"])
    with pytest.raises(DataError, match="RegionWorld item test-0-0: the image  is not there"):
        answer_items(model, benchmark, benchmark.load(Path()), lambda _: None)
