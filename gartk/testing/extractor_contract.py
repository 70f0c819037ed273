"""The contract of region extractors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from gartk.registry import REGION_EXTRACTORS
from gartk.structures import FeatureMap, RegionBatch
from gartk.testing.checks import (
    PartSpec,
    build_module,
    require,
    require_close,
    require_finite,
    require_same,
    require_shape,
)
from gartk.testing.parts import make_maps, make_regions, ragged_grids, select_regions

_COUNTS = (3, 2, 4)


def check_extractor(spec: PartSpec, *, dim: int = 8, seed: int = 0) -> None:
    """Check everything that the model relies on in a region extractor.

    An extractor is a module with ``num_tokens`` (int) and ``forward(maps, regions) -> (K, num_tokens,
    D)``. One whose constructor has a parameter ``dim`` is given the width of the language model.

    Promises: ``num_tokens`` is known before forward and true; the output is finite, has the map's
    dtype, and is the same every time; with num_tokens > 0 the gradient reaches every map that has
    regions; no regions give (0, num_tokens, D); maps of a
    batch may differ in size; the order of regions is kept; the tokens of a region depend on no
    other region and no other image; its state_dict is its state.

    Args:
        spec: a registered name, a config with ``type``, or the class itself.
        dim: width of the feature maps.

    Raises: ContractViolation naming the promise that is broken.
    """
    extractor = build_module(REGION_EXTRACTORS, spec, seed=seed, dim=dim)
    _check_num_tokens(extractor)
    grids = ragged_grids()
    maps, regions = make_maps(grids, dim, seed=seed), make_regions(grids, _COUNTS, seed=seed)
    _check_output(extractor, maps, regions, dim)
    _check_order_and_independence(extractor, maps, regions)
    _check_no_regions(extractor, maps, regions, dim)
    _check_gradient(extractor, dim, regions, seed)
    _check_state(extractor, spec, maps, regions, dim, seed)
    _check_bf16(extractor, dim, regions, seed)  # last: it turns the weights to bf16


def _run(extractor: nn.Module, maps: list[FeatureMap], regions: RegionBatch) -> Tensor:
    with torch.no_grad():
        tokens: Tensor = extractor(maps, regions)
    return tokens


def _num_tokens(extractor: nn.Module) -> int:
    tokens: Any = extractor.num_tokens
    return int(tokens)


def _check_num_tokens(extractor: nn.Module) -> None:
    tokens = getattr(extractor, "num_tokens", None)
    is_count = isinstance(tokens, int) and not isinstance(tokens, bool) and tokens >= 0
    require(is_count, "num_tokens is an int of at least 0, set by the constructor.", repr(tokens))


def _check_output(extractor: nn.Module, maps: list[FeatureMap], regions: RegionBatch, dim: int) -> None:
    tokens = _run(extractor, maps, regions)
    require_shape(tokens, (len(regions), _num_tokens(extractor), dim), "The output (K, num_tokens, D)")
    require(tokens.dtype == maps[0].data.dtype, "The output has the dtype of the maps.", str(tokens.dtype))
    require_finite(tokens, "The output")
    require_same(tokens, _run(extractor, maps, regions), "The same input gives the same output in eval mode.")


def _check_order_and_independence(extractor: nn.Module, maps: list[FeatureMap], regions: RegionBatch) -> None:
    tokens = _run(extractor, maps, regions)
    turned: list[int] = []
    for image in range(len(maps)):
        turned += torch.nonzero(regions.image_index == image).flatten().flip(0).tolist()
    moved = _run(extractor, maps, select_regions(regions, turned))
    require_close(moved, tokens[turned], "Regions given in another order give their tokens in that order.")
    for position in range(len(regions)):
        alone = _run(extractor, maps, select_regions(regions, [position]))
        require_close(
            alone, tokens[position : position + 1], "The tokens of a region do not depend on other regions."
        )
    for image in range(len(maps)):
        own = torch.nonzero(regions.image_index == image).flatten().tolist()
        single = select_regions(regions, own)
        single = replace(
            single, image_index=torch.zeros_like(single.image_index), masks=[single.masks[image]]
        )
        require_close(
            _run(extractor, [maps[image]], single),
            tokens[own],
            "An image alone gives what it gives in a batch of maps of other sizes.",
        )


def _check_no_regions(extractor: nn.Module, maps: list[FeatureMap], regions: RegionBatch, dim: int) -> None:
    tokens = _run(extractor, maps, select_regions(regions, []))
    require_shape(tokens, (0, _num_tokens(extractor), dim), "The output for no regions")
    require(
        tokens.dtype == maps[0].data.dtype,
        "The output for no regions has the dtype of the maps.",
        str(tokens.dtype),
    )


def _check_gradient(extractor: nn.Module, dim: int, regions: RegionBatch, seed: int) -> None:
    if _num_tokens(extractor) == 0:
        return
    maps = make_maps(ragged_grids(), dim, seed=seed, requires_grad=True)
    tokens: Tensor = extractor(maps, regions)
    weights = torch.randn(tokens.shape, generator=torch.Generator().manual_seed(seed))
    (tokens * weights).sum().backward()
    for number, feature_map in enumerate(maps):
        gradient = feature_map.data.grad
        reached = gradient is not None and bool(gradient.abs().sum() > 0)
        require(reached, "The gradient reaches every map that has regions.", f"none at map {number}")
        if gradient is not None:
            require_finite(gradient, "The gradient at the map")
    extractor.zero_grad(set_to_none=True)


def _check_state(
    extractor: nn.Module, spec: PartSpec, maps: list[FeatureMap], regions: RegionBatch, dim: int, seed: int
) -> None:
    twin = build_module(REGION_EXTRACTORS, spec, seed=seed + 1, dim=dim)
    twin.load_state_dict(extractor.state_dict())
    promise = "A second one with the same config and state_dict gives the same tokens."
    require_same(_run(twin, maps, regions), _run(extractor, maps, regions), promise)


def _check_bf16(extractor: nn.Module, dim: int, regions: RegionBatch, seed: int) -> None:
    maps = make_maps(ragged_grids(), dim, seed=seed, dtype=torch.bfloat16)
    tokens = _run(extractor.to(torch.bfloat16), maps, regions)
    require(tokens.dtype == torch.bfloat16, "bf16 maps give bf16 tokens.", str(tokens.dtype))
    require_finite(tokens, "The output for bf16 maps")
