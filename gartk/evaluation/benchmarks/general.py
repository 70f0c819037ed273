"""Benchmarks of the image as a whole, without regions: V*, MMVP, RealWorldQA and MMStar."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gartk.evaluation.benchmarks.hub_rows import IMAGE, read_rows
from gartk.evaluation.benchmarks.published import PublishedBenchmark
from gartk.evaluation.prompts import with_prompt
from gartk.evaluation.scoring import choices
from gartk.evaluation.scoring.items import Fields, Item
from gartk.io import cache_dir
from gartk.registry import BENCHMARKS


class _General(PublishedBenchmark):
    """What all have in common: a data set of the hub's layouts, options, few tokens."""

    max_new_tokens = 16
    tables: Sequence[str] = ()

    @property
    def _stored_images(self) -> Path:
        """Where the images that lie inside a table are written to."""
        return cache_dir() / "benchmark_images" / self.name

    def load(self, root: Path) -> list[Item]:
        """Read the rows."""
        rows = read_rows(
            root / self.folder, tables=self.tables, source=self.source, images=self._stored_images
        )
        items = choices.from_records([self.record(row) for row in rows], benchmark=self.name)
        return [with_prompt(item) for item in items]

    def record(self, row: Fields) -> Fields:
        """Give a row in the layout that recorded outputs have."""
        return row

    def image_folders(self, root: Path) -> Sequence[Path]:
        """Where tables say, or where images from inside a table were written to."""
        return (*super().image_folders(root), self._stored_images)

    def publish(self, items: Sequence[Item]) -> list[dict[str, Any]]:
        """Give the rows with ``model_output``."""
        return [choices.to_published(item) for item in items]


@BENCHMARKS.register()
class VStarBenchmark(_General):
    """V*: 191 questions about small things in large images, in two categories."""

    name = "vstar"
    folder = "vstar"
    source = "craigwu/vstar_bench or lmms-lab/vstar-bench on the Hugging Face hub"
    tables = ("test_questions.jsonl",)


@BENCHMARKS.register()
class MMVPBenchmark(_General):
    """MMVP: 300 images in 150 pairs that look alike to CLIP.

    The answers are those of the file. Those of the pairs 99/100 and 279/280 are held to be swapped in the
    first published one; some copies of it have them corrected.
    """

    name = "mmvp"
    folder = "mmvp"
    source = "MMVP/MMVP on the Hugging Face hub (Questions.csv and 'MMVP Images')"
    tables = ("Questions.csv",)

    def record(self, row: Fields) -> Fields:
        """Name the image of a row that names none, as Questions.csv leaves it to its index."""
        return Fields({IMAGE: f"MMVP Images/{row.label('Index')}.jpg", **row.record}, row.where)


@BENCHMARKS.register()
class RealWorldQABenchmark(_General):
    """RealWorldQA: 765 questions about everyday scenes, with options or short answers."""

    name = "realworldqa"
    folder = "realworldqa"
    source = "xai-org/RealworldQA on the Hugging Face hub"


@BENCHMARKS.register()
class MMStarBenchmark(_General):
    """MMStar: 1,500 questions in six categories of 250."""

    name = "mmstar"
    folder = "mmstar"
    source = "Lin-Chen/MMStar on the Hugging Face hub"
