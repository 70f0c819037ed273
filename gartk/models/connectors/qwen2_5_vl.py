"""Qwen2.5-VL's patch merger: a norm of every patch, then two linear layers over a block of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLPatchMerger

from gartk.geometry import patches_by_cell
from gartk.models.connectors.base import CONNECTORS, Connector
from gartk.models.weights import load_prefixed

if TYPE_CHECKING:
    from torch import Tensor

    from gartk.structures import TileGrid

WEIGHT_PREFIXES = ("model.visual.merger.", "visual.merger.")


@CONNECTORS.register()
class Qwen2_5_VLConnector(Connector):
    """The merger of Qwen2.5-VL, from transformers; checkpoints keep it inside the vision tower.

    ``in_dim`` and ``out_dim`` come from the tower and the language model. ``pretrained`` names the
    checkpoint whose merger is loaded.

    Shapes: packed patches (N, in_dim) -> packed cells (N / pool**2, out_dim).
    """

    def __init__(self, *, in_dim: int, out_dim: int, pool: int = 2, pretrained: str | None = None) -> None:
        super().__init__(pool)
        self.merger = Qwen2_5_VLPatchMerger(out_dim, in_dim, spatial_merge_size=pool)
        if pretrained is not None:
            load_prefixed(self.merger, pretrained, WEIGHT_PREFIXES)

    def forward(self, features: Tensor, grids: Sequence[TileGrid]) -> Tensor:
        """Merge the patches of each cell."""
        return self.merger(patches_by_cell(features, grids, self.pool).flatten(0, 1))
