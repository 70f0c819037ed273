"""Running a benchmark: read its items, ask the model, ask the judge, score, and save all of it.

What a run leaves in its folder: ``journal.jsonl`` (every answer and verdict as it came), ``results.json``
(all items and scores), ``results.md`` (scores to read), ``results.html`` (a page with the images), and
``outputs.json`` (the answers in the benchmark's published layout, for ``gartk.evaluation.score``).
"""

from __future__ import annotations

import hashlib
import json
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gartk.errors import ConfigError, DataError
from gartk.evaluation.benchmarks.base import Benchmark
from gartk.evaluation.item import Item, TokenLimit, asked
from gartk.evaluation.journal import Journal
from gartk.evaluation.judgements import JudgeReply, judgements_of
from gartk.evaluation.judges.base import Judge, with_judgements
from gartk.evaluation.models.base import Answer, ModelUnderTest
from gartk.evaluation.outcome import NO_IMAGE, PROBLEM, Missing, markdown, withheld_because
from gartk.evaluation.pictures import ImageFinder
from gartk.evaluation.results import Results
from gartk.io import write_atomic

ANSWER, REPLY = "answer", "reply"
MAX_MISSING = 2.0


@dataclass(frozen=True)
class Choice:
    """Which items of a benchmark are asked.

    Args:
        limit: only the first so many; None for all.
        only_with_images: only those whose image is there, which makes another, smaller benchmark.
        circular: every rotation of the options (multiple choice).
    """

    limit: int | None = None
    only_with_images: bool = False
    circular: bool = False

    def of(self, benchmark: Benchmark, items: Sequence[Item], find: ImageFinder) -> list[Item]:
        """Choose.

        Raises: ConfigError if nothing is left, or there are no options to rotate.
        """
        if self.limit is not None and self.limit < 1:
            raise ConfigError(f"--limit must be at least 1; got {self.limit}.")
        chosen = [item for item in items if not self.only_with_images or find(item) is not None]
        chosen = chosen[: self.limit]
        if not chosen:
            raise ConfigError(f"No item is left to ask: none of the {len(items)} images is there.")
        return rotated(benchmark, chosen) if self.circular else chosen


def rotated(benchmark: Benchmark, items: Sequence[Item]) -> list[Item]:
    """Return all rotations of the options of all items.

    Raises: ConfigError if no item has options.
    """
    turned = [one for item in items for one in benchmark.rotations(item)]
    if len(turned) == len(items):
        raise ConfigError(f"{benchmark.name} has no options to rotate; leave --circular out.")
    return turned


@dataclass
class Watcher:
    """Who is told how far a run is: ``started`` with a name, how many there are and how many are done
    already, then ``advanced`` for each that is done."""

    started: Callable[[str, int, int], None] = lambda *_: None
    advanced: Callable[[bool], None] = lambda *_: None


@dataclass
class Outcome:
    """The items of a run with what was said, and how long asking took. Units: seconds."""

    items: list[Item]
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)


def about_run(
    benchmark: Benchmark, model: ModelUnderTest, *, max_new_tokens: int, circular: bool
) -> dict[str, Any]:
    """Say what decides the answers of a run: a journal belongs to one such run."""
    return {
        "benchmark": benchmark.name,
        "model": model.about(),
        "max_new_tokens": max_new_tokens,
        "circular": circular,
    }


# ------------------------------------------------------------------ asking the model


def ask(
    items: Sequence[Item],
    model: ModelUnderTest,
    journal: Journal,
    *,
    find_image: ImageFinder,
    max_new_tokens: TokenLimit,
    retry_missing: bool = False,
    watcher: Watcher | None = None,
) -> Outcome:
    """Let a model answer the items that the journal has no answer of; give all items with predictions.

    An item whose image is not there is not asked. An answer counts only for the prompt that it was given
    to. With ``retry_missing`` items without an answer are asked again.
    """
    watcher = watcher or Watcher()
    began = time.perf_counter()
    there = [item for item in items if find_image(item) is not None]
    todo = [item for item in there if not _is_done(item, journal, retry_missing=retry_missing)]
    watcher.started("asking", len(items), len(items) - len(todo))
    for answer in model.answers(todo, find_image=find_image, max_new_tokens=max_new_tokens):
        _write(journal, answer)
        watcher.advanced(answer.text is not None)
    answered = [_answered(item, journal) for item in items]
    return Outcome(answered, time.perf_counter() - began)


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


def judge(
    benchmark: Benchmark,
    items: Sequence[Item],
    by: Judge,
    journal: Journal,
    *,
    find_image: ImageFinder,
    retry_missing: bool = False,
    watcher: Watcher | None = None,
) -> list[Item]:
    """Let a judge judge what the journal has no verdict of; give the items with replies.

    A verdict counts only for the prediction that it was given about. What the benchmark shows the judge
    besides the items themselves comes after them.
    """
    watcher = watcher or Watcher()
    shown = benchmark.to_judge(items)
    asked_for = [item for item in shown if benchmark.is_asked(item)]
    todo = [item for item in asked_for if not _is_judged(item, by, journal, retry_missing=retry_missing)]
    watcher.started("judging", len(asked_for), len(asked_for) - len(todo))

    def keep(item: Item) -> None:
        said = [one for one in judgements_of(item) if one.get("judge") == by.name]
        kept = [{name: one.get(name) for name in ("prompt", "reply", PROBLEM)} for one in said]
        journal.add(REPLY, item, part=by.name, replies=kept, about=_digest(item.prediction or ""))
        watcher.advanced(all(one["reply"] is not None for one in kept))

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


# ------------------------------------------------------------------ scoring and saving


def sum_up(
    benchmark: Benchmark,
    items: Sequence[Item],
    *,
    info: dict[str, Any],
    seconds: float,
    max_missing: float = MAX_MISSING,
    resamples: int | None = None,
) -> Results:
    """Score items, unless more than ``max_missing`` per cent of them are missing.

    ``resamples`` adds bootstrap intervals of so many resamples.
    """
    missing = Missing.of(benchmark, items)
    withheld = withheld_because(missing, max_missing)
    summary: dict[str, Any] = {}
    if not withheld:
        items = benchmark.scored(items)
        summary = benchmark.aggregate(items)
        if resamples:
            from gartk.evaluation.statistics.bootstrap import add_intervals

            add_intervals(summary, benchmark, items, resamples=resamples)
    whole = {**info, "missing": missing.to_json(), **({"withheld": withheld} if withheld else {})}
    return Results(benchmark.name, list(items), summary, seconds, whole)


def save(results: Results, benchmark: Benchmark, folder: Path, *, find_image: ImageFinder) -> list[Path]:
    """Write all files of a run; give their paths.

    A page that cannot be written (no jinja2) is left out with a UserWarning.
    """
    from gartk.evaluation.report.page import write_page

    paths = {name: folder / f"results.{name}" for name in ("json", "md", "html")}
    results.save(paths["json"])
    write_atomic(paths["md"], markdown(benchmark, results))
    try:
        write_page(results, paths["html"], benchmark=benchmark, find_image=find_image)
    except (ConfigError, DataError) as error:
        warnings.warn(f"There is no {paths.pop('html').name}: {error}", UserWarning, stacklevel=2)
    outputs = folder / "outputs.json"
    write_atomic(outputs, json.dumps(benchmark.publish(results.records), indent=1, ensure_ascii=True) + "\n")
    return [*paths.values(), outputs]


def subset(benchmark: Benchmark, chosen: Iterable[Item], choice: Choice) -> str:
    """Say how much of the benchmark a choice is."""
    count = len(
        {
            item.extra.get("circular_id", item.id) if choice.circular else (item.task, item.id)
            for item in chosen
        }
    )
    if count == benchmark.size:
        return f"all {benchmark.size} items"
    why = "those whose image is there" if choice.only_with_images else "the first ones"
    return f"{count} of {benchmark.size} items ({why}): not the benchmark's score"
