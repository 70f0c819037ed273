"""What the parts of a model have in common: a part can be built again without the files it came from."""

from __future__ import annotations

from abc import ABC
from typing import Any

from torch import nn

from gartk.signatures import declares


class Part(nn.Module, ABC):
    """A network that a config names and a checkpoint holds."""

    def saved_cfg(self) -> dict[str, Any]:
        """Return the arguments that a checkpoint's config states in place of those it was built from.

        With them the part is built again before its weights are loaded, where nothing but the checkpoint is
        at hand. ``pretrained`` is dropped; a part that reads more than weights from its source (sizes, an
        activation) adds what it read.
        """
        return {"pretrained": None} if declares(type(self), "pretrained") else {}
