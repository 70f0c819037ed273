"""Items of every judged benchmark with an image that has regions, and replies that fit them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from gartk.evaluation.item import Item
from gartk.evaluation.pictures import ImageFinder, in_folder

MASK = {"size": [40, 60], "counts": [40 * 10, 40 * 20, 40 * 30]}
OTHER_MASK = {"size": [40, 60], "counts": [40 * 40, 40 * 20]}

CAP_SIMPLE = Item(
    "gar-cap", "images/a.png", task="simple", image="images/a.png", masks=(MASK, OTHER_MASK),
    reference="<Prompt0> is on <Prompt1>.", prediction="<Prompt0> is on top of <Prompt1>.",
)  # fmt: skip
CAP_DETAILED = Item(
    "gar-cap", "images/b.png", task="detailed", image="images/b.png", masks=(MASK, OTHER_MASK),
    prediction="A person in red stands beside a skateboard.",
    extra={"subject_name": "person", "object_name": "skateboard", "predicate_name": "beside"},
)  # fmt: skip
DLC = Item(
    "dlc", "17", image="images/a.png", masks=(MASK,), reference="wild bird",
    prediction="A grey bird with wings.",
    extra={
        "details_recognition": [{"choices": [["Yes", "correct"], ["No", "incorrect"]]}],
        "details_positives": [
            {"choices": [["The wing or the wild bird is not mentioned.", 0],
                         ["The color of the wing is mentioned in the description and is grey.", 1]]}
        ],
        "details_negatives": [
            {"choices": [["The boats are not mentioned in the description.", 1],
                         ["The boats are mentioned in the description.", -1]]}
        ],
    },
)  # fmt: skip
FERRET = Item(
    "ferret", "0", question="What is it for?", reference="A sign on a house.", prediction="A sign [at 1, 2].",
    extra={"context": "Object 0 : sign at [0.1, 0.2, 0.3, 0.4]."},
)  # fmt: skip
MDVP = Item(
    "mdvp", "0 web_detailed_caption/images/a.png", task="web", image="images/a.png", masks=(MASK,),
    reference="A button.", prediction="A blue button.",
)  # fmt: skip
VIDEO = Item("videorefer-d", "0", image="clip.mp4", reference="A cub plays.", prediction="A cub sleeps.")
ALL = (CAP_SIMPLE, CAP_DETAILED, DLC, FERRET, MDVP, VIDEO)


def write_images(folder: Path) -> ImageFinder:
    """Write the images of the items, and give what finds them."""
    (folder / "images").mkdir()
    ramp = np.linspace(0, 255, 40 * 60 * 3).reshape(40, 60, 3).astype(np.uint8)
    for name in ("a", "b"):
        Image.fromarray(ramp).save(folder / "images" / f"{name}.png")
    return in_folder(folder)
