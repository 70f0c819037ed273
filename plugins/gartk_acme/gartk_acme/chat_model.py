"""A chat model: it serves as a model under test and as a judge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gartk.evaluation.models.chat import ChatModel, ChatReply


class ParrotChatModel(ChatModel):
    """Says one text, whatever it is asked."""

    name = "acme-parrot"

    def __init__(self, says: str) -> None:
        self.says = says

    def about(self) -> dict[str, Any]:
        """Return what decides its replies."""
        return {"kind": "acme.ParrotChatModel", "says": self.says}

    def reply(self, parts: Sequence[Any], *, system: str = "", max_new_tokens: int) -> ChatReply:
        """Return the text."""
        pictures = sum(not isinstance(part, str) for part in parts)
        return ChatReply(self.says, details={"pictures": pictures})
