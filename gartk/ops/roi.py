"""RoIAlign and RoIPool behind one call, whichever library computes them.

Backends: ``mmcv`` (compiled by ``gartk mmcv``), ``torchvision``, and ``torch``, which
needs neither. Every one computes in float32 (float64 stays float64) with autocast switched off
and casts the result back, because the compiled operators know no bfloat16 and lose boxes in half
precision. This is the only file that imports ``mmcv.ops``.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor
from torch.nn import functional

from gartk.errors import ConfigError, DataError, RegionError, did_you_mean
from gartk.ops import roi_torch

Backend = Literal["auto", "mmcv", "torchvision", "torch"]
Op = Literal["roi_align", "roi_pool"]
Compiled = Callable[[Tensor, Tensor], Tensor]

BACKENDS: tuple[str, ...] = ("mmcv", "torchvision", "torch")


class ParityRow(NamedTuple):
    """How far two backends are apart on the same inputs, in the result and in the gradient."""

    pair: str
    forward: float
    backward: float


def roi_align(
    features: Tensor | Sequence[Tensor],
    boxes: Tensor,
    output_size: int | tuple[int, int],
    *,
    spatial_scale: float = 1.0,
    sampling_ratio: int = 2,
    aligned: bool = True,
    backend: str = "auto",
) -> Tensor:
    """Cut every box out of its feature map as a grid of bilinear averages.

    A list of maps may hold maps of different sizes; all boxes still go through one call of the
    operator. Feature maps whose channels lie next to each other in memory, such as a permuted
    (H, W, C), suit the ``torch`` backend, which then reads them in place.

    Shapes: features (N, C, H, W), or N maps (C, H_n, W_n); boxes (K, 5); returns (K, C, h, w).
    Units: boxes hold the map's index and xyxy, in cells divided by ``spatial_scale``. Continuous
        coordinates (cell i spans i..i+1) want ``aligned=True``. ``sampling_ratio`` is the number
        of samples per bin side, 0 for as many as there are cells.
    Raises: RegionError for boxes that are not (K, 5), not finite, reversed or of an unknown map;
        DataError for features of another shape; ConfigError for a backend that is unknown or
        cannot serve this, or a bad setting.
    Source: He et al., Mask R-CNN (2017), 3; aligned as in Detectron2.
    """
    if sampling_ratio < 0:
        raise ConfigError(f"sampling_ratio must be 0 (adaptive) or more, got {sampling_ratio}.")
    call = _Call("roi_align", features, boxes, output_size, spatial_scale, backend)
    if call.backend == "torch":
        align = functools.partial(roi_torch.align, sampling_ratio=sampling_ratio, aligned=aligned)
        return call.finish(lambda: align(call.maps, call.cells, call.out_hw))

    def compiled(canvas: Tensor, rois: Tensor) -> Tensor:
        return _compiled_align(call.backend)(canvas, rois, call.out_hw, sampling_ratio, aligned)

    return call.finish(lambda: _on_canvas(compiled, call, paddable=_inside(call, aligned)))


def roi_pool(
    features: Tensor | Sequence[Tensor],
    boxes: Tensor,
    output_size: int | tuple[int, int],
    *,
    spatial_scale: float = 1.0,
    backend: str = "auto",
) -> Tensor:
    """Cut every box out of its feature map as a grid of maxima over whole cells.

    mmcv has this operator on CUDA only; ``auto`` takes torchvision elsewhere.

    Shapes, Units and Raises: as ``roi_align``.
    Source: Girshick, Fast R-CNN (2015), 2.1.
    """
    call = _Call("roi_pool", features, boxes, output_size, spatial_scale, backend)
    if call.backend == "torch":
        return call.finish(lambda: roi_torch.pool(call.maps, call.cells, call.out_hw))

    def compiled(canvas: Tensor, rois: Tensor) -> Tensor:
        return _compiled_pool(call.backend)(canvas, rois, call.out_hw)

    return call.finish(lambda: _on_canvas(compiled, call, paddable=False))


class _Call:
    """The checked arguments of one call, with the boxes on the CPU in cells."""

    def __init__(
        self,
        op: Op,
        features: Tensor | Sequence[Tensor],
        boxes: Tensor,
        output_size: int | tuple[int, int],
        spatial_scale: float,
        backend: str,
    ) -> None:
        self.maps = _as_maps(features)
        self.whole = features if isinstance(features, Tensor) else None
        self.out_hw = _as_pair(output_size)
        if not (math.isfinite(spatial_scale) and spatial_scale > 0):
            raise ConfigError(f"spatial_scale must be a positive number, got {spatial_scale}.")
        first = self.maps[0]
        self.dtype, self.device = first.dtype, first.device
        self.work = torch.float64 if first.dtype == torch.float64 else torch.float32
        self.backend = choose_backend(op, backend, first.device)
        # One transfer to the host: the checks, the crops and the sampling positions all need it.
        self.cells = _check_boxes(boxes, len(self.maps)).to(self.work)
        self.cells[:, 1:] *= spatial_scale

    def finish(self, compute: Callable[[], Tensor]) -> Tensor:
        """Run in full precision and cast back; no boxes, no tokens."""
        if len(self.cells) == 0:
            return self.maps[0].new_zeros(0, self.maps[0].shape[0], *self.out_hw)
        with torch.autocast(self.device.type, enabled=False):
            return compute().to(self.dtype)


def _as_maps(features: Tensor | Sequence[Tensor]) -> list[Tensor]:
    """Take features apart into maps (C, H, W) that agree in channels, dtype and device."""
    if isinstance(features, Tensor):
        if features.ndim != 4:
            raise DataError(f"RoI features must be (N, C, H, W), got {tuple(features.shape)}.")
        maps = [features.squeeze(0)] if features.shape[0] == 1 else list(features.unbind(0))
    else:
        maps = list(features)
    if not maps:
        raise DataError("RoI features hold no map; pass at least one, even when there are no boxes.")
    first = maps[0]
    for n, one in enumerate(maps):
        if one.ndim != 3 or min(one.shape[1:]) == 0:
            raise DataError(f"RoI feature map {n} must be (C, H, W) with cells, got {tuple(one.shape)}.")
        if (one.shape[0], one.dtype, one.device) != (first.shape[0], first.dtype, first.device):
            raise DataError(
                f"RoI feature map {n} has {one.shape[0]} channels, {one.dtype}, {one.device}; map 0 has "
                f"{first.shape[0]}, {first.dtype}, {first.device}. All maps of a call must agree."
            )
    if not first.dtype.is_floating_point:
        raise DataError(f"RoI features must be floating point, got {first.dtype}.")
    return maps


def _as_pair(output_size: int | tuple[int, int]) -> tuple[int, int]:
    pair = (output_size, output_size) if isinstance(output_size, int) else tuple(output_size)
    if len(pair) != 2 or any(not isinstance(side, int) or side < 1 for side in pair):
        raise ConfigError(f"output_size must be a positive integer or a pair of them, got {output_size!r}.")
    return pair[0], pair[1]


def _check_boxes(boxes: Tensor, num_maps: int) -> Tensor:
    """Return a copy of the boxes on the CPU, or say which one is wrong."""
    if boxes.ndim != 2 or boxes.shape[1] != 5:
        raise RegionError(
            f"RoI boxes must be (K, 5) with map index, x0, y0, x1, y1; got {tuple(boxes.shape)}."
        )
    host = boxes.detach().to(device="cpu", dtype=torch.float64, copy=True)
    problems = {
        "is not finite": ~host.isfinite().all(dim=1),
        "is reversed (x1 < x0 or y1 < y0)": (host[:, 3:] < host[:, 1:3]).any(dim=1),
        f"names a map outside 0..{num_maps - 1}": (host[:, 0] < 0)
        | (host[:, 0] >= num_maps)
        | (host[:, 0] != host[:, 0].floor()),
    }
    for problem, rows in problems.items():
        if rows.any():
            row = int(rows.nonzero()[0])
            raise RegionError(f"RoI box {row} {problem}: {host[row].tolist()}.")
    return host


def _inside(call: _Call, aligned: bool) -> bool:
    """Whether no sample falls beyond the right or lower border of its own map."""
    sizes = torch.tensor([(m.shape[2], m.shape[1]) for m in call.maps])[call.cells[:, 0].long()]
    end = call.cells[:, 3:]
    if not aligned:
        end = torch.maximum(end, call.cells[:, 1:3] + 1)
    return bool((end <= sizes).all())


def _on_canvas(compiled: Compiled, call: _Call, *, paddable: bool) -> Tensor:
    """Bring the maps into the (N, C, H, W) of one dtype that compiled operators ask for.

    Only the cells that the boxes of a map span are copied and cast. Crops of different sizes are
    made equal by repeating their last row and column, which changes nothing for samples inside
    the map; where ``paddable`` is False each map has a call of its own.
    """
    whole = call.whole
    if whole is not None and whole.is_contiguous() and whole.dtype == call.work:
        return compiled(whole, call.cells.to(call.device))
    used = sorted(set(call.cells[:, 0].long().tolist()))
    groups = [call.cells[:, 0] == n for n in used]
    rois = call.cells.clone()
    crops = []
    for slot, (n, rows) in enumerate(zip(used, groups, strict=True)):
        crop, x0, y0 = _crop(call.maps[n], call.cells[rows, 1:], call.work)
        rois[rows] -= torch.tensor([0, x0, y0, x0, y0], dtype=rois.dtype)
        rois[rows, 0] = slot
        crops.append(crop)
    if len({crop.shape for crop in crops}) > 1:
        if not paddable:
            return _map_by_map(compiled, crops, groups, rois, call.device)
        height, width = max(c.shape[1] for c in crops), max(c.shape[2] for c in crops)
        crops = [
            functional.pad(c, (0, width - c.shape[2], 0, height - c.shape[1]), mode="replicate")
            for c in crops
        ]
    canvas = crops[0].unsqueeze(0) if len(crops) == 1 else torch.stack(crops)
    return compiled(canvas, rois.to(call.device))


def _map_by_map(
    compiled: Compiled, crops: list[Tensor], groups: list[Tensor], rois: Tensor, device: torch.device
) -> Tensor:
    """Call the operator once per map and bring the results back into the order of the boxes."""
    parts = []
    for crop, rows in zip(crops, groups, strict=True):
        own = rois[rows]
        own[:, 0] = 0
        parts.append(compiled(crop.unsqueeze(0), own.to(device)))
    order = torch.cat([rows.nonzero().flatten() for rows in groups])
    return torch.cat(parts)[order.argsort().to(device)]


def _crop(one: Tensor, boxes: Tensor, work: torch.dtype) -> tuple[Tensor, int, int]:
    """Cast the cells around boxes (k, 4); a map that can be used as it is stays whole."""
    if one.is_contiguous() and one.dtype == work:
        return one, 0, 0
    height, width = one.shape[1:]
    low, high = boxes[:, :2].amin(dim=0).tolist(), boxes[:, 2:].amax(dim=0).tolist()
    # Two cells of margin: half a cell of alignment, one of interpolation, one of least size.
    x0, y0 = (max(0, min(math.floor(v) - 2, side - 1)) for v, side in zip(low, (width, height), strict=True))
    x1, y1 = (min(side, max(math.ceil(v) + 3, 1)) for v, side in zip(high, (width, height), strict=True))
    y1, x1 = max(y1, y0 + 1), max(x1, x0 + 1)
    if one.stride(0) == 1:
        # Channels lie side by side: cast as they lie, then one 2-D transpose. The same copy of a
        # permuted 3-D tensor takes several times as long.
        cells = one.permute(1, 2, 0)[y0:y1, x0:x1].to(work)
        flat = cells.reshape(-1, one.shape[0]).t().contiguous()
        return flat.view(-1, y1 - y0, x1 - x0), x0, y0
    return one[:, y0:y1, x0:x1].to(work).contiguous(), x0, y0


def _compiled_align(backend: str) -> Callable[[Tensor, Tensor, tuple[int, int], int, bool], Tensor]:
    if backend == "mmcv":
        from mmcv.ops.roi_align import roi_align as mmcv_align

        return lambda x, rois, out, ratio, aligned: mmcv_align(x, rois, out, 1.0, ratio, "avg", aligned)
    from torchvision.ops import roi_align as tv_align

    return lambda x, rois, out, ratio, aligned: tv_align(x, rois, out, 1.0, ratio, aligned)


def _compiled_pool(backend: str) -> Callable[[Tensor, Tensor, tuple[int, int]], Tensor]:
    if backend == "mmcv":
        from mmcv.ops.roi_pool import roi_pool as mmcv_pool

        return lambda x, rois, out: mmcv_pool(x, rois, out, 1.0)
    from torchvision.ops import roi_pool as tv_pool

    return lambda x, rois, out: tv_pool(x, rois, out, 1.0)


@functools.cache
def _why_not(op: Op, backend: str, device_type: str) -> str | None:
    """Run the operator once on one cell; None if that worked, else the reason in a sentence."""
    if backend == "mmcv" and op == "roi_pool" and device_type == "cpu":
        return "mmcv's RoIPool has no CPU code"
    try:
        x = torch.ones(1, 1, 2, 2, device=device_type)
        rois = torch.tensor([[0.0, 0.0, 0.0, 1.0, 1.0]], device=device_type)
        if backend != "torch":
            compiled = _compiled_align(backend) if op == "roi_align" else _compiled_pool(backend)
            compiled(x, rois, (1, 1), *((1, True) if op == "roi_align" else ()))
    except ModuleNotFoundError as error:
        fix = "; run: gartk mmcv" if backend == "mmcv" else ""
        what = "its compiled operators are" if error.name == "mmcv._ext" else f"{error.name} is"
        return f"{what} not installed{fix}"
    except Exception as error:  # a broken binary may fail in any way
        return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}"
    return None


def available_backends(op: Op = "roi_align", device: str | torch.device = "cpu") -> dict[str, str | None]:
    """Return for each backend why it cannot serve this operator on this device; None means it can.

    Raises: ConfigError for an unknown operator.
    """
    if op not in get_args(Op):
        raise ConfigError(f"RoI operator {op!r} is unknown. {did_you_mean(op, get_args(Op))}")
    return {name: _why_not(op, name, torch.device(device).type) for name in BACKENDS}


def choose_backend(op: Op, backend: str, device: str | torch.device = "cpu") -> str:
    """Return the name of the backend that serves a request.

    ``auto`` is mmcv where its operator serves the device, else torchvision, else torch; but RoIAlign
    on a CPU is torch's, where the compiled ones are several times slower (``bench/bench_replay.py``).

    Raises: ConfigError if the backend asked for is unknown or cannot serve this.
    """
    if backend != "auto" and backend not in BACKENDS:
        raise ConfigError(f"RoI backend {backend!r} is unknown. {did_you_mean(backend, ('auto', *BACKENDS))}")
    kind = torch.device(device).type
    if backend == "auto":
        if (op, kind) == ("roi_align", "cpu"):
            return "torch"
        return next(name for name in BACKENDS if name == "torch" or _why_not(op, name, kind) is None)
    reason = _why_not(op, backend, kind)
    if reason is not None:
        raise ConfigError(
            f"RoI backend {backend!r} cannot serve {op} on {kind}: {reason}.\n"
            "  Use backend='auto', or see gartk doctor for what works here."
        )
    return backend


def parity_report(device: str | torch.device = "cpu") -> list[ParityRow]:
    """Compare all available backends with each other on random maps and boxes, here and now.

    The boxes lie inside, across the border of and outside two ragged maps; the settings cover
    both alignments and both kinds of sampling.
    """
    made = torch.Generator().manual_seed(0)
    maps = [torch.randn(5, h, w, generator=made) for h, w in ((16, 16), (11, 37))]
    low = torch.rand(12, 2, generator=made) * 20 - 4
    boxes = torch.cat([torch.arange(12)[:, None] % 2, low, low + torch.rand(12, 2, generator=made) * 18], 1)
    settings = [{"sampling_ratio": r, "aligned": a} for r in (0, 2) for a in (False, True)]
    calls: dict[Op, list[Callable[[list[Tensor], str], Tensor]]] = {
        "roi_align": [
            lambda x, name, s=s: roi_align(x, boxes, (4, 3), backend=name, **s)  # type: ignore[misc]
            for s in settings
        ],
        "roi_pool": [lambda x, name: roi_pool(x, boxes, (4, 3), backend=name)],
    }
    rows = []
    for op, runs in calls.items():
        names = [name for name, reason in available_backends(op, device).items() if reason is None]
        results = {name: [_with_gradient(run, maps, name, device) for run in runs] for name in names}
        for i, first in enumerate(names):
            for second in names[i + 1 :]:
                pairs = list(zip(results[first], results[second], strict=True))
                gaps = [max(float((a[j] - b[j]).abs().max()) for a, b in pairs) for j in (0, 1)]
                rows.append(ParityRow(f"{op}: {first} vs {second}", *gaps))
    return rows


def _with_gradient(
    run: Callable[[list[Tensor], str], Tensor], maps: list[Tensor], name: str, device: str | torch.device
) -> tuple[Tensor, Tensor]:
    """Result and gradient (flat) of one run, under weights that differ for every output."""
    inputs = [m.to(device).requires_grad_() for m in maps]
    result = run(inputs, name)
    weights = torch.linspace(-1, 1, result.numel(), device=result.device).view_as(result)
    grads = torch.autograd.grad((result * weights).sum(), inputs)
    return result.detach(), torch.cat([g.flatten() for g in grads])
