"""More prompts for a model that was trained with a few, such as the release's five."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from gartk.errors import ConfigError
from gartk.inference.api import RegionAssistant
from gartk.models.llms.causal_lm import CausalLM
from gartk.models.llms.extension import PromptExtension, extend_prompt_tokens

if TYPE_CHECKING:
    from gartk.models.region_vlm import RegionVLM

_LOG = logging.getLogger("gartk")


def extend_prompts(model: RegionVLM | RegionAssistant, count: int) -> PromptExtension:
    """Extend a model by ``count`` prompts, so that it can name more regions at once; it is logged.

    The new ``<Prompt i>`` start as the mean of the known ones, in the embedding and in a head of its own;
    their placeholders are reserved tokens where the tokenizer has some. The vocabulary only ever grows.
    Save the model afterwards; the checkpoint then knows the new prompts.

    Args:
        model: a RegionVLM, or what ``gartk.load`` gives.
        count: how many prompts to add.

    Raises: ConfigError if ``count`` is below 1, the language model is no CausalLM, or low-rank adapters
    hold the embeddings.
    """
    vlm = model.model if isinstance(model, RegionAssistant) else model
    if not isinstance(vlm.llm, CausalLM):
        raise ConfigError(
            f"extend_prompts needs a model whose llm is a CausalLM; got {type(vlm.llm).__name__}."
        )
    report = extend_prompt_tokens(vlm.llm, count)
    _LOG.warning("%s", report)
    return report
