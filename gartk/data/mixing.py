"""Datasets made of datasets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gartk.data.base import DATASETS, RegionDataset
from gartk.errors import ConfigError
from gartk.structures import Sample


@DATASETS.register()
class ConcatDataset(RegionDataset):
    """Several datasets one after the other.

    Read in order (``train_data.shuffle=False``) it is a curriculum: each part is a stage.
    ``datasets`` holds the config of each part.

    Raises: ConfigError if there is no part.
    """

    def __init__(self, datasets: Sequence[Mapping[str, Any]]) -> None:
        if not datasets:
            raise ConfigError("ConcatDataset.datasets is empty; give the config of at least one dataset.")
        self.parts = [DATASETS.build(cfg, path=f"datasets[{i}]") for i, cfg in enumerate(datasets)]
        self._ends = np.cumsum([len(part) for part in self.parts]).tolist()

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: int) -> Sample:
        """Return sample ``index`` of all parts together. Raises: IndexError outside the range."""
        if not 0 <= index < len(self):
            raise IndexError(f"ConcatDataset index {index} is outside 0..{len(self) - 1}.")
        part = int(np.searchsorted(self._ends, index, side="right"))
        sample: Sample = self.parts[part][index - (self._ends[part - 1] if part else 0)]
        return sample


@DATASETS.register()
class InterleavedDataset(RegionDataset):
    """Several datasets dealt out in turn, each in its own order and at its own share.

    ``datasets`` holds the config of each part, ``shares`` how many samples it gives of every
    ``sum(shares)``, spread as evenly as they go. It ends before the first part would run out.

    Raises: ConfigError if there is no part, or a share is missing or below 1.
    """

    def __init__(self, datasets: Sequence[Mapping[str, Any]], shares: Sequence[int]) -> None:
        if not datasets:
            raise ConfigError(
                "InterleavedDataset.datasets is empty; give the config of at least one dataset."
            )
        if len(shares) != len(datasets) or any(int(share) != share or share < 1 for share in shares):
            raise ConfigError(
                f"InterleavedDataset needs one whole share of at least 1 for each of its {len(datasets)}"
                f" datasets, got shares={list(shares)}."
            )
        self.parts = [DATASETS.build(cfg, path=f"datasets[{i}]") for i, cfg in enumerate(datasets)]
        # Sample k of a part that gives n in a round is due at (k + 1/2) / n of the round.
        due = sorted(((k + 0.5) / n, part, k) for part, n in enumerate(shares) for k in range(n))
        self._round = [(part, k) for _, part, k in due]
        self._shares = [int(share) for share in shares]
        self._length = self._count()

    def __len__(self) -> int:
        return self._length

    def _count(self) -> int:
        """How many samples come before one that its part does not have."""
        rounds = min(len(part) // share for part, share in zip(self.parts, self._shares, strict=True))
        rest = 0
        for part, k in self._round:
            if rounds * self._shares[part] + k >= len(self.parts[part]):
                break
            rest += 1
        return rounds * len(self._round) + rest

    def __getitem__(self, index: int) -> Sample:
        """Return sample ``index``. Raises: IndexError outside the range."""
        if not 0 <= index < len(self):
            raise IndexError(f"InterleavedDataset index {index} is outside 0..{len(self) - 1}.")
        rounds, place = divmod(index, len(self._round))
        part, k = self._round[place]
        sample: Sample = self.parts[part][rounds * self._shares[part] + k]
        return sample
