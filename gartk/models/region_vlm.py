"""The region MLLM: vision, prompts, connector, extractor and language model, wired."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import torch.nn.functional as F

from gartk.data.crops import crop_tiler
from gartk.data.processor import RegionProcessor
from gartk.data.prompting import DESCRIBE_QUESTION, IGNORE, PromptTemplate
from gartk.errors import ConfigError, DataError
from gartk.models.building import new_weights_as, number_type
from gartk.models.connectors.base import CONNECTORS
from gartk.models.extractors.base import REGION_EXTRACTORS
from gartk.models.extractors.views import View, ViewEncoder, Views, views_of
from gartk.models.llms.base import LLMS
from gartk.models.part import Part
from gartk.models.placement import place
from gartk.models.prompts.base import PROMPT_ENCODERS
from gartk.models.splice import splice
from gartk.models.vision.base import VISION_BACKBONES
from gartk.registry import PartRegistry

if TYPE_CHECKING:
    from torch import Tensor

    from gartk.structures import Batch, FeatureMap, RegionBatch, VisualFeatures

PartCfg = Mapping[str, Any]

_REGISTRIES: dict[str, PartRegistry[Any]] = {
    "vision": VISION_BACKBONES,
    "connector": CONNECTORS,
    "llm": LLMS,
    "prompt_encoder": PROMPT_ENCODERS,
    "region_extractor": REGION_EXTRACTORS,
}


class Inputs(NamedTuple):
    """What the language model reads.

    Shapes: embeddings (B, L, D); attention_mask (B, L); positions as ``llm.positions`` gives them.
    """

    embeddings: Tensor
    attention_mask: Tensor
    positions: Tensor


class Generated(NamedTuple):
    """What generate gives for one row: its text, new token count, and whether it ended by itself."""

    text: str
    num_new_tokens: int
    ended: bool


MODELS: PartRegistry[RegionVLM] = PartRegistry(
    "MODELS",
    base="gartk.models.region_vlm:RegionVLM",
    locations=["gartk.models.region_vlm", "gartk.compat.region_vlm"],
)


@MODELS.register()
class RegionVLM(Part):
    """A vision-language model that reads regions of an image next to the image itself.

    Order of work: tiles -> patch embeddings (+ prompt embedding) -> tower -> connector -> tokens
    and one map per image -> region extractor -> tokens at their placeholders -> language model.
    An extractor that needs crops is given them with the means to encode them (``Views``); where neither
    it nor the language model reads the whole image, the tower does not run on it.
    Every part is a config (``dict(type=...)``). An ablation row of the paper is the choice of
    ``use_global``, ``prompt_encoder`` and ``region_extractor``.

    ``dtype`` is the type of the weights (training in mixed precision keeps "float32" and sets
    ``precision``); ``device_map`` spreads them over devices for inference, as accelerate reads it
    (``"auto"``, or module names to devices).

    Shapes: any batch size, tile counts and region counts; see ``gartk.structures.Batch``.
    Raises: ConfigError if a part is missing or the parts leave nothing visual to read.
    Source: Grasp Any Region, Figure 3.
    """

    def __init__(
        self,
        *,
        vision: PartCfg,
        connector: PartCfg,
        llm: PartCfg,
        prompt_encoder: PartCfg | None = None,
        region_extractor: PartCfg | None = None,
        use_global: bool = True,
        template: dict[str, str] | None = None,
        max_length: int | None = None,
        dtype: str | torch.dtype = "float32",
        device_map: str | dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        open_parts = {"prompt_encoder": "MaskPrompt", "region_extractor": "RoIAlignReplay"}
        for name, cfg in (("prompt_encoder", prompt_encoder), ("region_extractor", region_extractor)):
            if cfg is None:
                raise ConfigError(
                    f"model.{name} is not set. A base leaves it open; set it in the config that builds on"
                    f" it, e.g. {name}=dict(type={open_parts[name]!r})."
                )
        # Configs of before 0.1 state the connector's pool a second time.
        stated_pool = vision.get("pool")
        vision = {key: value for key, value in vision.items() if key != "pool"}
        with new_weights_as(number_type(dtype)):
            self.vision = VISION_BACKBONES.build(vision, path="model.vision")
            self.llm = LLMS.build(llm, path="model.llm")
            width = self.llm.hidden_size
            self.connector = CONNECTORS.build(
                connector, path="model.connector", offer={"in_dim": self.vision.out_dim, "out_dim": width}
            )
            self._tell_pool(stated_pool)
            site = {"embed_dim": self.vision.embed_dim, "patch_px": self.vision.patch_px}
            self.prompt_encoder = PROMPT_ENCODERS.build(
                prompt_encoder or {}, path="model.prompt_encoder", offer=site
            )
            self.region_extractor = REGION_EXTRACTORS.build(
                region_extractor or {}, path="model.region_extractor", offer=self._offer_to_extractor()
            )
        if not use_global and not self.region_extractor.num_tokens:
            raise ConfigError(
                "use_global=False and an extractor without tokens leave nothing visual to read."
            )
        self.use_global = use_global
        self.template = PromptTemplate(**(template or {}))
        self.max_length = max_length
        self._cfg = {
            "vision": dict(vision),
            "connector": dict(connector),
            "llm": dict(llm),
            "prompt_encoder": dict(prompt_encoder or {}),
            "region_extractor": dict(region_extractor or {}),
            "use_global": use_global,
            "template": template,
            "max_length": max_length,
        }
        if device_map is not None:
            place(self, device_map)

    def _tell_pool(self, stated: int | None) -> None:
        """Let the tower's tiler cut cells as the connector pools them."""
        pool = self.connector.pool
        if stated not in (None, pool):
            raise ConfigError(
                f"model.vision.pool is {stated} and model.connector.pool is {pool}. The pool is the"
                " connector's alone; leave model.vision.pool out."
            )
        try:
            self.vision.use_pool(pool)
        except ConfigError as error:
            raise ConfigError(
                f"model.connector.pool is {pool}, which does not fit the tower: {error}"
            ) from error

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    @property
    def encodes_images(self) -> bool:
        """Whether the tower runs on whole images to give global tokens or the map of the extractor."""
        return self.use_global or "map" in self._needs

    @property
    def looks_at_images(self) -> bool:
        """Whether anything reads the whole image, be it an extractor that encodes it by itself."""
        return self.encodes_images or "image" in self._needs

    @property
    def _needs(self) -> frozenset[str]:
        """What the extractor reads."""
        return self.region_extractor.needs

    def _offer_to_extractor(self) -> dict[str, Any]:
        """What a region extractor may ask about the parts around it, see ``RegionExtractor``."""
        vision = self.vision
        offer: dict[str, Any] = {
            "dim": self.llm.hidden_size,
            "tower_dim": vision.embed_dim,
            "tower_out_dim": vision.out_dim,
            "tower_layers": len(vision.blocks()),
            "tower_heads": vision.num_heads,
        }
        if vision.tiler.for_crops() is not None:
            offer["crop_hw"] = crop_tiler(vision.tiler).grid((64, 64)).cell_hw
        return offer

    @property
    def describe_question(self) -> str:
        """The question that asks for the description of a single region."""
        return DESCRIBE_QUESTION

    def make_processor(self, *, training: bool = False) -> RegionProcessor:
        """Return the processor that encodes samples for this model."""
        return RegionProcessor(**self._processor_settings(training=training))

    def _processor_settings(self, *, training: bool) -> dict[str, Any]:
        crops = "crops" in self._needs
        return {
            "tiler": self.vision.tiler,
            "tokenizer": self.llm.tokenizer,
            "tokens": self.llm.tokens,
            "chat": self.llm.chat,
            "tokens_per_region": self.region_extractor.num_tokens,
            "use_global": self.use_global,
            "template": self.template,
            "max_length": self.max_length,
            "training": training,
            "crop_rule": self.region_extractor.crop_rule if crops else None,
            "tile_images": self.looks_at_images,
        }

    @property
    def _encoder(self) -> ViewEncoder:
        return ViewEncoder(self.vision, self.prompt_encoder, self.connector)

    def encode_images(self, batch: Batch) -> list[VisualFeatures]:
        """Encode the images with their prompts: tokens and one map for each."""
        patches = self._encoder.patches(View(batch.pixels, batch.grids, batch.regions))
        return self.vision.assemble(self._encoder.cells(patches, batch.grids), batch.grids)

    def inputs(self, batch: Batch, features: list[VisualFeatures] | None = None) -> Inputs:
        """Embed the text with all visual tokens in place, and give every token its position.

        ``features`` takes already encoded images, e.g. for several questions about one image.
        """
        if features is None:
            features = self.encode_images(batch) if self.encodes_images else []
        text = self.llm.embed(batch.input_ids)
        embeddings = splice(
            text,
            batch.input_ids,
            image_tokens=[f.tokens for f in features] if self.use_global else [],
            image_rows=batch.image_rows,
            image_id=self.llm.image_id,
            region_tokens=self._local_tokens(batch, [f.map for f in features]),
            region_ids=self.llm.region_ids,
            regions=batch.regions,
        )
        positions = self.llm.positions(batch, token_hw=self.region_extractor.token_hw)
        return Inputs(embeddings, batch.attention_mask, positions)

    def _local_tokens(self, batch: Batch, maps: list[FeatureMap]) -> Tensor:
        """Return the extractor's tokens of all regions: (K, num_tokens, D)."""
        regions = self._regions_on_maps(batch)
        views: tuple[Views, ...] = ()
        if not self._needs <= {"map"}:
            views = (views_of(batch, self._encoder, "crops" in self._needs),)
            if not len(regions):
                none = (0, self.region_extractor.num_tokens, self.llm.hidden_size)
                return torch.zeros(none, device=batch.input_ids.device)
        local: Tensor = self.region_extractor(maps, regions, *views)
        return local

    def _regions_on_maps(self, batch: Batch) -> RegionBatch:
        """Return the regions as the extractor is to see them."""
        return batch.regions

    def forward(self, batch: Batch) -> Tensor:
        """Return the logits of every position: (B, L, V)."""
        return self.llm.head(self.llm.hidden(*self.inputs(batch)))

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the training loss and the share of label tokens that are predicted right.

        The loss is the mean over samples of each sample's mean over its label tokens, so a batch
        gives the mean of its samples' own losses however they are grouped. Logits are computed
        only where there are labels.

        Raises: DataError if a sample has no label.
        """
        hidden = self.llm.hidden(*self.inputs(batch))
        labels = batch.labels[:, 1:]
        predicted = labels != IGNORE
        counts = predicted.sum(1)
        if not bool(counts.all()):
            empty = batch.ids[int((counts == 0).nonzero()[0, 0])] if batch.ids else "?"
            raise DataError(f"Sample {empty!r} has no token to predict; every sample needs an answer.")
        logits = self.llm.head(hidden[:, :-1][predicted])
        targets = labels[predicted]
        per_token = F.cross_entropy(logits.float(), targets, reduction="none")
        weights = (1.0 / (counts * len(counts)))[:, None].expand_as(labels)[predicted]
        accuracy = (logits.detach().argmax(-1) == targets).float().mean()
        return {"loss": (per_token * weights).sum(), "accuracy": accuracy}

    @torch.no_grad()
    def generate(self, batch: Batch, *, max_new_tokens: int = 1024, **sampling: Any) -> list[Generated]:
        """Answer every row of a left-padded batch, greedily unless ``sampling`` says otherwise.

        Raises: DataError if a row is padded on the right.
        """
        if not bool(batch.attention_mask[:, -1].all()):
            raise DataError("generate needs rows padded on the left: collate(..., pad_side='left').")
        new = self.llm.generate(*self.inputs(batch), max_new_tokens=max_new_tokens, **sampling)
        return [self.read_reply(row, asked) for row, asked in zip(new, batch.input_ids, strict=True)]

    def read_reply(self, row: Tensor, asked: Tensor) -> Generated:
        """Cut one row of new ids (n,) at its end token and turn it into text.

        ``asked`` (L,) holds the ids of the question.
        """
        ends = (row == self.llm.end_id).nonzero()[:, 0]
        length = int(ends[0]) if len(ends) else len(row)
        text = self.name_regions(self.llm.decode(row[:length]), asked)
        return Generated(text, length + bool(len(ends)), bool(len(ends)))

    def name_regions(self, text: str, asked: Tensor) -> str:
        """Return (a piece of) a reply in which ``<Prompt i>`` is region i of the question ``asked`` (L,).

        The model says it so by itself; one that calls regions otherwise translates here.
        """
        return text

    def saved_cfg(self) -> dict[str, Any]:
        """The config that rebuilds this model's structure from its own checkpoint alone."""
        cfg: dict[str, Any] = {k: dict(v) if isinstance(v, dict) else v for k, v in self._cfg.items()}
        cfg["type"] = MODELS.name_of(type(self))
        for name, part in self.parts().items():
            kind = cfg[name]["type"]
            cfg[name] |= {"type": _REGISTRIES[name].name_of(kind), **part.saved_cfg()}
        return cfg

    def parts(self) -> dict[str, Part]:
        """Return the parts by their names in a config."""
        return {
            "vision": self.vision,
            "connector": self.connector,
            "llm": self.llm,
            "prompt_encoder": self.prompt_encoder,
            "region_extractor": self.region_extractor,
        }
