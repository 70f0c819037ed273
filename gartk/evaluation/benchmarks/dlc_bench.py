"""DLC-Bench: detailed captions of one region each, judged by questions about the caption."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gartk.errors import DataError
from gartk.evaluation.benchmarks.files import first_file
from gartk.evaluation.benchmarks.published import PublishedBenchmark
from gartk.evaluation.judges.pictures import ImageFinder
from gartk.evaluation.prompts import with_prompt
from gartk.evaluation.scoring import dlc_bench
from gartk.evaluation.scoring.items import Fields, Item, shown
from gartk.io import read_json
from gartk.registry import BENCHMARKS

QUESTIONS, ANNOTATIONS, CLASSES = "qa.json", "annotations.json", "class_names.json"
IN_GAR_BENCH = "image_in_gar_bench.json"
CLASS_NAME = "class_name"


@BENCHMARKS.register()
class DLCBenchmark(PublishedBenchmark):
    """DLC-Bench: 100 regions of 77 images, 992 questions to the judge.

    Where its own images are missing, those that GAR-Bench has of it serve (image_in_gar_bench.json).
    """

    name = dlc_bench.BENCHMARK
    folder = "dlc_bench"
    source = "nvidia/DLC-Bench on the Hugging Face hub"

    def load(self, root: Path) -> list[Item]:
        """Read the questions, with each region's mask, image and class."""
        annotations, classes = self.file(root, ANNOTATIONS), self.file(root, CLASSES)
        regions, names = _regions(annotations), _texts(classes)
        items = []
        for item in dlc_bench.read_questions([self.file(root, QUESTIONS)]):
            for path, known in ((annotations, regions), (classes, names)):
                if item.id not in known:
                    raise DataError(f"{path} has no region {item.id!r}, which {QUESTIONS} has.")
            (image, mask), name = regions[item.id], names[item.id]
            extra = {**item.extra, CLASS_NAME: name}
            whole = replace(item, image=image, masks=(mask,), reference=name, replies={}, extra=extra)
            items.append(with_prompt(whole))
        return items

    def find_image(self, root: Path) -> ImageFinder:
        """Look among its own images, then among those of GAR-Bench."""
        own = super().image_folders(root)
        table = root / self.folder / IN_GAR_BENCH
        twins = _texts(table) if table.is_file() else {}
        other = (root / "gar_bench",)

        def find(item: Item) -> Path | None:
            name = item.image or ""
            found = first_file(own, name) if name else None
            return found or (first_file(other, twins[name]) if name in twins else None)

        return find

    def publish(self, items: Sequence[Item]) -> dict[str, Any]:
        """Give one object by region id, as gar_1b_eval.json."""
        return {item.id: dlc_bench.to_published(item) for item in items}


def _regions(path: Path) -> dict[str, tuple[str, dict[str, Any]]]:
    """Read each region's image and mask from annotations in COCO's form."""
    fields = Fields(_object(path), str(path))
    images = {}
    for number, image in enumerate(fields.entries("images")):
        one = Fields(image if isinstance(image, dict) else {}, f"{path}, image {number}")
        images[one.label("id")] = one.needed_text("file_name")
    regions = {}
    for number, annotation in enumerate(fields.entries("annotations")):
        one = Fields(annotation if isinstance(annotation, dict) else {}, f"{path}, annotation {number}")
        image_id = one.label("image_id")
        if image_id not in images:
            one.fail("image_id", f"names no image of the file: {shown(image_id)}")
        (mask,) = one.masks("segmentation", single=True) or (None,)
        if mask is None:
            one.fail("segmentation", "is missing")
        regions[one.label("id")] = (images[image_id], dict(mask))
    return regions


def _texts(path: Path) -> dict[str, str]:
    found = _object(path)
    for key, value in found.items():
        if not isinstance(value, str) or not value:
            raise DataError(f"{path}: field {key!r} must be a text, not {shown(value)}.")
    return found


def _object(path: Path) -> dict[str, Any]:
    found = read_json(path)
    if not isinstance(found, dict):
        raise DataError(f"{path} must hold an object, not {shown(found)}.")
    return found
