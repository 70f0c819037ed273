"""RoIAlign and RoIPool give the same numbers whichever backend computes them."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch")

from gartk.errors import ConfigError, DataError, RegionError
from gartk.ops import available_backends, parity_report, roi, roi_align, roi_pool, roi_torch

MMCV = pytest.param("mmcv", marks=pytest.mark.mmcv)
BACKENDS = (MMCV, "torchvision", "torch")
SETTINGS = list(itertools.product((0, 2, 3), (False, True), (1.0, 1 / 14)))


def need(name: str, op: str = "roi_align") -> None:
    reason = available_backends(op)[name]  # type: ignore[arg-type]
    if reason is not None:
        pytest.skip(f"backend {name}: {reason}")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def some_boxes(count: int, num_maps: int, hw: tuple[int, int], seed: int = 1) -> torch.Tensor:
    """Boxes inside, across the border of, and wholly outside maps of about this size."""
    rng = seeded(seed)
    side = torch.tensor([hw[1], hw[0]], dtype=torch.float32)
    low = (torch.rand(count, 2, generator=rng) * 1.6 - 0.3) * side
    high = low + torch.rand(count, 2, generator=rng) * side
    fixed = torch.tensor(
        [
            [0.0, 0.0, hw[1], hw[0]],  # the whole map
            [3.0, 2.0, 3.0, 2.0],  # a point
            [-9.0, -9.0, -4.0, -4.0],  # left of and above the map
            [hw[1] + 3.0, 1.0, hw[1] + 7.0, 4.0],  # right of it
            [-2.0, -3.0, hw[1] + 4.0, hw[0] + 5.0],  # around it
        ]
    )
    boxes = torch.cat([fixed, torch.cat([low, high], dim=1)])
    index = torch.arange(len(boxes))[:, None] % num_maps
    return torch.cat([index, boxes], dim=1)


def run(call: Callable[[list[torch.Tensor]], torch.Tensor], maps: list[torch.Tensor]) -> list[torch.Tensor]:
    """Result and gradients of a call."""
    inputs = [m.detach().clone().requires_grad_() for m in maps]
    result = call(inputs)
    weights = torch.rand(result.shape, generator=seeded(9), dtype=result.dtype)
    (result * weights).sum().backward()
    return [result.detach(), *(i.grad if i.grad is not None else torch.zeros_like(i) for i in inputs)]


@pytest.mark.parametrize("name", [MMCV, "torch"])
@pytest.mark.parametrize("shapes", [[(16, 16)], [(11, 37)], [(9, 9), (9, 9)], [(16, 16), (11, 37), (1, 5)]])
def test_roi_align_equals_torchvision_forward_and_backward(name: str, shapes: list[tuple[int, int]]) -> None:
    need(name)
    maps = [torch.randn(3, h, w, generator=seeded(n)) for n, (h, w) in enumerate(shapes)]
    for ratio, aligned, scale in SETTINGS:
        boxes = some_boxes(8, len(maps), shapes[0])
        boxes[:, 1:] /= scale

        def with_backend(backend: str) -> list[torch.Tensor]:
            return run(
                lambda x: roi_align(
                    x,
                    boxes,  # noqa: B023  called at once
                    (4, 3),
                    spatial_scale=scale,  # noqa: B023
                    sampling_ratio=ratio,  # noqa: B023
                    aligned=aligned,  # noqa: B023
                    backend=backend,
                ),
                maps,
            )

        for got, wanted in zip(with_backend(name), with_backend("torchvision"), strict=True):
            torch.testing.assert_close(got, wanted, atol=5e-6, rtol=1e-5, msg=f"{ratio} {aligned} {scale}")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("aligned", [False, True])
def test_the_cells_cut_out_around_a_box_are_all_that_its_samples_read(backend: str, aligned: bool) -> None:
    """Maps with channels last are cropped to the box and a margin; one box, deep inside, at every offset."""
    from torchvision.ops import roi_align as direct

    need(backend)
    whole = torch.randn(1, 2, 24, 20, generator=seeded())
    channels_last = whole.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    for offset, side, ratio in itertools.product((0.0, 0.3, 0.5, 0.8), (0.0, 0.4, 1.0, 3.7), (0, 1, 2)):
        x0, y0 = 8 + offset, 11 - offset
        boxes = torch.tensor([[0.0, x0, y0, x0 + side, y0 + side]])
        wanted = direct(whole, boxes, (3, 2), 1.0, ratio, aligned)
        got = roi_align(channels_last, boxes, (3, 2), sampling_ratio=ratio, aligned=aligned, backend=backend)
        torch.testing.assert_close(got, wanted, atol=5e-6, rtol=1e-5, msg=f"{offset} {side} {ratio}")


@pytest.mark.parametrize("backend", BACKENDS)
def test_roi_align_equals_a_direct_call_of_torchvision(backend: str) -> None:
    """The cropping, padding and scaling around the operators change nothing."""
    from torchvision.ops import roi_align as direct

    need(backend)
    for ratio, aligned, scale in SETTINGS:
        whole = torch.randn(2, 3, 13, 10, generator=seeded())
        boxes = some_boxes(6, 2, (13, 10))
        boxes[:, 1:] /= scale
        wanted = direct(whole, boxes, (4, 3), scale, ratio, aligned)
        channels_last = whole.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
        for features in (whole, channels_last, list(channels_last)):
            got = roi_align(
                features,
                boxes,
                (4, 3),
                spatial_scale=scale,
                sampling_ratio=ratio,
                aligned=aligned,
                backend=backend,
            )
            torch.testing.assert_close(got, wanted, atol=5e-6, rtol=1e-5)


@pytest.mark.parametrize("shapes", [[(16, 16)], [(11, 37), (6, 9)]])
@pytest.mark.parametrize("scale", [1.0, 1 / 14])
def test_torch_roi_pool_equals_torchvision_forward_and_backward(
    shapes: list[tuple[int, int]], scale: float
) -> None:
    maps = [torch.randn(3, h, w, generator=seeded(n)).relu() for n, (h, w) in enumerate(shapes)]
    boxes = some_boxes(10, len(maps), shapes[0])
    boxes[-1, 1:] = torch.tensor([0.5, 1.5, 4.5, 7.5])  # ties of rounding
    boxes[:, 1:] /= scale
    results = [
        run(lambda x, b=b: roi_pool(x, boxes, (4, 3), spatial_scale=scale, backend=b), maps)
        for b in ("torch", "torchvision")
    ]
    for got, wanted in zip(*results, strict=True):
        torch.testing.assert_close(got, wanted, atol=5e-6, rtol=1e-5)


@pytest.mark.parametrize("backend", ["auto", *BACKENDS])
def test_a_ramp_replayed_inside_its_box_gives_the_bin_centres(backend: str) -> None:
    if backend != "auto":
        need(backend)
    columns = torch.arange(20.0).expand(12, 20)
    rows = torch.arange(12.0)[:, None].expand(12, 20)
    x0, y0, x1, y1 = 3.2, 1.7, 15.6, 9.3
    got = roi_align(
        torch.stack([columns, rows])[None], torch.tensor([[0, x0, y0, x1, y1]]), (4, 5), backend=backend
    )
    # Cell i spans i..i+1, so the value at position p is p - 0.5.
    centres_x = x0 + (torch.arange(5) + 0.5) * (x1 - x0) / 5 - 0.5
    centres_y = y0 + (torch.arange(4) + 0.5) * (y1 - y0) / 4 - 0.5
    torch.testing.assert_close(got[0, 0], centres_x.expand(4, 5), atol=1e-5, rtol=0)
    torch.testing.assert_close(got[0, 1], centres_y[:, None].expand(4, 5), atol=1e-5, rtol=0)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_dtypes_are_computed_in_float32_or_better_and_cast_back(
    backend: str, dtype: torch.dtype
) -> None:
    need(backend)
    features = torch.randn(2, 4, 12, 9, generator=seeded()).to(dtype)
    boxes = some_boxes(5, 2, (12, 9))
    work = torch.float64 if dtype == torch.float64 else torch.float32
    wanted = roi_align(features.to(work), boxes, 4, backend="torchvision")
    got, grad = run(lambda x: roi_align(x[0], boxes, 4, backend=backend), [features])
    assert got.dtype == dtype and grad.dtype == dtype
    torch.testing.assert_close(got, wanted.to(dtype), atol=1e-12 if work == torch.float64 else 0.02, rtol=0)
    # One step of the storage type at most: nothing but the last cast may round.
    step = torch.finfo(dtype).eps * wanted.abs().clamp(min=1e-3)
    assert bool(((got.to(work) - wanted).abs() <= step + 1e-6).all())


@pytest.mark.parametrize("op", ["roi_align", "roi_pool"])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_autocast_changes_nothing(op: str, backend: str, dtype: torch.dtype) -> None:
    need(backend, op)
    call = roi_align if op == "roi_align" else roi_pool
    features = torch.randn(1, 4, 12, 9, generator=seeded()).to(dtype)
    boxes = some_boxes(5, 1, (12, 9))
    plain = run(lambda x: call(x[0], boxes, 4, backend=backend), [features])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = run(lambda x: call(x[0], boxes, 4, backend=backend), [features])
    for got, wanted in zip(cast, plain, strict=True):
        assert got.dtype == dtype
        assert torch.equal(got, wanted)


@pytest.mark.parametrize("call", [roi_align, roi_pool])
@pytest.mark.parametrize("backend", ["auto", "torchvision", "torch"])
def test_no_boxes_give_no_tokens(call: Callable[..., torch.Tensor], backend: str) -> None:
    got = call(torch.zeros(1, 6, 5, 5, dtype=torch.bfloat16), torch.zeros(0, 5), (2, 3), backend=backend)
    assert got.shape == (0, 6, 2, 3) and got.dtype == torch.bfloat16


def test_a_list_of_ragged_maps_is_one_call_of_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    real = roi._compiled_align("torchvision")

    def counting(backend: str) -> Callable[..., torch.Tensor]:
        return lambda canvas, rois, *rest: calls.append(tuple(canvas.shape)) or real(canvas, rois, *rest)

    maps = [torch.randn(3, h, w, generator=seeded(h)) for h, w in ((8, 12), (16, 4), (4, 4))]
    boxes = torch.tensor(
        [[2, 0.0, 0, 4, 4], [0, 1.5, 2, 12, 8], [1, 0, 0, 4, 16], [0, 0, 0, 3, 3], [2, 3.9, 3.9, 4, 4]]
    )
    wanted = [roi_align(maps[int(b[0])][None], b[None] * torch.tensor([0, 1, 1, 1, 1]), 4) for b in boxes]
    monkeypatch.setattr(roi, "_compiled_align", counting)
    got = roi_align(maps, boxes, 4, backend="torchvision")
    assert len(calls) == 1
    torch.testing.assert_close(got, torch.cat(wanted), atol=5e-6, rtol=1e-5)


def test_only_the_cells_around_the_boxes_are_cast(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    real = roi._compiled_align("torchvision")

    def watching(backend: str) -> Callable[..., torch.Tensor]:
        return lambda canvas, *rest: seen.append(tuple(canvas.shape)) or real(canvas, *rest)

    monkeypatch.setattr(roi, "_compiled_align", watching)
    features = torch.randn(1, 2, 64, 64, generator=seeded()).bfloat16()
    roi_align(features, torch.tensor([[0, 30.0, 40, 34, 44], [0, 32, 41, 36, 43]]), 4, backend="torchvision")
    (shape,) = seen
    assert shape[2] <= 4 + 6 and shape[3] <= 6 + 6


def test_torch_roi_align_has_the_right_gradient_in_float64() -> None:
    maps = [torch.randn(2, h, w, generator=seeded(h), dtype=torch.float64) for h, w in ((5, 4), (3, 6))]
    boxes = torch.tensor([[0, 0.3, 0.6, 3.1, 4.7], [1, -2.0, 1, 7, 2.5], [0, 1, 1, 2, 2]])
    for ratio in (0, 2):
        assert torch.autograd.gradcheck(
            lambda *m, r=ratio: roi_align(list(m), boxes, 2, sampling_ratio=r, backend="torch"),
            [m.requires_grad_() for m in maps],
        )


def test_rounding_of_roi_pool_goes_away_from_zero_on_a_tie() -> None:
    ties = torch.tensor([-1.5, -0.5, 0.49999997, 0.5, 1.5, 2.5, 3.2])
    assert roi_torch._round_half_away(ties).tolist() == [-2, -1, 0, 1, 2, 3, 3]


@pytest.mark.parametrize(
    ("boxes", "words"),
    [
        (torch.zeros(4), r"must be \(K, 5\).*got \(4,\)"),
        (torch.zeros(2, 4), r"must be \(K, 5\)"),
        (torch.tensor([[0, 1, 1, 2, 2], [0, 1, float("nan"), 2, 2]]), "box 1 is not finite"),
        (torch.tensor([[0, 1, 1, float("inf"), 2]]), "box 0 is not finite"),
        (torch.tensor([[0.0, 3, 1, 2, 2]]), "box 0 is reversed"),
        (torch.tensor([[2.0, 1, 1, 2, 2]]), r"box 0 names a map outside 0\.\.1"),
        (torch.tensor([[-1.0, 1, 1, 2, 2]]), "names a map outside"),
        (torch.tensor([[0.5, 1, 1, 2, 2]]), "names a map outside"),
    ],
)
def test_bad_boxes_are_named(boxes: torch.Tensor, words: str) -> None:
    for call in (roi_align, roi_pool):
        with pytest.raises(RegionError, match=words):
            call(torch.zeros(2, 3, 5, 5), boxes, 2)


@pytest.mark.parametrize(
    ("features", "words"),
    [
        (torch.zeros(3, 5, 5), r"must be \(N, C, H, W\)"),
        ([], "hold no map"),
        ([torch.zeros(3, 5, 5), torch.zeros(4, 5, 5)], "map 1 has 4 channels"),
        ([torch.zeros(3, 5, 5), torch.zeros(3, 5, 5).bfloat16()], "All maps of a call must agree"),
        ([torch.zeros(3, 0, 5)], r"map 0 must be \(C, H, W\) with cells"),
        (torch.zeros(1, 3, 5, 5, dtype=torch.int64), "must be floating point"),
    ],
)
def test_bad_features_are_named(features: torch.Tensor | list[torch.Tensor], words: str) -> None:
    with pytest.raises(DataError, match=words):
        roi_align(features, torch.zeros(1, 5), 2)


def test_bad_settings_are_config_errors() -> None:
    features, boxes = torch.zeros(1, 3, 5, 5), torch.tensor([[0, 1, 1, 2, 2]])
    with pytest.raises(ConfigError, match="Did you mean 'torchvision'"):
        roi_align(features, boxes, 2, backend="torchvison")
    with pytest.raises(ConfigError, match="RoIPool has no CPU code"):
        roi_pool(features, boxes, 2, backend="mmcv")
    with pytest.raises(ConfigError, match="sampling_ratio must be 0"):
        roi_align(features, boxes, 2, sampling_ratio=-1)
    with pytest.raises(ConfigError, match="output_size must be"):
        roi_align(features, boxes, (2, 0))
    with pytest.raises(ConfigError, match="spatial_scale must be"):
        roi_align(features, boxes, 2, spatial_scale=0.0)
    with pytest.raises(ConfigError, match="'roi_crop' is unknown"):
        available_backends("roi_crop")  # type: ignore[arg-type]


def test_auto_takes_mmcv_then_torchvision_but_torch_for_roi_align_on_a_cpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    works = {"mmcv": None, "torchvision": None, "torch": None}
    monkeypatch.setattr(roi, "_why_not", lambda op, name, device: works[name])
    assert roi.choose_backend("roi_align", "auto", "cuda") == "mmcv"
    assert roi.choose_backend("roi_pool", "auto", "cpu") == "mmcv"
    assert roi.choose_backend("roi_align", "auto", "cpu") == "torch"
    works["mmcv"] = "mmcv is not installed; run: gartk mmcv"
    assert roi.choose_backend("roi_align", "auto", "cuda") == "torchvision"
    assert roi.choose_backend("roi_pool", "auto", "cpu") == "torchvision"
    with pytest.raises(ConfigError, match="run: gartk mmcv"):
        roi.choose_backend("roi_align", "mmcv")
    works["torchvision"] = "broken"
    assert roi.choose_backend("roi_align", "auto", "cuda") == "torch"


def test_a_missing_mmcv_is_told_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(backend: str) -> None:
        raise ModuleNotFoundError(f"No module named {backend!r}", name=backend)

    monkeypatch.setattr(roi, "_compiled_align", absent)
    roi._why_not.cache_clear()
    try:
        reason = available_backends("roi_align")["mmcv"]
    finally:
        roi._why_not.cache_clear()
    assert reason == "mmcv is not installed; run: gartk mmcv"


def test_the_parity_report_compares_every_pair_and_they_agree() -> None:
    rows = parity_report()
    align = [name for name, reason in available_backends("roi_align").items() if reason is None]
    wanted = {f"roi_align: {a} vs {b}" for a, b in itertools.combinations(align, 2)}
    assert {row.pair for row in rows} == wanted | {"roi_pool: torchvision vs torch"}
    assert all(row.forward < 5e-6 and row.backward < 5e-6 for row in rows)
