"""Questions about regions for models that take no masks: the four input types of the paper.

Source: Grasp Any Region, Table 15. What it leaves open (colours, widths, labels, the centre) is a parameter
of ``MarkStyle``; the sentences around the pictures are ours, as the scripts that the paper asked general
models with are not published.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from gartk.errors import ConfigError
from gartk.evaluation.models.marks import Mark, MarkStyle, draw_marks
from gartk.evaluation.pictures import focal_crop

if TYPE_CHECKING:
    from gartk.evaluation.models.chat import Part
    from gartk.evaluation.models.item_view import ItemView

CROPS = 1
MARKS: Mapping[int, Mark] = {2: "outline", 3: "box", 4: "cross"}
WHOLE_IMAGE = "1. The whole image:"
CROP = "{number}. The part of the image around {name}:"
CROP_MASK = "{number}. The mask of {name} in that part; the region is white:"
SENTENCES: Mapping[Mark, str] = {
    "outline": "{name} is the region outlined in {colour}{label}.",
    "box": "{name} is the region in the {colour} box{label}.",
    "cross": "{name} is the region with the {colour} cross at its centre{label}.",
}
LABELLED = " and labelled {label}"
THE_REGION = "The masked region"
VIDEO_FRAMES = "{count} frames of a video, in order:"
MARKED_FRAME = "The frame in which the regions are marked:"


@dataclass(frozen=True)
class VisualPrompt:
    """How regions are shown: 1 the whole image and two crops of each, 2 outlines, 3 boxes, 4 crosses.

    Raises: ConfigError for another type.
    """

    input_type: int = CROPS
    style: MarkStyle = field(default_factory=MarkStyle)

    def __post_init__(self) -> None:
        if self.input_type not in (CROPS, *MARKS):
            raise ConfigError(f"The input type must be 1, 2, 3 or 4; got {self.input_type}.")

    def about(self) -> dict[str, Any]:
        """Return everything that changes what is shown, as JSON values."""
        style = {} if self.input_type == CROPS else asdict(replace(self.style, mark=MARKS[self.input_type]))
        return {"input_type": self.input_type, **style}

    def parts(self, view: ItemView) -> list[Part]:
        """Return an item's texts and pictures in order; without regions just image and question."""
        parts: list[Part] = []
        if view.frames:
            parts += [VIDEO_FRAMES.format(count=len(view.frames)), *view.frames, MARKED_FRAME]
        if not view.regions:
            return [*parts, view.pixels, view.question]
        names = [region_name(view.question, number) for number in range(len(view.regions))]
        if self.input_type == CROPS:
            return [*parts, *_crops(view, names), view.question]
        style = replace(self.style, mark=MARKS[self.input_type])
        sentences = [_sentence(style, number, name) for number, name in enumerate(names)]
        marked = draw_marks(view.pixels, view.regions, style)
        return [*parts, marked, "\n".join([*sentences, view.question])]


def region_name(question: str, number: int) -> str:
    """Return what a question calls a region: ``<Prompt i>``, or "The masked region" if it names none."""
    return f"<Prompt{number}>" if "<Prompt" in question else THE_REGION


def _sentence(style: MarkStyle, number: int, name: str) -> str:
    label = style.label_text(number)
    said = LABELLED.format(label=label) if label else ""
    return SENTENCES[style.mark].format(name=name, colour=style.colour(number)[0], label=said)


def _crops(view: ItemView, names: list[str]) -> list[Part]:
    """The whole image, and of every region the image around it and its mask there, numbered."""
    parts: list[Part] = [WHOLE_IMAGE, view.pixels]
    for index, (region, name) in enumerate(zip(view.regions, names, strict=True)):
        crop, mask = focal_crop(view.pixels, region)
        parts += [CROP.format(number=2 * index + 2, name=name), crop]
        parts += [CROP_MASK.format(number=2 * index + 3, name=name), mask]
    return parts
