"""Ferret-Bench, referring description: boxes to describe, which a judge rates against a reference.

Source: Ferret; scripts and recorded reviews of GAR's release.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gartk.errors import DataError
from gartk.evaluation.benchmarks.base import BENCHMARKS
from gartk.evaluation.benchmarks.judged_captions import RatedCaptions, check_scores, mean_ratings
from gartk.evaluation.item import Fields, Item, Layout, read_records, to_item
from gartk.evaluation.judgements import JudgeQuestion
from gartk.evaluation.rates import Ratio

if TYPE_CHECKING:
    from gartk.evaluation.pictures import Pictures

JUDGED = Path("ferret_gpt4_data") / "refer_desc"
CONTEXT = "context"


@BENCHMARKS.register()
class FerretBenchmark(RatedCaptions):
    """Ferret-Bench's 40 referring descriptions: the model's mean in per cent of the reference's mean.

    A model is asked to describe the region; the judge is shown the question with the box in numbers, the
    image's written context and the reference answer, as published.
    """

    name = "ferret"
    size = 40
    folder = "ferret_bench"
    source = "the release of Ferret (its folder ferret/eval/ferret_gpt4_data), images from COCO val2017"
    files = ("box_refer_caption.json",)
    records = "reviews (review_refer_desc.jsonl): question_id, content (the judge's reply), answer2"
    layout = Layout(
        id="question_id",
        image="image",
        masks="annotation",
        question="text",
        reference="answer1",
        prediction="answer2",
        reply="content",
        single_mask=True,
    )
    headline = "fixed"

    def load(self, root: Path) -> list[Item]:
        """Read the annotations, with question, reference and context for the judge."""
        texts = {name: self._texts(root, name) for name in ("question", "answer", CONTEXT)}
        items = []
        for item in self.read_annotations(self.annotation_files(root)):
            for name, known in texts.items():
                if item.id not in known:
                    raise DataError(f"{self.folder}/{JUDGED / name}.jsonl has no question_id {item.id!r}.")
            extra = {**item.extra, CONTEXT: texts[CONTEXT][item.id]}
            whole = replace(
                item, question=texts["question"][item.id], reference=texts["answer"][item.id], extra=extra
            )
            items.append(self.with_prompt(whole))
        return items

    def _texts(self, root: Path, name: str) -> dict[str, str]:
        path = self.file(root, str(JUDGED / f"{name}.jsonl"))
        return {fields.label("question_id"): fields.needed_text("text") for fields in read_records(path)}

    def read_record(self, fields: Fields) -> Item:
        """Read a review, or an annotation, which has none."""
        check_scores(fields)
        return to_item(fields, self.layout, benchmark=self.name)

    def image_folders(self, root: Path) -> Sequence[Path]:
        """Its own images, or COCO's."""
        coco = root / "coco"
        return (*super().image_folders(root), coco, coco / "val2017")

    def variants(self, items: Sequence[Item]) -> dict[str, Any]:
        """Divide the means, each rounded to three digits first."""
        places = range(len(items))
        means = {rule: mean_ratings(items, rule, places, digits=1) for rule in self.rules}
        return {rule: {"refer_desc": Ratio(*pair, share=_share)} for rule, pair in means.items()}

    def judge_questions(self, item: Item, pictures: Pictures | None = None) -> list[JudgeQuestion]:
        """Ask for ratings of the reference and the model's answer, from the image's written context."""
        context = item.extra.get(CONTEXT)
        if not isinstance(context, str) or not context:
            raise DataError(
                f"ferret: question {item.id!r} has no written context, which stands in for the image."
                " Read it with ferret_gpt4_data/refer_desc/context.jsonl."
            )
        question = self.rating_question(
            item,
            prompt="ferret_refer_desc/1",
            context=f"{_FERRET_CONTEXT}\n{context}",
            points=_FERRET_POINTS,
            prediction=without_boxes(item.prediction or ""),
        )
        return [question]


def _share(model: float, reference: float) -> float | None:
    return 100 * round(model, 3) / round(reference, 3) if round(reference, 3) > 0 else None


def without_boxes(text: str) -> str:
    """Take bracketed spans that follow a space out of an answer, as the published script does."""
    return re.sub(r" \[[^\]]*\]", "", text)


_FERRET_POINTS = (
    "whether it speaks of the right place, and how helpful, relevant, accurate and detailed it is"
)
_FERRET_CONTEXT = (
    "You cannot see the image; what is in it stands here: its objects with their boxes, relations between"
    " objects, descriptions of single boxes, and five captions of the whole. Boxes are x1, y1, x2, y2 in"
    " shares of the image's width and height."
)
