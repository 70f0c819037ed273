"""The dataclasses that the parts of gartk hand to each other.

Suffixes tell the space of a coordinate (see ``gartk.geometry``): ``_px`` pixels of the original
image, ``_norm`` divided by its width and height, ``_cell`` cells of a feature map. Boxes are xyxy
with an exclusive maximum.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from gartk.errors import DataError, RegionError

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image
    from torch import Tensor

    from gartk.regions import Region

Thumbnail = Literal["first", "last", "none"]
Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True)
class TileGrid:
    """How one image was cut into tiles, and what map its cells form.

    The image is stretched (never padded) to ``rows x cols`` tiles of ``tile_hw`` pixels; a
    thumbnail of the whole image may come before or after them. A native-resolution backbone is
    the case of one tile and no thumbnail.

    Units: ``image_hw`` original pixels; ``tile_hw`` tile pixels; ``patch_px`` the side of a patch
    in tile pixels; ``pool`` patches per cell side (the connector's pooling).
    """

    image_hw: tuple[int, int]
    rows: int
    cols: int
    tile_hw: tuple[int, int]
    patch_px: int
    pool: int = 1
    thumbnail: Thumbnail = "first"

    @property
    def num_tiles(self) -> int:
        """Number of encoded tiles, the thumbnail included."""
        return self.rows * self.cols + (self.thumbnail != "none")

    @property
    def canvas_hw(self) -> tuple[int, int]:
        """Height and width of the tiled canvas in tile pixels."""
        return self.rows * self.tile_hw[0], self.cols * self.tile_hw[1]

    @property
    def patch_hw(self) -> tuple[int, int]:
        """Patches per tile, (rows, columns)."""
        return self.tile_hw[0] // self.patch_px, self.tile_hw[1] // self.patch_px

    @property
    def cell_hw(self) -> tuple[int, int]:
        """Feature cells per tile, (rows, columns)."""
        return self.patch_hw[0] // self.pool, self.patch_hw[1] // self.pool

    @property
    def map_hw(self) -> tuple[int, int]:
        """Feature cells of the whole image (all tiles merged, no thumbnail)."""
        return self.rows * self.cell_hw[0], self.cols * self.cell_hw[1]

    @property
    def num_tokens(self) -> int:
        """Global image tokens that the language model reads, the thumbnail included."""
        return self.num_tiles * self.cell_hw[0] * self.cell_hw[1]

    @property
    def num_patches(self) -> int:
        """Patches that the vision tower encodes, the thumbnail included."""
        return self.num_tiles * self.patch_hw[0] * self.patch_hw[1]


@dataclass(frozen=True)
class CropRule:
    """Which part of the image is cut out for a region.

    Around the middle of its box, each side of which is first raised to ``min_side_px``, then multiplied
    by ``context_scale``; what lies beyond the image is left out, so that crops at its border are smaller
    and off-centre.

    Units: min_side_px pixels of the image.
    """

    context_scale: float = 1.0
    min_side_px: float = 0.0


@dataclass
class Crops:
    """Regions cut out of their images, each on one tile, in the order of the pairs of region and image.

    Shapes: pixels (K, 3, h, w) float; masks (K, h, w) bool, the region on its crop; boxes_norm (K, 4)
    and points, K tensors (P, 3), the same; in_image_norm (K, 4), the crop on its image; grids: K entries.
    Units: ``boxes_norm`` and ``points`` 0..1 of the crop, where the region lies in it; ``in_image_norm``
    0..1 of the image.
    """

    pixels: Tensor
    masks: Tensor
    boxes_norm: Tensor
    points: list[Tensor]
    in_image_norm: Tensor
    grids: list[TileGrid]

    def __len__(self) -> int:
        return len(self.grids)


@dataclass(frozen=True)
class Turn:
    """One message of a conversation; its text may name regions as ``<Prompt0>``, ``<Prompt1>``..."""

    role: Role
    text: str


class Pair(NamedTuple):
    """A region on one of the images on which it is seen: its number, the image's, and the region there."""

    number: int
    image: int
    region: Region


@dataclass
class Sample:
    """One or more images with regions on them, and a conversation about them.

    ``turns`` alternate user and assistant; a last user turn without an answer is a question to
    the model. ``regions[i]`` is what ``<Prompt i>`` means: a Region on the only image, or the number of
    each image on which it is seen with the Region there (``{0: region, 2: region}``). ``introduced[i]`` is
    the number of the user turn whose text its local tokens precede (the first one where None). ``meta`` is
    carried along untouched. A picture in place of ``images`` is a list of one.
    """

    images: Sequence[np.ndarray | Image.Image]
    regions: Sequence[Region | Mapping[int, Region]]
    turns: Sequence[Turn]
    id: str = ""
    meta: dict[str, Any] = field(default_factory=dict)
    introduced: Sequence[int] | None = None

    def __post_init__(self) -> None:
        given: Any = self.images
        self.images = given if isinstance(given, list | tuple) else [given]

    @property
    def image(self) -> np.ndarray | Image.Image:
        """The image of a sample that has one.

        Raises: DataError if there are several.
        """
        if len(self.images) != 1:
            raise DataError(f"Sample {self.id!r} has {len(self.images)} images, where one is expected.")
        return self.images[0]

    def pairs(self) -> list[Pair]:
        """Return every region on every image on which it is seen: region by region, images in order.

        Raises: RegionError for a region that is on no image, on one that is not there, or that does not
        say on which of several.
        """
        count, pairs = len(self.images), []
        for number, given in enumerate(self.regions):
            if not isinstance(given, Mapping):
                if count != 1:
                    raise RegionError(
                        f"region {number} does not say on which of the {count} images it is seen. Give"
                        f" {{image number: region}}, from 0 to {count - 1}."
                    )
                given = {0: given}
            if not given:
                raise RegionError(f"region {number} is seen on no image.")
            if absent := [image for image in given if not 0 <= image < count]:
                raise RegionError(
                    f"region {number} is on image {absent[0]}, but there {_are(count)}, numbered from 0."
                )
            pairs += [Pair(number, image, given[image]) for image in sorted(given)]
        return pairs


def _are(count: int) -> str:
    return "is 1 image" if count == 1 else f"are {count} images"


@dataclass
class EncodedSample:
    """One sample as tensors, ready to be collated: I images and K pairs of a region and an image.

    Shapes: pixels: I tensors (T_i, 3, h, w) float; grids: I entries; input_ids (L,) int64; labels (L,)
    int64 with -100 where nothing is predicted; region_masks: I tensors (K_i, T_i, h, w) bool on the tiles
    (thumbnail included, in tile order) of the pairs on each image; boxes_norm (K, 4); points: K tensors
    (P, 3) of x_norm, y_norm, label (1 inside, 0 outside); image_index, prompt_index (K,) int64, image and
    region of each pair, region by region and images in order; crops: K of them, for extractors that need
    crops. Where no part reads whole images, T is 0.
    """

    pixels: list[Tensor]
    grids: list[TileGrid]
    input_ids: Tensor
    labels: Tensor
    region_masks: list[Tensor]
    boxes_norm: Tensor
    points: list[Tensor]
    image_index: Tensor
    prompt_index: Tensor
    id: str = ""
    meta: dict[str, Any] = field(default_factory=dict)
    crops: Crops | None = None


@dataclass
class RegionBatch:
    """All K pairs of a region and an image of a batch, flat: sample by sample, region by region.

    A region has a pair for each image on which it is seen, images in order; where every sample has one
    image, pairs are regions.

    Shapes: boxes_norm (K, 4); image_index (K,) int64, the image of the batch that a pair is on;
    prompt_index (K,) int64, the number of its region within the sample, which is that of its
    ``<Prompt i>``; masks: one (K_i, T_i, h, w) bool tensor per image, of the pairs on it in their order;
    points: K tensors (P, 3).
    """

    boxes_norm: Tensor
    image_index: Tensor
    prompt_index: Tensor
    masks: list[Tensor]
    points: list[Tensor]

    def __len__(self) -> int:
        return int(self.image_index.numel())

    def mask_rows(self) -> Tensor:
        """Return the row of each pair in the masks of its image: (K,) int64."""
        return (self.image_index[:, None] == self.image_index).tril(-1).sum(1)


@dataclass
class Batch:
    """A collated batch of B samples with I images, flat, sample by sample.

    Shapes: pixels: I tensors (T_i, 3, h_i, w_i), whose tiles may differ in size, T_i being 0 where
    no part reads whole images; grids: I entries; input_ids, labels, attention_mask (B, L); crops:
    those of all K pairs, for extractors that need crops; image_rows (I,) int64, ascending: the row that
    each image belongs to (image i to row i unless given). Rows are padded on the side that the collate
    function was asked for.
    """

    pixels: list[Tensor]
    grids: list[TileGrid]
    regions: RegionBatch
    input_ids: Tensor
    labels: Tensor
    attention_mask: Tensor
    ids: list[str] = field(default_factory=list)
    metas: list[dict[str, Any]] = field(default_factory=list)
    crops: Crops | None = None
    image_rows: Tensor = field(default=None)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        given: Tensor | None = self.image_rows
        self.image_rows = self.input_ids.new_tensor(range(len(self.grids))) if given is None else given

    def __len__(self) -> int:
        return int(self.input_ids.shape[0])


@dataclass
class FeatureMap:
    """The projected features of one whole image: ``data`` (D, H, W) in raster order."""

    data: Tensor
    grid: TileGrid


@dataclass
class VisualFeatures:
    """What the vision side gives for one image: global tokens (L, D) in the LLM's order, and the map."""

    tokens: Tensor
    map: FeatureMap


@dataclass(frozen=True)
class Answer:
    """What a model said about the regions of an image, or of several (see ``Sample.regions``)."""

    text: str
    question: str
    regions: tuple[Region | Mapping[int, Region], ...]
    num_new_tokens: int
    stopped: Literal["end", "length"]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class ChatFormat:
    """The markup of a conversation: text around each role's message, special tokens by name."""

    start: str
    before: Mapping[Role, str]
    after: Mapping[Role, str]
    system: str | None = None

    def __post_init__(self) -> None:
        for part in ("before", "after"):
            needed = {"user", "assistant"} | ({"system"} if self.system is not None else set())
            missing = needed - set(getattr(self, part))
            if missing:
                raise DataError(f"ChatFormat.{part} lacks the roles {sorted(missing)}.")


@dataclass(frozen=True)
class PromptTokens:
    """The tokens by which text and regions meet.

    ``image`` is the placeholder of one global image token; ``prompts[i]`` is ``<Prompt i>`` in
    text; ``regions[i]`` the placeholder of one local token of region i; ``image_wrap`` and
    ``region_wrap`` are put before and after a block of placeholders.
    """

    image: str
    prompts: Sequence[str]
    regions: Sequence[str]
    image_wrap: tuple[str, str] = ("", "")
    region_wrap: tuple[str, str] = ("", "")
