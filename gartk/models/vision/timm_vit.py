"""Any plain vision transformer of timm as a tower."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import timm
import torch
from torch import nn

from gartk.errors import CheckpointError, ConfigError
from gartk.models.building import add_lora, blank_weights, checkpoint_layers, set_timm_attention
from gartk.models.vision.base import VISION_BACKBONES, VisionBackbone
from gartk.models.weights import assign, is_structure_only, read_tensors, resolve_pretrained
from gartk.tilers import TILERS

if TYPE_CHECKING:
    from torch import Tensor

    from gartk.structures import TileGrid
    from gartk.tilers import Tiler

# What timm puts behind the patches: pooling and classifier, which no tower of ours has.
HEADS = ("head.", "head_dist.", "attn_pool.", "fc_norm.", "pre_logits.")


@VISION_BACKBONES.register()
class TimmViT(VisionBackbone):
    """A plain vision transformer of timm with AnyRes tiles.

    ``model`` is timm's name for it (``"vit_large_patch14_clip_quickgelu_336.openai"``) and ``model_args``
    are arguments of its constructor. Weights are random unless ``pretrained_file`` names them: a local
    safetensors file, or ``org/name/file.safetensors`` as ``pretrained`` of other parts finds it.
    ``tile_px`` is the side of a tile, the model's own where not given; the position embeddings of a file
    are resampled to it. ``mean`` and ``std`` are those that timm lists for the model unless given.
    ``thumbnail`` is that of AnyResTiler; ``lora`` holds arguments of peft's LoraConfig.

    Shapes: pixels: B tensors (T_b, 3, tile, tile) -> packed patches (N, embed_dim), after the last norm;
    class and register tokens are dropped.
    Raises: ConfigError for an unknown model, or one that is no plain vision transformer; CheckpointError
    for missing or misfitting weights.
    """

    def __init__(
        self,
        *,
        model: str,
        pretrained_file: str | None = None,
        model_args: dict[str, Any] | None = None,
        tile_px: int | None = None,
        max_num_tiles: int = 16,
        thumbnail: str = "always",
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        attention: str = "sdpa",
        gradient_checkpointing: bool = False,
        lora: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        with blank_weights(pretrained_file is not None):
            self.vit = vit = _create(model, model_args, tile_px)
        if pretrained_file is not None and not is_structure_only():
            _load_timm_file(vit, pretrained_file)
        set_timm_attention(vit, attention, "model.vision")
        if gradient_checkpointing:
            checkpoint_layers(vit.blocks)
        self.recomputes = gradient_checkpointing
        self._no_split_modules = [type(vit).__name__]  # a device map keeps the tower whole
        self._num_prefix = int(vit.num_prefix_tokens)
        self.embed_dim = self.out_dim = int(vit.num_features)
        self.num_heads = getattr(vit.blocks[0].attn, "num_heads", None)
        add_lora(vit, lora, "model.vision")
        self.patch_px = _square(vit.patch_embed.patch_size, "patches", model)
        listed = vit.pretrained_cfg
        self._normalisation = {
            "mean": [float(v) for v in mean or listed["mean"]],
            "std": [float(v) for v in std or listed["std"]],
        }
        self._tile_px = _square(vit.patch_embed.img_size or tile_px, "images", model)
        self._tiler_cfg = {
            "type": "AnyResTiler",
            "tile_px": self._tile_px,
            "max_num_tiles": max_num_tiles,
            "patch_px": self.patch_px,
            "thumbnail": thumbnail,
            **self._normalisation,
        }

    def make_tiler(self, pool: int) -> Tiler:
        """Return the tiler of this tower."""
        return TILERS.build({**self._tiler_cfg, "pool": pool})

    def prompt_site(self) -> nn.Module:
        """The patch embedding."""
        return self.vit.patch_embed

    def blocks(self) -> Sequence[nn.Module]:
        """The transformer layers."""
        return list(self.vit.blocks)

    def encode_patches(self, pixels: Sequence[Tensor], grids: Sequence[TileGrid]) -> Tensor:
        """Run the tower on all tiles of the batch at once.

        Raises: ConfigError if it does not give one feature per patch.
        """
        hidden = self.vit.forward_features(torch.cat(list(pixels)))
        patches = hidden[:, self._num_prefix :].flatten(0, -2)
        wanted = sum(grid.num_patches for grid in grids), self.out_dim
        if hidden.ndim != 3 or tuple(patches.shape) != wanted:
            raise ConfigError(
                f"A timm model of type {type(self.vit).__name__} is no plain vision transformer: it turns"
                f" {wanted[0]} patches into features of shape {tuple(hidden.shape)}."
            )
        return patches

    def saved_cfg(self) -> dict[str, Any]:
        """Return what rebuilds this tower: what it read from its file or from timm's list."""
        return {"pretrained_file": None, "tile_px": self._tile_px, **self._normalisation}


def _create(name: str, model_args: dict[str, Any] | None, tile_px: int | None) -> Any:
    """Build the network without pooling and classifier.

    Raises: ConfigError if there is no such model, or if it is no plain vision transformer.
    """
    args: dict[str, Any] = {"num_classes": 0, "img_size": tile_px}
    args |= {k: tuple(v) if isinstance(v, list) else v for k, v in (model_args or {}).items()}
    if name.partition(".")[0] not in timm.list_models():
        near = difflib.get_close_matches(name, timm.list_models(), n=3)
        hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise ConfigError(
            f"model.vision.model: timm {timm.__version__} has no model {name!r}.{hint}"
            " timm.list_models('vit*') names them."
        )
    try:
        vit = timm.create_model(name, **args)
    except (TypeError, RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"model.vision: timm cannot build {name!r} with model_args and tile_px (its img_size): {error}."
            " Is it a plain vision transformer?"
        ) from error
    lacks = _lacks(vit)
    if lacks:
        raise ConfigError(
            f"model.vision.model {name!r} is no plain vision transformer: it lacks {', '.join(lacks)}."
            " Take one that keeps one token per patch, such as 'vit_base_patch16_224'."
        )
    return _without_head(vit)


def _lacks(vit: Any) -> list[str]:
    """What a plain vision transformer has and this network has not."""
    needed = ("patch_embed", "blocks", "num_prefix_tokens", "forward_features")
    lacks = [part for part in needed if not hasattr(vit, part)]
    if lacks:
        return lacks
    if not isinstance(getattr(vit.patch_embed, "proj", None), nn.Conv2d | nn.Linear):
        lacks.append("a patch embedding of one linear layer")
    if not all(hasattr(block, "attn") for block in vit.blocks):
        lacks.append("one attention in every block")
    return lacks


def _without_head(vit: Any) -> Any:
    """Drop what only the pooled output goes through, so that no weight stays without a gradient."""
    for part in ("attn_pool", "fc_norm", "head", "head_dist"):
        if isinstance(getattr(vit, part, None), nn.Module):
            setattr(vit, part, nn.Identity())
    return vit


def _square(size: Any, what: str, name: str) -> int:
    sides = (size, size) if isinstance(size, int) else tuple(size or ())
    if len(sides) != 2 or sides[0] != sides[1]:
        raise ConfigError(
            f"model.vision.model {name!r} has {what} of size {size}; TimmViT needs square ones."
            " Set tile_px where the model leaves the size open."
        )
    return int(sides[0])


def _load_timm_file(vit: nn.Module, name: str) -> None:
    """Load a file of timm's weights; its conversions (older layouts, position embeddings) are timm's.

    Raises: CheckpointError if the file is missing or no safetensors file, or does not fit.
    """
    file = _find_file(name)
    state = read_tensors([file])
    convert = getattr(sys.modules[type(vit).__module__], "checkpoint_filter_fn", None)
    if convert is not None:
        state = convert(state, vit)
    state = {key: value for key, value in state.items() if not key.startswith(HEADS)}
    assign(vit, state, str(file))


def _find_file(name: str) -> Path:
    file = Path(name).expanduser()
    if file.suffix != ".safetensors":
        raise CheckpointError(
            f"model.vision.pretrained_file {name!r} is no .safetensors file. Only safetensors are read;"
            " convert other formats first (safetensors.torch.save_file)."
        )
    if not file.is_file() and not file.is_absolute() and len(file.parts) > 1:
        file = resolve_pretrained(str(file.parent)) / file.name
    if not file.is_file():
        raise CheckpointError(f"There is no file {file}. Give the safetensors file of a timm model.")
    return file
