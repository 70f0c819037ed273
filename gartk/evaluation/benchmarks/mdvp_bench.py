"""MDVP-Bench, box captions: regions of photos, documents, panels and screens, rated against references."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gartk.evaluation.benchmarks.published import PublishedBenchmark
from gartk.evaluation.judges.pictures import ImageFinder
from gartk.evaluation.prompts import with_prompt
from gartk.evaluation.scoring import mdvp_bench
from gartk.evaluation.scoring.items import Item, to_record
from gartk.registry import BENCHMARKS

ANNOTATIONS = "mdvp_caption_mask.json"


@BENCHMARKS.register()
class MDVPBenchmark(PublishedBenchmark):
    """MDVP-Bench: 364 regions of 60 images in six phases; the judge compares the answers image by image."""

    name = mdvp_bench.CAPTION.benchmark
    folder = "mdvp_bench"
    source = "the releases of Grasp Any Region (evaluation/MDVP-Bench) and Draw-and-Understand"

    def load(self, root: Path) -> list[Item]:
        """Read the annotations."""
        return [with_prompt(item) for item in mdvp_bench.read([self.file(root, ANNOTATIONS)])]

    def find_image(self, root: Path) -> ImageFinder:
        """Look below ``images/`` and ``data/``, with or without a folder ``images`` in each phase."""
        home = root / self.folder
        folders = (home / "images", home / "data", home)

        def find(item: Item) -> Path | None:
            names = (item.image, item.image.replace("/images/", "/")) if item.image else ()
            paths = (folder / name for name in names for folder in folders)
            return next((path for path in paths if path.is_file()), None)

        return find

    def publish(self, items: Sequence[Item]) -> list[dict[str, Any]]:
        """Give captions as gar_1b.json, then reviews."""
        reviews = [item for item in items if mdvp_bench.is_review(item)]
        captions = [item for item in items if not mdvp_bench.is_review(item)]
        records = [to_record(replace(item, masks=(), extra={}), mdvp_bench.CAPTION) for item in captions]
        return [*records, *map(mdvp_bench.to_published, reviews)]
