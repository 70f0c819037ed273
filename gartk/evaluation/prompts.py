"""What models that take no masks are told about regions: sentences of ours.

The scripts that the paper asked general models with are not published.
"""

from __future__ import annotations

WHOLE_IMAGE = "1. The whole image:"
CROP = "{number}. The part of the image around {name}:"
CROP_MASK = "{number}. The mask of {name} in that part; the region is white:"
OUTLINED = "{name} is the region outlined in {colour}{label}."
BOXED = "{name} is the region in the {colour} box{label}."
CROSSED = "{name} is the region with the {colour} cross at its centre{label}."
LABELLED = " and labelled {label}"
THE_REGION = "The masked region"
VIDEO_FRAMES = "{count} frames of a video, in order:"
MARKED_FRAME = "The frame in which the regions are marked:"


def region_name(question: str, number: int) -> str:
    """Return what a question calls a region: ``<Prompt i>``, or "The masked region" if it names none."""
    return f"<Prompt{number}>" if "<Prompt" in question else THE_REGION
