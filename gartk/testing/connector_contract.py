"""The contract of connectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from gartk.models.connectors.base import CONNECTORS
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
from gartk.testing.parts import make_grid

if TYPE_CHECKING:
    from gartk.models.connectors.base import Connector
    from gartk.structures import TileGrid


def check_connector(
    spec: PartSpec, *, in_dim: int = 16, out_dim: int = 24, patches_per_side: int = 8, seed: int = 0
) -> None:
    """Check everything that the model relies on in a connector.

    Its constructor is given ``in_dim`` and ``out_dim`` if it declares them.

    Promises: ``pool`` and shapes are true; images do not see each other, also where their tiles differ in
    size; a changed patch shows most in the cell that holds it; the gradient reaches the patches; the
    weights' dtype is kept; it comes back from a checkpoint without its source.

    Raises: ContractViolation naming the promise that is broken.
    """
    connector = build_module(CONNECTORS, spec, seed=seed, in_dim=in_dim, out_dim=out_dim)
    pool = connector.pool
    require(patches_per_side % pool == 0, "patches_per_side of this check is a multiple of pool.", str(pool))
    sides = [patches_per_side, patches_per_side, patches_per_side // 2 // pool * pool or pool]
    grids = [make_grid(1, 1, tile_px=side, patch_px=1, pool=pool, thumbnail="none") for side in sides]
    generator = torch.Generator().manual_seed(seed)
    patches = torch.randn(sum(side**2 for side in sides), in_dim, generator=generator)
    cells = _run(connector, patches, grids)
    require_shape(cells, (len(patches) // pool**2, out_dim), "The output (N / pool**2, out_dim)")
    require_finite(cells, "The output")
    counts = [side**2 for side in sides]
    own_cells = cells.split([count // pool**2 for count in counts])
    for own, grid, wanted_cells in zip(patches.split(counts), grids, own_cells, strict=True):
        alone = _run(connector, own, [grid])
        require_close(alone, wanted_cells, "An image alone gives what it gives among others.")
    _check_places(connector, patches, grids, cells, pool)
    wanted = patches.clone().requires_grad_()
    connector(wanted, grids).square().sum().backward()
    reached = wanted.grad is not None and bool((wanted.grad.abs().amax(1) > 0).all())
    require(reached, "The gradient reaches every patch.")
    dims: dict[str, Any] = {"in_dim": in_dim, "out_dim": out_dim}
    check_rebuilt(CONNECTORS, spec, lambda part: _run(part, patches, grids), seed=seed, **dims)
    half = patches.to(torch.bfloat16)
    check_bf16(connector, lambda part: _run(part, half, grids), "bf16 weights and patches give bf16 cells.")


def _run(connector: Connector, patches: Tensor, grids: list[TileGrid]) -> Tensor:
    with torch.no_grad():
        cells: Tensor = connector(patches, grids)
    return cells


def _check_places(
    connector: Connector, patches: Tensor, grids: list[TileGrid], cells: Tensor, pool: int
) -> None:
    begin = 0
    for grid in grids:
        side = grid.tile_hw[0]
        for row, col in ((0, 0), (1, side - 1), (side // 2, 1), (side - 1, side // 2)):
            lit = patches.clone()
            lit[begin + row * side + col] += 5.0
            found = int((_run(connector, lit, grids) - cells).norm(dim=-1).argmax())
            wanted = begin // pool**2 + (row // pool) * (side // pool) + col // pool
            promise = "A changed patch shows most in the cell that holds it, in raster order."
            require(found == wanted, promise, f"cell {found} for row {row}, column {col} of {side}x{side}")
        begin += side**2
