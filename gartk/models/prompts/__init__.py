"""Prompt encoders: regions to an embedding that is added to the tower's patches."""

from gartk.models.prompts.base import PromptEncoder
from gartk.models.prompts.geometric import BoxPrompt, PointPrompt
from gartk.models.prompts.mask import MaskPrompt
from gartk.models.prompts.null import NullPrompt

__all__ = ["BoxPrompt", "MaskPrompt", "NullPrompt", "PointPrompt", "PromptEncoder"]
