"""More prompts for a language model that was trained with a few."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from gartk.errors import ConfigError
from gartk.models.llms.causal_lm import add_prompt_tokens

if TYPE_CHECKING:
    from torch import Tensor

    from gartk.models.llms.causal_lm import CausalLM

# How Llama names the tokens that it leaves free; the release takes number i + 2 for region i.
RESERVED = "<|reserved_special_token_{}|>"
RESERVED_OFFSET = 2


@dataclass(frozen=True)
class PromptExtension:
    """What ``extend_prompts`` did: the new tokens, and the embedding's rows before and after."""

    prompts: tuple[str, ...]
    regions: tuple[str, ...]
    num_known: int
    rows_before: int
    rows_after: int

    def __str__(self) -> str:
        grown = (
            f"the vocabulary grew from {self.rows_before} to {self.rows_after} rows"
            if self.rows_after > self.rows_before
            else f"the vocabulary of {self.rows_before} rows had room"
        )
        return (
            f"{len(self.prompts)} prompts were added to {self.num_known}: {_span(self.prompts)}, with the"
            f" placeholders {_span(self.regions)}; {grown}. The new prompts start as the mean of the known"
            " ones and are untrained: the model has never seen so many regions at once. Fine-tune it, or"
            " check its answers."
        )


def extend_prompt_tokens(llm: CausalLM, count: int) -> PromptExtension:
    """Add ``count`` prompts to a language model, as ``gartk.compat.extend_prompts`` says.

    Raises: ConfigError if ``count`` is below 1, no prompt is known yet, or low-rank adapters hold the
    embeddings.
    """
    known = len(llm.tokens.prompts)
    if count < 1 or not known:
        raise ConfigError(
            "extend_prompts adds at least 1 prompt to at least 1 known one; asked for"
            f" {count} beside {known}."
        )
    if any("lora_" in name or "token_adapter" in name for name, _ in llm.named_parameters()):
        raise ConfigError("extend_prompts cannot reach embeddings below low-rank adapters. Merge them first.")
    old = llm.tokens
    names = [llm.prompt_pattern.format(known + i) for i in range(count)]
    tokens = replace(
        old, prompts=[*old.prompts, *names], regions=[*old.regions, *_new_regions(llm, known, count)]
    )
    vocab, rows = llm.tokenizer.get_vocab(), llm.embed_rows
    add_prompt_tokens(llm.tokenizer, tokens)
    if len(llm.tokenizer) > rows:
        llm.lm.resize_token_embeddings(len(llm.tokenizer), mean_resizing=False)
    for matrix in _matrices(llm):
        _fill_with_mean(matrix, llm, old.prompts, names)
        fresh = [name for name in tokens.regions[known:] if name not in vocab]
        _fill_with_mean(matrix, llm, old.regions, fresh)
    llm.use_tokens(tokens)
    return PromptExtension(tuple(names), tuple(tokens.regions[known:]), known, rows, llm.embed_rows)


def _new_regions(llm: CausalLM, known: int, count: int) -> list[str]:
    numbers = range(known, known + count)
    if isinstance(llm.region_pattern, str):
        return [llm.region_pattern.format(i + llm.region_offset) for i in numbers]
    free = set(llm.tokenizer.get_vocab()) - set(llm.tokens.regions)
    reserved = [RESERVED.format(i + RESERVED_OFFSET) for i in numbers]
    return [
        name if name in free else f"<|region_pad_{i}|>" for i, name in zip(numbers, reserved, strict=True)
    ]


def _matrices(llm: CausalLM) -> list[Tensor]:
    """The embedding, and the head where it has weights of its own."""
    inputs, outputs = llm.lm.get_input_embeddings().weight, llm.lm.get_output_embeddings().weight
    return [inputs] if inputs is outputs else [inputs, outputs]


@torch.no_grad()
def _fill_with_mean(matrix: Tensor, llm: CausalLM, known: Sequence[str], new: list[str]) -> None:
    """Set the rows of new tokens to the mean of the rows of known ones."""
    if new:
        ids = llm.tokenizer.convert_tokens_to_ids
        matrix[ids(new)] = matrix[ids(list(known))].float().mean(0).to(matrix.dtype)


def _span(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
