"""Language models: embeddings to hidden states, logits and text."""

from gartk.models.llms.base import LanguageModel
from gartk.models.llms.causal_lm import CausalLM
from gartk.models.llms.mrope import Qwen2_5_VLDecoder

__all__ = ["CausalLM", "LanguageModel", "Qwen2_5_VLDecoder"]
