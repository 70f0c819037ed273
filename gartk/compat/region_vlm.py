"""The model that keeps deviations of the authors' release."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gartk.checkpoints.release_reader import RELEASE_COMPAT
from gartk.compat.geometry import boxes_scaled_twice
from gartk.compat.numbering import as_regions, consecutive_placeholders, numbers_in
from gartk.compat.processor import ReleaseProcessor
from gartk.compat.switches import ReleaseCompat
from gartk.models.region_vlm import MODELS, RegionVLM

if TYPE_CHECKING:
    from torch import Tensor

    from gartk.models.region_vlm import Inputs
    from gartk.structures import Batch, RegionBatch, VisualFeatures

DESCRIBE_QUESTION = "Describe this masked region in detail."
# How the published weights were trained and are asked.
AS_RELEASED = ReleaseCompat(**RELEASE_COMPAT)


@MODELS.register(option="release_compat")
class ReleaseRegionVLM(RegionVLM):
    """A RegionVLM with single deviations of the authors' release (see ``gartk.compat``).

    It is built wherever the config of a RegionVLM has ``release_compat=dict(...)``; the other arguments are
    those of RegionVLM.

    Raises: as RegionVLM; ConfigError for an unknown switch.
    """

    def __init__(
        self, *, release_compat: Mapping[str, bool] | ReleaseCompat | None = None, **parts: Any
    ) -> None:
        switches = ReleaseCompat.from_cfg(release_compat, path="model.release_compat")
        super().__init__(**parts)
        self.release_compat = switches

    @property
    def describe_question(self) -> str:
        """The question that asks for the description of a single region."""
        return DESCRIBE_QUESTION if self.release_compat.release_wording else super().describe_question

    def make_processor(self, *, training: bool = False) -> ReleaseProcessor:
        """Return the processor that encodes samples for this model."""
        return ReleaseProcessor(compat=self.release_compat, **self._processor_settings(training=training))

    def inputs(self, batch: Batch, features: list[VisualFeatures] | None = None) -> Inputs:
        """Embed the text with all visual tokens in place, and give every token its position.

        The regions of a row are those whose placeholders it has, in the order of their numbers.
        """
        ids = consecutive_placeholders(batch.input_ids, self.llm.region_ids)
        return super().inputs(replace(batch, input_ids=ids), features)

    def _regions_on_maps(self, batch: Batch) -> RegionBatch:
        regions = batch.regions
        if not self.release_compat.double_scaled_roi:
            return regions
        boxes = boxes_scaled_twice(regions.boxes_norm, regions.image_index, batch.grids)
        return replace(regions, boxes_norm=boxes)

    def name_regions(self, text: str, asked: Tensor) -> str:
        """Return a reply in which ``<Prompt i>`` is region i of the question ``asked`` (L,)."""
        if not self.release_compat.release_wording:
            return text
        prompt_ids: Any = self.llm.tokenizer.convert_tokens_to_ids(list(self.llm.tokens.prompts))
        return as_regions(text, numbers_in(asked, prompt_ids))

    def saved_cfg(self) -> dict[str, Any]:
        """Return the config that rebuilds this model's structure from its own checkpoint alone."""
        return {**super().saved_cfg(), "release_compat": self.release_compat.on()}
