"""From a Sample to tensors: tiles, masks on the tiles, normalised boxes, ids and labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from gartk.data.crops import crop_tiler, cut_crops
from gartk.data.prompting import IGNORE, ConversationEncoder, PromptTemplate, TextEncoder
from gartk.data.tiling import image_to_tensor
from gartk.errors import DataError, GartkError, RegionError
from gartk.geometry import box_px_to_norm, points_px_to_norm
from gartk.regions.masks import interior_point
from gartk.structures import EncodedSample

if TYPE_CHECKING:
    from PIL import Image
    from transformers import PreTrainedTokenizerBase

    from gartk.regions import Box, Region
    from gartk.structures import ChatFormat, CropRule, Crops, Pair, PromptTokens, Sample, TileGrid
    from gartk.tilers import Tiler


class RegionProcessor:
    """Encodes samples for one model; picklable, so that data workers can hold it.

    ``tokens_per_region`` is the extractor's ``num_tokens``; without ``use_global`` the language
    model reads no image tokens. In training a sample without an answer, or one longer than
    ``max_length`` tokens, is an error: nothing is cut off silently. ``crop_rule`` cuts a crop of every
    region; without ``tile_images`` the whole image, which no part reads then, is left out.

    Raises: DataError, RegionError naming the sample.
    """

    def __init__(
        self,
        tiler: Tiler,
        tokenizer: PreTrainedTokenizerBase,
        tokens: PromptTokens,
        chat: ChatFormat,
        *,
        tokens_per_region: int,
        use_global: bool = True,
        template: PromptTemplate | None = None,
        max_length: int | None = None,
        training: bool = False,
        crop_rule: CropRule | None = None,
        tile_images: bool = True,
    ) -> None:
        self.tiler = tiler
        self.crop_rule = crop_rule
        self.crop_tiler = None if crop_rule is None else crop_tiler(tiler)
        self.tile_images = tile_images
        self.use_global = use_global
        self.max_length = max_length
        self.training = training
        pad = tokenizer.pad_token_id
        self.pad_id = int(pad if pad is not None else tokenizer.eos_token_id)
        self.conversation = ConversationEncoder(
            TextEncoder(tokenizer, tokens),
            chat,
            tokens_per_region=tokens_per_region,
            template=template,
        )

    def __call__(self, sample: Sample) -> EncodedSample:
        """Encode one sample."""
        try:
            return self._encode(sample)
        except GartkError as error:
            raise type(error)(f"Sample {sample.id!r}: {error}") from error

    def _encode(self, sample: Sample) -> EncodedSample:
        tiled = [self._tile_image(image) for image in sample.images]
        grids = [grid for _, grid in tiled]
        pairs = sample.pairs()
        _check_sizes(pairs, grids)
        ids, labels = self._conversation_of(sample)(
            sample.turns,
            seen_on=[sum(pair.number == i for pair in pairs) for i in range(len(sample.regions))],
            image_tokens=[grid.num_tokens for grid in grids] if self.use_global else [],
            introduced=sample.introduced,
        )
        self._check_text(ids, labels)
        boxes = self._boxes_px([pair.region for pair in pairs])
        boxes_norm = [
            box_px_to_norm(box, pair.region.image_hw) for box, pair in zip(boxes, pairs, strict=True)
        ]
        points = [_points_norm(pair.region) for pair in pairs]
        return EncodedSample(
            pixels=[pixels for pixels, _ in tiled],
            grids=grids,
            input_ids=torch.tensor(ids, dtype=torch.long),
            labels=torch.tensor(labels, dtype=torch.long),
            region_masks=[self._masks(sample, pairs, image, grid) for image, grid in enumerate(grids)],
            boxes_norm=torch.tensor(boxes_norm, dtype=torch.float32).reshape(-1, 4),
            points=points,
            image_index=torch.tensor([pair.image for pair in pairs], dtype=torch.long),
            prompt_index=torch.tensor([pair.number for pair in pairs], dtype=torch.long),
            id=sample.id,
            meta=sample.meta,
            crops=self._cut_crops(sample, pairs, points),
        )

    def _conversation_of(self, sample: Sample) -> ConversationEncoder:
        """Choose the encoder of a sample's turns."""
        return self.conversation

    def _boxes_px(self, regions: Sequence[Region]) -> list[Box]:
        """Return the box of every region, in pixels."""
        return [region.box_px for region in regions]

    def _tile_image(self, image: np.ndarray | Image.Image) -> tuple[torch.Tensor, TileGrid]:
        if self.tile_images:
            return self.tiler.tile_image(image)
        pixels = image_to_tensor(image)
        grid = self.tiler.grid((pixels.shape[1], pixels.shape[2]))
        return torch.zeros(0, 3, *grid.tile_hw), grid

    def _cut_crops(
        self, sample: Sample, pairs: Sequence[Pair], points_norm: list[torch.Tensor]
    ) -> Crops | None:
        if self.crop_rule is None or self.crop_tiler is None:
            return None
        return cut_crops(sample.images, pairs, points_norm, rule=self.crop_rule, tiler=self.crop_tiler)

    def _masks(self, sample: Sample, pairs: Sequence[Pair], image: int, grid: TileGrid) -> torch.Tensor:
        own = [pair for pair in pairs if pair.image == image]
        if not self.tile_images:
            return torch.zeros((len(own), 0, *grid.tile_hw), dtype=torch.bool)
        return self._tile_masks(sample, own, grid)

    def _tile_masks(self, sample: Sample, pairs: Sequence[Pair], grid: TileGrid) -> torch.Tensor:
        """Cut the masks of a sample's regions that are on one image on its grid."""
        masks = [pair.region.mask for pair in pairs]
        return self.tiler.tile_masks(np.stack(masks) if masks else np.zeros((0, 1, 1), bool), grid)

    def _check_text(self, ids: list[int], labels: list[int]) -> None:
        if self.training and all(label == IGNORE for label in labels):
            raise DataError("there is no assistant turn, so there is nothing to learn from it.")
        if self.max_length is not None and len(ids) > self.max_length:
            raise DataError(
                f"{len(ids)} tokens are more than max_length={self.max_length}."
                " Use fewer tiles (max_num_tiles), fewer regions or turns, or raise max_length."
            )


def _check_sizes(pairs: Sequence[Pair], grids: Sequence[TileGrid]) -> None:
    for number, image, region in pairs:
        if region.image_hw != grids[image].image_hw:
            name = "the image" if len(grids) == 1 else f"image {image}"
            raise RegionError(
                f"region {number} is for an image of {region.image_hw} (height, width), but {name} has"
                f" {grids[image].image_hw}. Resize the mask to the image first."
            )


def _points_norm(region: Region) -> torch.Tensor:
    """The region's points, or one point inside its mask: (P, 3) of x_norm, y_norm, label."""
    points = region.points or ((*interior_point(region.mask), 1),)
    return points_px_to_norm(torch.tensor(points, dtype=torch.float32), region.image_hw)
