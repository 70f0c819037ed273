"""LVIS and PACO open-class recognition: the name that a model gives an object against its category.

Source: Osprey (Sem-Sim, Sem-IoU); VideoRefer-VideoLLaMA3 for the second normalisation of text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gartk.evaluation.scoring.items import Fields, Item, check_unique, mask_problem, read_files
from gartk.evaluation.scoring.rates import Mean, finite

Encode = Callable[[Sequence[str]], Sequence[Sequence[float]]]


def read(paths: Iterable[str | Path], *, benchmark: str) -> list[Item]:
    """Read images with ``categories``, ``annotations`` and our ``predictions``, as one item for each object.

    The three lists run in parallel; a prediction is a text or null; an image without the field
    ``predictions`` has none. An id is the file's name and the object's number.

    Raises: DataError if the lists differ in length or a field has the wrong type.
    """
    items = []
    for fields in read_files(paths):
        items += _objects(fields, benchmark)
    return check_unique(items)


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


def to_published(item: Item) -> dict[str, Any]:
    """Turn an item back into a record of its image with this object alone; ``join_objects`` joins them."""
    record = {**item.extra, "categories": [item.reference], "annotations": [dict(item.masks[0])]}
    return {**record, "predictions": [item.prediction]}


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
    """Give the share of common words in all words of two texts, whatever the case; None without a word."""
    one, two = set(first.lower().split()), set(second.lower().split())
    return len(one & two) / len(one | two) if one | two else None


def cosine(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Give the cosine of two embeddings; None if one has no length."""
    lengths = math.sqrt(sum(float(a) * float(a) for a in first) * sum(float(b) * float(b) for b in second))
    if not lengths:
        return None
    return finite(sum(float(a) * float(b) for a, b in zip(first, second, strict=True)) / lengths)


def score(items: Sequence[Item], encode: Encode | None = None) -> dict[str, Any]:
    """Score Sem-IoU in both normalisations, and Sem-Sim with an encoder; means over objects.

    Units: 0..100 (Sem-Sim can be negative). ``encode`` turns texts into embeddings of one length.
    An object without a prediction is missing, and so is one where neither text has a word, on which the
    published scripts fail; the means are over the rest.
    """
    return {"variants": {name: _variant(items, texts, encode) for name, texts in NORMALISATIONS.items()}}


def _variant(
    items: Sequence[Item], texts: Callable[[str, str], tuple[str, str]], encode: Encode | None
) -> dict[str, Any]:
    pairs = [None if i.prediction is None else texts(i.prediction, i.reference) for i in items]
    scores = {"Sem-IoU": Mean.of((pair and semantic_iou(*pair) for pair in pairs), scale=100).to_json()}
    if encode is not None:
        known = [pair for pair in pairs if pair is not None and "".join(pair)]
        embedded = encode([text for pair in known for text in pair]) if known else []
        values: list[float | None] = [cosine(embedded[2 * n], embedded[2 * n + 1]) for n in range(len(known))]
        values += [None] * (len(pairs) - len(known))
        scores["Sem-Sim"] = Mean.of(values, scale=100).to_json()
    return scores
