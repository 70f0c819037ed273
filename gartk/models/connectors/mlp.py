"""A connector for any tower: the patches of a cell side by side, then two linear layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import nn

from gartk.geometry import patches_by_cell
from gartk.models.connectors.base import CONNECTORS, Connector

if TYPE_CHECKING:
    from torch import Tensor

    from gartk.structures import TileGrid


@CONNECTORS.register()
class MLPConnector(Connector):
    """Layer norm, linear, GELU, linear over the ``pool**2`` patches of each cell; random weights.

    What a tower and a language model that never met are joined with. ``in_dim`` and ``out_dim`` come
    from them; ``hidden_dim`` is ``out_dim`` where it is not given.

    Shapes: packed patches (N, in_dim) -> packed cells (N / pool**2, out_dim).
    """

    def __init__(self, *, in_dim: int, out_dim: int, pool: int = 2, hidden_dim: int | None = None) -> None:
        super().__init__(pool)
        hidden = hidden_dim or out_dim
        joined = in_dim * pool**2
        self.layers = nn.Sequential(
            nn.LayerNorm(joined), nn.Linear(joined, hidden), nn.GELU(), nn.Linear(hidden, out_dim)
        )

    def forward(self, features: Tensor, grids: Sequence[TileGrid]) -> Tensor:
        """Join the patches of each cell and project them."""
        return self.layers(patches_by_cell(features, grids, self.pool).flatten(1))
