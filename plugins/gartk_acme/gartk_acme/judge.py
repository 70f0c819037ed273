"""A judge: it looks for the right word in the answer."""

from __future__ import annotations

from typing import Any

from gartk.evaluation.benchmarks.base import Benchmark
from gartk.evaluation.item import Item
from gartk.evaluation.judgements import JudgeReply
from gartk.evaluation.judges.base import Judge
from gartk.evaluation.pictures import ImageFinder


class WordJudge(Judge):
    """Says yes where an answer holds the reference as a word.

    Args:
        strict: say yes only where the answer is nothing else.
    """

    def __init__(self, strict: bool = False) -> None:
        self.strict = strict
        self.name = "acme-strict" if strict else "acme"

    def about(self) -> dict[str, Any]:
        """Return what decides its verdicts."""
        return {"kind": "acme.Judge", "strict": self.strict}

    def replies(
        self, item: Item, *, benchmark: Benchmark, find_image: ImageFinder | None
    ) -> list[JudgeReply]:
        """Return a reply to each question of the benchmark about an item."""
        said, right = str(item.prediction).lower(), item.reference.lower()
        agrees = said == right if self.strict else right in said.split()
        questions = benchmark.judge_questions(item)
        return [JudgeReply(question.prompt, "yes" if agrees else "no") for question in questions]
