"""RoIAlign and RoIPool in plain torch, for any device and for checking the compiled ones.

RoIAlign averages bilinear samples that lie on a grid, and a sample counts only if both of its
coordinates do. Rows and columns can therefore be weighted one after the other: a region's tokens
are ``Wy @ cells @ Wx^T`` with two small matrices, applied to nothing but the cells it touches.
On feature maps whose channels lie next to each other in memory that needs no copy of the map.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class Window(NamedTuple):
    """The cells of one map that one region reads: rows y0..y1 and columns x0..x1, ends exclusive."""

    map_index: int
    y0: int
    y1: int
    x0: int
    x1: int

    @property
    def empty(self) -> bool:
        """Whether the region reads no cell at all."""
        return self.y0 >= self.y1 or self.x0 >= self.x1


def axis_weights(
    start: Tensor, end: Tensor, lengths: Tensor, out: int, *, sampling_ratio: int, aligned: bool
) -> Tensor:
    """Weigh the cells of one axis for every output bin of every region.

    A sample beyond one cell outside the map counts as zero but stays in the average; one within
    that margin takes the value of the border cell.

    Shapes: start, end, lengths (K,); returns (K, out, max length).
    Units: cells; ``lengths`` are the sizes of the maps along this axis.
    Source: the sampling rule of torchvision's and mmcv's RoIAlign.
    """
    if aligned:
        start, end = start - 0.5, end - 0.5
    size = end - start
    if not aligned:
        size = size.clamp(min=1.0)
    bins = size / out
    count = torch.full_like(size, sampling_ratio) if sampling_ratio > 0 else torch.ceil(size / out)
    most = int(count.max()) if count.numel() else 0
    longest = int(lengths.max()) if lengths.numel() else 0
    weights = start.new_zeros(len(start), out, longest)
    if most == 0:
        return weights

    step = torch.arange(most, dtype=start.dtype)
    index = torch.arange(out, dtype=start.dtype)
    per_bin = count.clamp(min=1.0)
    offsets = (step + 0.5) * bins[:, None] / per_bin[:, None]
    at = (start[:, None] + index * bins[:, None])[:, :, None] + offsets[:, None, :]
    limit = lengths.to(start.dtype)[:, None, None]
    inside = (at >= -1.0) & (at <= limit) & (step < count[:, None])[:, None, :]
    at = torch.minimum(at.clamp(min=0.0), limit - 1)
    low = at.floor()
    high = torch.minimum(low + 1, limit - 1)
    share = inside.to(start.dtype) / per_bin[:, None, None]
    weights.scatter_add_(2, low.long(), (1 - (at - low)) * share)
    weights.scatter_add_(2, high.long(), (at - low) * share)
    return weights


def _spans(weights: Tensor) -> tuple[list[int], list[int]]:
    """First and one-past-last cell with a weight, per region; equal where there is none."""
    used = (weights != 0).any(dim=1)
    length = used.shape[1]
    first = used.to(torch.int8).argmax(dim=1)
    last = length - used.flip(1).to(torch.int8).argmax(dim=1)
    some = used.any(dim=1)
    return (first * some).tolist(), (last * some).tolist()


class _SeparableAlign(torch.autograd.Function):
    """``Wy @ cells @ Wx^T`` for every region; keeps only the weights for the way back."""

    @staticmethod
    def forward(ctx: Any, windows: list[Window], wy: Tensor, wx: Tensor, *maps: Tensor) -> Tensor:
        channels, dtype = maps[0].shape[0], wy.dtype
        result = wy.new_empty(len(windows), wy.shape[1], wx.shape[1], channels)
        for k, window in enumerate(windows):
            if window.empty:
                result[k].zero_()
                continue
            n, y0, y1, x0, x1 = window
            cells = maps[n].permute(1, 2, 0)[y0:y1, x0:x1].to(dtype)
            rows = wy[k, :, y0:y1] @ cells.reshape(y1 - y0, -1)
            torch.matmul(wx[k, :, x0:x1], rows.view(-1, x1 - x0, channels), out=result[k])
        ctx.save_for_backward(wy, wx)
        ctx.windows = windows
        ctx.maps = [(tuple(m.shape), m.dtype) for m in maps]
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        wy, wx = ctx.saved_tensors
        grads: list[Tensor | None] = [None] * len(ctx.maps)
        for k, window in enumerate(ctx.windows):
            n, y0, y1, x0, x1 = window
            if window.empty or not ctx.needs_input_grad[3 + n]:
                continue
            channels, height, width = ctx.maps[n][0]
            total = grads[n]
            if total is None:
                total = grads[n] = grad.new_zeros(height, width, channels)
            with torch.autocast(grad.device.type, enabled=False):  # backward may run inside one
                rows = torch.matmul(wx[k, :, x0:x1].t(), grad[k])
                cells = wy[k, :, y0:y1].t() @ rows.reshape(rows.shape[0], -1)
            total[y0:y1, x0:x1] += cells.view(y1 - y0, x1 - x0, channels)
        back = [
            None if g is None else g.permute(2, 0, 1).to(dtype)
            for g, (_, dtype) in zip(grads, ctx.maps, strict=True)
        ]
        return (None, None, None, *back)


def align(
    maps: Sequence[Tensor], cells: Tensor, out_hw: tuple[int, int], *, sampling_ratio: int, aligned: bool
) -> Tensor:
    """RoIAlign of maps of any sizes, in the dtype of ``cells``.

    With TF32 or reduced float32 matmuls switched on in torch, float32 results have that precision.
    A NaN among the cells of a region spreads over the rows and columns of its tokens.

    Shapes: maps N x (C, H_n, W_n); cells (K, 5) on the CPU; returns (K, C, h, w), a view of
    (K, h, w, C).
    Units: ``cells`` holds map index and xyxy in cells.
    """
    index = cells[:, 0].long()
    heights = torch.tensor([m.shape[1] for m in maps])[index]
    widths = torch.tensor([m.shape[2] for m in maps])[index]
    weigh = functools.partial(axis_weights, sampling_ratio=sampling_ratio, aligned=aligned)
    wx = weigh(cells[:, 1], cells[:, 3], widths, out_hw[1])
    wy = weigh(cells[:, 2], cells[:, 4], heights, out_hw[0])
    windows = [Window(*w) for w in zip(index.tolist(), *_spans(wy), *_spans(wx), strict=True)]
    device = maps[0].device
    result: Tensor = _SeparableAlign.apply(windows, wy.to(device), wx.to(device), *maps)
    return result.permute(0, 3, 1, 2)


def _round_half_away(x: Tensor) -> Tensor:
    """Round as C does; torch.round goes to the even neighbour on a tie."""
    whole = x.trunc()
    return whole + torch.sign(x) * ((x - whole).abs() >= 0.5)


def _bin_cells(start: Tensor, end: Tensor, lengths: Tensor, out: int) -> tuple[Tensor, Tensor]:
    """List the cells of each pooling bin along one axis.

    Shapes: start, end, lengths (K,); returns cells (K, out, m) int64 and which of them count.
    """
    first, last = _round_half_away(start), _round_half_away(end)
    size = (last - first + 1).clamp(min=1.0) / out
    index = torch.arange(out, dtype=start.dtype)
    limit = lengths.to(start.dtype)[:, None]
    low = torch.minimum((torch.floor(index * size[:, None]) + first[:, None]).clamp(min=0), limit)
    high = torch.minimum((torch.ceil((index + 1) * size[:, None]) + first[:, None]).clamp(min=0), limit)
    most = max(int((high - low).max()), 1)
    at = low[:, :, None] + torch.arange(most, dtype=start.dtype)
    counts = at < high[:, :, None]
    return torch.minimum(at, limit[:, :, None] - 1).long(), counts


def pool(maps: Sequence[Tensor], cells: Tensor, out_hw: tuple[int, int]) -> Tensor:
    """RoIPool of maps of any sizes, in the dtype of ``cells``; an empty bin gives 0.

    All cells of all bins are gathered at once: memory grows with the area of the regions.

    Shapes: maps N x (C, H_n, W_n); cells (K, 5) on the CPU; returns (K, C, h, w).
    Units: ``cells`` holds map index and xyxy in cells.
    Source: the binning rule of torchvision's RoIPool.
    """
    device, channels = maps[0].device, maps[0].shape[0]
    index = cells[:, 0].long()
    heights = torch.tensor([m.shape[1] for m in maps])
    widths = torch.tensor([m.shape[2] for m in maps])
    x, x_in = _bin_cells(cells[:, 1], cells[:, 3], widths[index], out_hw[1])
    y, y_in = _bin_cells(cells[:, 2], cells[:, 4], heights[index], out_hw[0])
    sizes = heights * widths
    first = (sizes.cumsum(0) - sizes)[index]
    y_flat = y * widths[index][:, None, None] + first[:, None, None]
    flat = y_flat[:, :, None, :, None] + x[:, None, :, None, :]
    counts = y_in[:, :, None, :, None] & x_in[:, None, :, None, :]
    shape = (len(cells), out_hw[0] * out_hw[1], -1)
    flat, counts = flat.reshape(shape).to(device), counts.reshape(shape).to(device)
    rows = torch.cat([m.permute(1, 2, 0).reshape(-1, channels) for m in maps]).to(cells.dtype)
    values = rows[flat].masked_fill(~counts[..., None], float("-inf"))
    best = values.max(dim=2).values.masked_fill(~counts.any(dim=2)[..., None], 0.0)
    return best.view(len(cells), *out_hw, channels).permute(0, 3, 1, 2)
