"""The contract of vision backbones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from gartk.geometry import tokens_to_map
from gartk.models.vision.base import VISION_BACKBONES, VisionBackbone
from gartk.structures import TileGrid
from gartk.testing.checks import (
    PartSpec,
    build_module,
    check_bf16,
    check_rebuilt,
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

    Promises: its tiler makes tiles and grids that it takes; shapes are true; a zero prompt changes
    nothing, a prompt on one tile changes that tile and no other; a prompt on one patch shows most at
    that patch; the gradient reaches the prompt; a
    changed patch of the image shows most at its own place in the output; images do not see each other;
    ``assemble`` keeps every token and merges the map in raster order; ``blocks`` gives the layers; bf16
    works; it comes back from a checkpoint without its source.

    Raises: ContractViolation naming the promise that is broken.
    """
    backbone = build_module(VISION_BACKBONES, spec, seed=seed)
    pixels, grids = _inputs(backbone, seed)
    start = _run(backbone, pixels, grids)
    total = sum(grid.num_patches for grid in grids)
    require_shape(start, (total, backbone.out_dim), "The output (N, out_dim)")
    require_finite(start, "The output")
    blocks = backbone.blocks()
    layers = len(blocks) > 0 and all(isinstance(block, nn.Module) for block in blocks)
    require(layers, "blocks() gives the encoder's layers.", str(type(blocks)))
    _check_prompt(backbone, pixels, grids, start, seed)
    _check_places(backbone, pixels, grids, start, seed)
    _check_prompt_order(backbone, pixels, grids, start, seed)
    _check_independence(backbone, pixels, grids, start)
    _check_assemble(backbone, grids, seed)
    check_rebuilt(VISION_BACKBONES, spec, lambda part: _run(part, pixels, grids), seed=seed)
    half = [tiles.to(torch.bfloat16) for tiles in pixels]
    promise = "bf16 weights and pixels give bf16 features."
    check_bf16(backbone, lambda part: _run(part, half, grids), promise)


def _inputs(backbone: VisionBackbone, seed: int) -> tuple[list[Tensor], list[TileGrid]]:
    tiler = backbone.tiler
    rng = np.random.default_rng(seed)
    images = [rng.integers(0, 256, (*hw, 3), dtype=np.uint8) for hw in _IMAGES_HW]
    tiles, grids = zip(*(tiler.tile_image(image) for image in images), strict=True)
    same = all(grid.patch_px == backbone.patch_px for grid in grids)
    require(same, "The tiler's patches are those of the backbone.", f"patch_px {backbone.patch_px}")
    return list(tiles), list(grids)


def _run(
    backbone: VisionBackbone, pixels: list[Tensor], grids: Sequence[TileGrid], prompt: Tensor | None = None
) -> Tensor:
    with torch.no_grad():
        return backbone.encode(pixels, grids, prompt)


def _tiles(grids: Sequence[TileGrid]) -> list[tuple[int, int, slice]]:
    """Every tile of a batch: its image, its number there, and where its packed patches are."""
    found, begin = [], 0
    for image, grid in enumerate(grids):
        size = grid.patch_hw[0] * grid.patch_hw[1]
        for tile in range(grid.num_tiles):
            found.append((image, tile, slice(begin, begin + size)))
            begin += size
    return found


def _check_prompt(
    backbone: VisionBackbone, pixels: list[Tensor], grids: list[TileGrid], start: Tensor, seed: int
) -> None:
    shape = (len(start), backbone.embed_dim)
    require_same(_run(backbone, pixels, grids, torch.zeros(shape)), start, "A zero prompt changes nothing.")
    prompt = torch.zeros(shape)
    own = _tiles(grids)[-1][2]
    prompt[own] = torch.randn(prompt[own].shape, generator=torch.Generator().manual_seed(seed))
    changed = (_run(backbone, pixels, grids, prompt) - start).abs().amax(1)
    require(bool(changed[own].amax() > 0), "A prompt on a tile changes that tile.")
    others = float(changed[: own.start].max())
    require(others < 1e-5, "A prompt on a tile changes no other tile.", f"a change of {others:.3g}")
    wanted = torch.zeros(shape, requires_grad=True)
    backbone.encode(pixels, grids, wanted).square().sum().backward()
    reached = wanted.grad is not None and bool(wanted.grad.any())
    require(reached, "The gradient reaches the prompt.")
    backbone.zero_grad(set_to_none=True)


def _check_prompt_order(
    backbone: VisionBackbone, pixels: list[Tensor], grids: list[TileGrid], start: Tensor, seed: int
) -> None:
    """A prompt on one patch shows most at that patch: prompts are read in the order of the output."""
    generator = torch.Generator().manual_seed(seed)
    for place in torch.randint(0, len(start), (_TRIALS,), generator=generator).tolist():
        prompt = torch.zeros(len(start), backbone.embed_dim)
        prompt[place] = 4.0 * torch.randn(backbone.embed_dim, generator=generator)
        found = int((_run(backbone, pixels, grids, prompt) - start).norm(dim=-1).argmax())
        require(found == place, "A prompt on a patch shows most at its own place.", f"{found}, not {place}")


def _check_places(
    backbone: VisionBackbone, pixels: list[Tensor], grids: list[TileGrid], start: Tensor, seed: int
) -> None:
    """Brighten one patch on a textured image: the output changes most at that patch, in raster order."""
    rng = np.random.default_rng(seed)
    tiles = _tiles(grids)
    side = backbone.patch_px
    for _ in range(_TRIALS):
        image, tile, own = tiles[int(rng.integers(len(tiles)))]
        rows, cols = grids[image].patch_hw
        row, col = int(rng.integers(rows)), int(rng.integers(cols))
        lit = [one.clone() for one in pixels]
        lit[image][tile, :, row * side : (row + 1) * side, col * side : (col + 1) * side] += 4.0
        found = int((_run(backbone, lit, grids) - start).norm(dim=-1).argmax())
        promise = "A changed patch shows most at its own place, in raster order."
        wanted = own.start + row * cols + col
        require(found == wanted, promise, f"{found}, not {wanted} (tile {tile}, row {row}, column {col})")


def _check_independence(
    backbone: VisionBackbone, pixels: list[Tensor], grids: list[TileGrid], start: Tensor
) -> None:
    own = start.split([grid.num_patches for grid in grids])
    for tiles, grid, wanted in zip(pixels, grids, own, strict=True):
        alone = _run(backbone, [tiles], [grid])
        require_close(alone, wanted, "An image alone gives what it gives in a batch.", tolerance=1e-4)


def _check_assemble(backbone: VisionBackbone, grids: list[TileGrid], seed: int) -> None:
    total = sum(grid.num_tokens for grid in grids)
    projected = torch.randn(total, 3, generator=torch.Generator().manual_seed(seed))
    features = backbone.assemble(projected, grids)
    require(len(features) == len(grids), "assemble gives one entry per image.", str(len(features)))
    begin = 0
    for grid, entry in zip(grids, features, strict=True):
        own = projected[begin : begin + grid.num_tokens]
        require_same(entry.tokens, own, "assemble keeps every token, tiles in their order.")
        require_shape(entry.map.data, (3, *grid.map_hw), "The map of an image")
        require_same(entry.map.data, tokens_to_map(own, grid), "The map merges the tiles in raster order.")
        require(entry.map.grid == grid, "A map carries its image's grid.", str(entry.map.grid))
        begin += grid.num_tokens
