"""What every connector promises."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gartk.errors import ConfigError
from gartk.models.part import Part
from gartk.registry import PartRegistry

if TYPE_CHECKING:
    from torch import Tensor

    from gartk.structures import TileGrid


class Connector(Part):
    """Turns the tower's patches into cells of the language model's width.

    ``pool`` is the number of patches on a cell's side, as the tiler of the tower says it too.

    Raises: ConfigError if ``pool`` is below 1.
    """

    def __init__(self, pool: int) -> None:
        super().__init__()
        if pool < 1:
            raise ConfigError(f"{type(self).__name__}: pool must be at least 1; got {pool}.")
        self.pool = pool

    @abstractmethod
    def forward(self, features: Tensor, grids: Sequence[TileGrid]) -> Tensor:
        """Project packed patches (N, in_dim) to packed cells (N / pool**2, out_dim), raster order."""


CONNECTORS: PartRegistry[Connector] = PartRegistry(
    "CONNECTORS", base="gartk.models.connectors.base:Connector", locations=["gartk.models.connectors"]
)
