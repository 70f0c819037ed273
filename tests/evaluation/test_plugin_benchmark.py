"""A benchmark that a plugin registers works in everything, since all other code asks the benchmark."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gartk.cli.main import main
from gartk.errors import ConfigError, DataError
from gartk.evaluation.benchmarks.base import benchmark_names, build_benchmark
from gartk.evaluation.by_name import build_judge
from gartk.evaluation.item import Item, asked, token_limit
from gartk.evaluation.judgements import judgements_of
from gartk.evaluation.judges.chat_judge import ChatJudge
from gartk.evaluation.models.base import Answer, ModelUnderTest
from gartk.evaluation.models.chat import ChatModel, ChatReply
from gartk.evaluation.models.item_view import ItemView
from gartk.evaluation.report.files import save
from gartk.evaluation.results import read_results
from gartk.evaluation.run import RunSettings, Selection, run_model, run_replay
from gartk.evaluation.score import read_items, score_files
from gartk.evaluation.statistics.agreement import agree, headline_scores
from gartk.evaluation.statistics.item_scores import item_scores
from gartk.evaluation.statistics.stability import stability
from gartk.registry import BENCHMARKS
from tests.evaluation.colours import KEY, registered, write_colours

for package in ("jinja2", "scipy"):
    pytest.importorskip(package, reason="needs the extra 'eval'")
NAME = "acme-colours"
SAID = ("a red one", "blue", None, "red")


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    with registered():
        yield


class Painter(ModelUnderTest):
    """A model under test that says what it is told to say."""

    name = "painter"

    def about(self) -> dict[str, Any]:
        return {"model": self.name}

    def reply(self, view: ItemView, *, max_new_tokens: int) -> ChatReply:
        return ChatReply(None, "it is asked by items")

    def answers(self, items: Sequence[Item], *, max_new_tokens: Any, **_: Any) -> Iterator[Answer]:
        for item in items:
            assert asked(item) == "Which colour? One word."
            assert token_limit(max_new_tokens, item) == 4
            yield Answer(item, SAID[int(item.id)], "silent")


class Critic(ChatModel):
    """A judge that sees pictures, and takes a colour for right that names the right word."""

    name = "critic"

    def __init__(self) -> None:
        self.asked: list[Sequence[Any]] = []

    def about(self) -> dict[str, Any]:
        return {"kind": "critic"}

    def reply(self, parts: Sequence[Any], *, system: str = "", max_new_tokens: int) -> ChatReply:
        self.asked.append(parts)
        said, _, right = str(parts[-1]).removeprefix("Is ").partition(" the same as ")
        return ChatReply("yes" if right.rstrip("?") in said else "hm")


def order(root: Path, folder: Path, **options: Any) -> RunSettings:
    return RunSettings(NAME, folder, data=str(root), **options)


def test_it_is_built_by_its_short_and_by_its_registered_name() -> None:
    assert benchmark_names()[NAME] == (KEY, {})
    assert build_benchmark(NAME).name == build_benchmark(KEY).name == NAME
    with pytest.raises(ConfigError, match="no benchmark 'acme-color'.*Did you mean 'acme-colours'"):
        build_benchmark("acme-color")
    BENCHMARKS.register(dict, name="acme.Dict")
    try:
        with pytest.raises(ConfigError, match=r"acme\.Dict \(builtins\.dict\) is no Benchmark"):
            build_benchmark("acme.Dict")
    finally:
        BENCHMARKS.unregister("acme.Dict")


def test_a_run_asks_judges_scores_draws_and_is_read_back(tmp_path: Path) -> None:
    write_colours(tmp_path / "root")
    critic = Critic()
    done = run_model(
        order(tmp_path / "root", tmp_path / "run", max_missing=50, resamples=50),
        Painter,
        lambda: ChatJudge(critic),
    )
    assert [np.ndim(parts[0]) for parts in critic.asked] == [3] * 3
    variants = done.results.summary["variants"]
    assert variants["word"]["overall"]["text"] == "2/4 = 50.0 % (1 missing)"
    assert variants["word"]["tasks"]["light"]["text"] == "1/2 = 50.0 % (1 missing)"
    assert variants["judged"]["overall"]["text"] == "2/4 = 50.0 % (1 missing)"
    low, high = variants["word"]["overall"]["interval"]
    assert 0 <= low < 50 < high <= 100
    paths = save(done.results, done.benchmark, tmp_path / "run", find_image=done.find_image)
    assert [path.suffix for path in paths] == [".json", ".md", ".html", ".json"]
    back = read_results(paths[0])
    assert [item.scores for item in back.records[1:3]] == [
        {"word": 0.0, "judged": 0.0}, {"word": None, "judged": None},
    ]  # fmt: skip
    assert back.summary == json.loads(json.dumps(done.results.summary))
    page = paths[2].read_text()
    assert page.count("<article") == 4
    assert "colours/1" in page and "data:image/jpeg" in page
    again = score_files(NAME, [str(paths[3])])
    assert again["variants"]["word"]["overall"]["text"] == "2/4 = 50.0 % (1 missing)"
    assert again["variants"]["judged"]["overall"]["hits"] == 2


def test_recorded_outputs_are_scored_completed_and_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = write_colours(tmp_path / "one", ("red", "green", "blue", "blue"), verdict="yes")
    two = write_colours(tmp_path / "two", ("red", "blue", "red", "blue"), verdict="no")
    report = score_files(NAME, [str(one)], resamples=100, against=[str(two)])
    assert (report["records"], report["published_records"]) == (4, 4)
    word = report["comparison"]["word"]
    assert (word["first"], word["second"], word["only_first"], word["test"]) == (75, 25, 2, "McNemar, exact")
    assert main(["eval", "score", NAME, "--records", str(one), "--intervals", "50"]) == 0
    assert "acme-colours" in capsys.readouterr().out
    part = [json.loads(one.read_text())[0]]
    (tmp_path / "part.json").write_text(json.dumps(part))
    whole = score_files(NAME, [str(tmp_path / "part.json")], [str(two)])
    assert whole["variants"]["word"]["overall"]["text"] == "1/4 = 25.0 % (3 missing)"
    done = run_replay(order(tmp_path / "one", tmp_path / "replay"), [str(one)])
    assert done.results.summary["variants"]["judged"]["overall"]["hits"] == 4


def test_recorded_and_ruled_verdicts_are_given_again_and_agreement_is_counted(tmp_path: Path) -> None:
    benchmark = build_benchmark(NAME)
    path = write_colours(tmp_path / "one", ("red", "a green", "blue", "blue"), verdict="yes")
    items, _ = read_items(benchmark, [str(path)])
    replayed = build_judge("replay", {"files": [str(path)]}).judge(items, benchmark=benchmark)
    assert [judgements_of(item)[0]["verdict"]["strict"] for item in replayed] == ["yes"] * 4
    ruled = build_judge("rules").judge(items, benchmark=benchmark)
    found = agree(benchmark, replayed, ruled)
    assert (found.both, found.same) == (4, 2)
    assert headline_scores(benchmark, {"a": replayed, "b": ruled}) == {"a": 100.0, "b": 50.0}
    spread = stability({"a": item_scores(benchmark, items)}, parts=2, seeds=20).models["a"]
    assert spread.full == 75.0
    other = write_colours(tmp_path / "two", ("green", "green", "blue", "blue"), verdict="yes")
    judged = build_judge("replay", {"files": [str(other)]}).judge(items[:1], benchmark=benchmark)
    assert judgements_of(judged[0])[0]["problem"] == "the recorded verdict is about another prediction"


def test_what_it_has_not_is_refused_by_name(tmp_path: Path) -> None:
    write_colours(tmp_path / "root")
    with pytest.raises(ConfigError, match="acme-colours has no options to rotate"):
        run_model(order(tmp_path / "root", tmp_path / "a", selection=Selection(circular=True)), Painter)
    with pytest.raises(DataError, match=r"has no colours\.json. Get it from acme"):
        build_benchmark(NAME).load(tmp_path)
    with pytest.raises(DataError, match="no prompt"):
        asked(Item(NAME, "1"))


def test_many_items_have_their_intervals_at_once(tmp_path: Path) -> None:
    from gartk.evaluation.statistics.bootstrap import score_intervals

    benchmark = build_benchmark(NAME)
    rng = np.random.default_rng(0)
    items = [
        Item(
            NAME, str(n), task="ab"[n % 2], reference="red", prediction=("red", "blue")[int(rng.integers(2))]
        )
        for n in range(400)
    ]
    share = np.mean([item.prediction == "red" for item in items])
    low, high = score_intervals(benchmark, items)["word", "overall"]
    assert high - low == pytest.approx(100 * 2 * 1.96 * np.sqrt(share * (1 - share) / 400), rel=0.1)


def test_a_benchmark_drawn_in_memory_runs_like_one_with_files(tmp_path: Path) -> None:
    arguments = {
        "items_per_task": 2,
        "tasks": ["color", "caption_simple"],
        "dataset": {"type": "RegionWorldDataset", "split": "test", "size": (96, 96)},
    }

    class Parrot(Painter):
        def answers(self, items: Sequence[Item], *, max_new_tokens: Any, **_: Any) -> Iterator[Answer]:
            for item in items:
                assert token_limit(max_new_tokens, item) == (16 if item.task == "color" else 64)
                yield Answer(item, item.reference)

    done = run_model(RunSettings("region-world", tmp_path, arguments=arguments, resamples=20), Parrot)
    assert done.results.info["subset"] == "all 4 items"
    assert done.results.summary["accuracy"]["color"]["correct"] == 2
    assert done.results.summary["variants"]["correct"]["overall"]["interval"] == [100.0, 100.0]
    paths = save(done.results, done.benchmark, tmp_path, find_image=done.find_image)
    page = paths[2].read_text()
    assert page.count("<article") == 4
    assert "without their image" not in page
    assert "| color | 2/2 | 100.0 |" in paths[1].read_text()
    again = run_replay(RunSettings("region-world", tmp_path / "again", arguments=arguments), [str(paths[3])])
    assert again.results.summary["accuracy"] == done.results.summary["accuracy"]
