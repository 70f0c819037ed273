"""What every language model promises."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from gartk.models.part import Part
from gartk.registry import PartRegistry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerBase

    from gartk.structures import Batch, ChatFormat, PromptTokens


class LanguageModel(Part):
    """Reads embeddings, predicts tokens, and owns tokenizer, chat markup and the tokens of prompts.

    Attributes: ``tokenizer``; ``tokens``, the prompts and placeholders in its vocabulary; ``chat``, the
    markup of a conversation; ``hidden_size``, the width of its embeddings; ``image_id`` and
    ``region_ids``, the ids of the placeholders; ``end_id``, the id that closes an answer.
    """

    tokenizer: PreTrainedTokenizerBase
    tokens: PromptTokens
    chat: ChatFormat
    hidden_size: int
    image_id: int
    region_ids: Sequence[int]
    end_id: int

    @property
    def embed_rows(self) -> int:
        """How many tokens have an embedding, rows beyond the tokenizer's included."""
        return len(self.tokenizer)

    @abstractmethod
    def embed(self, input_ids: Tensor) -> Tensor:
        """Look up embeddings: (B, L) -> (B, L, D)."""

    @abstractmethod
    def positions(self, batch: Batch, *, token_hw: tuple[int, int] | None = None) -> Tensor:
        """Return the position of every token, as ``hidden`` takes it.

        ``token_hw`` is the picture (rows, columns) that a region's local tokens form, if they form one.
        """

    @abstractmethod
    def hidden(self, embeddings: Tensor, attention_mask: Tensor, positions: Tensor) -> Tensor:
        """Run the decoder: (B, L, D) -> (B, L, D)."""

    @abstractmethod
    def head(self, hidden: Tensor) -> Tensor:
        """Turn hidden states (..., D) into logits (..., V)."""

    @abstractmethod
    def generate(
        self,
        embeddings: Tensor,
        attention_mask: Tensor,
        positions: Tensor,
        *,
        max_new_tokens: int,
        **sampling: Any,
    ) -> Tensor:
        """Continue left-padded rows, greedily unless told otherwise: (B, L, D) -> (B, n) new ids."""

    @abstractmethod
    def decode(self, ids: Tensor) -> str:
        """Turn new ids into text; ``<Prompt i>`` stays, markup goes."""

    def output_weight(self) -> nn.Parameter | None:
        """Return the matrix that gives logits, which some optimisers treat apart; None if unknown."""
        return None


LLMS: PartRegistry[LanguageModel] = PartRegistry(
    "LLMS", base="gartk.models.llms.base:LanguageModel", locations=["gartk.models.llms"]
)
