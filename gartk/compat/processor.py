"""The processor of models that keep deviations of the authors' release."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gartk.compat.geometry import bicubic_masks, boxes_px
from gartk.data.processor import RegionProcessor
from gartk.data.prompting import ConversationEncoder, PromptTemplate, TextEncoder, names_prompts
from gartk.errors import RegionError

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

    from gartk.compat.switches import ReleaseCompat
    from gartk.regions import Box, Region
    from gartk.structures import ChatFormat, Pair, PromptTokens, Sample, TileGrid
    from gartk.tilers import Tiler

# What the release writes before a question; its single and several regions differ in blanks, and its
# training and evaluation too.
ONE_ASKED = PromptTemplate(mention="{prompt};", block_tail="", before_question="")
ONE_TRAINED = replace(ONE_ASKED, mention="{prompt}; ")
# As the default template reads, with the line breaks where the release's tokenizer sees them together.
SEVERAL = PromptTemplate(block_tail="", between_blocks="\n", before_question="\n\n")
# The prompt that a single region is called by.
SINGLE_PROMPT = 1


class ReleaseProcessor(RegionProcessor):
    """Encodes samples as the authors' release does, as far as ``compat`` says.

    The other arguments are those of RegionProcessor, whose template ``release_wording`` replaces.

    Raises: as RegionProcessor; RegionError if the vocabulary lacks the prompt of a single region.
    """

    def __init__(
        self,
        tiler: Tiler,
        tokenizer: PreTrainedTokenizerBase,
        tokens: PromptTokens,
        chat: ChatFormat,
        *,
        compat: ReleaseCompat,
        tokens_per_region: int,
        template: PromptTemplate | None = None,
        training: bool = False,
        **settings: Any,
    ) -> None:
        if compat.double_bos and not training:
            chat = replace(chat, start=(tokenizer.bos_token or "") + chat.start)
        super().__init__(
            tiler,
            tokenizer,
            tokens,
            chat,
            tokens_per_region=tokens_per_region,
            template=SEVERAL if compat.release_wording else template,
            training=training,
            **settings,
        )
        self.compat = compat
        self._num_prompts = len(tokens.prompts)
        self._alone: ConversationEncoder | None = None
        if compat.release_wording and self._num_prompts > SINGLE_PROMPT:
            self._alone = ConversationEncoder(
                _SingleRegionText(tokenizer, tokens),
                chat,
                tokens_per_region=tokens_per_region,
                template=ONE_TRAINED if training else ONE_ASKED,
            )

    def _is_alone(self, sample: Sample) -> bool:
        """Whether a sample has a single region that its questions do not name.

        The release asks for a description of such a region; one that is named is worded as several are.
        """
        named = any(turn.role == "user" and names_prompts(turn.text) for turn in sample.turns)
        return self.compat.release_wording and len(sample.regions) == 1 and not named

    def _conversation_of(self, sample: Sample) -> ConversationEncoder:
        if not self._is_alone(sample):
            return super()._conversation_of(sample)
        if self._alone is None:
            raise RegionError(
                f"The release calls a single region <Prompt{SINGLE_PROMPT}>, but this model's vocabulary has"
                f" <Prompt0> to <Prompt{self._num_prompts - 1}>."
                " Switch it off: release_compat=dict(release_wording=False)."
            )
        return self._alone

    def _boxes_px(self, regions: Sequence[Region]) -> list[Box]:
        return boxes_px(regions, self.compat)

    def _tile_masks(self, sample: Sample, pairs: Sequence[Pair], grid: TileGrid) -> Tensor:
        if not self.compat.id_map_bicubic:
            return super()._tile_masks(sample, pairs, grid)
        alone = self._is_alone(sample)
        numbers = [SINGLE_PROMPT if alone else pair.number for pair in pairs]
        return bicubic_masks([pair.region.mask for pair in pairs], numbers, self._num_prompts, grid)


class _SingleRegionText(TextEncoder):
    """Knows one region, which texts name ``<Prompt0>`` and the model ``<Prompt1>``."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, tokens: PromptTokens) -> None:
        own = slice(SINGLE_PROMPT, SINGLE_PROMPT + 1)
        super().__init__(tokenizer, replace(tokens, prompts=tokens.prompts[own], regions=tokens.regions[own]))
        self.prompt_ids = {tokens.prompts[0]: self.token_id(tokens.prompts[SINGLE_PROMPT])}
