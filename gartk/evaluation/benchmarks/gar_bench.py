"""GAR-Bench: multiple choice (VQA) and judged captions (Cap, simple and detailed)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gartk.errors import ConfigError
from gartk.evaluation.benchmarks.published import PublishedBenchmark
from gartk.evaluation.prompts import with_prompt
from gartk.evaluation.scoring import gar_bench
from gartk.evaluation.scoring.items import Item
from gartk.registry import BENCHMARKS

SOURCE = "the release of Grasp Any Region (its folder evaluation/GAR-Bench, or the data set GAR-Bench)"
VQA_FILE = "GAR-Bench-VQA.json"
CAP_FILES = {
    gar_bench.SIMPLE: "GAR-Bench-Caption-Simple.json",
    gar_bench.DETAILED: "GAR-Bench-Caption-Detailed.json",
}


@BENCHMARKS.register()
class GARVQABenchmark(PublishedBenchmark):
    """GAR-Bench-VQA: 424 questions with options in seven sub-tasks, about one to nine regions."""

    name = gar_bench.VQA.benchmark
    folder = "gar_bench"
    source = SOURCE

    def load(self, root: Path) -> list[Item]:
        """Read the annotations."""
        return [with_prompt(item) for item in gar_bench.read_vqa([self.file(root, VQA_FILE)])]

    def publish(self, items: Sequence[Item]) -> list[dict[str, Any]]:
        """Give records as gar_1b_vqa.json."""
        return [gar_bench.to_published(item) for item in items]


@BENCHMARKS.register()
class GARCapBenchmark(PublishedBenchmark):
    """GAR-Bench-Cap: captions of the relation of two regions, which a judge compares with the reference.

    Args:
        kind: ``"simple"`` (97), ``"detailed"`` (107), or None for both.
    """

    folder = "gar_bench"
    source = SOURCE

    def __init__(self, *, kind: str | None = None) -> None:
        if kind is not None and kind not in CAP_FILES:
            raise ConfigError(f"GARCapBenchmark.kind must be one of {', '.join(CAP_FILES)}; got {kind!r}.")
        self.kinds = tuple(CAP_FILES) if kind is None else (kind,)
        self.name = gar_bench.CAPTION.benchmark + (f"-{kind}" if kind else "")

    @property
    def is_judged(self) -> bool:
        """A judge is part of its score."""
        return True

    def load(self, root: Path) -> list[Item]:
        """Read the annotations, the simple ones first."""
        items = []
        for kind in self.kinds:
            items += gar_bench.read_cap([self.file(root, CAP_FILES[kind])], kind=kind)
        return [with_prompt(item) for item in items]

    def publish(self, items: Sequence[Item]) -> list[dict[str, Any]]:
        """Give records as gar_1b_simple_eval.json and gar_1b_detailed_eval.json."""
        return [gar_bench.to_published(item) for item in items]
