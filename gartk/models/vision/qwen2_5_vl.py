"""Qwen2.5-VL's vision tower: one image at its own size, windows of attention, blocks of patches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from transformers import AutoModel, Qwen2_5_VLConfig, Qwen2_5_VLVisionConfig

from gartk.errors import CheckpointError, ConfigError
from gartk.geometry import merge_block_to_raster, raster_to_merge_block
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
    from torch import Tensor

    from gartk.structures import TileGrid
    from gartk.tilers import Tiler

WEIGHT_PREFIXES = ("model.visual.", "visual.")
BLOCK = 2


@VISION_BACKBONES.register()
class Qwen2_5_VLVision(VisionBackbone):
    """The tower of Qwen2.5-VL up to its merger, which is ``Qwen2_5_VLConnector``.

    Either ``pretrained`` names a Qwen2.5-VL checkpoint (local folder or hub id), or ``config`` holds
    arguments of transformers' Qwen2_5_VLVisionConfig for a tower with random weights. ``min_pixels``
    and ``max_pixels`` bound the size of an image and ``crop_px`` is that of a crop, as NativeTiler says;
    ``lora`` holds arguments of peft's LoraConfig.

    Inside, the patches of a tile stand block by block (2x2) and then window by window; both orders end
    here, and what comes out is raster order. A tile attends to no other tile.

    Shapes: pixels: B tensors (T_b, 3, h_b, w_b) -> packed patches (N, out_dim).
    Raises: ConfigError if neither or both are given; CheckpointError for missing or misfitting weights.
    """

    patch_order = "merge_block"

    def __init__(
        self,
        *,
        pretrained: str | None = None,
        config: dict[str, Any] | None = None,
        min_pixels: int = 56 * 56,
        max_pixels: int = 1280 * 28 * 28,
        crop_px: int = 448,
        attention: str = "sdpa",
        gradient_checkpointing: bool = False,
        lora: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        settings = _tower_config(pretrained, config)
        attention = check_attention(attention, "model.vision")
        with blank_weights(pretrained is not None):
            self.tower = build_network(AutoModel.from_config, settings, attention)
        if pretrained is not None:
            load_prefixed(self.tower, pretrained, WEIGHT_PREFIXES)
        # The merger is the connector's. Blocks of patches left whole go through the tower's own last step,
        # which takes blocks out of window order.
        self.tower.merger = nn.Unflatten(0, (-1, BLOCK**2))
        if gradient_checkpointing:
            checkpoint_activations(self.tower)
        self.recomputes = gradient_checkpointing
        add_lora(self.tower, lora, "model.vision")
        self.embed_dim = self.out_dim = int(settings.hidden_size)
        self.num_heads = int(settings.num_heads)
        self.patch_px = int(settings.patch_size)
        self._frames = int(settings.temporal_patch_size)
        self._tiler_cfg = {
            "type": "NativeTiler",
            "min_pixels": min_pixels,
            "max_pixels": max_pixels,
            "crop_px": crop_px,
            "patch_px": self.patch_px,
        }

    def make_tiler(self, pool: int) -> Tiler:
        """Return the tiler of this tower."""
        if pool != BLOCK:
            raise ConfigError(
                f"Qwen2_5_VLVision orders its patches in blocks of {BLOCK}x{BLOCK}: the pool is {BLOCK},"
                f" not {pool}."
            )
        return TILERS.build({**self._tiler_cfg, "pool": pool})

    def prompt_site(self) -> nn.Module:
        """The tower's patch embedding."""
        return self.tower.patch_embed

    def blocks(self) -> Sequence[nn.Module]:
        """The transformer layers of the tower."""
        return list(self.tower.blocks)

    def encode_patches(self, pixels: Sequence[Tensor], grids: Sequence[TileGrid]) -> Tensor:
        """Run the tower on all tiles of the batch at once."""
        patches = torch.cat([_patches(tiles, self.patch_px) for tiles in pixels])
        # A still image is shown in every frame of a patch.
        rows = raster_to_merge_block(patches.flatten(1), grids, BLOCK).view(len(patches), 3, 1, -1)
        rows = rows.expand(-1, -1, self._frames, -1).flatten(1)
        sizes = [(1, *grid.patch_hw) for grid in grids for _ in range(grid.num_tiles)]
        blocks = self.tower(rows, grid_thw=torch.tensor(sizes, device=rows.device)).pooler_output
        return merge_block_to_raster(blocks.flatten(0, 1), grids, BLOCK)

    def saved_cfg(self) -> dict[str, Any]:
        """Return what rebuilds this tower: its config."""
        config = self.tower.config.to_diff_dict()
        for key in ("transformers_version", "architectures", "dtype", "model_type", "_name_or_path"):
            config.pop(key, None)
        return {"pretrained": None, "config": config}


def _patches(tiles: Tensor, side: int) -> Tensor:
    """Cut tiles (T, 3, h, w) into their patches (T * rows * cols, 3, side, side) in raster order."""
    count, channels, height, width = tiles.shape
    cut = tiles.reshape(count, channels, height // side, side, width // side, side)
    return cut.permute(0, 2, 4, 1, 3, 5).reshape(-1, channels, side, side)


def _tower_config(pretrained: str | None, config: dict[str, Any] | None) -> Any:
    if (pretrained is None) == (config is None):
        raise ConfigError("Qwen2_5_VLVision needs either 'pretrained' or 'config'.")
    settings: Any = Qwen2_5_VLVisionConfig(**(config or {}))
    if pretrained is not None:
        raw = read_hf_config(pretrained)
        if raw.get("model_type") != "qwen2_5_vl":
            raise CheckpointError(f"{pretrained} is no Qwen2.5-VL: model_type is {raw.get('model_type')!r}.")
        settings = Qwen2_5_VLConfig(**raw).vision_config
    if settings.spatial_merge_size != BLOCK:
        raise ConfigError(
            f"Qwen2_5_VLVision merges blocks of {BLOCK}x{BLOCK} patches, as every Qwen2.5-VL does;"
            f" spatial_merge_size is {settings.spatial_merge_size}."
        )
    return settings
