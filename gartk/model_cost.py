"""What a model costs before any weight is at hand: parameters by part, tokens by image size.

``gartk doctor --model CONFIG`` prints it; ``model_cost`` returns it as data.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from gartk.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from gartk.models.region_vlm import RegionVLM

SIZES_HW = ((224, 224), (448, 448), (480, 640), (768, 1024), (1080, 1920), (2048, 2048))


@dataclass(frozen=True)
class PartCount:
    """One part of a model: its registered class and how many numbers it holds."""

    part: str
    type: str
    parameters: int


@dataclass(frozen=True)
class TokenCount:
    """What an image of one size costs, and each region on it.

    ``grid`` is rows x columns of tiles; ``tiles`` and ``patches`` are none where no part reads the whole
    image. ``encoded_tokens`` and ``region_encoded_tokens`` are what the tower encodes for the image and
    for each region, ``image_tokens`` and ``region_tokens`` what the language model reads.

    Units: encoded tokens are pooled cells, as the paper counts "ViT tokens".
    """

    image_hw: tuple[int, int]
    grid: tuple[int, int]
    tiles: int
    patches: int
    encoded_tokens: int
    region_encoded_tokens: int
    image_tokens: int
    region_tokens: int

    def vit_tokens(self, regions: int = 1) -> int:
        """What the tower encodes for the image and so many regions: the paper's "# ViT Tokens"."""
        return self.encoded_tokens + regions * self.region_encoded_tokens

    def llm_tokens(self, regions: int = 1) -> int:
        """What the language model reads of the image and so many regions."""
        return self.image_tokens + regions * self.region_tokens


@dataclass(frozen=True)
class ModelCost:
    """Parts with their parameters, the vocabulary, and the tokens of some image sizes."""

    source: str
    parts: list[PartCount]
    vocabulary: int
    tokens: list[TokenCount]

    @property
    def parameters(self) -> int:
        """All numbers of the model; a tied head counts once."""
        return sum(part.parameters for part in self.parts)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON; ``vit_tokens`` and ``llm_tokens`` are those with one region."""
        tokens = [
            {**asdict(t), "vit_tokens": t.vit_tokens(), "llm_tokens": t.llm_tokens()} for t in self.tokens
        ]
        return {**asdict(self), "tokens": tokens, "parameters": self.parameters}


def model_cost(
    config: str | os.PathLike[str],
    cfg_options: Mapping[str, Any] | None = None,
    *,
    sizes_hw: Sequence[tuple[int, int]] = SIZES_HW,
) -> ModelCost:
    """Count what a config's model costs, without weights and without memory for them.

    The model is built on torch's meta device. A base checkpoint that is not at hand is described by
    the published config that gartk ships; prompt tokens that its vocabulary would grow by are then
    not counted.

    Units: sizes in pixels, (height, width).
    Raises: ConfigError, CheckpointError.
    """
    from gartk.config import load_config
    from gartk.models.region_vlm import MODELS
    from gartk.models.weights import structure_only

    cfg = load_config(config, cfg_options)
    if "model" not in cfg:
        raise ConfigError(f"The config {config} has no 'model'.")
    with structure_only():
        model: RegionVLM = MODELS.build(cfg.model.to_dict(), path="model")
    parts = [
        PartCount(name, type(part).__name__, sum(p.numel() for p in part.parameters()))
        for name, part in model.parts().items()
    ]
    rows = int(model.llm.embed_rows)
    return ModelCost(str(config), parts, rows, [count_tokens(model, hw) for hw in sizes_hw])


def count_tokens(model: RegionVLM, image_hw: tuple[int, int]) -> TokenCount:
    """Count the tokens of an image of one size, and of each region on it."""
    grid = model.vision.tiler.grid(image_hw)
    extractor = model.region_extractor
    once, each = extractor.encoded_tokens(grid, prompted=model.prompt_encoder.enters_tower)
    seen = model.looks_at_images
    return TokenCount(
        image_hw=image_hw,
        grid=(grid.rows, grid.cols),
        tiles=grid.num_tiles if seen else 0,
        patches=grid.num_patches if seen else 0,
        encoded_tokens=once + (grid.num_tokens if model.encodes_images else 0),
        region_encoded_tokens=each,
        image_tokens=grid.num_tokens if model.use_global else 0,
        region_tokens=extractor.num_tokens,
    )


def show(cost: ModelCost, console: Console) -> None:
    """Print what a model costs as two tables."""
    from gartk.doctor import table

    rows = [(p.part, p.type, f"{p.parameters:,}") for p in cost.parts]
    rows.append(("all", f"vocabulary of {cost.vocabulary:,}", f"{cost.parameters:,}"))
    console.print(table(f"Parameters of {cost.source}", ("part", "type", "parameters"), rows))
    columns = ("image (HxW)", "grid", "tiles", "patches", "ViT tokens", "LLM tokens", "ViT, R=1", "LLM, R=1")
    lines = [
        (
            f"{t.image_hw[0]}x{t.image_hw[1]}",
            f"{t.grid[0]}x{t.grid[1]}",
            str(t.tiles),
            f"{t.patches:,}",
            with_regions(t.encoded_tokens, t.region_encoded_tokens),
            with_regions(t.image_tokens, t.region_tokens),
            f"{t.vit_tokens():,}",
            f"{t.llm_tokens():,}",
        )
        for t in cost.tokens
    ]
    console.print(table("Tokens with R regions; those of the tower in pooled cells", columns, lines))


def with_regions(fixed: int, each: int) -> str:
    """Write a count that grows with the number of regions R: ``4,352 + 256 R``."""
    parts = [f"{fixed:,}"] if fixed or not each else []
    return " + ".join([*parts, *([f"{each:,} R"] if each else [])])
