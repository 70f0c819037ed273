"""InternVL's vision tower (InternViT), as transformers has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from transformers import InternVLVisionConfig, InternVLVisionModel

from gartk.errors import CheckpointError, ConfigError
from gartk.models.building import (
    add_lora,
    blank_weights,
    build_network,
    check_attention,
    checkpoint_activations,
)
from gartk.models.vision.base import VISION_BACKBONES, VisionBackbone
from gartk.models.weights import load_prefixed, read_hf_config
from gartk.tilers import TILERS

if TYPE_CHECKING:
    from torch import Tensor, nn

    from gartk.structures import TileGrid
    from gartk.tilers import Tiler

WEIGHT_PREFIXES = ("model.vision_tower.", "vision_tower.")


@VISION_BACKBONES.register()
class InternVLVision(VisionBackbone):
    """The InternViT of an InternVL checkpoint with InternVL's tiles.

    Either ``pretrained`` names an InternVL checkpoint in the layout of transformers (local folder or hub
    id, ``OpenGVLab/InternVL3-2B-hf``), or ``config`` holds arguments of InternVLVisionConfig for a tower
    with random weights. ``lora`` holds arguments of peft's LoraConfig.

    Shapes: pixels: B tensors (T_b, 3, tile, tile) -> packed patches (N, embed_dim); the class token is
    dropped.
    Raises: ConfigError if neither is given; CheckpointError for missing or misfitting weights.
    """

    def __init__(
        self,
        *,
        pretrained: str | None = None,
        config: dict[str, Any] | None = None,
        max_num_tiles: int = 12,
        attention: str = "sdpa",
        gradient_checkpointing: bool = False,
        lora: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if (pretrained is None) == (config is None):
            raise ConfigError("InternVLVision needs either 'pretrained' or 'config'.")
        settings = dict(config or {}) if pretrained is None else _published_config(pretrained)
        with blank_weights(pretrained is not None):
            self.tower = build_network(
                InternVLVisionModel._from_config,
                InternVLVisionConfig(**settings),
                check_attention(attention, "model.vision"),
            )
        if pretrained is not None:
            load_prefixed(self.tower, pretrained, WEIGHT_PREFIXES)
        if gradient_checkpointing:
            checkpoint_activations(self.tower)
        self.recomputes = gradient_checkpointing
        add_lora(self.tower, lora, "model.vision")
        embeddings = self.tower.embeddings
        self.embed_dim = self.out_dim = int(self.tower.config.hidden_size)
        self.num_heads = int(self.tower.config.num_attention_heads)
        self.patch_px = int(embeddings.patch_size[0])
        self._tiler_cfg = {
            "type": "InternVLTiler",
            "tile_px": int(embeddings.image_size[0]),
            "max_num_tiles": max_num_tiles,
            "patch_px": self.patch_px,
        }

    def make_tiler(self, pool: int) -> Tiler:
        """Return the tiler of this tower."""
        return TILERS.build({**self._tiler_cfg, "pool": pool})

    def prompt_site(self) -> nn.Module:
        """The tower's patch embedding, before class token and positions."""
        return self.tower.embeddings.patch_embeddings

    def blocks(self) -> Sequence[nn.Module]:
        """The transformer layers."""
        return list(self.tower.encoder.layer)

    def encode_patches(self, pixels: Sequence[Tensor], grids: Sequence[TileGrid]) -> Tensor:
        """Run the tower on all tiles of the batch at once."""
        hidden = self.tower(pixel_values=torch.cat(list(pixels))).last_hidden_state
        return hidden[:, 1:].flatten(0, 1)

    def saved_cfg(self) -> dict[str, Any]:
        """Return what rebuilds this tower: its config."""
        config = self.tower.config.to_diff_dict()
        for key in ("transformers_version", "architectures", "dtype", "model_type", "_name_or_path"):
            config.pop(key, None)
        return {"pretrained": None, "config": config}


def _published_config(pretrained: str) -> dict[str, Any]:
    """The tower's part of an InternVL checkpoint's config.

    Raises: CheckpointError if it is another model, or reads features that InternVLVision does not give.
    """
    config = read_hf_config(pretrained)
    vision = config.get("vision_config") or {}
    if vision.get("model_type") != "internvl_vision":
        raise CheckpointError(
            f"{pretrained} is no InternVL in the layout of transformers: vision_config.model_type is"
            f" {vision.get('model_type')!r}, not 'internvl_vision'. Take the checkpoint whose name ends with"
            " -hf."
        )
    layer = config.get("vision_feature_layer", -1)
    strategy = config.get("vision_feature_select_strategy", "default")
    if (layer, strategy) != (-1, "default"):
        raise CheckpointError(
            f"{pretrained} reads layer {layer!r} of its tower with {strategy!r}; InternVLVision gives the"
            " last layer without its class token (-1, 'default')."
        )
    return {key: value for key, value in vision.items() if key not in ("model_type", "dtype", "torch_dtype")}
