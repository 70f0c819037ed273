"""Ferret-Bench, referring description: boxes to describe, which a judge rates against a reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gartk.errors import DataError
from gartk.evaluation.benchmarks.published import PublishedBenchmark
from gartk.evaluation.prompts import with_prompt
from gartk.evaluation.scoring import ferret_bench
from gartk.evaluation.scoring.items import Item, read_records
from gartk.registry import BENCHMARKS

ANNOTATIONS = "box_refer_caption.json"
JUDGED = Path("ferret_gpt4_data") / "refer_desc"
CONTEXT = "context"


@BENCHMARKS.register()
class FerretBenchmark(PublishedBenchmark):
    """Ferret-Bench's 40 referring descriptions.

    A model is asked to describe the region; the judge is shown the question with the box in numbers, the
    image's written context and the reference answer, as published.
    """

    name = ferret_bench.REVIEW.benchmark
    folder = "ferret_bench"
    source = "the release of Ferret (its folder ferret/eval/ferret_gpt4_data), images from COCO val2017"

    def load(self, root: Path) -> list[Item]:
        """Read the annotations, with question, reference and context for the judge."""
        texts = {name: self._texts(root, name) for name in ("question", "answer", CONTEXT)}
        items = []
        for item in ferret_bench.read([self.file(root, ANNOTATIONS)]):
            for name, known in texts.items():
                if item.id not in known:
                    raise DataError(f"{self.folder}/{JUDGED / name}.jsonl has no question_id {item.id!r}.")
            extra = {**item.extra, CONTEXT: texts[CONTEXT][item.id]}
            whole = replace(
                item, question=texts["question"][item.id], reference=texts["answer"][item.id], extra=extra
            )
            items.append(with_prompt(whole))
        return items

    def _texts(self, root: Path, name: str) -> dict[str, str]:
        path = self.file(root, str(JUDGED / f"{name}.jsonl"))
        return {fields.label("question_id"): fields.needed_text("text") for fields in read_records(path)}

    def image_folders(self, root: Path) -> Sequence[Path]:
        """Its own images, or COCO's."""
        coco = root / "coco"
        return (*super().image_folders(root), coco, coco / "val2017")

    def publish(self, items: Sequence[Item]) -> list[dict[str, Any]]:
        """Give records as review_refer_desc.jsonl."""
        return [ferret_bench.to_published(item) for item in items]
