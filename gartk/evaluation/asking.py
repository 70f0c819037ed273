"""Asking the model and the judge what the journal of a run does not have yet."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from gartk.errors import DataError
from gartk.evaluation.benchmarks.base import Benchmark
from gartk.evaluation.item import Item, TokenLimit, asked
from gartk.evaluation.journal import Journal
from gartk.evaluation.judgements import JudgeReply, judgements_of
from gartk.evaluation.judges.base import Judge, with_judgements
from gartk.evaluation.missing import NO_IMAGE, PROBLEM
from gartk.evaluation.models.base import Answer, ModelUnderTest
from gartk.evaluation.pictures import ImageFinder

ANSWER, REPLY = "answer", "reply"


@dataclass
class Progress:
    """Callbacks: ``started`` with a step's name, its number of items and how many are done already, then
    ``advanced`` for each that is done, with whether there is a reply."""

    started: Callable[[str, int, int], None] = lambda *_: None
    advanced: Callable[[bool], None] = lambda *_: None


def ask(
    items: Sequence[Item],
    model: ModelUnderTest,
    journal: Journal,
    *,
    find_image: ImageFinder,
    max_new_tokens: TokenLimit,
    retry_missing: bool = False,
    progress: Progress | None = None,
) -> list[Item]:
    """Ask a model about the items without an answer in the journal; return all items with predictions.

    An item whose image is not there is not asked. An answer counts only for the prompt that it was given
    to. With ``retry_missing`` items without an answer are asked again.
    """
    progress = progress or Progress()
    there = [item for item in items if find_image(item) is not None]
    todo = [item for item in there if not _is_done(item, journal, retry_missing=retry_missing)]
    progress.started("asking", len(items), len(items) - len(todo))
    for answer in model.answers(todo, find_image=find_image, max_new_tokens=max_new_tokens):
        _write(journal, answer)
        progress.advanced(answer.text is not None)
    return [_answered(item, journal) for item in items]


def _is_done(item: Item, journal: Journal, *, retry_missing: bool) -> bool:
    entry = journal.get(ANSWER, item)
    if entry is None or entry.get("asked") != _digest(asked(item)):
        return False
    return not retry_missing or entry.get("prediction") is not None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:16]


def _write(journal: Journal, answer: Answer) -> None:
    journal.add(
        ANSWER,
        answer.item,
        prediction=answer.text,
        **({PROBLEM: answer.problem or "no reason was given"} if answer.text is None else {}),
        asked=_digest(asked(answer.item)),
        seconds=round(answer.seconds, 4),
        **answer.details,
    )


def _answered(item: Item, journal: Journal) -> Item:
    """Put what the journal has into an item."""
    entry = journal.get(ANSWER, item)
    if entry is None:
        return replace(item, prediction=None, extra={**item.extra, PROBLEM: NO_IMAGE})
    text = entry.get("prediction")
    if isinstance(text, str):
        return replace(item, prediction=text, scores={})
    return replace(item, prediction=None, extra={**item.extra, PROBLEM: str(entry.get(PROBLEM, ""))})


# ------------------------------------------------------------------ asking the judge


def judge_items(
    benchmark: Benchmark,
    items: Sequence[Item],
    by: Judge,
    journal: Journal,
    *,
    find_image: ImageFinder,
    retry_missing: bool = False,
    progress: Progress | None = None,
) -> list[Item]:
    """Ask a judge about the items without a verdict in the journal; return all items with replies.

    A verdict counts only for the prediction that it was given about. What the benchmark shows the judge
    besides the items themselves comes after them.
    """
    progress = progress or Progress()
    shown = benchmark.to_judge(items)
    asked_for = [item for item in shown if benchmark.is_asked(item)]
    todo = [item for item in asked_for if not _is_judged(item, by, journal, retry_missing=retry_missing)]
    progress.started("judging", len(asked_for), len(asked_for) - len(todo))

    def keep(item: Item) -> None:
        said = [one for one in judgements_of(item) if one.get("judge") == by.name]
        kept = [{name: one.get(name) for name in ("prompt", "reply", PROBLEM)} for one in said]
        journal.add(REPLY, item, part=by.name, replies=kept, about=_digest(item.prediction or ""))
        progress.advanced(all(one["reply"] is not None for one in kept))

    if todo:
        by.judge(todo, benchmark=benchmark, find_image=find_image, on_item=keep)
    return [_judged(benchmark, item, by, journal) if benchmark.is_asked(item) else item for item in shown]


def _is_judged(item: Item, by: Judge, journal: Journal, *, retry_missing: bool) -> bool:
    entry = journal.get(REPLY, item, part=by.name)
    if entry is None or entry.get("about") != _digest(item.prediction or ""):
        return False
    return not retry_missing or all(one["reply"] is not None for one in entry["replies"])


def _judged(benchmark: Benchmark, item: Item, by: Judge, journal: Journal) -> Item:
    entry = journal.get(REPLY, item, part=by.name)
    if entry is None:
        raise DataError(f"{by.name} gave no verdict about the {item.benchmark} item {item.id}.")
    replies = [JudgeReply(one["prompt"], one["reply"], one[PROBLEM] or "") for one in entry["replies"]]
    return with_judgements(benchmark, item, by.name, replies)
