"""A dataset: boxes of one colour, and the question which."""

from __future__ import annotations

import numpy as np

from gartk.data.base import RegionDataset
from gartk.regions import Region
from gartk.structures import Sample, Turn

COLOURS = {"red": (220, 30, 40), "green": (40, 170, 70), "blue": (30, 60, 220), "yellow": (240, 220, 40)}


class ColourDataset(RegionDataset):
    """Grey pictures of 64x64 pixels with a coloured box, each drawn from its index alone."""

    def __init__(self, length: int = 1000) -> None:
        self.length = length

    def __len__(self) -> int:
        """Return the number of samples."""
        return self.length

    def __getitem__(self, index: int) -> Sample:
        """Return a sample. Raises: IndexError at the length and beyond."""
        if not 0 <= index < self.length:
            raise IndexError(index)
        rng = np.random.default_rng(index)
        x, y = (int(value) for value in rng.integers(0, 32, 2))
        name = str(rng.choice(list(COLOURS)))
        image = np.full((64, 64, 3), 128, dtype=np.uint8)
        image[y : y + 32, x : x + 32] = COLOURS[name]
        region = Region.from_box((x, y, x + 32, y + 32), image_hw=(64, 64))
        turns = [Turn("user", "What colour is <Prompt0>?"), Turn("assistant", name)]
        return Sample(image, [region], turns, id=str(index))
