"""An item as a model is asked about it: its question, its image with regions, the frames of its video."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gartk.errors import DataError
from gartk.evaluation.item import asked
from gartk.evaluation.pictures import ImageFinder, item_regions
from gartk.evaluation.video import Video, is_video, uniform
from gartk.regions.images import open_image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gartk.evaluation.item import Item
    from gartk.regions import Region

FRAME = "frame_idx"


@dataclass(frozen=True)
class ItemView:
    """A question, the image that it is about, and the regions in the order in which the question counts them.

    Of a video, ``pixels`` is the frame in which the regions are marked, ``frames`` are frames of the whole.

    Shapes: pixels and frames (H, W, 3) RGB uint8.
    """

    id: str
    question: str
    pixels: NDArray[np.uint8]
    regions: list[Region]
    frames: list[NDArray[np.uint8]] = field(default_factory=list)


class ViewReader:
    """Opens items, keeping the last image for the questions that follow; threads may share one.

    Args:
        find_image: where an item's image lies.
    """

    def __init__(self, find_image: ImageFinder) -> None:
        self._find = find_image
        self._last: tuple[Path, NDArray[np.uint8]] | None = None

    def read(self, item: Item) -> ItemView:
        """Open an item's image and parse its regions.

        Raises: DataError if the image is not there, cannot be read, or a mask does not fit it.
        """
        found = self._find(item)
        if found is None:
            raise DataError(f"the image {item.image or '(not named)'} is not there")
        where = f"{item.benchmark} item {item.id}"
        if isinstance(found, np.ndarray):
            regions = item_regions(item.masks, (found.shape[0], found.shape[1]), where=where)
            return ItemView(item.id, asked(item), found, regions)
        path = Path(found)
        if is_video(path):
            return _read_video(item, Video(path), where)
        pixels = self._open(path)
        regions = item_regions(item.masks, (pixels.shape[0], pixels.shape[1]), where=where)
        return ItemView(item.id, asked(item), pixels, regions)

    def _open(self, path: Path) -> NDArray[np.uint8]:
        last = self._last  # one read, since threads may share this
        if last is None or last[0] != path:
            last = (path, open_image(path))
            self._last = last
        return last[1]


def _read_video(item: Item, video: Video, where: str) -> ItemView:
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
    return ItemView(item.id, asked(item), pixels, regions, video.frames(uniform(video.count)))


def _at_frame(mask: Mapping[str, Any], frame: str) -> Mapping[str, Any] | None:
    found = mask.get(frame)
    return found if isinstance(found, Mapping) and (found.get("segmentation") or found.get("bbox")) else None
