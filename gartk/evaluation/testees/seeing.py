"""What there is to see of an item: its image with its regions, or the frames of its video."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gartk.errors import DataError
from gartk.evaluation.pictures import ImageFinder, item_regions
from gartk.evaluation.video import Video, is_video, uniform
from gartk.regions.images import open_image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gartk.evaluation.item import Item
    from gartk.regions import Region

FRAME = "frame_idx"


@dataclass(frozen=True)
class Seen:
    """An image and the regions in it; for a video the frame in which they are marked, and its other frames.

    Shapes: pixels and frames (H, W, 3) RGB.
    """

    pixels: NDArray[np.uint8]
    regions: list[Region]
    frames: list[NDArray[np.uint8]] = field(default_factory=list)


class Eyes:
    """Opens what items are about; of one image only the last is kept, for the questions that follow.

    Args:
        find: where an item's image lies.
    """

    def __init__(self, find: ImageFinder) -> None:
        self._find = find
        self._last: tuple[Path, NDArray[np.uint8]] | None = None

    def look(self, item: Item) -> Seen:
        """Open an item's image and parse its regions.

        Raises: DataError if the image is not there, cannot be read, or a mask does not fit it.
        """
        found = self._find(item)
        if found is None:
            raise DataError(f"the image {item.image or '(not named)'} is not there")
        where = f"{item.benchmark} item {item.id}"
        if isinstance(found, np.ndarray):
            return Seen(found, item_regions(item.masks, (found.shape[0], found.shape[1]), where=where))
        path = Path(found)
        if is_video(path):
            return _look_at_video(item, Video(path), where)
        pixels = self._open(path)
        return Seen(pixels, item_regions(item.masks, (pixels.shape[0], pixels.shape[1]), where=where))

    def _open(self, path: Path) -> NDArray[np.uint8]:
        last = self._last  # one read, since threads may share this
        if last is None or last[0] != path:
            last = (path, open_image(path))
            self._last = last
        return last[1]


def _look_at_video(item: Item, video: Video, where: str) -> Seen:
    """The frame that the item names with the masks of its objects there, and frames of the whole video."""
    name = str(item.extra.get(FRAME, ""))
    if not name.isdigit():
        raise DataError(f"{where}: field {FRAME!r} must be the number of a frame, not {name!r}")
    (pixels,) = video.frames([int(name)])
    masks = [_at_frame(mask, name) for mask in item.masks]
    if any(mask is None for mask in masks):
        raise DataError(f"{where}: an object has no mask in frame {name}")
    regions = item_regions(
        [mask for mask in masks if mask is not None], (pixels.shape[0], pixels.shape[1]), where=where
    )
    return Seen(pixels, regions, video.frames(uniform(video.count)))


def _at_frame(mask: Mapping[str, Any], frame: str) -> Mapping[str, Any] | None:
    found = mask.get(frame)
    return found if isinstance(found, Mapping) and (found.get("segmentation") or found.get("bbox")) else None
