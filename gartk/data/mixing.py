"""Datasets made of datasets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gartk.errors import ConfigError
from gartk.registry import DATASETS
from gartk.structures import Sample


@DATASETS.register()
class ConcatDataset:
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
        """Give sample ``index`` of all parts together. Raises: IndexError outside the range."""
        if not 0 <= index < len(self):
            raise IndexError(f"ConcatDataset index {index} is outside 0..{len(self) - 1}.")
        part = int(np.searchsorted(self._ends, index, side="right"))
        sample: Sample = self.parts[part][index - (self._ends[part - 1] if part else 0)]
        return sample
