"""A judge that gives recorded verdicts again: of published output files, or of our own result files."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gartk.errors import ConfigError
from gartk.evaluation.item import Item
from gartk.evaluation.judgements import JudgeReply, judgements_of, judges_of, replies_of
from gartk.evaluation.judges.base import JUDGES, Judge, by_judge

if TYPE_CHECKING:
    from gartk.evaluation.benchmarks.base import Benchmark
    from gartk.evaluation.pictures import ImageFinder

PUBLISHED = "published"
NOT_RECORDED = "no verdict about this item is recorded"
OTHER_PREDICTION = "the recorded verdict is about another prediction"


@JUDGES.register()
class ReplayJudge(Judge):
    """Recorded verdicts, given only to the very predictions that they were about; all else is missing.

    Args:
        files: judged records, in the published form or our own, as ``gartk.evaluation.score`` reads them;
            a text may name several, with commas between them.
        judge: whose verdicts to take where the records hold those of several judges; may be left out
            where they hold those of one.
        name: what the verdicts are recorded under; by default the judge that the records name, else
            "published".

    Raises: ConfigError if there are several judges and none is named.
    """

    def __init__(
        self, *, files: Sequence[str | Path] | str | Path, judge: str | None = None, name: str | None = None
    ) -> None:
        if isinstance(files, str):
            files = [file for file in files.split(",") if file]
        self._files = [str(file) for file in ([files] if isinstance(files, Path) else files)]
        self._judge = judge
        self.name = name or judge or PUBLISHED
        self._recorded: tuple[Benchmark, dict[Hashable, Item]] | None = None

    def about(self) -> dict[str, Any]:
        """Return what decides its verdicts."""
        return {"kind": "replay", "files": self._files, "judge": self._judge}

    def replies(
        self, item: Item, *, benchmark: Benchmark, find_image: ImageFinder | None
    ) -> list[JudgeReply]:
        """Return the recorded verdicts on an item.

        Raises: DataError if a file cannot be read as records of the benchmark.
        """
        last = self._recorded  # one read, since threads may share this
        if last is None or last[0] is not benchmark:
            last = (benchmark, self._read(benchmark))
            self._recorded = last
        return _replies(benchmark, item, last[1].get((item.task, item.id)))

    def _read(self, benchmark: Benchmark) -> dict[Hashable, Item]:
        items = benchmark.read_records(self._files)
        judges = judges_of(items)
        if self._judge is None and len(judges) > 1:
            raise ConfigError(
                f"ReplayJudge.files hold the verdicts of {', '.join(judges)}; say whose with judge=..."
            )
        if judges:
            items = by_judge(benchmark, items, self._judge or judges[0])
        return {(item.task, item.id): item for item in items}


def _replies(benchmark: Benchmark, item: Item, known: Item | None) -> list[JudgeReply]:
    keys = benchmark.question_keys(item)
    if known is None:
        return [JudgeReply("", None, NOT_RECORDED)] * len(keys)
    if known.prediction != item.prediction:
        return [JudgeReply("", None, OTHER_PREDICTION)] * len(keys)
    given = dict(zip(benchmark.question_keys(known), replies_of(known), strict=False))
    replies = []
    for number, key in enumerate(keys):
        said = given.get(key)
        prompt = _prompt_of(known, number, said)
        replies.append(JudgeReply(prompt, said, "" if said is not None else NOT_RECORDED))
    return replies


def _prompt_of(item: Item, number: int, reply: str | None) -> str:
    """The version of the prompt that a recorded reply was given to; "published" where it names none."""
    for entry in judgements_of(item):
        if entry.get("question") == number and entry.get("reply") == reply and entry.get("prompt"):
            return str(entry["prompt"])
    return PUBLISHED
