"""PerceptionLM's projector: two linear layers, then average pooling."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch
from transformers.models.perception_lm.modeling_perception_lm import PerceptionLMMultiModalProjector

from gartk.errors import ConfigError
from gartk.geometry import patch_planes
from gartk.models.connectors.base import CONNECTORS, Connector
from gartk.models.weights import load_prefixed

if TYPE_CHECKING:
    from torch import Tensor

    from gartk.structures import TileGrid

WEIGHT_PREFIXES = (
    "model.multi_modal_projector.",
    "mllm.model.multi_modal_projector.",
    "multi_modal_projector.",
)


@CONNECTORS.register()
class PerceptionLMConnector(Connector):
    """The projector of PerceptionLM, from transformers.

    ``in_dim`` and ``out_dim`` come from the tower and the language model. ``pretrained`` names the
    checkpoint whose projector is loaded.

    Shapes: packed patches (N, in_dim) -> packed cells (N / pool**2, out_dim).
    Raises: ConfigError for tiles that are not square, which its pooling does not know.
    """

    def __init__(self, *, in_dim: int, out_dim: int, pool: int = 2, pretrained: str | None = None) -> None:
        super().__init__(pool)
        config: Any = SimpleNamespace(
            vision_config=SimpleNamespace(model_args={"embed_dim": in_dim}),
            text_config=SimpleNamespace(hidden_size=out_dim),
            projector_pooling_ratio=pool,
        )
        self.projector = PerceptionLMMultiModalProjector(config)
        if pretrained is not None:
            load_prefixed(self.projector, pretrained, WEIGHT_PREFIXES)

    def forward(self, features: Tensor, grids: Sequence[TileGrid]) -> Tensor:
        """Project and pool."""
        cells = []
        for planes in patch_planes(features, grids):
            if planes.shape[1] != planes.shape[2]:
                size = f"{planes.shape[1]}x{planes.shape[2]}"
                raise ConfigError(
                    f"PerceptionLMConnector pools square tiles; got one of {size} patches."
                    " Use MLPConnector behind a tower of another kind."
                )
            cells.append(self.projector(planes.flatten(1, 2)).flatten(0, 1))
        return torch.cat(cells)
