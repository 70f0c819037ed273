"""LVIS and PACO: naming the category of one object or part, scored by the likeness of the names.

Source: Osprey (Sem-Sim, Sem-IoU); VideoRefer-VideoLLaMA3 for the second normalisation of text.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gartk.evaluation.benchmarks.base import BENCHMARKS, Benchmark
from gartk.evaluation.encoder import find_encoder
from gartk.evaluation.item import Fields, Item, check_unique, mask_problem, read_files
from gartk.evaluation.rates import Mean, finite

NO_ENCODER = "none"
NAME_REGION = "What is the category of <Prompt0>? Using only one word or phrase."


class _OpenClass(Benchmark):
    """What both have in common: the layout of Osprey's validation data, COCO images, short answers.

    Sem-IoU in both normalisations, and Sem-Sim with an encoder; means over objects, 0..100 (Sem-Sim can
    be negative). An object without a prediction is missing, and so is one where neither text has a word,
    on which the published scripts fail.

    Args:
        encoder: the sentence encoder of Sem-Sim, a folder or hub id; None for all-MiniLM-L6-v2, and "none"
            to score Sem-IoU alone.
    """

    source = "sunshine-lwt/Osprey-ValData on the Hugging Face hub, images from COCO 2017"
    records = (
        'annotations + "predictions": file_name, categories, annotations (parallel lists); Sem-IoU alone,'
        " since Sem-Sim needs an encoder"
    )
    rules = ("osprey", "videorefer")
    is_binary = False
    max_new_tokens = 32

    def __init__(self, *, encoder: str | None = None) -> None:
        self.encoder = encoder

    def read_records(self, files: Sequence[str | Path]) -> list[Item]:
        """Read images with ``categories``, ``annotations`` and our ``predictions``, one item for each object.

        The three lists run in parallel; a prediction is a text or null; an image without the field
        ``predictions`` has none. An id is the file's name and the object's number.
        """
        return check_unique(item for fields in read_files(files) for item in _objects(fields, self.name))

    def publish(self, items: Sequence[Item]) -> list[dict[str, Any]]:
        """Return one record for each image, with ``predictions`` beside its annotations."""
        return join_objects(self.to_record(item) for item in items)

    def to_record(self, item: Item) -> dict[str, Any]:
        """Return the record of an item's image with this object alone."""
        record = {**item.extra, "categories": [item.reference], "annotations": [dict(item.masks[0])]}
        return {**record, "predictions": [item.prediction]}

    def image_folders(self, root: Path) -> Sequence[Path]:
        """Its own images, or COCO's."""
        coco = root / "coco"
        own = super().image_folders(root)
        return (*own, coco, coco / "images", coco / "val2017", coco / "train2017")

    def prompt(self, item: Item) -> str:
        """Ask for the category."""
        return NAME_REGION

    def score(self, item: Item) -> dict[str, float | None]:
        """Score Sem-IoU in both normalisations."""
        values: dict[str, float | None] = {}
        for rule, texts in NORMALISATIONS.items():
            said = item.prediction
            share = None if said is None else semantic_iou(*texts(said, item.reference))
            values[rule] = None if share is None else 100 * share
        return values

    def scored(self, items: Sequence[Item]) -> list[Item]:
        """Score Sem-IoU, and Sem-Sim with the encoder, which embeds all texts at once.

        Raises: ConfigError or CheckpointError if the encoder cannot be had.
        """
        scored = super().scored(items)
        if self.encoder == NO_ENCODER:
            return scored
        encode = find_encoder(self.encoder)
        for rule, texts in NORMALISATIONS.items():
            pairs = [None if i.prediction is None else texts(i.prediction, i.reference) for i in scored]
            known = [pair for pair in pairs if pair is not None and "".join(pair)]
            embedded = iter(encode([text for pair in known for text in pair]) if known else ())
            values = [
                cosine(next(embedded), next(embedded)) if pair is not None and "".join(pair) else None
                for pair in pairs
            ]
            scored = [
                replace(item, scores={**item.scores, f"{rule}/Sem-Sim": None if v is None else 100 * v})
                for item, v in zip(scored, values, strict=True)
            ]
        return scored

    def without_models(self) -> _OpenClass:
        """Score Sem-IoU alone."""
        return type(self)(encoder=NO_ENCODER)

    def variants(self, items: Sequence[Item]) -> dict[str, Any]:
        """Average the likenesses."""
        variants: dict[str, Any] = {}
        for rule in self.rules:
            variants[rule] = {"Sem-IoU": Mean.of(item.scores[rule] for item in items)}
            if any(f"{rule}/Sem-Sim" in item.scores for item in items):
                variants[rule]["Sem-Sim"] = Mean.of(item.scores[f"{rule}/Sem-Sim"] for item in items)
        return variants


@BENCHMARKS.register()
class LVISBenchmark(_OpenClass):
    """LVIS as Osprey draws it: 4,004 objects of 1,000 images."""

    name = "lvis"
    size = 4004
    folder = "lvis"
    files = ("lvis_val_1k_category.json",)


@BENCHMARKS.register()
class PACOBenchmark(_OpenClass):
    """PACO as Osprey draws it: 4,263 objects and parts of 1,000 images."""

    name = "paco"
    size = 4263
    folder = "paco"
    files = ("paco_val_1k_category.json",)


def _objects(fields: Fields, benchmark: str) -> list[Item]:
    name = fields.needed_text("file_name")
    categories = fields.texts("categories")
    masks = fields.entries("annotations")
    given = fields.record.get("predictions")
    predictions = [None] * len(categories) if given is None else fields.entries("predictions")
    if not len(categories) == len(masks) == len(predictions):
        counts = f"{len(categories)} categories, {len(masks)} annotations, {len(predictions)} predictions"
        fields.fail("categories", f"must be as long as annotations and predictions: {counts}")
    rest = {k: v for k, v in fields.record.items() if k not in ("categories", "annotations", "predictions")}
    items = []
    for number, (category, mask, said) in enumerate(zip(categories, masks, predictions, strict=True)):
        problem = mask_problem(mask)
        if problem:
            fields.fail("annotations", f"has no usable mask {number}: {problem}")
        if said is not None and not isinstance(said, str):
            fields.fail("predictions", f"must hold texts or null, not {said!r:.60}")
        items.append(
            Item(
                benchmark,
                id=f"{name}#{number}",
                image=name,
                masks=(mask,),
                reference=category,
                prediction=said,
                extra=rest,
            )
        )
    return items


def join_objects(records: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Join the objects of each image into the record that was read."""
    images: dict[str, dict[str, Any]] = {}
    for record in records:
        image = images.setdefault(
            record["file_name"], {**record, "categories": [], "annotations": [], "predictions": []}
        )
        for key in ("categories", "annotations", "predictions"):
            image[key] = [*image[key], *record[key]]
    return list(images.values())


def osprey_texts(prediction: str, category: str) -> tuple[str, str]:
    """Osprey's normalisation: of "object: part" the part is kept; case stays."""
    said = prediction.strip()
    if ":" in said:
        said = said.split(":")[1]
    return _spaced(said, ".:,"), _spaced(category, "_:")


def videorefer_texts(prediction: str, category: str) -> tuple[str, str]:
    """VideoRefer's normalisation: of "object: part" the object is kept; lower case."""
    return _spaced(prediction.split(":")[0], "_:,.()").lower(), _spaced(category, "_:,.()").lower()


def _spaced(text: str, characters: str) -> str:
    return text.translate(dict.fromkeys(map(ord, characters), " ")).strip()


NORMALISATIONS = {"osprey": osprey_texts, "videorefer": videorefer_texts}


def semantic_iou(first: str, second: str) -> float | None:
    """Return the share of common words in all words of two texts, whatever the case; None without a word."""
    one, two = set(first.lower().split()), set(second.lower().split())
    return len(one & two) / len(one | two) if one | two else None


def cosine(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return the cosine of two embeddings; None if one has no length."""
    lengths = math.sqrt(sum(float(a) * float(a) for a in first) * sum(float(b) * float(b) for b in second))
    if not lengths:
        return None
    return finite(sum(float(a) * float(b) for a, b in zip(first, second, strict=True)) / lengths)
