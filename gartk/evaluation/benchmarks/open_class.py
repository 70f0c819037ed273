"""LVIS and PACO: naming the category of one object or part, scored by the likeness of the names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gartk.evaluation.benchmarks.published import PublishedBenchmark
from gartk.evaluation.encoder import find_encoder
from gartk.evaluation.prompts import with_prompt
from gartk.evaluation.scoring import open_class
from gartk.evaluation.scoring.items import Item
from gartk.registry import BENCHMARKS

NO_ENCODER = "none"


class _OpenClass(PublishedBenchmark):
    """What both have in common: the layout of Osprey's validation data, COCO images, short answers.

    Args:
        encoder: the sentence encoder of Sem-Sim, a folder or hub id; None for all-MiniLM-L6-v2, and "none"
            to score Sem-IoU alone.
    """

    annotations: str
    source = "sunshine-lwt/Osprey-ValData on the Hugging Face hub, images from COCO 2017"
    max_new_tokens = 32

    def __init__(self, *, encoder: str | None = None) -> None:
        self.encoder = encoder

    def load(self, root: Path) -> list[Item]:
        """Read the objects of all images."""
        items = open_class.read([self.file(root, self.annotations)], benchmark=self.name)
        return [with_prompt(item) for item in items]

    def image_folders(self, root: Path) -> Sequence[Path]:
        """Its own images, or COCO's."""
        coco = root / "coco"
        own = super().image_folders(root)
        return (*own, coco, coco / "images", coco / "val2017", coco / "train2017")

    def score(self, items: Sequence[Item]) -> dict[str, Any]:
        """Score Sem-IoU, and Sem-Sim with the encoder.

        Raises: ConfigError or CheckpointError if the encoder cannot be had.
        """
        return open_class.score(items, None if self.encoder == NO_ENCODER else find_encoder(self.encoder))

    def publish(self, items: Sequence[Item]) -> list[dict[str, Any]]:
        """Give one record for each image, with ``predictions`` beside its annotations."""
        return open_class.join_objects(open_class.to_published(item) for item in items)


@BENCHMARKS.register()
class LVISBenchmark(_OpenClass):
    """LVIS as Osprey draws it: 4,004 objects of 1,000 images."""

    name = "lvis"
    folder = "lvis"
    annotations = "lvis_val_1k_category.json"


@BENCHMARKS.register()
class PACOBenchmark(_OpenClass):
    """PACO as Osprey draws it: 4,263 objects and parts of 1,000 images."""

    name = "paco"
    folder = "paco"
    annotations = "paco_val_1k_category.json"
