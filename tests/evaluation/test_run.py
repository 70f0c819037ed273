"""A run asks what is missing and nothing else, keeps its reasons, and withholds scores that mean little."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gartk.errors import ConfigError, DataError
from gartk.evaluation.asking import Progress, judge_items
from gartk.evaluation.asking import ask as ask_model
from gartk.evaluation.benchmarks.base import Benchmark, build_benchmark
from gartk.evaluation.item import Item
from gartk.evaluation.journal import Journal
from gartk.evaluation.judgements import JudgeReply
from gartk.evaluation.judges.base import Judge
from gartk.evaluation.missing import Missing, withheld_because
from gartk.evaluation.models.base import Answer, ModelUnderTest
from gartk.evaluation.models.chat import ChatReply
from gartk.evaluation.models.item_view import ItemView
from gartk.evaluation.report.files import markdown, save
from gartk.evaluation.results import Results, read_results
from gartk.evaluation.run import RunSettings, Selection, run_model, run_replay, sum_up
from gartk.evaluation.tables import score_table
from gartk.testing.benchmark_files import rle, write_json
from tests.support.gar_bench import write_gar_bench


class Stub(ModelUnderTest):
    """A model that knows the answers, and fails where it is told to."""

    def __init__(self, failing: Sequence[str] = (), says: str | None = None) -> None:
        self.name = "stub"
        self.failing = set(failing)
        self.says = says
        self.seen: list[str] = []

    def about(self) -> dict[str, Any]:
        return {"kind": "stub"}

    def reply(self, view: ItemView, *, max_new_tokens: int) -> ChatReply:
        return ChatReply(None, "it is asked by items")

    def answers(self, items: Sequence[Item], **_: Any) -> Iterator[Answer]:
        for item in items:
            self.seen.append(item.id)
            if item.id in self.failing:
                yield Answer(item, None, "HTTP 500", 0.1, {"tries": 3})
            else:
                yield Answer(item, self.says or item.reference, "", 0.1, {"tries": 1})


class Nodding(Judge):
    """A judge that says True, and is silent about what it is told to be silent about."""

    name = "nodding"

    def __init__(self, silent: Sequence[str] = ()) -> None:
        self.silent = set(silent)
        self.seen: list[str] = []

    def about(self) -> dict[str, Any]:
        return {"kind": "nodding"}

    def replies(self, item: Item, **_: Any) -> list[JudgeReply]:
        self.seen.append(item.id)
        return [JudgeReply("p/1", None, "no") if item.id in self.silent else JudgeReply("p/1", "True")]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_gar_bench(tmp_path / "root", count=6)
    masks = [rle((1, 1, 9, 9))]
    captions = [
        {"image": f"images/vqa_{n}.png", "mask_rles": masks, "question": "Q?", "answer": "It is."}
        for n in range(6)
    ]
    write_json(tmp_path / "root" / "gar_bench" / "GAR-Bench-Caption-Simple.json", captions)
    return tmp_path / "root"


@pytest.fixture
def vqa() -> Benchmark:
    return build_benchmark("gar-vqa")


def ask(root: Path, folder: Path, stub: Stub, *, resume: bool = False, **options: Any) -> list[Item]:
    benchmark = build_benchmark("gar-vqa")
    with Journal(folder / "journal.jsonl", about={}, resume=resume) as journal:
        return ask_model(
            benchmark.load(root),
            stub,
            journal,
            find_image=benchmark.find_image(root),
            max_new_tokens=4,
            **options,
        )


def test_a_continued_run_asks_only_what_has_no_answer_yet(root: Path, tmp_path: Path) -> None:
    first = Stub()
    items = ask(root, tmp_path, first)
    assert [item.prediction for item in items] == [item.reference for item in items]
    lines = (tmp_path / "journal.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "journal.jsonl").write_text("".join(lines[:3]))  # a head and two answers
    second = Stub(says="?")
    again = ask(root, tmp_path, second, resume=True)
    assert second.seen == first.seen[2:]
    assert [item.prediction for item in again] == [items[0].prediction, items[1].prediction, *"????"]


def test_a_failed_item_is_missing_with_its_reason_and_asked_again_only_on_demand(
    root: Path, tmp_path: Path
) -> None:
    bad = "images/vqa_3.png"
    items = {item.id: item for item in ask(root, tmp_path, Stub([bad]))}
    assert items[bad].prediction is None
    assert items[bad].extra["problem"] == "HTTP 500"
    assert "problem" not in items["images/vqa_0.png"].extra
    idle = Stub()
    ask(root, tmp_path, idle, resume=True)
    assert idle.seen == []
    items = {item.id: item for item in ask(root, tmp_path, Stub(), resume=True, retry_missing=True)}
    assert (items[bad].prediction, items[bad].extra.get("problem")) == (items[bad].reference, None)


def test_an_item_without_its_image_is_not_asked_and_counted_apart(root: Path, tmp_path: Path) -> None:
    (root / "gar_bench" / "images" / "vqa_2.png").unlink()
    stub = Stub(["images/vqa_1.png"])
    items = ask(root, tmp_path, stub)
    assert "images/vqa_2.png" not in stub.seen
    missing = Missing.of(build_benchmark("gar-cap-simple"), items)
    assert (missing.total, missing.answers, missing.no_image) == (6, 2, 1)
    assert missing.reasons == {"HTTP 500": 1}
    assert missing.percent == pytest.approx(100 / 3)
    assert missing.lines() == [
        "missing answers: 2/6 = 33.3 %", "images that are not there: 1", "  1 x HTTP 500"
    ]  # fmt: skip
    assert Missing.from_json(json.loads(json.dumps(missing.to_json()))) == missing


def test_an_answer_to_another_prompt_does_not_count(root: Path, tmp_path: Path) -> None:
    ask(root, tmp_path, Stub())
    path = root / "gar_bench" / "GAR-Bench-VQA.json"
    records = json.loads(path.read_text())
    records[4]["question"] = "Something else?"
    path.write_text(json.dumps(records))
    stub = Stub()
    ask(root, tmp_path, stub, resume=True)
    assert stub.seen == ["images/vqa_4.png"]


def test_a_watcher_is_told_what_is_done_already(root: Path, tmp_path: Path) -> None:
    told: list[Any] = []
    watcher = Progress(lambda *event: told.append(event), lambda said: told.append(said))
    ask(root, tmp_path, Stub(["images/vqa_1.png"]), progress=watcher)
    assert told == [("asking", 6, 0), True, False, True, True, True, True]
    told.clear()
    ask(root, tmp_path, Stub(), resume=True, progress=watcher)
    assert told == [("asking", 6, 6)]


# ------------------------------------------------------------------ the judge


def judged(
    root: Path, folder: Path, by: Nodding, *, resume: bool, says: str = "It is.", **options: Any
) -> list[Item]:
    benchmark = build_benchmark("gar-cap-simple")
    items = [replace(item, prediction=says) for item in benchmark.load(root)]
    items[5] = replace(items[5], prediction=None)
    with Journal(folder / "journal.jsonl", about={}, resume=resume) as journal:
        return judge_items(benchmark, items, by, journal, find_image=benchmark.find_image(root), **options)


def test_verdicts_are_kept_and_only_missing_ones_are_asked_for(root: Path, tmp_path: Path) -> None:
    first, second, third = Nodding(), Nodding(), Nodding()
    items = judged(root, tmp_path, first, resume=False)
    assert len(first.seen) == 5  # the sixth has no caption
    again = judged(root, tmp_path, second, resume=True)
    assert second.seen == []
    assert again == items
    assert [item.replies for item in again[4:]] == [{"judge": "True", "nodding": "True"}, {}]
    judged(root, tmp_path, third, resume=True, says="Another caption.")
    assert len(third.seen) == 5


def test_a_missing_verdict_is_counted_and_asked_again_on_demand(root: Path, tmp_path: Path) -> None:
    items = judged(root, tmp_path, Nodding(["images/vqa_1.png"]), resume=False)
    missing = Missing.of(build_benchmark("gar-cap-simple"), items)
    assert (missing.judged, missing.verdicts, missing.answers) == (5, 1, 1)
    assert missing.reasons == {"not said": 1, "judge: no": 1}
    again = Nodding()
    items = judged(root, tmp_path, again, resume=True, retry_missing=True)
    assert Missing.of(build_benchmark("gar-cap-simple"), items).verdicts == 0
    assert again.seen == ["images/vqa_1.png"]


# ------------------------------------------------------------------ scores


def test_above_the_limit_a_score_is_withheld_and_below_it_stands_beside_what_is_missing(
    root: Path, tmp_path: Path, vqa: Benchmark
) -> None:
    items = ask(root, tmp_path, Stub(["images/vqa_1.png"]))
    withheld = sum_up(vqa, items, info={}, seconds=0.0)
    assert withheld.summary == {}
    assert withheld.info["withheld"].startswith("16.7 % is missing and at most 2 % may be")
    assert withheld.info["missing"]["reasons"] == {"HTTP 500": 1}
    shown = sum_up(vqa, items, info={}, seconds=0.0, max_missing=20)
    assert "withheld" not in shown.info
    assert shown.summary["variants"]["strict"]["overall"]["text"] == "5/6 = 83.3 % (1 missing)"
    assert withheld_because(Missing(100, 2, 0), 2.0) == ""
    assert withheld_because(Missing(100, 0, 0, judged=10, verdicts=1), 2.0)


def test_results_come_back_from_their_file_and_the_outputs_score_the_same(
    root: Path, tmp_path: Path, vqa: Benchmark
) -> None:
    pytest.importorskip("jinja2", reason="needs the extra 'eval'")
    items = ask(root, tmp_path, Stub(says="A"))
    results = sum_up(vqa, items, info={"model": "stub"}, seconds=1.5)
    paths = save(results, vqa, tmp_path / "out", find_image=vqa.find_image(root))
    assert [path.name for path in paths] == ["results.json", "results.md", "results.html", "outputs.json"]
    back = read_results(paths[0])
    assert back == Results(back.benchmark, results.records, results.summary, 1.5, results.info)
    again = run_replay(RunSettings("gar-vqa", tmp_path / "again", data=str(root)), [str(paths[3])])
    assert again.results.summary == results.summary


def test_intervals_stand_with_the_scores_on_request(root: Path, tmp_path: Path, vqa: Benchmark) -> None:
    pytest.importorskip("scipy", reason="needs the extra 'eval'")
    items = ask(root, tmp_path, Stub(says="A"))
    results = sum_up(vqa, items, info={}, seconds=0.0, resamples=50)
    assert "interval" in results.summary["variants"]["strict"]["overall"]


def test_markdown_lays_rules_side_by_side_and_cannot_be_broken_by_text() -> None:
    variants = {
        "strict": {"overall": {"text": "1/2 = 50.0 %"}},
        "lenient": {"overall": {"text": "2/2"}, "x": {"text": "y"}},
    }
    none = {"right": 0, "strict": 0, "lenient": 0}
    summary = {"variants": variants, "letters": {"A": {"right": 1, "strict": 2, "lenient": 3}, "": none}}
    missing = Missing(2, 1, 0, reasons={"a | b\nc": 1}).to_json()
    text = markdown(
        build_benchmark("gar-vqa"),
        Results("b", [], summary, 0.0, {"model": "m | x\n# y", "missing": missing}),
    )
    assert "| score | strict | lenient |" in text
    assert "| overall | 1/2 = 50.0 % | 2/2 |" in text
    assert "| x |  | y |" in text
    assert "| (none) | 0 | 0 | 0 |" in text
    assert "- model: m \\| x # y\n" in text
    assert "\n# y" not in text
    assert score_table({}).markdown() == ["| score |", "|---|"]
    withheld = markdown(
        build_benchmark("gar-vqa"), Results("b", [], {}, 0.0, {"missing": missing, "withheld": "no score"})
    )
    assert "**no score**" in withheld and "| score" not in withheld


# ------------------------------------------------------------------ whole runs


def order(root: Path, folder: Path, benchmark: str = "gar-vqa", **options: Any) -> RunSettings:
    return RunSettings(benchmark, folder, data=str(root), **options)


def test_a_run_with_a_limit_can_be_carried_on_to_the_whole(root: Path, tmp_path: Path) -> None:
    stubs: list[Stub] = []

    def build() -> Stub:
        stubs.append(Stub())
        return stubs[-1]

    part = run_model(order(root, tmp_path / "r", selection=Selection(limit=2)), build)
    assert len(part.results.records) == 2
    assert part.results.info["subset"] == "2 of 424 items (the first ones): not the benchmark's score"
    with pytest.raises(DataError, match="earlier run"):
        run_model(order(root, tmp_path / "r"), build)
    run_model(order(root, tmp_path / "r", resume=True), build)
    assert len(stubs[2].seen) == 4


def test_only_items_with_images_and_rotated_options_can_be_chosen(root: Path, tmp_path: Path) -> None:
    (root / "gar_bench" / "images" / "vqa_0.png").unlink()
    choice = Selection(only_with_images=True, circular=True)
    done = run_model(order(root, tmp_path / "r", selection=choice), lambda: Stub(says="A"))
    assert len(done.results.records) == 5 * 4
    assert done.results.info["subset"].startswith("5 of 424 items (those whose image is there)")
    rotations = done.results.summary["variants"]["strict"]["rotations"]
    assert (rotations["circular"]["hits"], rotations["circular"]["total"], rotations["plain"]["hits"]) == (
        0,
        5,
        1,
    )
    assert sum(counts["right"] for counts in done.results.summary["letters"].values()) == 5


def test_a_judged_benchmark_says_that_it_needs_a_judge_and_the_others_that_they_need_none(
    root: Path, tmp_path: Path
) -> None:
    done = run_model(order(root, tmp_path / "a", "gar-cap-simple"), lambda: Stub())
    assert done.results.info["notes"] == ["this benchmark is scored by a judge; name one with --judge"]
    whole = run_model(order(root, tmp_path / "b", "gar-cap-simple"), lambda: Stub(), Nodding)
    assert whole.results.summary["variants"]["published"]["simple"]["text"] == "6/6 = 100.0 %"
    assert (whole.results.info["judge"], whole.results.info["notes"]) == ("nodding", [])
    with pytest.raises(ConfigError, match="gar-vqa is scored without a judge"):
        run_model(order(root, tmp_path / "c"), lambda: Stub(), Nodding)
    with pytest.raises(ConfigError, match="encoder"):
        run_model(order(root, tmp_path / "c", arguments={"encoder": "x"}), lambda: Stub())


def test_recorded_outputs_can_be_judged_anew(root: Path, tmp_path: Path) -> None:
    records = json.loads((root / "gar_bench" / "GAR-Bench-Caption-Simple.json").read_text())
    said = [{**record, "model_output": "x", "eval_result": "False"} for record in records]
    path = write_json(tmp_path / "recorded.json", said)
    recorded = run_replay(order(root, tmp_path / "a", "gar-cap-simple"), [str(path)])
    assert recorded.results.summary["variants"]["published"]["simple"]["hits"] == 0
    anew = run_replay(order(root, tmp_path / "b", "gar-cap-simple"), [str(path)], judge=Nodding)
    assert anew.results.summary["variants"]["published"]["simple"]["hits"] == 6


NOTHING = [
    (Selection(limit=0), "--limit must be at least 1"),
    (Selection(only_with_images=True), "No item is left"),
]


@pytest.mark.parametrize(("choice", "says"), NOTHING)
def test_a_choice_of_nothing_is_an_error(root: Path, tmp_path: Path, choice: Selection, says: str) -> None:
    for path in (root / "gar_bench" / "images").iterdir():
        path.unlink()
    with pytest.raises(ConfigError, match=says):
        run_model(order(root, tmp_path / "r", selection=choice), lambda: Stub())
