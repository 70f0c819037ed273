"""The contract of connectors."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from gartk.registry import CONNECTORS
from gartk.testing.checks import (
    PartSpec,
    build_module,
    require,
    require_close,
    require_finite,
    require_same,
    require_shape,
)

_TILES = 3


def check_connector(
    spec: PartSpec, *, in_dim: int = 16, out_dim: int = 24, patches_per_side: int = 8, seed: int = 0
) -> None:
    """Check everything that the model relies on in a connector.

    A connector is a module with ``pool`` (patches per cell side) and ``forward``: patch features
    (n, patches, in_dim) to cells (n, patches / pool**2, out_dim), raster order on both sides. Its
    constructor is given ``in_dim`` and ``out_dim`` if it declares them.

    Promises: ``pool`` and shapes are true; tiles do not see each other; a changed patch shows most in
    the cell that holds it; the gradient reaches the patches; the weights' dtype is kept; a second one
    with its state_dict gives the same.

    Raises: ContractViolation naming the promise that is broken.
    """
    connector = build_module(CONNECTORS, spec, seed=seed, in_dim=in_dim, out_dim=out_dim)
    pool: Any = getattr(connector, "pool", None)
    is_count = isinstance(pool, int) and not isinstance(pool, bool) and pool >= 1
    require(is_count, "pool is an int of at least 1.", repr(pool))
    require(patches_per_side % pool == 0, "patches_per_side of this check is a multiple of pool.", str(pool))
    generator = torch.Generator().manual_seed(seed)
    patches = torch.randn(_TILES, patches_per_side**2, in_dim, generator=generator)
    cells = _run(connector, patches)
    shape = (_TILES, (patches_per_side // pool) ** 2, out_dim)
    require_shape(cells, shape, "The output (n, patches / pool**2, out_dim)")
    require_finite(cells, "The output")
    for tile in range(_TILES):
        alone = _run(connector, patches[tile : tile + 1])
        require_close(alone, cells[tile : tile + 1], "A tile alone gives what it gives among others.")
    _check_places(connector, patches, cells, pool, patches_per_side)
    wanted = patches.clone().requires_grad_()
    connector(wanted).square().sum().backward()
    reached = wanted.grad is not None and bool((wanted.grad.abs().amax((0, 2)) > 0).all())
    require(reached, "The gradient reaches every patch.")
    twin = build_module(CONNECTORS, spec, seed=seed + 1, in_dim=in_dim, out_dim=out_dim)
    twin.load_state_dict(connector.state_dict())
    promise = "A second one with the same config and state_dict gives the same cells."
    require_same(_run(twin, patches), cells, promise)
    half = _run(connector.to(torch.bfloat16), patches.to(torch.bfloat16))
    require(half.dtype == torch.bfloat16, "bf16 patches give bf16 cells.", str(half.dtype))


def _run(connector: nn.Module, patches: Tensor) -> Tensor:
    with torch.no_grad():
        cells: Tensor = connector(patches)
    return cells


def _check_places(connector: nn.Module, patches: Tensor, cells: Tensor, pool: int, side: int) -> None:
    for row, col in ((0, 0), (1, side - 1), (side // 2, 1), (side - 1, side // 2)):
        lit = patches.clone()
        lit[1, row * side + col] += 5.0
        change = (_run(connector, lit) - cells).norm(dim=-1)
        found = divmod(int(change.argmax()), change.shape[1])
        wanted = (1, (row // pool) * (side // pool) + col // pool)
        promise = "A changed patch shows most in the cell that holds it, in raster order."
        require(found == wanted, promise, f"{found} for row {row}, column {col}")
