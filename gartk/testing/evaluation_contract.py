"""The contracts of chat models, models under test and judges."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gartk.evaluation.benchmarks.base import Benchmark, build_benchmark
from gartk.evaluation.item import JUDGE, Item
from gartk.evaluation.judgements import judgements_of
from gartk.evaluation.judges.base import JUDGES, Judge, OnItem
from gartk.evaluation.judges.chat_judge import ChatJudge
from gartk.evaluation.models.base import MODELS_UNDER_TEST, Answer, ModelUnderTest
from gartk.evaluation.models.chat import CHAT_MODELS, ChatReply
from gartk.evaluation.models.chat_under_test import ChatModelUnderTest
from gartk.evaluation.pictures import ImageFinder, in_folder
from gartk.testing.benchmark_files import draw_image, rle
from gartk.testing.checks import PartSpec, build_part, require

_THREADS = 4
_BOX = (6, 5, 30, 40)


def check_chat_model(spec: PartSpec, *, same_again: bool = True, max_new_tokens: int = 8) -> None:
    """Check everything that both roles rely on in a chat model, and then both roles.

    Promises: a reply is a text, or None with the problem; texts, pictures, masks and a system message are
    taken; threads get the replies to their own questions; ``about`` is JSON. As a model under test (where
    it sees pictures) and as a judge it keeps their contracts.

    Args:
        spec: a registered name, a class, or a config with ``type`` and arguments.
        same_again: whether the same question has the same reply every time, as greedy decoding has.
        max_new_tokens: how long replies may be.

    Raises: ContractViolation naming the promise that is broken.
    """
    chat = build_part(CHAT_MODELS, spec)
    _check_named(chat, "chat model")
    pictures: list[Any] = (
        [np.full((24, 32, 3), 90, np.uint8), np.ones((24, 32), bool)] if chat.sees_images else []
    )

    def ask(number: int) -> ChatReply:
        parts = [f"Question {number}: is it so?", *pictures, "Say A or B."]
        return chat.reply(parts, system="Be brief.", max_new_tokens=max_new_tokens)

    said = [ask(number) for number in range(_THREADS)]
    for reply in said:
        require(isinstance(reply, ChatReply), "reply returns a ChatReply.", type(reply).__name__)
        _check_said(reply.text, reply.problem, "A reply")
        _check_json(reply.details, "The details of a reply")
    at_once = _at_once(ask)
    if same_again:
        texts = [reply.text for reply in said]
        require([reply.text for reply in at_once] == texts, "Threads get the replies to their own questions.")
    if chat.sees_images:
        _check_model(ChatModelUnderTest(chat), same_again, max_new_tokens)
    _check_judge(ChatJudge(chat), same_again)


def check_model_under_test(spec: PartSpec, *, same_again: bool = True, max_new_tokens: int = 8) -> None:
    """Check everything that a run relies on in a model under test.

    Promises: every item gets one answer, in any order: a text, or None with the problem; an image that is
    not there or cannot be read is that item's problem alone; no items have no answers; asking leaves the
    items as they were; threads get the answers to their own items; ``about`` and details are JSON.

    Args:
        spec: a registered name, a class, or a config with ``type`` and arguments.
        same_again: whether the same item has the same answer every time.
        max_new_tokens: how long answers may be.

    Raises: ContractViolation naming the promise that is broken.
    """
    model = build_part(MODELS_UNDER_TEST, spec)
    _check_model(model, same_again, max_new_tokens)


def check_judge(
    spec: PartSpec,
    *,
    benchmark: Benchmark | None = None,
    items: Sequence[Item] = (),
    find_image: ImageFinder | None = None,
    same_again: bool = True,
) -> None:
    """Check everything that a run relies on in a judge.

    Promises: items come back in their order; one without a prediction as it was; every other with a reply
    by the judge's name to each question, or None with the problem; ``on_item`` is told of each of these once;
    judging leaves the items it is given as they were; a verdict does not depend on the other items, and
    threads get the verdicts on their own; ``about`` and judgements are JSON.

    Args:
        spec: a registered name, a class, or a config with ``type`` and arguments.
        benchmark, items, find_image: what it is to judge, and where the images lie; by default captions of
            GAR-Bench-Cap.
        same_again: whether the same item has the same verdict every time.

    Raises: ContractViolation naming the promise that is broken.
    """
    judge = build_part(JUDGES, spec)
    _check_judge(judge, same_again, benchmark, items, find_image)


# ------------------------------------------------------------------ models under test


def _check_model(model: ModelUnderTest, same_again: bool, max_new_tokens: int) -> None:
    _check_named(model, "model under test")
    with tempfile.TemporaryDirectory() as folder:
        find = _write_images(Path(folder))
        items = [_question(number) for number in range(_THREADS)]
        broken = [replace(items[0], id="broken", image="broken.png")]
        absent = [replace(items[0], id="absent", image="absent.png")]

        def ask(chosen: Sequence[Item]) -> dict[str, Answer]:
            given = list(model.answers(chosen, find_image=find, max_new_tokens=max_new_tokens))
            ids = [answer.item.id for answer in given]
            one_each = sorted(ids) == sorted(item.id for item in chosen)
            require(one_each, "Every item gets exactly one answer.", f"answers to {ids}")
            return {answer.item.id: answer for answer in given}

        before = deepcopy(items)
        answers = ask([*broken, *items, *absent])
        require(items == before, "Asking leaves the items as they were.")
        for answer in answers.values():
            _check_said(answer.text, answer.problem, f"The answer to {answer.item.id}")
            _check_json(answer.details, "The details of an answer")
            require(answer.seconds >= 0, "The seconds of an answer are not negative.", str(answer.seconds))
        for one in ("broken", "absent"):
            require(answers[one].text is None, f"An item whose image is {one} has no answer.")
        require(ask([]) == {}, "No items have no answers.")
        at_once = _at_once(lambda number: ask([items[number]])[items[number].id])
        if same_again:
            texts = [answers[item.id].text for item in items]
            same = [answer.text for answer in at_once] == texts
            require(same, "Threads get the answers to their own items, the same as alone.")


def _question(number: int) -> Item:
    item = Item(
        "gar-vqa",
        f"question {number}",
        task="color",
        image=f"{number}.png",
        masks=(rle(_BOX),),
        question="What color is <Prompt0>?",
        reference="A",
        extra={"choices": ["A. red", "B. green", "C. blue", "D. yellow"]},
    )
    return build_benchmark("gar-vqa").with_prompt(item)


# ------------------------------------------------------------------ judges


def _check_judge(
    judge: Judge,
    same_again: bool,
    benchmark: Benchmark | None = None,
    items: Sequence[Item] = (),
    find_image: ImageFinder | None = None,
) -> None:
    _check_named(judge, "judge")
    with tempfile.TemporaryDirectory() as folder:
        if benchmark is None:
            benchmark, items, find_image = build_benchmark("gar-cap"), captions(), _write_images(Path(folder))
        told: list[str] = []

        def judged(
            chosen: Sequence[Item], on_item: OnItem | None = None, by: Benchmark = benchmark
        ) -> list[Item]:
            return judge.judge(chosen, benchmark=by, find_image=find_image, on_item=on_item)

        before = deepcopy(list(items))
        given = judged(items, lambda item: told.append(item.id))
        require(list(items) == before, "Judging leaves the items as they were.")
        shown = benchmark.to_judge(items)
        in_order = [item.id for item in given] == [item.id for item in shown]
        require(in_order, "Judged items come back in their order.", f"{[item.id for item in given]}")
        asked = [item.id for item in shown if benchmark.is_asked(item)]
        require(sorted(told) == sorted(asked), "on_item is told of each judged item once.", f"{told}")
        for old, new in zip(shown, given, strict=True):
            if benchmark.is_asked(old):
                _check_judged(judge, new)
            else:
                require(new == old, "An item without a prediction comes back as it was.", new.id)
        require(judged([]) == [], "No items are judged as no items.")
        at_once = _at_once(lambda number: _sorted(judged(items[::-1] if number % 2 else items)))
        if same_again:
            same = all(one == _sorted(given) for one in at_once)
            require(same, "A verdict is the same in any order of the items, and from several threads.")


def _sorted(items: Sequence[Item]) -> list[Item]:
    return sorted(items, key=lambda item: (item.task, item.id))


def _check_judged(judge: Judge, item: Item) -> None:
    entries = [entry for entry in judgements_of(item) if entry["judge"] == judge.name]
    require(bool(entries), f"A judged item has judgements by {judge.name!r}.", f"none in item {item.id}")
    for entry in entries:
        _check_said(entry["reply"], entry.get("problem", ""), f"The verdict on {item.id}")
    same = item.replies.get(JUDGE) == item.replies.get(judge.name)
    require(same, "The verdict that scorers read is this judge's.", str(item.replies))
    _check_json(entries, "A judgement")


def captions() -> list[Item]:
    """Return captions of GAR-Bench-Cap to judge: a right one, a wrong one, none, and an empty one."""
    caption = Item(
        "gar-cap",
        "0.png",
        task="simple",
        image="0.png",
        masks=(rle(_BOX), rle((40, 10, 60, 30))),
        question="Where is <Prompt0>?",
        reference="<Prompt0> is on <Prompt1>.",
        prediction="<Prompt0> is on <Prompt1>.",
    )
    others = ("<Prompt1> is on <Prompt0>.", None, "")
    return [caption, *(replace(caption, id=f"{n}.png", image=f"{n}.png", prediction=said)
                       for n, said in enumerate(others, start=1))]  # fmt: skip


# ------------------------------------------------------------------ what they share


def _check_named(part: Any, kind: str) -> None:
    named = isinstance(part.name, str) and bool(part.name.strip())
    require(named, f"A {kind} has a name.", repr(part.name))
    about = part.about()
    require(isinstance(about, dict) and bool(about), f"The about of a {kind} is a dict.", repr(about))
    _check_json(about, f"The about of a {kind}")
    require(part.about() == about, f"The about of a {kind} stays the same.")


def _check_json(value: Any, what: str) -> None:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        require(False, f"{what} is made of JSON values.", str(error))


def _check_said(text: object, problem: str, what: str) -> None:
    if text is None:
        require(isinstance(problem, str) and bool(problem), f"{what} is a text, or None with the problem.")
    else:
        require(isinstance(text, str), f"{what} is a text.", type(text).__name__)
        require(not problem, f"{what} has a text or a problem, not both.", problem)


def _at_once(work: Callable[[int], Any]) -> list[Any]:
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(work, range(_THREADS)))


def _write_images(folder: Path) -> ImageFinder:
    for number, colour in enumerate(("red", "green", "blue", "yellow")):
        draw_image(folder / f"{number}.png", [(_BOX, colour)])
    (folder / "broken.png").write_bytes(b"no picture")
    return in_folder(folder)
