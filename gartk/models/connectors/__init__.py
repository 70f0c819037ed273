"""Connectors: patch features of the tower to cells in the language model's width."""

from gartk.models.connectors.base import Connector
from gartk.models.connectors.internvl import InternVLConnector
from gartk.models.connectors.mlp import MLPConnector
from gartk.models.connectors.perception_lm import PerceptionLMConnector
from gartk.models.connectors.qwen2_5_vl import Qwen2_5_VLConnector

__all__ = ["Connector", "InternVLConnector", "MLPConnector", "PerceptionLMConnector", "Qwen2_5_VLConnector"]
