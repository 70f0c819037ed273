"""Language models: embeddings to hidden states, logits and text."""

from gartk.models.llms.causal_lm import CausalLM

__all__ = ["CausalLM"]
