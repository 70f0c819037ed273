"""The datasets that configs can name."""

from gartk.data.conversations import ConversationDataset
from gartk.data.mixing import ConcatDataset, InterleavedDataset
from gartk.data.world.curriculum import RegionWorldCurriculum
from gartk.data.world.dataset import RegionWorldDataset

__all__ = [
    "ConcatDataset",
    "ConversationDataset",
    "InterleavedDataset",
    "RegionWorldCurriculum",
    "RegionWorldDataset",
]
