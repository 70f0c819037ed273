"""A command line names models and judges, a plugin's among them, and gives them arguments."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from gartk.cli.main import main
from gartk.errors import CheckpointError, ConfigError
from gartk.evaluation.benchmarks.base import Benchmark
from gartk.evaluation.by_name import build_judge, build_model_under_test, short_names
from gartk.evaluation.item import Item
from gartk.evaluation.judgements import JudgeReply
from gartk.evaluation.judges.base import Judge
from gartk.evaluation.judges.chat_judge import ChatJudge
from gartk.evaluation.models.base import ModelUnderTest
from gartk.evaluation.models.chat import ChatModel, ChatReply
from gartk.evaluation.models.chat_under_test import ChatModelUnderTest
from gartk.evaluation.models.gartk_model import GartkModelUnderTest
from gartk.evaluation.models.item_view import ItemView
from gartk.evaluation.pictures import ImageFinder
from gartk.evaluation.results import read_results
from gartk.registry import CHAT_MODELS, JUDGES, MODELS_UNDER_TEST, PartRegistry
from gartk.testing.benchmark_files import rle, write_json
from tests.evaluation.benches import judged_by
from tests.evaluation.judges.cases import CAP_SIMPLE
from tests.support.gar_bench import write_gar_bench


class StarModelUnderTest(ModelUnderTest):
    """Says one word about every item."""

    def __init__(self, word: str, *, times: int = 1) -> None:
        self.name, self.word, self.times = "star", word, times

    def about(self) -> dict[str, Any]:
        return {"kind": "star", "word": self.word, "times": self.times}

    def reply(self, view: ItemView, *, max_new_tokens: int) -> ChatReply:
        assert view.regions and view.pixels.ndim == 3
        return ChatReply(" ".join([self.word] * self.times))


class StarJudge(Judge):
    """Finds true what is longer than its argument."""

    def __init__(self, *, longer_than: int, name: str = "star judge") -> None:
        self.name, self.longer_than = name, longer_than

    def about(self) -> dict[str, Any]:
        return {"kind": "star", "longer_than": self.longer_than}

    def replies(
        self, item: Item, *, benchmark: Benchmark, find_image: ImageFinder | None
    ) -> list[JudgeReply]:
        return [JudgeReply("star/1", str(len(item.prediction or "") > self.longer_than))]


class StarChatModel(ChatModel):
    """Says what it is built with."""

    def __init__(self, says: str, *, name: str = "star chat", loud: bool = False) -> None:
        self.name, self.says = name, says.upper() if loud else says

    def about(self) -> dict[str, Any]:
        return {"kind": "star chat", "says": self.says}

    def reply(self, parts: Sequence[Any], *, system: str = "", max_new_tokens: int) -> ChatReply:
        return ChatReply(self.says)


PLUGIN: list[tuple[PartRegistry, Any]] = [
    (MODELS_UNDER_TEST, StarModelUnderTest),
    (JUDGES, StarJudge),
    (CHAT_MODELS, StarChatModel),
]


@pytest.fixture(autouse=True)
def plugin() -> Iterator[None]:
    for registry, part in PLUGIN:
        registry.register(part, name=f"acme.{part.__name__}")
    yield
    for registry, part in PLUGIN:
        registry.unregister(f"acme.{part.__name__}")


def test_names_are_registered_ones_or_those_without_their_role() -> None:
    assert set(short_names(CHAT_MODELS)) == {"openai", "transformers", "acme.star"}
    assert set(short_names(JUDGES)) == {"replay", "rules", "acme.star"}
    assert set(short_names(MODELS_UNDER_TEST)) == {"gartk", "acme.star"}


def test_a_chat_model_serves_in_both_roles() -> None:
    model = build_model_under_test("acme.StarChatModel:yes", {"loud": True}, system="be brief")
    judge = build_judge("acme.StarChatModel:True", {"name": "oracle"})
    assert isinstance(model, ChatModelUnderTest) and isinstance(judge, ChatJudge)
    assert model.about() == {"kind": "star chat", "says": "YES", "input_type": 1, "system": "be brief"}
    assert judged_by(judge, [CAP_SIMPLE])[0].replies == {} and judge.name == "oracle"
    texts = build_judge(
        "openai:o3", {"base_url": "http://127.0.0.1:9/v1", "temperature": None}, offer={"tries": 2}
    )
    assert (texts.about()["temperature"], texts.about()["model"]) == (None, "o3")


def test_what_is_no_name_is_loaded_by_gartk() -> None:
    assert isinstance(
        build_model_under_test("tiny", offer={"device": "cpu", "threads": 3}), GartkModelUnderTest
    )
    assert build_model_under_test("gartk:tiny", {"device": "cpu"}).name == "tiny"
    with pytest.raises(CheckpointError, match="no checkpoint 'tinny'"):
        build_model_under_test("tinny", {"device": "cpu"})


@pytest.mark.parametrize(
    ("spec", "arguments", "says"),
    [
        ("opnai:gpt-4o", {}, "There is no model under test 'opnai'. Did you mean 'openai'"),
        ("acme.StarModelUnderTest", {}, "the model under test lacks an argument .* needs: 'word'"),
        ("acme.StarModelUnderTest:a", {"word": "b"}, "word is given twice, as 'a' and 'b'"),
        ("acme.StarModelUnderTest:a", {"tmes": 2}, "does not take: 'tmes'.\n.*Did you mean 'times'"),
        ("tiny", {"base_url": "x"}, "GartkModelUnderTest does not take: 'base_url'"),
    ],
)
def test_a_wrong_name_or_argument_of_a_model_is_told(spec: str, arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        build_model_under_test(spec, arguments)


@pytest.mark.parametrize(
    ("spec", "arguments", "says"),
    [
        ("rule", {}, "There is no judge 'rule'. Did you mean 'rules'"),
        ("rules:x", {}, "RulesJudge takes no source; leave ':x' out"),
        ("acme.StarJudge", {"longer": 1}, "does not take: 'longer'.*\n.*Accepted: longer_than, name"),
        ("openai:m", {"threads": 0}, "threads must be at least 1"),
    ],
)
def test_a_wrong_name_or_argument_of_a_judge_is_told(spec: str, arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        build_judge(spec, arguments)


def test_what_is_shown_to_chat_models_is_refused_for_others() -> None:
    with pytest.raises(ConfigError, match="is no chat model: leave --input-type, --mark and --system out"):
        build_model_under_test("acme.StarModelUnderTest:x", system="be brief")
    JUDGES.register(object, name="acme.Nothing")
    try:
        with pytest.raises(ConfigError, match="acme.Nothing .* is no Judge; what JUDGES builds"):
            build_judge("acme.Nothing")
    finally:
        JUDGES.unregister("acme.Nothing")


# ------------------------------------------------------------------ the command line


def test_a_plugins_model_and_judge_run_by_name_with_their_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("jinja2", reason="needs the extra 'eval'")
    monkeypatch.setenv("GARTK_CACHE", str(tmp_path / "cache"))
    root, out = tmp_path / "data", tmp_path / "out"
    write_gar_bench(root, count=3)
    captions = [
        {
            "image": f"images/vqa_{n}.png",
            "mask_rles": [rle((1, 1, 9, 9))],
            "question": "Q?",
            "answer": "It is.",
        }
        for n in range(3)
    ]
    write_json(root / "gar_bench" / "GAR-Bench-Caption-Simple.json", captions)
    command = ["gar-cap-simple", "--data", str(root), "--model", "acme.StarModelUnderTest:sea"]
    command += ["--model-arg", "times=3", "--judge", "acme.StarJudge"]
    status = main(
        ["eval", *command, "--judge-arg", "longer_than=5", "--judge-arg", "name=tall", "--out", str(out)]
    )
    assert status == 0, capsys.readouterr().err
    results = read_results(out / "results.json")
    assert [item.prediction for item in results.records] == ["sea sea sea"] * 3
    assert results.summary["variants"]["published"]["simple"]["text"].startswith("3/3")
    assert results.info["run"]["model"] == {"kind": "star", "word": "sea", "times": 3}
    assert (results.info["judge"], results.info["judged_by"]) == ("tall", {"kind": "star", "longer_than": 5})
    head = json.loads((out / "journal.jsonl").read_text().splitlines()[0])
    assert head["about"]["model"] == results.info["run"]["model"]
    # Recorded outputs, judged anew by a chat model of the plugin.
    again = [
        "gar-cap-simple",
        "--data",
        str(root),
        "--replay",
        str(out / "outputs.json"),
        "--out",
        str(tmp_path / "o2"),
    ]
    assert main(["eval", *again, "--judge", "acme.star:False"]) == 0
    results = read_results(tmp_path / "o2" / "results.json")
    assert results.summary["variants"]["published"]["simple"]["text"].startswith("0/3")
    assert results.info["judged_by"] == {"kind": "star chat", "says": "False", "sees_images": True}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--replay", "x.json", "--model-arg", "a=1"], "--model-arg is for a --model, and none is given"),
        (["--model", "tiny", "--judge-arg", "a=1"], "--judge-arg is for a --judge, and none is given"),
    ],
)
def test_arguments_for_nobody_are_refused(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["eval", "gar-vqa", *arguments])
    assert says in capsys.readouterr().err
