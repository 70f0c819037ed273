"""The contract of region extractors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from gartk.data.crops import crop_tiler
from gartk.models.connectors.base import CONNECTORS
from gartk.models.extractors.base import REGION_EXTRACTORS, RegionExtractor
from gartk.models.extractors.views import View, ViewEncoder, Views, crops_as_view
from gartk.models.prompts.base import PROMPT_ENCODERS
from gartk.models.vision.base import VISION_BACKBONES
from gartk.structures import Crops, FeatureMap, RegionBatch, TileGrid
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
from gartk.testing.parts import make_crops, make_maps, make_pixels, make_regions, select_crops, select_regions
from gartk.testing.toy import toy_vision

_COUNTS = (3, 2, 4)
_IMAGES_HW = ((56, 56), (112, 168), (112, 56))
_NEEDS = frozenset({"map", "crops", "image"})


def check_extractor(spec: PartSpec, *, dim: int = 8, seed: int = 0) -> None:
    """Check everything that the model relies on in a region extractor.

    What its constructor declares of the arguments that ``RegionExtractor`` lists is given to it. One whose
    ``needs`` name "crops" or "image" is called with ``views``: pictures of this check, and a tower of toy
    size to encode them.

    Promises: ``num_tokens`` is known before forward and true; the output is finite, has the map's
    dtype, and is the same every time; with num_tokens > 0 the gradient reaches every map that has
    regions, or every crop; maps that it does not need may be left out; no regions give (0, num_tokens, D)
    where it needs maps alone (others are not called then); maps of a batch may differ in size; the order
    of regions is kept; the tokens of a region depend on no other region and no other image; it comes back
    from a checkpoint without its source; bf16 works.

    Args:
        spec: a registered name, a config with ``type``, or the class itself.
        dim: width of the feature maps and of the tokens.

    Raises: ContractViolation naming the promise that is broken.
    """
    world = _World(dim, seed)
    extractor = build_module(REGION_EXTRACTORS, spec, seed=seed, **world.offer())
    _check_attributes(extractor)
    scene = world.scene()
    _check_output(extractor, scene, dim)
    _check_unneeded_maps(extractor, scene)
    _check_order_and_independence(extractor, scene)
    _check_no_regions(extractor, scene, dim)
    _check_gradient(extractor, world.scene(requires_grad=True), seed)
    check_rebuilt(REGION_EXTRACTORS, spec, lambda part: _run(part, scene), seed=seed, **world.offer())
    half = world.to_bf16()  # last: it turns the weights to bf16
    check_bf16(extractor, lambda part: _run(part, half), "bf16 weights and maps give bf16 tokens.")


@dataclass
class _Scene:
    """What an extractor is called with: maps, regions, and the pictures that both are of."""

    maps: list[FeatureMap]
    regions: RegionBatch
    pixels: list[Tensor]
    grids: list[TileGrid]
    crops: Crops
    encoder: ViewEncoder

    def with_regions(self, keep: list[int]) -> _Scene:
        """The same images with some of the regions."""
        return replace(self, regions=select_regions(self.regions, keep), crops=select_crops(self.crops, keep))

    def image(self, number: int) -> _Scene:
        """One image with its regions."""
        own = torch.nonzero(self.regions.image_index == number).flatten().tolist()
        kept = self.with_regions(own)
        index = torch.zeros_like(kept.regions.image_index)
        regions = replace(kept.regions, image_index=index, masks=[kept.regions.masks[number]])
        one = slice(number, number + 1)
        return replace(
            kept, regions=regions, maps=self.maps[one], pixels=self.pixels[one], grids=self.grids[one]
        )


class _World:
    """Images, regions and parts of toy size for one check."""

    def __init__(self, dim: int, seed: int) -> None:
        self.dim, self.seed = dim, seed
        self.dtype = torch.float32
        self.vision = build_module(VISION_BACKBONES, toy_vision(), seed=seed)
        vision = self.vision
        self.prompt = build_module(
            PROMPT_ENCODERS, "MaskPrompt", embed_dim=vision.embed_dim, patch_px=vision.patch_px
        )
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in self.prompt.parameters():
                parameter.normal_(std=0.2, generator=generator)
        self.connector = build_module(
            CONNECTORS, {"type": "MLPConnector", "pool": 2}, seed=seed, in_dim=vision.out_dim, out_dim=dim
        )

    def offer(self) -> dict[str, Any]:
        """What a constructor may ask for, as RegionVLM gives it."""
        return {
            "dim": self.dim,
            "crop_hw": crop_tiler(self.vision.tiler).grid((64, 64)).cell_hw,
            "tower_dim": self.vision.embed_dim,
            "tower_out_dim": self.vision.out_dim,
            "tower_layers": len(self.vision.blocks()),
            "tower_heads": self.vision.num_heads,
        }

    def to_bf16(self) -> _Scene:
        """The scene in bf16, with parts that are too."""
        self.dtype = torch.bfloat16
        for part in (self.vision, self.prompt, self.connector):
            part.to(torch.bfloat16)
        return self.scene()

    def scene(self, *, requires_grad: bool = False) -> _Scene:
        """Draw it anew, always the same."""
        grids = [self.vision.tiler.grid(hw) for hw in _IMAGES_HW]
        regions = make_regions(grids, _COUNTS, seed=self.seed)
        crops = make_crops(crop_tiler(self.vision.tiler).grid((64, 64)), len(regions), seed=self.seed)
        drawn = make_maps(grids, self.dim, seed=self.seed, dtype=self.dtype, requires_grad=requires_grad)
        crops.pixels = crops.pixels.to(self.dtype).requires_grad_(requires_grad)
        pixels = [tiles.to(self.dtype) for tiles in make_pixels(grids, seed=self.seed)]
        encoder = ViewEncoder(self.vision, self.prompt, self.connector)
        return _Scene(drawn, regions, pixels, grids, crops, encoder)


def _call(extractor: RegionExtractor, scene: _Scene) -> Tensor:
    regions = scene.regions
    images = View(scene.pixels, scene.grids, regions)
    views = Views(images, crops_as_view(scene.crops, regions), regions, scene.encoder)
    tokens: Tensor = extractor(scene.maps, regions, *(() if extractor.needs <= {"map"} else (views,)))
    return tokens


def _run(extractor: RegionExtractor, scene: _Scene) -> Tensor:
    with torch.no_grad():
        return _call(extractor, scene)


def _check_attributes(extractor: RegionExtractor) -> None:
    tokens = extractor.num_tokens
    is_count = isinstance(tokens, int) and not isinstance(tokens, bool) and tokens >= 0
    require(is_count, "num_tokens is an int of at least 0, set by the constructor.", repr(tokens))
    needs = extractor.needs
    require(needs <= _NEEDS, f"needs names some of {sorted(_NEEDS)}.", str(sorted(needs)))
    picture = extractor.token_hw
    if picture is not None:
        fits = len(picture) == 2 and picture[0] * picture[1] == tokens
        require(fits, "token_hw is None or the rows and columns of num_tokens.", repr(picture))


def _check_output(extractor: RegionExtractor, scene: _Scene, dim: int) -> None:
    tokens = _run(extractor, scene)
    require_shape(tokens, (len(scene.regions), extractor.num_tokens, dim), "The output (K, num_tokens, D)")
    _require_dtype(tokens, scene, "The output")
    require_finite(tokens, "The output")
    require_same(tokens, _run(extractor, scene), "The same input gives the same output in eval mode.")


def _require_dtype(tokens: Tensor, scene: _Scene, what: str) -> None:
    wanted = scene.maps[0].data.dtype
    require(tokens.dtype == wanted, f"{what} has the dtype of the maps.", str(tokens.dtype))


def _check_order_and_independence(extractor: RegionExtractor, scene: _Scene) -> None:
    tokens = _run(extractor, scene)
    turned: list[int] = []
    for image in range(len(scene.maps)):
        turned += torch.nonzero(scene.regions.image_index == image).flatten().flip(0).tolist()
    moved = _run(extractor, scene.with_regions(turned))
    require_close(moved, tokens[turned], "Regions given in another order give their tokens in that order.")
    for position in range(len(scene.regions)):
        alone = _run(extractor, scene.with_regions([position]))
        require_close(
            alone, tokens[position : position + 1], "The tokens of a region do not depend on other regions."
        )
    for image in range(len(scene.maps)):
        own = torch.nonzero(scene.regions.image_index == image).flatten().tolist()
        require_close(
            _run(extractor, scene.image(image)),
            tokens[own],
            "An image alone gives what it gives in a batch of maps of other sizes.",
        )


def _check_no_regions(extractor: RegionExtractor, scene: _Scene, dim: int) -> None:
    if not extractor.needs <= {"map"}:
        return  # the model does not call it then
    tokens = _run(extractor, scene.with_regions([]))
    require_shape(tokens, (0, extractor.num_tokens, dim), "The output for no regions")
    _require_dtype(tokens, scene, "The output for no regions")


def _check_unneeded_maps(extractor: RegionExtractor, scene: _Scene) -> None:
    if "map" not in extractor.needs:
        promise = "Maps that are not in needs change nothing when they are left out."
        require_same(_run(extractor, replace(scene, maps=[])), _run(extractor, scene), promise)


def _check_gradient(extractor: RegionExtractor, scene: _Scene, seed: int) -> None:
    if extractor.num_tokens == 0:
        return
    tokens = _call(extractor, scene)
    weights = torch.randn(tokens.shape, generator=torch.Generator().manual_seed(seed))
    (tokens * weights).sum().backward()
    if "map" in extractor.needs:
        for number, feature_map in enumerate(scene.maps):
            gradient = feature_map.data.grad
            _require_gradient(gradient, "The gradient reaches every map that has regions.", f"map {number}")
    if "crops" in extractor.needs:
        for number in range(len(scene.crops)):
            every = scene.crops.pixels.grad
            gradient = None if every is None else every[number]
            _require_gradient(gradient, "The gradient reaches every crop.", f"crop {number}")
    extractor.zero_grad(set_to_none=True)


def _require_gradient(gradient: Tensor | None, promise: str, where: str) -> None:
    reached = gradient is not None and bool(gradient.abs().sum() > 0)
    require(reached, promise, f"none at {where}")
    if gradient is not None:
        require_finite(gradient, f"The gradient at {where}")
