"""MDVP-Bench, box captions: six phases of ten images; a judge rates reference and model 1 to 10.

The release pairs questions and answers wrongly: question i of every phase meets region i of the whole
list, so all six phases judge the first image's regions. Both pairings are built here.
Source: Draw-and-Understand; scripts and recorded captions of GAR's release.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gartk.errors import DataError
from gartk.evaluation.scoring.ferret_bench import RULES, Pair, check_scores, mean_pair
from gartk.evaluation.scoring.items import (
    Fields,
    Item,
    Layout,
    check_unique,
    read_files,
    to_item,
    to_record,
)
from gartk.evaluation.scoring.rates import Mean, Ratio, finite

Pairing = Literal["published", "fixed"]

CAPTION = Layout(
    "mdvp", "image_path", "", "image_path", reference="gt", prediction="caption", needed=("reference",)
)
ANNOTATION = Layout(
    "mdvp", "image_path", "", "image_path", "mask_rle", "question", reference="caption", single_mask=True
)
REVIEW = Layout("mdvp", "question_id", "", "image", "", "question", "answer1", "answer2", "content")
PHASES = ("natural", "ocr_doc", "ocr_spotting", "multipanel", "android", "web")
COLUMNS = {
    "Natural": ("natural",),
    "OCR": ("ocr_doc", "ocr_spotting"),
    "Multi-Panel": ("multipanel",),
    "Screenshot": ("android", "web"),
}
PAIRINGS: tuple[Pairing, ...] = ("published", "fixed")
_PHASE = re.compile(r"(?:^|/)(" + "|".join(PHASES) + r")_detailed_caption(?:_box|_point)?(?:/|$)")


@dataclass(frozen=True)
class ReviewPair:
    """Two answers that a judge is to compare, and the images that the question and they are about."""

    pairing: str
    phase: str
    question_id: int
    question_image: str
    answer_image: str
    reference: str
    prediction: str | None


def read(paths: Iterable[str | Path]) -> list[Item]:
    """Read captions (gar_1b.json), annotations (mdvp_caption_mask.json) or reviews of MDVP-Bench.

    A review is a record as Ferret-Bench's, ``category`` being the phase; ``pairing`` says how its
    answers were paired, "published" where it says nothing.

    Raises: DataError if a record is of no known phase or kind, or a field has the wrong type.
    """
    items = []
    count = 0
    for fields in read_files(paths):
        layout = _layout(fields.record)
        phase = _phase(fields, "category" if layout is REVIEW else "image_path")
        if layout is REVIEW:
            check_scores(fields)
            pairing = fields.record.get("pairing", "published")
            if pairing not in PAIRINGS:
                fields.fail("pairing", f"must be one of {', '.join(PAIRINGS)}")
            items.append(to_item(fields, layout, task=phase, id_prefix=f"review {pairing} "))
        else:
            items.append(to_item(fields, layout, task=phase, id_prefix=f"{count} "))
            count += 1
    return check_unique(items)


def _layout(record: Any) -> Layout:
    if "category" in record:
        return REVIEW
    return ANNOTATION if "mask_rle" in record and "gt" not in record else CAPTION


def _phase(fields: Fields, key: str) -> str:
    text = fields.needed_text(key)
    found = _PHASE.search(text)
    if not found and text not in PHASES:
        fields.fail(key, f"names none of the phases {', '.join(PHASES)}: {text!r}")
    return found[1] if found else text


def to_published(item: Item) -> dict[str, Any]:
    """Turn an item back into the published record."""
    if is_review(item):
        return to_record(item, REVIEW)
    return to_record(item, ANNOTATION if item.masks else CAPTION)


def is_review(item: Item) -> bool:
    """Whether an item is a judge's review of two answers, and not a region's caption."""
    return "category" in item.extra


def complete(items: Sequence[Item], annotated: Sequence[Item]) -> list[Item]:
    """Give the items in the annotations' order, those without a caption too, then the reviews.

    Captions belong to annotations by phase, image and reference.

    Raises: DataError if a caption belongs to none.
    """
    waiting: dict[tuple[str, str, str], list[Item]] = {}
    for item in items:
        if not is_review(item):
            waiting.setdefault(_region_key(item), []).append(item)
    ordered = []
    for region in annotated:
        same = waiting.get(_region_key(region))
        ordered.append(same.pop(0) if same else region)
    left = [item for group in waiting.values() for item in group]
    if left:
        raise DataError(f"mdvp: the region {left[0].id!r} is not in the annotations.")
    return ordered + [item for item in items if is_review(item)]


def _region_key(item: Item) -> tuple[str, str, str]:
    return item.task, (item.image or "").rpartition("/")[2], item.reference


def pair_answers(items: Sequence[Item], pairing: Pairing) -> list[ReviewPair]:
    """Pair the answers of each phase's images for the judge, question ids from 1.

    published: question i of a phase meets reference and caption of region i of the whole list.
    fixed: it meets those of all regions of its image, joined as "<Region k>: text" in their order.
    A region without a caption gives its pair no prediction.
    """
    regions = [item for item in items if not is_review(item)]
    by_image: dict[tuple[str, str], list[Item]] = {}
    for item in regions:
        by_image.setdefault((item.task, item.image or ""), []).append(item)
    pairs = []
    for phase in PHASES:
        images = [(image, group) for (task, image), group in by_image.items() if task == phase]
        for number, (image, group) in enumerate(images):
            if pairing == "fixed":
                texts = _joined([i.reference for i in group]), _joined([i.prediction for i in group])
                pairs.append(ReviewPair(pairing, phase, number + 1, image, image, texts[0] or "", texts[1]))
            else:
                other = regions[number]
                answers = (other.image or "", other.reference, other.prediction)
                pairs.append(ReviewPair(pairing, phase, number + 1, image, *answers))
    return pairs


def _joined(texts: Sequence[str | None]) -> str | None:
    if None in texts:
        return None
    return "\n".join(f"<Region {number}>: {text}" for number, text in enumerate(texts, start=1))


def score(items: Sequence[Item]) -> dict[str, Any]:
    """Score the reviews of each pairing: the four columns of the paper and the six phases.

    Units: 100 x mean of the model / (mean of the reference + 1e-6), above 100 where the model's
    answers are rated higher. A column is the mean of its phases. For each pairing both rules of
    Ferret-Bench: published (an unreadable reply counts as -1 and -1) and fixed (it is missing).
    Where captions are given too, a pair without review is missing, and ``same_image`` counts the
    pairs whose question and answers are about one image. Captions alone have no score.
    """
    variants: dict[str, Any] = {}
    same: dict[str, Any] = {}
    for pairing in PAIRINGS:
        pairs = pair_answers(items, pairing)
        reviews = [i for i in items if is_review(i) and i.extra.get("pairing", "published") == pairing]
        for name, rule in RULES.items():
            phases = {p: _phase_scores(p, reviews, pairs, [rule(i) for i in reviews]) for p in PHASES}
            variants[f"{pairing} pairing, {name} replies"] = _columns(phases)
        counts = {p: [q.question_image == q.answer_image for q in pairs if q.phase == p] for p in PHASES}
        same[pairing] = {phase: {"same": sum(c), "pairs": len(c)} for phase, c in counts.items()}
    return {"variants": variants, "same_image": same}


def _phase_scores(
    phase: str, reviews: Sequence[Item], pairs: Sequence[ReviewPair], scores: Sequence[Pair | None]
) -> list[Pair | None]:
    given = {
        item.id.rpartition(" ")[2]: s for item, s in zip(reviews, scores, strict=True) if item.task == phase
    }
    asked = [str(pair.question_id) for pair in pairs if pair.phase == phase]
    return list({**dict.fromkeys(asked), **given}.values())


def _columns(phases: dict[str, list[Pair | None]]) -> dict[str, Any]:
    ratios = {phase: _ratio(pairs) for phase, pairs in phases.items()}
    columns = {name: Mean.of([ratios[p].value for p in parts], digits=2) for name, parts in COLUMNS.items()}
    whole = {
        name: mean if not mean.missing else Mean(None, mean.scored, mean.total)
        for name, mean in columns.items()
    }
    return {
        "columns": {name: mean.to_json() for name, mean in whole.items()},
        "phases": {phase: ratio.to_json() for phase, ratio in ratios.items()},
    }


def _ratio(pairs: Sequence[Pair | None]) -> Ratio:
    reference, model = mean_pair(pairs, digits=2)
    if reference.value is None or model.value is None or reference.value <= 0:
        return Ratio(None, model, reference)
    return Ratio(finite(100 * model.value / (reference.value + 1e-6)), model, reference)
