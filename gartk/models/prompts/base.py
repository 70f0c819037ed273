"""What every prompt encoder promises, and how regions share or keep apart their channels."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import torch

from gartk.errors import ConfigError, RegionError
from gartk.models.part import Part
from gartk.registry import PartRegistry

if TYPE_CHECKING:
    from torch import Tensor

    from gartk.structures import RegionBatch, TileGrid

PromptMode = Literal["union", "identity"]


class PromptEncoder(Part):
    """Turns regions into an embedding of every patch, zero at initialisation.

    ``mode="union"`` (as released) lays all regions of an image over each other: the tower sees
    where prompts are, not which is which. ``mode="identity"`` gives region i channels of its own,
    for up to ``num_identities`` regions.

    A constructor is given what it declares of ``embed_dim`` (width of the tower's patches) and
    ``patch_px`` (pixels on the side of a patch). ``enters_tower`` says whether it adds anything at all.
    """

    enters_tower: bool = True

    def __init__(self, *, mode: PromptMode = "union", num_identities: int = 16) -> None:
        super().__init__()
        if mode not in ("union", "identity"):
            raise ConfigError(f"{type(self).__name__}: mode must be 'union' or 'identity'; got {mode!r}.")
        self.mode = mode
        self.num_slots = num_identities if mode == "identity" else 1

    @abstractmethod
    def forward(self, regions: RegionBatch, grids: Sequence[TileGrid]) -> Tensor | None:
        """Embed the prompts of all images: (N, embed_dim) for all packed patches, or None.

        The order of patches is that of ``VisionBackbone``: image by image, tile by tile, raster. The dtype
        is that of the weights.
        """

    def slot_planes(self, planes: Tensor, prompt_index: Tensor) -> Tensor:
        """Join the planes of one image's regions into the encoder's channels.

        Shapes: planes (R, T, ...); prompt_index (R,); returns (T, num_slots, ...): the maximum
        over regions (union), or each region in its own slot (identity).
        Raises: RegionError if a region's number has no slot.
        """
        slots = planes.new_zeros((self.num_slots, *planes.shape[1:]))
        if len(planes) and self.mode == "union":
            slots[0] = planes.amax(0)
        elif len(planes):
            if int(prompt_index.max()) >= self.num_slots:
                raise RegionError(
                    f"{type(self).__name__} tells {self.num_slots} regions apart (num_identities), but a"
                    f" question has {int(prompt_index.max()) + 1}. Raise num_identities or ask about"
                    " fewer regions."
                )
            slots[prompt_index] = planes
        return slots.transpose(0, 1)


def regions_of(regions: RegionBatch, image: int) -> Tensor:
    """Indices of the regions that lie in one image, in prompt order."""
    return torch.nonzero(regions.image_index == image)[:, 0]


PROMPT_ENCODERS: PartRegistry[PromptEncoder] = PartRegistry(
    "PROMPT_ENCODERS", base="gartk.models.prompts.base:PromptEncoder", locations=["gartk.models.prompts"]
)
