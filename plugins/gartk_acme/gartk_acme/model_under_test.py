"""A model under test: it names the colour that is nearest to a region's mean."""

from __future__ import annotations

from typing import Any

import numpy as np

from gartk.evaluation.models.base import ModelUnderTest
from gartk.evaluation.models.chat import ChatReply
from gartk.evaluation.models.item_view import ItemView
from gartk_acme.dataset import COLOURS


class MeanColour(ModelUnderTest):
    """Answers every question with the colour of its first region.

    Args:
        form: the sentence around the colour.
    """

    name = "acme-mean-colour"

    def __init__(self, form: str = "{}") -> None:
        self.form = form

    def about(self) -> dict[str, Any]:
        """Return what decides its answers."""
        return {"kind": "acme.MeanColour", "form": self.form}

    def reply(self, view: ItemView, *, max_new_tokens: int) -> ChatReply:
        """Return the nearest colour's name."""
        mean = view.pixels[view.regions[0].mask].mean(0)
        nearest = min(COLOURS, key=lambda name: float(np.abs(mean - COLOURS[name]).sum()))
        return ChatReply(self.form.format(nearest))
