"""Frames of a video, which is a file or a folder of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gartk.errors import DataError
from gartk.regions.images import open_image

if TYPE_CHECKING:
    from numpy.typing import NDArray

NUM_FRAMES = 16
_PICTURES = {".jpg", ".jpeg", ".png", ".webp"}
VIDEOS = {".mp4", ".mkv", ".webm", ".avi", ".mov"}


def is_video(path: Path) -> bool:
    """Whether a path is a video: a folder, or a file of a video's ending."""
    return path.is_dir() or path.suffix.lower() in VIDEOS


def uniform(count: int, wanted: int = NUM_FRAMES) -> list[int]:
    """Choose ``wanted`` frames of ``count`` in equal steps from first to last; all if there are fewer."""
    if count <= wanted:
        return list(range(count))
    return [round(number) for number in np.linspace(0, count - 1, wanted)]


class Video:
    """A video whose frames are read when they are asked for.

    Raises: DataError if it cannot be read or has no frames.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._files = _pictures(self.path) if self.path.is_dir() else None
        self.count = len(self._files) if self._files is not None else self._count()
        if self.count < 1:
            raise DataError(f"{self.path} has no frames that can be read.")

    def frames(self, numbers: Sequence[int]) -> list[NDArray[np.uint8]]:
        """Read frames by their number from 0.

        Shapes: each (H, W, 3) RGB.
        Raises: DataError if there is no such frame.
        """
        beyond = [number for number in numbers if not 0 <= number < self.count]
        if beyond:
            raise DataError(f"{self.path} has the frames 0 to {self.count - 1}, but no frame {beyond[0]}.")
        if self._files is not None:
            return [open_image(self._files[number]) for number in numbers]
        return self._decode(numbers)

    def _count(self) -> int:
        import cv2

        capture = cv2.VideoCapture(str(self.path))
        try:
            return int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
        finally:
            capture.release()

    def _decode(self, numbers: Sequence[int]) -> list[NDArray[np.uint8]]:
        """Decode from the start on, since jumping in a video is not exact in every format."""
        import cv2

        capture = cv2.VideoCapture(str(self.path))
        found: dict[int, NDArray[np.uint8]] = {}
        try:
            for number in range(max(numbers, default=-1) + 1):
                if not capture.grab():
                    raise DataError(f"{self.path}: frame {number} cannot be decoded.")
                if number in numbers:
                    _, picture = capture.retrieve()
                    found[number] = np.ascontiguousarray(picture[..., ::-1])
        finally:
            capture.release()
        return [found[number] for number in numbers]


def _pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in _PICTURES)
