"""The contract of prompt encoders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from gartk.models.prompts.base import PROMPT_ENCODERS, PromptEncoder
from gartk.structures import RegionBatch, TileGrid
from gartk.testing.checks import (
    PartSpec,
    build_module,
    check_bf16,
    check_rebuilt,
    require,
    require_close,
    require_finite,
    require_shape,
)
from gartk.testing.parts import make_grid, make_regions, ragged_grids, select_regions

_COUNTS = (3, 2, 4, 2)


def check_prompt_encoder(
    spec: PartSpec,
    *,
    footprint: Literal["mask"] | None = None,
    embed_dim: int = 16,
    patch_px: int = 4,
    seed: int = 0,
) -> None:
    """Check everything that the model relies on in a prompt encoder.

    Its constructor is given ``embed_dim`` and ``patch_px`` if it declares them. One with
    ``mode == 'identity'`` tells the first region of an image from the second; for others the order of
    regions does not count.

    Promises: ``enters_tower`` says whether it adds anything; exactly zero at the start of training; the
    gradient reaches its parameters, and one step makes it see regions; any number of regions, none
    included; the weights' dtype is kept; the same input gives the same output; it comes back from a
    checkpoint without its source.

    Args:
        spec: a registered name, a config with ``type``, or the class itself.
        footprint: 'mask' promises besides that a region changes only patches its mask touches.

    Raises: ContractViolation naming the promise that is broken.
    """
    encoder = build_module(PROMPT_ENCODERS, spec, seed=seed, embed_dim=embed_dim, patch_px=patch_px)
    grids = [*ragged_grids(), make_grid(1, 1, tile_px=24, thumbnail="none")]
    regions = make_regions(grids, _COUNTS, seed=seed)
    if not encoder.enters_tower:
        _check_adds_nothing(encoder, regions, grids)
        return
    start = encoder(regions, grids)
    shape = (sum(grid.num_patches for grid in grids), embed_dim)
    require_shape(start, shape, "The output (N, embed_dim)")
    require(not bool(start.any()), "The output is exactly zero at the start of training.")
    _check_learns(encoder, regions, grids, start, seed)
    _fill(encoder, seed)
    for keep in ([], [0], [3, 4], list(range(len(regions)))):
        output = _run(encoder, select_regions(regions, keep), grids)
        require_shape(output, shape, f"The output for {len(keep)} regions")
        require_finite(output, f"The output for {len(keep)} regions")
    repeated = torch.equal(_run(encoder, regions, grids), _run(encoder, regions, grids))
    require(repeated, "The same input gives the same output in eval mode.")
    _check_order(encoder, regions, grids)
    if footprint == "mask":
        _check_footprint(encoder, regions, grids, patch_px)
    offer: dict[str, Any] = {"embed_dim": embed_dim, "patch_px": patch_px}
    check_rebuilt(PROMPT_ENCODERS, spec, lambda part: _run(part, regions, grids), seed=seed, **offer)
    promise = "The output has the dtype of the weights, bf16 too, whatever that of boxes and masks is."
    check_bf16(encoder, lambda part: _run(part, regions, grids), promise)


def _run(encoder: PromptEncoder, regions: RegionBatch, grids: Sequence[TileGrid]) -> Tensor:
    with torch.no_grad():
        output = encoder(regions, list(grids))
    require(output is not None, "An encoder that gives a tensor once gives one always.", "None")
    result: Tensor = output
    return result


def _check_adds_nothing(encoder: PromptEncoder, regions: RegionBatch, grids: list[TileGrid]) -> None:
    count = sum(p.numel() for p in encoder.parameters())
    require(count == 0, "An encoder that does not enter the tower has nothing to train.", f"{count} numbers")
    for keep in ([], list(range(len(regions)))):
        nothing = encoder(select_regions(regions, keep), grids) is None
        require(nothing, "An encoder that does not enter the tower gives None.")


def _check_learns(
    encoder: PromptEncoder, regions: RegionBatch, grids: list[TileGrid], start: Tensor, seed: int
) -> None:
    weights = torch.randn(start.shape, generator=torch.Generator().manual_seed(seed))
    require(start.requires_grad, "The output depends on trainable parameters.")
    (start * weights).sum().backward()
    reached = False
    with torch.no_grad():
        for parameter in encoder.parameters():
            if parameter.grad is not None:
                require_finite(parameter.grad, "The gradient")
                reached = reached or bool(parameter.grad.any())
                parameter.sub_(parameter.grad)
    require(reached, "The gradient reaches a parameter at the start of training.")
    encoder.zero_grad(set_to_none=True)
    moved = bool(_run(encoder, regions, grids).any())
    require(moved, "After one step the output is no longer zero.")


def _fill(encoder: PromptEncoder, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)


def _check_order(encoder: PromptEncoder, regions: RegionBatch, grids: list[TileGrid]) -> None:
    turned: list[int] = []
    for image in range(len(grids)):
        turned += torch.nonzero(regions.image_index == image).flatten().flip(0).tolist()
    straight, moved = _run(encoder, regions, grids), _run(encoder, select_regions(regions, turned), grids)
    if encoder.mode == "identity":
        require(not torch.equal(straight, moved), "An encoder of mode 'identity' tells the order of regions.")
    else:
        require_close(straight, moved, "The order of regions does not count.")


def _check_footprint(
    encoder: PromptEncoder, regions: RegionBatch, grids: list[TileGrid], patch_px: int
) -> None:
    ends = torch.cat([regions.prompt_index[1:] == 0, torch.ones(1, dtype=torch.bool)])
    last = torch.nonzero(ends).flatten().tolist()
    others = [i for i in range(len(regions)) if i not in last]
    touched = torch.cat([_touched(masks[-1], patch_px) for masks in regions.masks])
    for before, after in (([], last), (others, list(range(len(regions))))):
        old = _run(encoder, select_regions(regions, before), grids)
        changed = (_run(encoder, select_regions(regions, after), grids) != old).any(-1)
        outside = int((changed & ~touched).sum())
        promise = "A region changes only the patches that its mask touches."
        require(outside == 0, promise, f"{outside} others changed")
        require(bool(before or changed.any()), "A region changes patches that its mask touches.", "none")


def _touched(tiles: Tensor, patch_px: int) -> Tensor:
    """Tell which patches a mask on tiles (T, h, w) touches: (T * patches,) bool."""
    return F.max_pool2d(tiles[:, None].float(), patch_px).flatten() > 0
