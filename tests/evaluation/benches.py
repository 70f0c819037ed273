"""Benchmarks by the name that items carry, for tests of what they do with single items and files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

from gartk.evaluation.benchmarks.base import Benchmark, build_benchmark
from gartk.evaluation.item import Item
from gartk.evaluation.judgements import JudgeQuestion, JudgeReply, Reading, Verdict
from gartk.evaluation.judges import base
from gartk.evaluation.judges.base import Judge
from gartk.evaluation.pictures import Pictures
from gartk.evaluation.statistics import agreement


@cache
def bench(name: str) -> Benchmark:
    """Build a benchmark that loads no model to score with."""
    return build_benchmark(name).without_models()


def read(name: str, files: Sequence[str | Path]) -> list[Item]:
    """Read recorded outputs."""
    return bench(name).read_records(files)


def report(name: str, items: Sequence[Item]) -> dict[str, Any]:
    """Score items and sum them up."""
    return bench(name).aggregate(bench(name).scored(items))


def judged_by(judge: Judge, items: Sequence[Item], **options: Any) -> list[Item]:
    """Let a judge judge items, those of each benchmark together."""
    groups = groupby(items, key=lambda item: item.benchmark)
    return [
        one for name, group in groups for one in judge.judge(list(group), benchmark=bench(name), **options)
    ]


def json_leaves(
    scores: Mapping[str, Any], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Return every score of a report with its place."""
    for name, value in scores.items():
        if "text" in value:
            yield (*path, name), value
        else:
            yield from json_leaves(value, (*path, name))


def to_judge(items: Sequence[Item]) -> list[Item]:
    """Return what a judge is shown."""
    return bench(items[0].benchmark).to_judge(items)


def questions(item: Item, pictures: Pictures | None = None) -> list[JudgeQuestion]:
    """Return the questions to a judge."""
    return bench(item.benchmark).judge_questions(item, pictures)


def read_reply(item: Item, number: int, reply: str) -> Reading:
    """Read a judge's reply."""
    return bench(item.benchmark).read_reply(item, number, reply)


def verdicts_of(item: Item) -> dict[int, Verdict]:
    """Return the verdicts about an item."""
    return agreement.verdicts_of(bench(item.benchmark), item)


def with_judgements(item: Item, judge: str, replies: Sequence[JudgeReply]) -> Item:
    """Add a judge's replies."""
    return base.with_judgements(bench(item.benchmark), item, judge, replies)


def by_judge(items: Sequence[Item], judge: str) -> list[Item]:
    """Let one judge's replies count."""
    return base.by_judge(bench(items[0].benchmark), items, judge)


def build_prompt(item: Item) -> str:
    """Write what a model is asked."""
    return bench(item.benchmark).prompt(item)


def with_prompt(item: Item) -> Item:
    """Return an item that carries its prompt."""
    return bench(item.benchmark).with_prompt(item)


def rotations(item: Item) -> list[Item]:
    """Return all rotations of an item's options."""
    return bench(item.benchmark).rotations(item)


def record_of(item: Item) -> dict[str, Any]:
    """Return the record that an item would be read from."""
    return bench(item.benchmark).to_record(item)
