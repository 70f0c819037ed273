"""What a judge promises, and how its replies become part of the items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from gartk.errors import DataError, did_you_mean
from gartk.evaluation.item import JUDGE, Item
from gartk.evaluation.judgements import JUDGEMENTS, JudgeReply, Reading, judgements_of, judges_of

if TYPE_CHECKING:
    from gartk.evaluation.benchmarks.base import Benchmark
    from gartk.evaluation.pictures import ImageFinder

OnItem = Callable[[Item], None]


@runtime_checkable
class Judge(Protocol):
    """Gives items back with replies about their predictions.

    Of every item that it judged, ``replies["judge"]`` and ``replies[name]`` hold the raw replies, which
    the benchmark scores, and ``extra["judgements"]`` what stays with the record: judge, version of the
    prompt, raw reply, and how it was read. An item without a prediction comes back as it is. A reply
    that did not come is None, with the reason beside it, and counts as missing.
    """

    name: str

    def about(self) -> dict[str, Any]:
        """Return everything that changes its verdicts, as JSON values; never a secret."""
        ...

    def judge(
        self,
        items: Sequence[Item],
        *,
        benchmark: Benchmark,
        find_image: ImageFinder | None = None,
        on_item: OnItem | None = None,
    ) -> list[Item]:
        """Judge items of a benchmark, in their order; ``on_item`` is told each as soon as it is judged.

        The items are those that ``benchmark.to_judge`` shows.
        """
        ...


def judge_each(
    items: Sequence[Item],
    judge: str,
    reply: Callable[[Item], Sequence[JudgeReply]],
    *,
    benchmark: Benchmark,
    on_item: OnItem | None = None,
) -> list[Item]:
    """Judge items one after the other with a function that returns an item's replies."""
    judged = []
    for item in benchmark.to_judge(items):
        if not benchmark.is_asked(item):
            judged.append(item)
            continue
        judged.append(with_judgements(benchmark, item, judge, reply(item)))
        if on_item is not None:
            on_item(judged[-1])
    return judged


def with_judgements(benchmark: Benchmark, item: Item, judge: str, replies: Sequence[JudgeReply]) -> Item:
    """Add a judge's replies to an item, in the order of its questions, over earlier ones of that judge."""
    raw = benchmark.raw_replies([one.reply for one in replies])
    kept = [entry for entry in judgements_of(item) if entry["judge"] != judge]
    entries = [_entry(benchmark, item, judge, number, one) for number, one in enumerate(replies)]
    said = {name: value for name, value in item.replies.items() if name not in (judge, JUDGE)}
    if raw is not None:
        said |= {JUDGE: raw, judge: raw}
    extra = {**benchmark.without_verdicts(item.extra), JUDGEMENTS: [*kept, *entries]}
    return replace(item, replies=said, extra=extra, scores={})


def _entry(benchmark: Benchmark, item: Item, judge: str, number: int, one: JudgeReply) -> dict[str, Any]:
    reading = Reading(None, None) if one.reply is None else benchmark.read_reply(item, number, one.reply)
    entry = {"judge": judge, "question": number, **asdict(one), "verdict": reading.to_json()}
    return {key: value for key, value in entry.items() if key != "problem" or value}


def by_judge(benchmark: Benchmark, items: Sequence[Item], judge: str) -> list[Item]:
    """Let the replies of one judge be those that are scored; items it did not judge have none.

    Raises: DataError if it judged none of the items.
    """
    known = judges_of(items)
    if judge not in known:
        raise DataError(f"No item has a verdict of the judge {judge!r}. {did_you_mean(judge, known)}")
    return [_selected(benchmark, item, judge) for item in items]


def _selected(benchmark: Benchmark, item: Item, judge: str) -> Item:
    entries = sorted(
        (entry for entry in judgements_of(item) if entry["judge"] == judge),
        key=lambda entry: entry["question"],
    )
    raw = benchmark.raw_replies([entry.get("reply") for entry in entries])
    said = {name: value for name, value in item.replies.items() if name != JUDGE}
    return replace(item, replies=said if raw in (None, []) else {**said, JUDGE: raw}, scores={})
