"""Config files: reading them, and the settings of a training that they hold."""

from gartk.config.reading import load_config
from gartk.config.settings import TrainSettings

__all__ = ["TrainSettings", "load_config"]
