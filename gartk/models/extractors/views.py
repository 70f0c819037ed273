"""What an extractor that needs crops is handed: pictures, and the model's way of encoding them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import torch

from gartk.errors import DataError
from gartk.structures import RegionBatch

if TYPE_CHECKING:
    from torch import Tensor

    from gartk.models.connectors.base import Connector
    from gartk.models.prompts.base import PromptEncoder
    from gartk.models.vision.base import VisionBackbone
    from gartk.models.vision.prompt_hook import Change
    from gartk.structures import Batch, Crops, TileGrid


@dataclass(frozen=True)
class View:
    """Pictures to encode, and the regions that are shown on them.

    Shapes: pixels: n tensors (T, 3, h, w); grids: n entries; regions: any number, ``image_index`` naming
    the picture, or None where no prompt is to enter the tower.
    """

    pixels: Sequence[Tensor]
    grids: Sequence[TileGrid]
    regions: RegionBatch | None

    def unprompted(self) -> View:
        """Return the pictures without prompts."""
        return replace(self, regions=None)

    def picked(self, index: Sequence[int]) -> View:
        """Return the pictures of an index, which may name one several times, without prompts."""
        return View([self.pixels[i] for i in index], [self.grids[i] for i in index], None)


class ViewEncoder(NamedTuple):
    """Tower, prompts and connector of a model: the same weights for whole images and for crops."""

    vision: VisionBackbone
    prompt_encoder: PromptEncoder
    connector: Connector

    def patches(self, view: View, behind_layers: Sequence[Change] = ()) -> Tensor:
        """Encode pictures with their prompts, up to the connector: packed patches (N, out_dim).

        ``behind_layers`` is that of ``VisionBackbone.encode``.
        """
        prompt = None if view.regions is None else self.prompt_encoder(view.regions, view.grids)
        return self.vision.encode(view.pixels, view.grids, prompt, behind_layers)

    def prompts_enter(self) -> bool:
        """Whether the tower sees any prompt at all."""
        return self.prompt_encoder.enters_tower

    def cells(self, patches: Tensor, grids: Sequence[TileGrid]) -> Tensor:
        """Project packed patches to packed cells (N / pool**2, D)."""
        cells: Tensor = self.connector(patches, grids)
        return cells


@dataclass(frozen=True)
class Views:
    """The whole images of a batch, a crop of every region in the order of ``regions``, and the encoder."""

    images: View
    crops: View
    regions: RegionBatch
    encoder: ViewEncoder

    def images_by_region(self) -> View:
        """Return for every region the image it is on with no other region on it: as many pictures."""
        regions = self.regions
        owners = regions.image_index.tolist()
        places = zip(owners, regions.mask_rows().tolist(), strict=True)
        shown = replace(
            regions,
            image_index=torch.arange(len(regions), device=regions.image_index.device),
            masks=[regions.masks[image][row : row + 1] for image, row in places],
        )
        return replace(self.images.picked(owners), regions=shown)


def views_of(batch: Batch, encoder: ViewEncoder, needs_crops: bool) -> Views:
    """Return the pictures of a batch to an extractor.

    Raises: DataError if crops are needed and the batch has none.
    """
    if needs_crops and batch.crops is None:
        raise DataError(
            "The region extractor needs crops, which this batch lacks. Encode samples with the processor of"
            " this model (model.make_processor())."
        )
    images = View(batch.pixels, batch.grids, batch.regions)
    crops = View([], [], None) if batch.crops is None else crops_as_view(batch.crops, batch.regions)
    return Views(images, crops, batch.regions, encoder)


def crops_as_view(crops: Crops, regions: RegionBatch) -> View:
    """Return crops as pictures with the one region on each."""
    shown = RegionBatch(
        boxes_norm=crops.boxes_norm,
        image_index=torch.arange(len(crops), device=regions.image_index.device),
        prompt_index=regions.prompt_index,
        masks=list(crops.masks[:, None, None].unbind(0)),
        points=crops.points,
    )
    return View(list(crops.pixels[:, None].unbind(0)), crops.grids, shown)
