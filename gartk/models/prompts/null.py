"""The absence of a visual prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gartk.models.prompts.base import PROMPT_ENCODERS, PromptEncoder

if TYPE_CHECKING:
    from gartk.structures import RegionBatch, TileGrid


@PROMPT_ENCODERS.register()
class NullPrompt(PromptEncoder):
    """Adds nothing to the patches; regions reach the model only through their local tokens.

    Source: rows 5 to 7 of the paper's Table 9.
    """

    enters_tower = False

    def __init__(self) -> None:
        super().__init__()

    def forward(self, regions: RegionBatch, grids: Sequence[TileGrid]) -> None:
        """Return no embedding."""
        return
