"""Any chat model as a model under test: regions become pictures that it can see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gartk.errors import ConfigError
from gartk.evaluation.models.base import ModelUnderTest
from gartk.evaluation.models.visual_prompts import VisualPrompt

if TYPE_CHECKING:
    from gartk.evaluation.models.chat import ChatModel, ChatReply
    from gartk.evaluation.models.item_view import ItemView


class ChatModelUnderTest(ModelUnderTest):
    """Asks a chat model about items.

    Args:
        chat: the chat model.
        visual_prompt: how regions are shown.
        system: a system message; none by default.

    Raises: ConfigError if the chat model sees no pictures.
    """

    def __init__(
        self, chat: ChatModel, *, visual_prompt: VisualPrompt | None = None, system: str = ""
    ) -> None:
        if not chat.sees_images:
            raise ConfigError(f"{chat.name} sees no pictures, and questions about regions are made of them.")
        self.chat = chat
        self.name = chat.name
        self.threads = chat.threads
        self.visual_prompt = visual_prompt or VisualPrompt()
        self.system = system

    def about(self) -> dict[str, Any]:
        """Return what changes its answers."""
        return {**self.chat.about(), **self.visual_prompt.about(), "system": self.system}

    def reply(self, view: ItemView, *, max_new_tokens: int) -> ChatReply:
        """Return the chat model's reply to an item."""
        parts = self.visual_prompt.parts(view)
        return self.chat.reply(parts, system=self.system, max_new_tokens=max_new_tokens)

    def close(self) -> None:
        """Stop waiting questions."""
        self.chat.close()
