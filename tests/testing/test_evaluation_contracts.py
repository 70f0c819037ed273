"""Every registered chat model, model under test and judge keeps its contract; broken ones are found."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gartk.evaluation.benchmarks.base import Benchmark, build_benchmark
from gartk.evaluation.item import Item
from gartk.evaluation.judgements import JudgeReply
from gartk.evaluation.judges.base import Judge
from gartk.evaluation.judges.rules import RulesJudge
from gartk.evaluation.models.base import Answer, ModelUnderTest
from gartk.evaluation.models.chat import ChatModel, ChatReply
from gartk.evaluation.models.item_view import ItemView
from gartk.registry import CHAT_MODELS, JUDGES, MODELS_UNDER_TEST
from gartk.testing.contracts import ContractViolation, check_chat_model, check_judge, check_model_under_test
from gartk.testing.evaluation_contract import captions
from tests.support.chat_server import chat_server, texts_of
from tests.support.toy_chat_model import save_toy_chat_model

# ------------------------------------------------------------------ every registered name


@pytest.fixture(scope="module")
def arguments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, Any]]]:
    """What each registered name is built with."""
    pytest.importorskip("openai", reason="needs the extra 'eval'")
    folder = tmp_path_factory.mktemp("chat")
    save_toy_chat_model(folder / "model")
    judged = [replace(item, replies={"judge": "True"}) for item in captions() if item.prediction]
    recorded = build_benchmark("gar-cap").publish(judged)
    (folder / "judged.json").write_text(json.dumps(recorded), encoding="utf-8")
    with chat_server(lambda request: f"A {texts_of(request)[0]}") as server:
        yield {
            "OpenAIChatModel": {"model": "stub", "base_url": server.url},
            "TransformersChatModel": {"model": str(folder / "model"), "device": "cpu"},
            "GartkModelUnderTest": {"source": "tiny", "device": "cpu"},
            "ReplayJudge": {"files": str(folder / "judged.json")},
            "RulesJudge": {},
        }


CHECKS: list[tuple[str, Callable[..., None]]] = [
    *((name, check_chat_model) for name in CHAT_MODELS.names()),
    *((name, check_model_under_test) for name in MODELS_UNDER_TEST.names()),
    *((name, check_judge) for name in JUDGES.names()),
]


@pytest.mark.parametrize(("name", "check"), CHECKS, ids=[name for name, _ in CHECKS])
def test_every_registered_name_keeps_its_contract(
    name: str, check: Callable[..., None], arguments: dict[str, dict[str, Any]]
) -> None:
    check({"type": name, **arguments[name]})


# ------------------------------------------------------------------ broken ones


class Good(ChatModel):
    """Repeats the first text."""

    name = "good"

    def about(self) -> dict[str, Any]:
        return {"kind": "good"}

    def reply(self, parts: Sequence[Any], *, system: str = "", max_new_tokens: int) -> ChatReply:
        return ChatReply(str(parts[0]))


class Nameless(Good):
    name = " "


class Secretive(Good):
    def about(self) -> dict[str, Any]:
        return {"path": Path("x")}


class Silent(Good):
    def reply(self, parts: Sequence[Any], *, system: str = "", max_new_tokens: int) -> ChatReply:
        return ChatReply(None)


class Counting(Good):
    count = 0

    def reply(self, parts: Sequence[Any], *, system: str = "", max_new_tokens: int) -> ChatReply:
        self.count += 1
        return ChatReply(str(self.count))


def test_a_good_chat_model_passes_and_one_that_differs_each_time_if_that_is_said() -> None:
    check_chat_model(Good)
    check_chat_model(Counting, same_again=False)


@pytest.mark.parametrize(
    ("part", "says"),
    [
        (Nameless, "A chat model has a name"),
        (Secretive, "about of a chat model is made of JSON"),
        (Silent, "A reply is a text, or None with the problem"),
        (Counting, "Threads get the replies to their own questions"),
        (RulesJudge, "is no ChatModel"),
    ],
)
def test_a_broken_chat_model_is_found(part: type, says: str) -> None:
    with pytest.raises(ContractViolation, match=says):
        check_chat_model(part)


class Model(ModelUnderTest):
    """Says what it is asked."""

    name = "model"

    def about(self) -> dict[str, Any]:
        return {"kind": "model"}

    def reply(self, view: ItemView, *, max_new_tokens: int) -> ChatReply:
        return ChatReply(f"{view.id} {view.question}")


class Dropping(Model):
    """Leaves out what it cannot open."""

    def answers(self, items: Sequence[Item], **options: Any) -> Iterator[Answer]:
        yield from (one for one in super().answers(items, **options) if one.text is not None)


class Guessing(Model):
    """Answers without looking."""

    def answers(self, items: Sequence[Item], **_: Any) -> Iterator[Answer]:
        yield from (Answer(item, "A") for item in items)


class Mixing(Model):
    """Has one place for the question of all threads."""

    def answers(self, items: Sequence[Item], **options: Any) -> Iterator[Answer]:
        given = list(super().answers(items, **options))
        yield from (replace(one, text=one.text and one.text + str(len(given))) for one in given)


class Changing(Model):
    def answers(self, items: Sequence[Item], **options: Any) -> Iterator[Answer]:
        for item in items:
            item.extra["seen"] = True
        return super().answers(items, **options)


def test_a_model_that_says_how_to_reply_passes() -> None:
    check_model_under_test(Model)


@pytest.mark.parametrize(
    ("part", "says"),
    [
        (Dropping, "Every item gets exactly one answer"),
        (Guessing, "whose image is broken has no answer"),
        (Mixing, "Threads get the answers to their own items"),
        (Changing, "Asking leaves the items as they were"),
    ],
)
def test_a_broken_model_under_test_is_found(part: type, says: str) -> None:
    with pytest.raises(ContractViolation, match=says):
        check_model_under_test(part)


class Yes(Judge):
    """Finds everything true."""

    name = "yes"

    def about(self) -> dict[str, Any]:
        return {"kind": "yes"}

    def replies(self, item: Item, **_: Any) -> list[JudgeReply]:
        return [JudgeReply("yes/1", "True")]


class Unsorted(Yes):
    def judge(self, items: Sequence[Item], **options: Any) -> list[Item]:
        return super().judge(items, **options)[::-1]


class Quiet(Yes):
    def judge(self, items: Sequence[Item], *, benchmark: Benchmark, **_: Any) -> list[Item]:
        return super().judge(items, benchmark=benchmark)


class Reasonless(Yes):
    def replies(self, item: Item, **_: Any) -> list[JudgeReply]:
        return [JudgeReply("yes/1", None)]


class Moody(Yes):
    moods = 0

    def replies(self, item: Item, **_: Any) -> list[JudgeReply]:
        self.moods += 1
        return [JudgeReply("yes/1", str(self.moods % 7 == 1))]


class Lazy(Yes):
    def replies(self, item: Item, **_: Any) -> list[JudgeReply]:
        return []


def test_a_good_judge_passes() -> None:
    check_judge(Yes)
    check_judge(Moody, same_again=False)


@pytest.mark.parametrize(
    ("part", "says"),
    [
        (Unsorted, "come back in their order"),
        (Quiet, "on_item is told of each judged item once"),
        (Reasonless, "is a text, or None with the problem"),
        (Moody, "A verdict is the same in any order"),
        (Lazy, "A judged item has judgements by 'yes'"),
    ],
)
def test_a_broken_judge_is_found(part: type, says: str) -> None:
    with pytest.raises(ContractViolation, match=says):
        check_judge(part)
