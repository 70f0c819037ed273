"""What every region extractor promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

    from gartk.structures import FeatureMap, RegionBatch


class RegionExtractor(nn.Module, ABC):
    """Takes the local tokens of every region from the maps of their images.

    ``num_tokens`` is known before the forward pass, since the placeholders are written by the
    data pipeline; ``token_hw`` is their (rows, columns) where they form a picture of the region, which
    language models with two-dimensional positions use. An extractor whose constructor has a ``dim``
    parameter is given the width of the language model.
    """

    num_tokens: int
    token_hw: tuple[int, int] | None = None

    @abstractmethod
    def forward(self, maps: Sequence[FeatureMap], regions: RegionBatch) -> Tensor:
        """Give (K, num_tokens, D) tokens in the order of ``regions``."""
