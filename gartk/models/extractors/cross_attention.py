"""Layers that let the patches of crops look at other patches, behind the layers of a tower."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from gartk.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor


class ContextGroup(NamedTuple):
    """Crops whose contexts are equally long, so that they go through one attention.

    Shapes: crops (G,), their numbers; values (J, n, Dv), the contexts; owner (G,), the context of each
    crop, or None where each has its own.
    """

    crops: Tensor
    values: Tensor
    owner: Tensor | None


def group_contexts(contexts: Sequence[Tensor], owner: Sequence[int]) -> list[ContextGroup]:
    """Sort crops by the length of what they look at.

    Shapes: contexts: J tensors (n_j, Dv); owner: for each of K crops the number of its context.
    """
    device = contexts[0].device
    by_length: dict[int, list[int]] = {}
    for number, context in enumerate(contexts):
        by_length.setdefault(len(context), []).append(number)
    groups = []
    for numbers in by_length.values():
        place = {number: i for i, number in enumerate(numbers)}
        crops = [crop for crop, own in enumerate(owner) if own in place]
        owners = [place[owner[crop]] for crop in crops]
        each_its_own = owners == list(range(len(numbers)))
        groups.append(
            ContextGroup(
                torch.tensor(crops, device=device),
                torch.stack([contexts[number] for number in numbers]),
                None if each_its_own else torch.tensor(owners, device=device),
            )
        )
    return groups


class GatedCrossAttention(nn.Module):
    """One block: patches attend to a context, then an MLP; both come through gates that start at zero.

    x <- x + gate_attention * Attention(Norm(x), context); x <- x + gate_mlp * MLP(Norm(x)). The gates are
    plain numbers, so that at the start nothing changes and the gates alone have a gradient. The context is
    not normalised.

    Shapes: x (K, N, dim) -> the same; contexts of width ``context_dim``.
    Raises: ConfigError if ``dim`` is no multiple of ``num_heads``.
    Source: Describe Anything, 3.3 (gated cross-attention adapters).
    """

    def __init__(self, dim: int, context_dim: int, num_heads: int, *, mlp_ratio: float = 4.0) -> None:
        super().__init__()
        if num_heads < 1 or dim % num_heads:
            raise ConfigError(f"A width of {dim} cannot be split into {num_heads} attention heads.")
        self.num_heads = num_heads
        self.norm_attention = nn.LayerNorm(dim, eps=1e-6)
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(context_dim, dim)
        self.value = nn.Linear(context_dim, dim)
        self.out = nn.Linear(dim, dim)
        self.gate_attention = nn.Parameter(torch.zeros(1))
        self.norm_mlp = nn.LayerNorm(dim, eps=1e-6)
        hidden = int(dim * mlp_ratio)
        self.mlp = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(approximate="tanh"), nn.Linear(hidden, dim))
        self.gate_mlp = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor, groups: Sequence[ContextGroup]) -> Tensor:
        """Let all patches of crop k look at crop k's context."""
        query = self._heads(self.query(self.norm_attention(x)))
        parts = [self._attend(query, group) for group in groups]
        looked = parts[0]
        if len(parts) > 1:
            order = torch.cat([group.crops for group in groups])
            looked = torch.cat(parts)[order.argsort()]
        # Cast, since autocast keeps gates in float32 and must not raise what runs through the tower.
        x = x + (self.gate_attention * self.out(looked)).to(x.dtype)
        gated: Tensor = x + (self.gate_mlp * self.mlp(self.norm_mlp(x))).to(x.dtype)
        return gated

    def _attend(self, query: Tensor, group: ContextGroup) -> Tensor:
        key, value = (self._heads(project(group.values)) for project in (self.key, self.value))
        if group.owner is not None:
            key, value = key[group.owner], value[group.owner]
        own = query if len(group.crops) == len(query) else query[group.crops]
        return F.scaled_dot_product_attention(own, key, value).transpose(1, 2).flatten(2)

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)


def look_back(
    block: nn.Module,
    hidden: Any,
    groups: Sequence[ContextGroup],
    *,
    num_crops: int,
    patches: int,
    recompute: bool = False,
) -> Tensor:
    """Run a block on the patches that a layer of a tower gives; class and register tokens in front stay.

    ``recompute`` recomputes its activations in the backward pass.

    Shapes: hidden (..., C), ``num_crops`` crops one after the other; returns the same.
    Raises: ConfigError if there is not one feature for each of the ``patches`` of every crop.
    """
    front = _in_front(hidden, num_crops, patches)
    rows = hidden.reshape(num_crops, -1, hidden.shape[-1])
    if recompute:
        looked = checkpoint(block, rows[:, front:], groups, use_reentrant=False)
    else:
        looked = block(rows[:, front:], groups)
    return torch.cat([rows[:, :front], looked], 1).view_as(hidden) if front else looked.view_as(hidden)


def _in_front(hidden: Any, num_crops: int, patches: int) -> int:
    """How many tokens stand in front of the patches of a crop."""
    if isinstance(hidden, torch.Tensor) and hidden.ndim > 1:
        rows = hidden.numel() // hidden.shape[-1]
        if rows >= num_crops * patches and rows % num_crops == 0:
            return rows // num_crops - patches
    got = tuple(hidden.shape) if isinstance(hidden, torch.Tensor) else type(hidden).__name__
    raise ConfigError(
        f"A layer of the tower gives {got} for {num_crops} crops of {patches} patches. Gated"
        " cross-attention needs a tensor with one feature per patch after every layer, crop by crop."
    )
