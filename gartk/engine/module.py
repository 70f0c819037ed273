"""The wrapper that lets MMEngine's Runner train any model with a ``loss(batch)`` method."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from mmengine.model import BaseDataPreprocessor, BaseModel
from torch import Tensor

from gartk.errors import ConfigError
from gartk.models.placement import move_to_device
from gartk.models.region_vlm import RegionVLM


class BatchToDevice(BaseDataPreprocessor):
    """MMEngine's data preprocessor for a whole ``Batch``: moves it, changes nothing."""

    def forward(self, data: Any, training: bool = False) -> dict[str, Any]:
        """Return the batch on the model's device, named as ``TrainModule.forward`` takes it."""
        return {"batch": move_to_device(data, self.device, non_blocking=True)}


class TrainModule(BaseModel):
    """Makes a model with ``loss(batch) -> dict`` trainable by MMEngine's Runner.

    ``loss['loss']`` is what is minimised; other entries are logged and never added to it. The
    wrapped model is ``.model``; checkpoints hold its weights under its own names.
    """

    def __init__(self, model: RegionVLM) -> None:
        super().__init__(data_preprocessor=BatchToDevice())
        self.model = model

    def forward(self, batch: Any, mode: str = "loss") -> dict[str, Tensor]:
        """Compute the losses of one batch; called through DDP where there are several ranks."""
        if mode != "loss":
            raise ConfigError(f"TrainModule only computes losses, got mode {mode!r}.")
        return self.model.loss(batch)

    def parse_losses(self, losses: dict[str, Tensor]) -> tuple[Tensor, OrderedDict[str, Tensor]]:
        """Split the model's losses into the one to minimise and scalars to log.

        Raises: ConfigError if the model gave no scalar named ``loss``.
        """
        if "loss" not in losses or losses["loss"].numel() != 1:
            name = type(self.model).__name__
            raise ConfigError(f"{name}.loss must give a scalar tensor named 'loss', got {sorted(losses)}.")
        logged = OrderedDict((name, value.detach().float().mean()) for name, value in losses.items())
        return losses["loss"], logged

    def init_weights(self) -> None:
        """Do nothing: a model arrives with its weights.

        MMEngine's own version walks into children and would call ``init_weights`` of transformers
        models, which throws loaded weights away.
        """
