"""Reading what a user asks: one image or many, regions in any form, one question or many."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from gartk.data.prompting import unknown_prompts
from gartk.errors import DataError, GartkError, RegionError
from gartk.regions import Region, parse_regions
from gartk.regions.images import open_image
from gartk.structures import Sample, Turn

if TYPE_CHECKING:
    from numpy.typing import NDArray


class QuestionWarning(UserWarning):
    """A question may not mean what was intended."""


@dataclass(frozen=True)
class Target:
    """One image with its regions, or several that belong together, checked; see ``Sample``."""

    images: tuple[NDArray[np.uint8], ...]
    regions: tuple[Region | Mapping[int, Region], ...]


@dataclass(frozen=True)
class Request:
    """One question about regions, checked and ready to be encoded."""

    images: tuple[NDArray[np.uint8], ...]
    regions: tuple[Region | Mapping[int, Region], ...]
    question: str
    warnings: tuple[str, ...] = ()

    def sample(self) -> Sample:
        """Return it as a sample without an answer."""
        return Sample(self.images, self.regions, [Turn("user", self.question)])


def is_many(value: Any) -> bool:
    """Return whether an image or question argument holds several."""
    return isinstance(value, (list, tuple))


def is_one_region(given: Any) -> bool:
    """Return whether one region is given: a Region, picture, dict, four numbers or a 2-D array is one.

    Anything else that can be iterated over holds several, so a bare polygon has to stand in a list
    or a dict.
    """
    if isinstance(given, (Region, Mapping, str, os.PathLike, bytes, bytearray, Image.Image)):
        return True
    if isinstance(given, np.ndarray) or hasattr(given, "detach"):
        return given.ndim == 2 or tuple(given.shape) == (4,)
    return (
        isinstance(given, Sequence)
        and len(given) == 4
        and all(np.ndim(v) == 0 and not _holds(v) for v in given)
    )


def _holds(value: Any) -> bool:
    """Whether a value without dimensions is a region rather than a number."""
    return isinstance(value, (Region, Mapping, str, os.PathLike, bytes, bytearray, Image.Image))


def read_regions(given: Any, image: NDArray[np.uint8], *, limit: int | None) -> tuple[Region, ...]:
    """Parse the regions of one image.

    Raises: RegionError if there is none, one is wrong, or there are more than the model can name.
    """
    try:
        several = [given] if is_one_region(given) else list(given)
    except TypeError as error:
        raise RegionError(
            f"Regions must be a region or a list of them; got {type(given).__name__}."
        ) from error
    if not several:
        raise RegionError(
            "No region was given. For the image as a whole, give the box (0, 0, width, height):"
            f" (0, 0, {image.shape[1]}, {image.shape[0]})."
        )
    _check_limit(len(several), limit)
    return tuple(parse_regions(several, image=image))


def _check_limit(count: int, limit: int | None) -> None:
    if limit is not None and count > limit:
        raise RegionError(
            f"{count} regions were given, but this model has prompt tokens for {limit}. Ask about"
            f" fewer at a time, or extend it: gartk.compat.extend_prompts(model, {count - limit})."
        )


def read_image_set(images: Any, regions: Any, *, limit: int | None = None) -> Target:
    """Read several images that one question is about, and regions that say on which of them they are.

    A region is a dict with the number of its image (``{"image": 1, "box": ...}``), a tuple of the number
    and anything that ``Region.parse`` takes, or a list of these, one for each image on which it is seen.

    Raises: DataError or RegionError naming the image and the region.
    """
    if not is_many(images) or not len(images):
        raise DataError("images must be a list of one or more; for a single picture give it as image.")
    opened: list[NDArray[np.uint8]] = []
    for index, image in enumerate(images):
        try:
            opened.append(open_image(image))
        except GartkError as error:
            raise type(error)(f"Image {index}: {error}") from error
    several = [regions] if _is_placed(regions) else list(regions) if is_many(regions) else []
    if not several:
        raise RegionError("No region was given. Give a list of regions, each with the number of its image.")
    _check_limit(len(several), limit)
    return Target(tuple(opened), tuple(_read_placed(one, i, opened) for i, one in enumerate(several)))


def _is_placed(given: Any) -> bool:
    """Whether a region says on which image it is."""
    if isinstance(given, Mapping):
        return "image" in given
    return isinstance(given, tuple) and len(given) == 2 and isinstance(given[0], int)


def _read_placed(given: Any, number: int, images: Sequence[NDArray[np.uint8]]) -> Mapping[int, Region]:
    places: dict[int, Region] = {}
    if not _is_placed(given) and len(images) == 1:
        return {0: Region.parse(given, image=images[0], index=number)}
    for one in [given] if _is_placed(given) or not isinstance(given, list) else given:
        if not _is_placed(one):
            raise RegionError(
                f"region {number} does not say on which of the {len(images)} images it is. Give"
                " {'image': 0, 'box': ...} or (0, region), or a list of these."
            )
        if isinstance(one, Mapping):
            image, form = one["image"], {key: value for key, value in one.items() if key != "image"}
        else:
            image, form = one
        if not isinstance(image, int) or not 0 <= image < len(images):
            raise RegionError(
                f"region {number} is on image {image!r}, but images are numbered 0 to {len(images) - 1}."
            )
        if image in places:
            raise RegionError(f"region {number} is given twice on image {image}.")
        try:
            places[image] = Region.parse(form, image=images[image], index=number)
        except GartkError as error:
            raise type(error)(f"Image {image}: {error}") from error
    return places


def read_question(question: Any, num_regions: int) -> tuple[str, tuple[str, ...]]:
    """Check a question; also gives what its answer should warn of.

    Raises: DataError if it is no text or empty.
    """
    if not isinstance(question, str):
        raise DataError(f"A question must be a string; got {type(question).__name__}.")
    if not question.strip():
        raise DataError("The question is empty. Ask something, e.g. 'What color is <Prompt0>?'.")
    unknown = list(dict.fromkeys(unknown_prompts(question, num_regions)))
    if not unknown:
        return question, ()
    last = f"<Prompt{num_regions - 1}>"
    known = "only <Prompt0> is" if num_regions == 1 else f"<Prompt0> to {last} are"
    text = f"The question names {', '.join(unknown)}, but {known} given; read as plain text."
    warnings.warn(text, QuestionWarning, stacklevel=5)
    return question, (text,)


def read_targets(images: Any, regions: Any, *, limit: int | None = None) -> list[Target]:
    """Read one image with its regions, or a list of images with as many region lists.

    The same file or object is opened once, so that its tiles can be shared.

    Raises: DataError if the counts differ or an image is wrong; RegionError. With several images the
        error names the one.
    """
    if not is_many(images):
        pixels = open_image(images)
        return [Target((pixels,), read_regions(regions, pixels, limit=limit))]
    if not isinstance(regions, (list, tuple)) or len(regions) != len(images):
        count = len(regions) if isinstance(regions, (list, tuple)) else "no list of them"
        raise DataError(f"{len(images)} images need a list of as many region lists; got {count}.")
    opened: dict[Any, NDArray[np.uint8]] = {}
    targets = []
    for index, (image, given) in enumerate(zip(images, regions, strict=True)):
        key = image if isinstance(image, (str, os.PathLike)) else id(image)
        try:
            if key not in opened:
                opened[key] = open_image(image)
            targets.append(Target((opened[key],), read_regions(given, opened[key], limit=limit)))
        except GartkError as error:
            raise type(error)(f"Image {index}: {error}") from error
    return targets


def read_all_targets(images: Any, regions: Any, together: Any, *, limit: int | None = None) -> list[Target]:
    """Read one image or a list of them, or images that belong together.

    Raises: as ``read_targets`` and ``read_image_set``; DataError if both or neither are given.
    """
    if (images is None) == (together is None):
        raise DataError("Give either image, or images that belong to one question.")
    if together is None:
        return read_targets(images, regions, limit=limit)
    return [read_image_set(together, regions, limit=limit)]


def read_requests(
    images: Any, regions: Any, questions: Any, *, limit: int, together: Any = None
) -> list[Request]:
    """Pair images, regions and questions up; a single image or question goes with all of the others.

    With one image its regions belong to every question; with a list of images the i-th question is
    about the i-th image. ``together`` takes the place of ``images``: several that every question is about.

    Raises: as ``read_targets``; DataError if a question is wrong or the counts differ.
    """
    targets = read_all_targets(images, regions, together, limit=limit)
    if not is_many(questions):
        asked = [questions] * len(targets)
    else:
        asked = list(questions)
        if not is_many(images):
            targets = targets * len(asked)
    if len(asked) != len(targets):
        raise DataError(
            f"{len(targets)} images and {len(asked)} questions were given; the numbers must be equal."
        )
    return [
        Request(target.images, target.regions, *read_question(question, len(target.regions)))
        for target, question in zip(targets, asked, strict=True)
    ]
