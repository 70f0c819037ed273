"""PerceptionLM's projector: two linear layers, then average pooling."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from torch import nn
from transformers.models.perception_lm.modeling_perception_lm import PerceptionLMMultiModalProjector

from gartk.models.checkpoints import load_prefixed
from gartk.registry import CONNECTORS

if TYPE_CHECKING:
    from torch import Tensor

WEIGHT_PREFIXES = (
    "model.multi_modal_projector.",
    "mllm.model.multi_modal_projector.",
    "multi_modal_projector.",
)


@CONNECTORS.register()
class PerceptionLMConnector(nn.Module):
    """The projector of PerceptionLM, from transformers.

    ``in_dim`` and ``out_dim`` come from the tower and the language model. ``pretrained`` names the
    checkpoint whose projector is loaded.

    Shapes: (n, patches, in_dim) -> (n, patches / pool**2, out_dim), raster order.
    """

    def __init__(self, *, in_dim: int, out_dim: int, pool: int = 2, pretrained: str | None = None) -> None:
        super().__init__()
        self.pool = pool
        config: Any = SimpleNamespace(
            vision_config=SimpleNamespace(model_args={"embed_dim": in_dim}),
            text_config=SimpleNamespace(hidden_size=out_dim),
            projector_pooling_ratio=pool,
        )
        self.projector = PerceptionLMMultiModalProjector(config)
        if pretrained is not None:
            load_prefixed(self.projector, pretrained, WEIGHT_PREFIXES)

    def forward(self, features: Tensor) -> Tensor:
        """Project and pool."""
        return self.projector(features)

    def saved_cfg(self) -> dict[str, Any]:
        """Constructor arguments that rebuild this connector without its source checkpoint."""
        return {"pretrained": None}
