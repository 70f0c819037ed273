"""Connectors: patch features of the tower to cells in the language model's width."""

from gartk.models.connectors.base import Connector
from gartk.models.connectors.mlp import MLPConnector
from gartk.models.connectors.perception_lm import PerceptionLMConnector

__all__ = ["Connector", "MLPConnector", "PerceptionLMConnector"]
