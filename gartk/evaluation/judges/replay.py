"""A judge that gives recorded verdicts again: of published output files, or of our own result files."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path

from gartk.errors import ConfigError
from gartk.evaluation.judges.base import (
    JudgeReply,
    OnItem,
    by_judge,
    is_asked,
    judgements_of,
    judges_of,
    to_judge,
    with_judgements,
)
from gartk.evaluation.judges.pictures import ImageFinder
from gartk.evaluation.score import SCORERS
from gartk.evaluation.scoring import dlc_bench
from gartk.evaluation.scoring.items import Item
from gartk.evaluation.verdicts import dlc_questions, option_texts, replies_of
from gartk.registry import JUDGES

PUBLISHED = "published"
NOT_RECORDED = "no verdict about this item is recorded"
OTHER_PREDICTION = "the recorded verdict is about another prediction"


@JUDGES.register()
class ReplayJudge:
    """Recorded verdicts, given only to the very predictions that they were about; all else is missing.

    Args:
        files: judged records, in the published form or our own, as ``gartk.evaluation.score`` reads them.
        judge: whose verdicts to take where the records hold those of several judges; may be left out
            where they hold those of one.
        name: what the verdicts are recorded under; by default the judge that the records name, else
            "published".

    Raises: ConfigError if there are several judges and none is named.
    """

    def __init__(
        self, *, files: Sequence[str | Path] | str | Path, judge: str | None = None, name: str | None = None
    ) -> None:
        self._files = [str(f) for f in ([files] if isinstance(files, str | Path) else files)]
        self._judge = judge
        self.name = name or judge or PUBLISHED
        self._recorded: dict[str, dict[Hashable, Item]] = {}

    def judge(
        self, items: Sequence[Item], *, find_image: ImageFinder | None = None, on_item: OnItem | None = None
    ) -> list[Item]:
        """Give items their recorded verdicts.

        Raises: DataError if a file cannot be read as records of the items' benchmark.
        """
        judged = []
        for item in to_judge(items):
            one = with_judgements(item, self.name, self._replies(item)) if is_asked(item) else item
            judged.append(one)
            if on_item is not None and one is not item:
                on_item(one)
        return judged

    def _replies(self, item: Item) -> list[JudgeReply]:
        known = self._of_benchmark(item.benchmark).get((item.task, item.id))
        count = len(dlc_questions(item)) if item.benchmark == dlc_bench.BENCHMARK else 1
        if known is None:
            return [JudgeReply("", None, NOT_RECORDED)] * count
        if known.prediction != item.prediction:
            return [JudgeReply("", None, OTHER_PREDICTION)] * count
        given = _by_question(known) if item.benchmark == dlc_bench.BENCHMARK else {}
        replies = []
        for number in range(count):
            said = given.get(_question_key(item, number)) if given else _first(replies_of(known))
            prompt = _prompt_of(known, number, said)
            replies.append(JudgeReply(prompt, said, "" if said is not None else NOT_RECORDED))
        return replies

    def _of_benchmark(self, benchmark: str) -> dict[Hashable, Item]:
        if benchmark not in self._recorded:
            items = SCORERS[benchmark].read(self._files)
            judges = judges_of(items)
            if self._judge is None and len(judges) > 1:
                raise ConfigError(
                    f"ReplayJudge.files hold the verdicts of {', '.join(judges)}; say whose with judge=..."
                )
            if judges:
                items = by_judge(items, self._judge or judges[0])
            self._recorded[benchmark] = {(item.task, item.id): item for item in items}
        return self._recorded[benchmark]


def _first(replies: Sequence[str | None]) -> str | None:
    return replies[0] if replies else None


def _question_key(item: Item, number: int) -> Hashable:
    """What tells a question of DLC-Bench from the region's others: its part and its options."""
    question = dlc_questions(item)[number]
    counts = [len(item.extra[part]) for part in dlc_bench.PARTS]
    part = 0 if number < counts[0] else 1 if number < counts[0] + counts[1] else 2
    return part, tuple(option_texts(question)) if part else ()


def _by_question(item: Item) -> dict[Hashable, str | None]:
    return {_question_key(item, number): reply for number, reply in enumerate(replies_of(item))}


def _prompt_of(item: Item, number: int, reply: str | None) -> str:
    """The version of the prompt that a recorded reply was given to; "published" where it names none."""
    for entry in judgements_of(item):
        if entry.get("question") == number and entry.get("reply") == reply and entry.get("prompt"):
            return str(entry["prompt"])
    return PUBLISHED
