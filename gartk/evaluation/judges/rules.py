"""A judge without a model: rules over words. A baseline to compare judges with, not a substitute for one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gartk.evaluation.item import Item
from gartk.evaluation.judgements import JudgeReply
from gartk.evaluation.judges.base import JUDGES, Judge

if TYPE_CHECKING:
    from gartk.evaluation.benchmarks.base import Benchmark
    from gartk.evaluation.pictures import ImageFinder


@JUDGES.register()
class RulesJudge(Judge):
    """Verdicts by rule, the same every time and free of charge, from the words of the texts alone.

    The rule is the benchmark's (``judge_by_rules``), and one that cannot be told by words has none. No rule
    knows a synonym or looks at an image. How far they agree with recorded verdicts of GPT-4o stands in
    docs/judges.md.
    """

    name = "rules"

    def about(self) -> dict[str, Any]:
        """Return what decides its verdicts."""
        return {"kind": "rules"}

    def replies(
        self, item: Item, *, benchmark: Benchmark, find_image: ImageFinder | None
    ) -> list[JudgeReply]:
        """Judge an item by rule.

        Raises: ConfigError for a benchmark without rules.
        """
        prompt = f"rules_{item.benchmark}/1"
        return [JudgeReply(prompt, reply) for reply in benchmark.judge_by_rules(item)]
