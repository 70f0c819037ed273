"""The absence of a visual prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import nn

from gartk.registry import PROMPT_ENCODERS

if TYPE_CHECKING:
    from gartk.structures import RegionBatch, TileGrid


@PROMPT_ENCODERS.register()
class NullPrompt(nn.Module):
    """Adds nothing to the patches; regions reach the model only through their local tokens.

    Source: rows 5 to 7 of the paper's Table 9.
    """

    def forward(self, regions: RegionBatch, grids: Sequence[TileGrid]) -> None:
        """Give no embedding."""
        return
