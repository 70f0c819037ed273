"""PerceptionLM's vision tower: a Perception Encoder from timm, as transformers wraps it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from transformers import TimmWrapperConfig, TimmWrapperModel

from gartk.errors import CheckpointError, ConfigError
from gartk.models.building import add_lora, blank_weights, checkpoint_layers, set_timm_attention
from gartk.models.vision.base import VISION_BACKBONES, VisionBackbone
from gartk.models.vision.positions import start_positions
from gartk.models.weights import load_prefixed, read_hf_config
from gartk.tilers import TILERS

if TYPE_CHECKING:
    from torch import Tensor, nn

    from gartk.structures import TileGrid
    from gartk.tilers import Tiler

WEIGHT_PREFIXES = ("model.vision_tower.", "mllm.model.vision_tower.", "vision_tower.")


@VISION_BACKBONES.register()
class PerceptionLMVision(VisionBackbone):
    """The Perception Encoder of PerceptionLM with AnyRes tiles.

    Either ``pretrained`` names a PerceptionLM checkpoint (local folder or hub id), or
    ``architecture`` and ``model_args`` describe a tower with random weights, whose position embedding
    starts "random" or as "sincos" (see ``start_positions``). ``thumbnail`` is
    that of AnyResTiler; ``lora`` holds arguments of peft's LoraConfig.

    Shapes: pixels: B tensors (T_b, 3, tile, tile) -> packed patches (N, embed_dim); the class token is
    dropped.
    Raises: ConfigError if neither is given; CheckpointError for missing or misfitting weights.
    """

    def __init__(
        self,
        *,
        pretrained: str | None = None,
        architecture: str | None = None,
        model_args: dict[str, Any] | None = None,
        positions: str = "random",
        max_num_tiles: int = 16,
        thumbnail: str = "always",
        attention: str = "sdpa",
        gradient_checkpointing: bool = False,
        lora: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        config = self._tower_config(pretrained, architecture, model_args)
        with blank_weights(pretrained is not None):
            self.tower = TimmWrapperModel(config)
        vit = self.tower.timm_model
        if pretrained is not None:
            load_prefixed(self.tower, pretrained, WEIGHT_PREFIXES)
        else:
            start_positions(vit, positions)
        set_timm_attention(vit, attention, "model.vision")
        if gradient_checkpointing:
            checkpoint_layers(vit.blocks)
        self.recomputes = gradient_checkpointing
        add_lora(self.tower, lora, "model.vision")
        self._num_prefix = int(vit.num_prefix_tokens)
        self.embed_dim = self.out_dim = int(vit.embed_dim)
        self.num_heads = int(vit.blocks[0].attn.num_heads)
        self.patch_px = int(vit.patch_embed.patch_size[0])
        tile_px = int(vit.patch_embed.img_size[0])
        self._tiler_cfg = {
            "type": "AnyResTiler",
            "tile_px": tile_px,
            "max_num_tiles": max_num_tiles,
            "patch_px": self.patch_px,
            "thumbnail": thumbnail,
        }

    def make_tiler(self, pool: int) -> Tiler:
        """Return the tiler of this tower."""
        return TILERS.build({**self._tiler_cfg, "pool": pool})

    def prompt_site(self) -> nn.Module:
        """The timm tower's patch embedding."""
        return self.tower.timm_model.patch_embed

    def blocks(self) -> Sequence[nn.Module]:
        """The transformer layers of the timm tower."""
        return list(self.tower.timm_model.blocks)

    def encode_patches(self, pixels: Sequence[Tensor], grids: Sequence[TileGrid]) -> Tensor:
        """Run the tower on all tiles of the batch at once."""
        hidden = self.tower(pixel_values=torch.cat(list(pixels)), do_pooling=False).last_hidden_state
        return hidden[:, self._num_prefix :].flatten(0, 1)

    def saved_cfg(self) -> dict[str, Any]:
        """Return what rebuilds this tower: its config."""
        config = self.tower.config
        model_args = dict(config.model_args or {})
        return {"pretrained": None, "architecture": config.architecture, "model_args": model_args}

    @staticmethod
    def _tower_config(
        pretrained: str | None, architecture: str | None, model_args: dict[str, Any] | None
    ) -> TimmWrapperConfig:
        if (pretrained is None) == (architecture is None):
            raise ConfigError(
                "PerceptionLMVision needs either 'pretrained' or 'architecture' with 'model_args'."
            )
        if pretrained is not None:
            config = read_hf_config(pretrained)
            vision = config.get("mllm_config", config).get("vision_config") or {}
            if "architecture" not in vision:
                raise CheckpointError(
                    f"{pretrained} is no PerceptionLM: vision_config.architecture is missing."
                )
            architecture, model_args = vision["architecture"], vision.get("model_args")
        args = {k: tuple(v) if isinstance(v, list) else v for k, v in (model_args or {}).items()}
        return TimmWrapperConfig(architecture=str(architecture), model_args=args)
