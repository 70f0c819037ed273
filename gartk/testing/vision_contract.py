"""The contract of vision backbones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from gartk.geometry import tokens_to_map
from gartk.models.vision.base import VisionBackbone
from gartk.registry import VISION_BACKBONES
from gartk.structures import TileGrid, Tiler
from gartk.testing.checks import (
    PartSpec,
    build_module,
    require,
    require_close,
    require_finite,
    require_same,
    require_shape,
)

_IMAGES_HW = ((40, 40), (30, 85), (90, 50))
_TRIALS = 6


def check_vision_backbone(spec: PartSpec, *, seed: int = 0) -> None:
    """Check everything that the model relies on in a vision backbone. Give it a config of toy size.

    A backbone is a VisionBackbone: ``encode(pixels, grids, prompt)`` gives patch features in raster
    order, ``assemble`` lays projected cells out as tokens and one map per image.

    Promises: its tiler makes tiles and grids that it takes; shapes are true; a zero prompt changes
    nothing, a prompt on one tile changes that tile and no other; the gradient reaches the prompt; a
    changed patch of the image shows most at its own place in the output; images do not see each other;
    ``assemble`` keeps every token and merges the map in raster order; ``blocks`` gives the layers; bf16
    works; a second one with its state_dict gives the same.

    Raises: ContractViolation naming the promise that is broken.
    """
    vision = build_module(VISION_BACKBONES, spec, seed=seed)
    require(
        isinstance(vision, VisionBackbone), "A vision backbone is a VisionBackbone.", type(vision).__name__
    )
    backbone: VisionBackbone = vision  # type: ignore[assignment]
    pixels, grids = _inputs(backbone, seed)
    start = _run(backbone, pixels, grids)
    patches = grids[0].patch_hw[0] * grids[0].patch_hw[1]
    require_shape(
        start, (len(pixels), patches, backbone.out_dim), "The output (sum of tiles, patches, out_dim)"
    )
    require_finite(start, "The output")
    blocks = backbone.blocks()
    layers = len(blocks) > 0 and all(isinstance(block, nn.Module) for block in blocks)
    require(layers, "blocks() gives the encoder's layers.", str(type(blocks)))
    _check_prompt(backbone, pixels, grids, start, seed)
    _check_places(backbone, pixels, grids, start, seed)
    _check_independence(backbone, pixels, grids, start)
    _check_assemble(backbone, grids, seed)
    twin = build_module(VISION_BACKBONES, spec, seed=seed + 1)
    twin.load_state_dict(backbone.state_dict())
    again = _run(twin, pixels, grids)
    require_same(again, start, "A second one with the same config and state_dict gives the same features.")
    half = _run(backbone.to(torch.bfloat16), pixels.to(torch.bfloat16), grids)
    require(half.dtype == torch.bfloat16, "bf16 weights and pixels give bf16 features.", str(half.dtype))


def _inputs(backbone: VisionBackbone, seed: int) -> tuple[Tensor, list[TileGrid]]:
    tiler = backbone.tiler
    require(isinstance(tiler, Tiler), "A backbone's tiler is a Tiler.", type(tiler).__name__)
    rng = np.random.default_rng(seed)
    images = [rng.integers(0, 256, (*hw, 3), dtype=np.uint8) for hw in _IMAGES_HW]
    tiles, grids = zip(*(tiler.tile_image(image) for image in images), strict=True)
    same = all(grid.patch_px == backbone.patch_px for grid in grids)
    require(same, "The tiler's patches are those of the backbone.", f"patch_px {backbone.patch_px}")
    return torch.cat(tiles), list(grids)


def _run(
    backbone: nn.Module, pixels: Tensor, grids: Sequence[TileGrid], prompt: Tensor | None = None
) -> Tensor:
    with torch.no_grad():
        features: Tensor = backbone.encode(pixels, grids, prompt)  # type: ignore[operator]
    return features


def _check_prompt(
    backbone: VisionBackbone, pixels: Tensor, grids: list[TileGrid], start: Tensor, seed: int
) -> None:
    shape = (*start.shape[:2], backbone.embed_dim)
    require_same(_run(backbone, pixels, grids, torch.zeros(shape)), start, "A zero prompt changes nothing.")
    prompt = torch.zeros(shape)
    tile = len(pixels) - 1
    prompt[tile] = torch.randn(shape[1:], generator=torch.Generator().manual_seed(seed))
    changed = (_run(backbone, pixels, grids, prompt) - start).abs().amax((1, 2))
    require(bool(changed[tile] > 0), "A prompt on a tile changes that tile.")
    others = float(changed[:tile].max())
    require(others < 1e-5, "A prompt on a tile changes no other tile.", f"a change of {others:.3g}")
    wanted = torch.zeros(shape, requires_grad=True)
    backbone.encode(pixels, grids, wanted).square().sum().backward()
    reached = wanted.grad is not None and bool(wanted.grad.any())
    require(reached, "The gradient reaches the prompt.")
    backbone.zero_grad(set_to_none=True)


def _check_places(
    backbone: VisionBackbone, pixels: Tensor, grids: list[TileGrid], start: Tensor, seed: int
) -> None:
    """Brighten one patch on a textured image: the output changes most at that patch, in raster order."""
    rng = np.random.default_rng(seed)
    rows, cols = grids[0].patch_hw
    side = backbone.patch_px
    for _ in range(_TRIALS):
        tile, row, col = int(rng.integers(len(pixels))), int(rng.integers(rows)), int(rng.integers(cols))
        lit = pixels.clone()
        lit[tile, :, row * side : (row + 1) * side, col * side : (col + 1) * side] += 4.0
        change = (_run(backbone, lit, grids) - start).norm(dim=-1)
        found = divmod(int(change.argmax()), rows * cols)
        promise = "A changed patch shows most at its own place, in raster order."
        require(
            found == (tile, row * cols + col), promise, f"{found} for tile {tile}, row {row}, column {col}"
        )


def _check_independence(
    backbone: VisionBackbone, pixels: Tensor, grids: list[TileGrid], start: Tensor
) -> None:
    begin = 0
    for grid in grids:
        own = slice(begin, begin + grid.num_tiles)
        alone = _run(backbone, pixels[own], [grid])
        require_close(alone, start[own], "An image alone gives what it gives in a batch.", tolerance=1e-4)
        begin += grid.num_tiles


def _check_assemble(backbone: VisionBackbone, grids: list[TileGrid], seed: int) -> None:
    cells = grids[0].cell_hw[0] * grids[0].cell_hw[1]
    total = sum(grid.num_tiles for grid in grids)
    projected = torch.randn(total, cells, 3, generator=torch.Generator().manual_seed(seed))
    features = backbone.assemble(projected, grids)
    require(len(features) == len(grids), "assemble gives one entry per image.", str(len(features)))
    begin = 0
    for grid, entry in zip(grids, features, strict=True):
        own = projected[begin : begin + grid.num_tiles]
        require_same(entry.tokens, own.flatten(0, 1), "assemble keeps every token, tiles in their order.")
        require_shape(entry.map.data, (3, *grid.map_hw), "The map of an image")
        require_same(entry.map.data, tokens_to_map(own, grid), "The map merges the tiles in raster order.")
        require(entry.map.grid == grid, "A map carries its image's grid.", str(entry.map.grid))
        begin += grid.num_tiles
