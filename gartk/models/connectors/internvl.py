"""InternVL's projector: the four patches of a cell side by side, a norm and two linear layers."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from transformers.models.internvl.modeling_internvl import InternVLMultiModalProjector

from gartk.geometry import patches_by_cell
from gartk.models.building import blank_weights
from gartk.models.connectors.base import CONNECTORS, Connector
from gartk.models.weights import load_prefixed, read_hf_config

if TYPE_CHECKING:
    from torch import Tensor

    from gartk.structures import TileGrid

WEIGHT_PREFIXES = ("model.multi_modal_projector.", "multi_modal_projector.")


@CONNECTORS.register()
class InternVLConnector(Connector):
    """The projector of InternVL, from transformers, behind its pixel shuffle.

    ``in_dim`` and ``out_dim`` come from the tower and the language model. ``pretrained`` names the
    checkpoint whose projector is loaded, with its activation.

    Shapes: packed patches (N, in_dim) -> packed cells (N / pool**2, out_dim).
    Source: pixel shuffle with a factor of 1 / pool gives a cell the features of its patches in raster
    order; the tests compare it with transformers' own.
    """

    def __init__(
        self,
        *,
        in_dim: int,
        out_dim: int,
        pool: int = 2,
        activation: str = "gelu",
        pretrained: str | None = None,
    ) -> None:
        super().__init__(pool)
        if pretrained is not None:
            activation = str(read_hf_config(pretrained).get("projector_hidden_act", activation))
        self._activation = activation
        config: Any = SimpleNamespace(
            vision_config=SimpleNamespace(hidden_size=in_dim),
            text_config=SimpleNamespace(hidden_size=out_dim),
            downsample_ratio=1 / pool,
            projector_hidden_act=activation,
        )
        with blank_weights(pretrained is not None):
            self.projector = InternVLMultiModalProjector(config)
        if pretrained is not None:
            load_prefixed(self.projector, pretrained, WEIGHT_PREFIXES)

    def forward(self, features: Tensor, grids: Sequence[TileGrid]) -> Tensor:
        """Join the patches of each cell and project them."""
        return self.projector(patches_by_cell(features, grids, self.pool).flatten(1))

    def saved_cfg(self) -> dict[str, Any]:
        """Return what rebuilds this connector: the activation that its source named."""
        return {"pretrained": None, "activation": self._activation}
