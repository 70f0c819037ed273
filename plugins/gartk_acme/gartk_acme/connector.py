"""A connector that comes with weights of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor, nn

from gartk.geometry import patches_by_cell
from gartk.models.connectors import Connector
from gartk.structures import TileGrid

WEIGHTS = "connector.safetensors"


class BottleneckConnector(Connector):
    """Two linear layers over the patches of each cell, with a narrow layer between them.

    Shapes: packed patches (N, in_dim) -> packed cells (N / pool**2, out_dim).

    Args:
        in_dim, out_dim: widths of the tower and of the language model, which gartk gives.
        hidden_dim: width of the narrow layer.
        pretrained: a folder with ``connector.safetensors``, whose width and weights are taken.
    """

    def __init__(
        self, *, in_dim: int, out_dim: int, pool: int = 2, hidden_dim: int = 32, pretrained: str | None = None
    ) -> None:
        super().__init__(pool)
        weights = None if pretrained is None else load_file(Path(pretrained) / WEIGHTS)
        self.hidden_dim = hidden_dim if weights is None else len(weights["0.weight"])
        self.layers = nn.Sequential(
            nn.Linear(in_dim * pool**2, self.hidden_dim), nn.GELU(), nn.Linear(self.hidden_dim, out_dim)
        )
        if weights is not None:
            self.layers.load_state_dict(weights)

    def forward(self, features: Tensor, grids: Sequence[TileGrid]) -> Tensor:
        """Join the patches of each cell and project them."""
        return self.layers(patches_by_cell(features, grids, self.pool).flatten(1))

    def saved_cfg(self) -> dict[str, Any]:
        """Return what rebuilds the connector without its folder: no source, and the width read from it."""
        return {**super().saved_cfg(), "hidden_dim": self.hidden_dim}
