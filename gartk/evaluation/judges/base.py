"""What a judge promises, and how its replies become part of the items."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from gartk.errors import DataError, did_you_mean
from gartk.evaluation.item import JUDGE, Item
from gartk.evaluation.judgements import JUDGEMENTS, JudgeReply, Reading, judgements_of, judges_of
from gartk.evaluation.models.threads import in_threads
from gartk.registry import PartRegistry

if TYPE_CHECKING:
    from gartk.evaluation.benchmarks.base import Benchmark
    from gartk.evaluation.pictures import ImageFinder

OnItem = Callable[[Item], None]


class Judge(ABC):
    """Returns items with replies about their predictions.

    Of every item that it judged, ``replies["judge"]`` and ``replies[name]`` hold the raw replies, which
    the benchmark scores, and ``extra["judgements"]`` what stays with the record: judge, version of the
    prompt, raw reply, and how it was read. An item without a prediction comes back as it is. A reply
    that did not come is None, with the reason beside it, and counts as missing.

    Register a subclass in ``JUDGES``, and a command line names it: ``--judge acme.Star:SOURCE``, where SOURCE
    is the first argument of the constructor, and ``--judge-arg NAME=VALUE`` gives the others.

    Attributes:
        name: what its verdicts are recorded under.
        threads: how many items to judge at once.
    """

    name: str
    threads: int = 1

    @abstractmethod
    def about(self) -> dict[str, Any]:
        """Return everything that changes its verdicts, as JSON values; never a secret."""

    @abstractmethod
    def replies(
        self, item: Item, *, benchmark: Benchmark, find_image: ImageFinder | None
    ) -> Sequence[JudgeReply]:
        """Return a reply to each of the benchmark's questions about an item, in their order.

        Raises: what ends the run; a question that cannot be answered has a JudgeReply with its problem.
        """

    def judge(
        self,
        items: Sequence[Item],
        *,
        benchmark: Benchmark,
        find_image: ImageFinder | None = None,
        on_item: OnItem | None = None,
    ) -> list[Item]:
        """Judge items of a benchmark, as its ``to_judge`` shows them and in that order.

        ``on_item`` is told of each as soon as it is judged.

        Raises: ConfigError if the benchmark is scored without a judge; what ends the run.
        """
        shown = benchmark.to_judge(items)
        done = dict(enumerate(shown))

        def work(number: int) -> tuple[int, Item]:
            said = self.replies(shown[number], benchmark=benchmark, find_image=find_image)
            return number, with_judgements(benchmark, shown[number], self.name, said)

        asked = [number for number, item in done.items() if benchmark.is_asked(item)]
        for number, item in in_threads(work, asked, threads=self.threads, give_up=self.close):
            done[number] = item
            if on_item is not None:
                on_item(item)
        return list(done.values())

    def close(self) -> None:  # noqa: B027 - only what waits for somebody has anything to close
        """Stop questions that are waiting for a reply; called when a run is aborted."""


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
    """Return items whose scored replies are those of one judge; items it did not judge have none.

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


JUDGES: PartRegistry[Judge] = PartRegistry(
    "JUDGES",
    base="gartk.evaluation.judges.base:Judge",
    locations=["gartk.evaluation.judges.replay", "gartk.evaluation.judges.rules"],
)
