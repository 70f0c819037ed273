"""MDVP-Bench, box captions: six phases of ten images; a judge rates reference and model 1 to 10.

The release pairs questions and answers wrongly: question i of every phase meets region i of the whole
list, so all six phases judge the first image's regions. Both pairings are built here.
Source: Draw-and-Understand; scripts and recorded captions of GAR's release.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gartk.errors import DataError
from gartk.evaluation.benchmarks.base import BENCHMARKS
from gartk.evaluation.benchmarks.judged_captions import (
    RATING_RULES,
    RatedCaptions,
    check_scores,
    mean_ratings,
)
from gartk.evaluation.item import Fields, Item, Layout, check_unique, read_files, to_item, to_record
from gartk.evaluation.judgements import JudgeQuestion
from gartk.evaluation.rates import Mean, Ratio

if TYPE_CHECKING:
    from gartk.evaluation.pictures import ImageFinder, Pictures

Pairing = Literal["published", "fixed"]

NAME = "mdvp"
CAPTION = Layout("image_path", "", "image_path", reference="gt", prediction="caption", needed=("reference",))
ANNOTATION = Layout(
    "image_path", "", "image_path", "mask_rle", "question", reference="caption", single_mask=True
)
REVIEW = Layout("question_id", "", "image", "", "question", "answer1", "answer2", "content")
JUDGE_QUESTION = "Please provide a detailed description of each marked region in the image."
PHASES = ("natural", "ocr_doc", "ocr_spotting", "multipanel", "android", "web")
COLUMNS = {
    "Natural": ("natural",),
    "OCR": ("ocr_doc", "ocr_spotting"),
    "Multi-Panel": ("multipanel",),
    "Screenshot": ("android", "web"),
}
PAIRINGS: tuple[Pairing, ...] = ("published", "fixed")
_PHASE = re.compile(r"(?:^|/)(" + "|".join(PHASES) + r")_detailed_caption(?:_box|_point)?(?:/|$)")


@BENCHMARKS.register()
class MDVPBenchmark(RatedCaptions):
    """MDVP-Bench: 364 regions of 60 images in six phases; the judge compares the answers image by image.

    A score is 100 x mean of the model / (mean of the reference + 1e-6), above 100 where the model's
    answers are rated higher; a column is the mean of its phases. Reviews are scored, of each pairing by
    both rules of rating. Where captions are given too, a pair without review is missing. Captions alone
    have no score.
    """

    name = NAME
    size = 364
    folder = "mdvp_bench"
    source = "the releases of Grasp Any Region (evaluation/MDVP-Bench) and Draw-and-Understand"
    files = ("mdvp_caption_mask.json",)
    records = (
        "reviews: question_id, content (the judge's reply), answer2, category (the phase) and, if not as"
        " published, pairing; and/or captions (gar_1b.json): image_path, caption, gt"
    )
    rules = tuple(f"{pairing} pairing, {rule} replies" for pairing in PAIRINGS for rule in RATING_RULES)
    judge_sees_pictures = True

    def read_records(self, files: Sequence[str | Path]) -> list[Item]:
        """Read captions (gar_1b.json), annotations (mdvp_caption_mask.json) or reviews.

        A review is a record as Ferret-Bench's, ``category`` being the phase; ``pairing`` says how its
        answers were paired, "published" where it says nothing.
        """
        items = []
        count = 0
        for fields in read_files(files):
            layout = _layout(fields.record)
            phase = _phase(fields, "category" if layout is REVIEW else "image_path")
            prefix = f"{count} "
            if layout is REVIEW:
                check_scores(fields)
                pairing = fields.record.get("pairing", "published")
                if pairing not in PAIRINGS:
                    fields.fail("pairing", f"must be one of {', '.join(PAIRINGS)}")
                prefix = f"review {pairing} "
            else:
                count += 1
            items.append(to_item(fields, layout, benchmark=NAME, task=phase, id_prefix=prefix))
        return check_unique(items)

    def complete(self, items: Sequence[Item], annotated: Sequence[Item]) -> list[Item]:
        """Return the items in the annotations' order, those without a caption too, then the reviews.

        Captions belong to annotations by phase, image and reference.
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
            raise DataError(f"{NAME}: the region {left[0].id!r} is not in the annotations.")
        return ordered + [item for item in items if is_review(item)]

    def publish(self, items: Sequence[Item]) -> list[dict[str, Any]]:
        """Return captions as gar_1b.json, then reviews."""
        reviews = [item for item in items if is_review(item)]
        captions = [item for item in items if not is_review(item)]
        records = [to_record(replace(item, masks=(), extra={}), CAPTION) for item in captions]
        return [*records, *map(self.to_record, reviews)]

    def to_record(self, item: Item) -> dict[str, Any]:
        """Return an item as the record of its kind."""
        if is_review(item):
            return to_record(item, REVIEW)
        return to_record(item, ANNOTATION if item.masks else CAPTION)

    def find_image(self, root: Path) -> ImageFinder:
        """Look below ``images/`` and ``data/``, with or without a folder ``images`` in each phase."""
        home = root / self.folder
        folders = (home / "images", home / "data", home)

        def find(item: Item) -> Path | None:
            names = (item.image, item.image.replace("/images/", "/")) if item.image else ()
            paths = (folder / name for name in names for folder in folders)
            return next((path for path in paths if path.is_file()), None)

        return find

    # ---- scoring ----------------------------------------------------------------------------

    def has_score(self, item: Item) -> bool:
        """Only reviews are scored."""
        return is_review(item)

    def score(self, item: Item) -> dict[str, float | None]:
        """Score a review by the rules about its pairing."""
        if not is_review(item):
            return {}
        values = super().score(item)
        names = {name: f"{_pairing(item)} pairing, {name} replies" for name in RATING_RULES}
        return {names[rule] + slash + part: values[rule + slash + part]
                for rule, slash, part in (name.partition("/") for name in values)}  # fmt: skip

    def variants(self, items: Sequence[Item]) -> dict[str, Any]:
        """Divide the means of each phase, and average phases to the four columns of the paper."""
        variants: dict[str, Any] = {}
        for pairing in PAIRINGS:
            pairs = pair_answers(items, pairing)
            mine = [n for n, item in enumerate(items) if is_review(item) and _pairing(item) == pairing]
            for name in RATING_RULES:
                rule = f"{pairing} pairing, {name} replies"
                phases = {phase: _phase_ratio(items, rule, mine, pairs, phase) for phase in PHASES}
                columns = {
                    title: Mean.over([phases[phase] for phase in parts], digits=2)
                    for title, parts in COLUMNS.items()
                }
                variants[rule] = {"columns": columns, "phases": phases}
        return variants

    def details(self, items: Sequence[Item]) -> dict[str, Any]:
        """Count the pairs whose question and answers are about one image."""
        same: dict[str, Any] = {}
        for pairing in PAIRINGS:
            pairs = pair_answers(items, pairing)
            counts = {p: [q.question_image == q.answer_image for q in pairs if q.phase == p] for p in PHASES}
            same[pairing] = {phase: {"same": sum(c), "pairs": len(c)} for phase, c in counts.items()}
        return {"same_image": same}

    def stratum(self, item: Item) -> Hashable:
        """Draw within a phase and a pairing."""
        return (item.task, item.extra.get("pairing"))

    # ---- the judge --------------------------------------------------------------------------

    def to_judge(self, items: Sequence[Item]) -> list[Item]:
        """Add the reviews of both pairings after the captions; reviews that are there already stay.

        A review has the image and regions of its question.
        """
        captions = [item for item in items if not is_review(item)]
        known = {(item.task, item.id) for item in items}
        reviews = [review for review in _reviews(captions) if (review.task, review.id) not in known]
        return [*items, *reviews]

    def is_answered(self, item: Item) -> bool:
        """A model answers captions."""
        return not is_review(item)

    def is_asked(self, item: Item) -> bool:
        """The judge is asked about reviews."""
        return item.prediction is not None and is_review(item)

    def judge_questions(self, item: Item, pictures: Pictures | None = None) -> list[JudgeQuestion]:
        """Ask for ratings of the reference and the model's answer, with the image and its regions drawn.

        Raises: DataError without pictures: this benchmark has no judge without them.
        """
        if pictures is None:
            raise DataError(
                "mdvp: the judge needs the images; give their folder, and a judge that sees images."
            )
        boxes = "; ".join(f"Region {n}: {box}" for n, box in enumerate(pictures.boxes_text(), start=1))
        question = self.rating_question(
            item,
            prompt="mdvp/1",
            context=f"{_MDVP_CONTEXT[item.task]} {_MDVP_MARKED}\n{boxes}",
            points=_MDVP_POINTS,
            prediction=item.prediction or "",
            parts=(pictures.marked(),),
        )
        return [question]


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


def is_review(item: Item) -> bool:
    """Whether an item is a judge's review of two answers, and not a region's caption."""
    return "category" in item.extra


def _pairing(item: Item) -> str:
    return str(item.extra.get("pairing", "published"))


def _region_key(item: Item) -> tuple[str, str, str]:
    return item.task, (item.image or "").rpartition("/")[2], item.reference


# ------------------------------------------------------------------ pairs of answers


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


def _reviews(captions: Sequence[Item]) -> list[Item]:
    by_image: dict[tuple[str, str], list[Item]] = {}
    for item in captions:
        by_image.setdefault((item.task, item.image or ""), []).append(item)
    reviews = []
    for pairing in PAIRINGS:
        for pair in pair_answers(captions, pairing):
            regions = by_image[pair.phase, pair.question_image]
            reviews.append(
                Item(
                    benchmark=NAME,
                    id=f"review {pairing} {pair.question_id}",
                    task=pair.phase,
                    image=pair.question_image,
                    masks=tuple(mask for region in regions for mask in region.masks),
                    question=regions[0].question or JUDGE_QUESTION,
                    reference=pair.reference,
                    prediction=pair.prediction,
                    extra={
                        "category": f"{pair.phase}_detailed_caption_box",
                        "pairing": pairing,
                        "question_id": pair.question_id,
                    },
                )
            )
    return reviews


def _phase_ratio(
    items: Sequence[Item], rule: str, reviews: Sequence[int], pairs: Sequence[ReviewPair], phase: str
) -> Ratio:
    """Divide the means of a phase; a pair that has no review counts as missing."""
    places = [place for place in reviews if items[place].task == phase]
    asked = {str(pair.question_id) for pair in pairs if pair.phase == phase}
    unjudged = len(asked - {items[place].id.rpartition(" ")[2] for place in places})
    model, reference = mean_ratings(items, rule, places, digits=2)
    model, reference = (replace(mean, total=mean.total + unjudged) for mean in (model, reference))
    return Ratio(model, reference, share=_share)


def _share(model: float, reference: float) -> float | None:
    return 100 * model / (reference + 1e-6) if reference > 0 else None


# ------------------------------------------------------------------ what the judge is asked

_MDVP_POINTS = "how helpful, relevant, accurate and detailed it is"
_MDVP_CONTEXT = {
    "natural": "The picture is a photo.",
    "ocr_doc": "The picture is a document; the regions hold text.",
    "ocr_spotting": "The picture is a scene with writing in it; the regions hold text.",
    "multipanel": "The picture is made of several panels.",
    "android": "The picture is the screen of a phone.",
    "web": "The picture is a page of a web site.",
}
_MDVP_MARKED = (
    "The regions that the question is about are drawn as green boxes with numbers. Their boxes are x, y,"
    " width and height in shares of the picture's width and height."
)
