"""Questions about regions for models that take no masks: the four input types of the paper.

Source: Grasp Any Region, Table 15. What it leaves open (colours, widths, labels, the centre) is a parameter
of ``MarkStyle``; the sentences around the pictures are ours (``gartk.evaluation.prompts``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gartk.errors import ConfigError
from gartk.evaluation import prompts
from gartk.evaluation.drawing import Mark, MarkStyle, draw_marks
from gartk.evaluation.item import asked
from gartk.evaluation.pictures import focal_box
from gartk.regions.masks import tight_box

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gartk.evaluation.item import Item
    from gartk.evaluation.testees.endpoint import Part
    from gartk.evaluation.testees.seeing import Seen
    from gartk.regions import Region

CROPS = 1
MARKS: Mapping[int, Mark] = {2: "outline", 3: "box", 4: "cross"}
_SENTENCES: Mapping[Mark, str] = {
    "outline": prompts.OUTLINED,
    "box": prompts.BOXED,
    "cross": prompts.CROSSED,
}


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
        """Say everything that changes what is shown."""
        style = {} if self.input_type == CROPS else asdict(replace(self.style, mark=MARKS[self.input_type]))
        return {"input_type": self.input_type, **style}

    def parts(self, item: Item, seen: Seen) -> list[Part]:
        """Write an item's question, texts and pictures in order; without regions just image and text."""
        question = asked(item)
        parts: list[Part] = []
        if seen.frames:
            parts += [prompts.VIDEO_FRAMES.format(count=len(seen.frames)), *seen.frames, prompts.MARKED_FRAME]
        if not seen.regions:
            return [*parts, seen.pixels, question]
        names = [prompts.region_name(question, number) for number in range(len(seen.regions))]
        if self.input_type == CROPS:
            return [*parts, *_crops(seen, names), question]
        style = replace(self.style, mark=MARKS[self.input_type])
        sentences = [_sentence(style, number, name) for number, name in enumerate(names)]
        return [*parts, draw_marks(seen.pixels, seen.regions, style), "\n".join([*sentences, question])]


def _sentence(style: MarkStyle, number: int, name: str) -> str:
    label = style.label_text(number)
    said = prompts.LABELLED.format(label=label) if label else ""
    return _SENTENCES[style.mark].format(name=name, colour=style.colour(number)[0], label=said)


def _crops(seen: Seen, names: list[str]) -> list[Part]:
    """The whole image, and of every region the image around it and its mask there, numbered."""
    parts: list[Part] = [prompts.WHOLE_IMAGE, seen.pixels]
    for index, (region, name) in enumerate(zip(seen.regions, names, strict=True)):
        crop, mask = focal_crop(seen.pixels, region)
        parts += [prompts.CROP.format(number=2 * index + 2, name=name), crop]
        parts += [prompts.CROP_MASK.format(number=2 * index + 3, name=name), mask]
    return parts


def focal_crop(pixels: NDArray[np.uint8], region: Region) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Cut the image and the mask to three times the region's box; see ``focal_box``.

    Shapes: pixels (H, W, 3); returns (h, w, 3) and (h, w).
    """
    x0, y0, x1, y1 = focal_box(tight_box(region.mask), region.image_hw)
    return np.ascontiguousarray(pixels[y0:y1, x0:x1]), np.ascontiguousarray(region.mask[y0:y1, x0:x1])
