"""The datasets that configs can name."""

from gartk.data.conversations import ConversationDataset
from gartk.data.world.dataset import RegionWorldDataset

__all__ = ["ConversationDataset", "RegionWorldDataset"]
