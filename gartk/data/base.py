"""What every dataset promises."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from torch.utils.data import Dataset

from gartk.registry import PartRegistry

if TYPE_CHECKING:
    from gartk.structures import Sample


class RegionDataset(Dataset["Sample"]):
    """Samples by index: an image, its regions, and a conversation about them.

    It is pickled on its way to data workers, and a sample depends on its index alone.
    """

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of samples."""

    @abstractmethod
    def __getitem__(self, index: int) -> Sample:
        """Return a sample. Raises: IndexError at the length and beyond."""


DATASETS: PartRegistry[RegionDataset] = PartRegistry(
    "DATASETS", base="gartk.data.base:RegionDataset", locations=["gartk.data.datasets"]
)
