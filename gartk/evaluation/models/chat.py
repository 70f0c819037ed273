"""What a chat model is: it replies to texts and pictures, as a model under test or as a judge."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gartk.registry import PartRegistry

if TYPE_CHECKING:
    from gartk.evaluation.models.pictures import Picture

    Part = str | Picture

_MAX_PROBLEM = 300


@dataclass(frozen=True)
class ChatReply:
    """A reply: its text, or None and the problem; ``details`` are JSON values for the journal."""

    text: str | None
    problem: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


class ChatModel(ABC):
    """Replies to questions made of texts and pictures; any number of threads may share one.

    Register a subclass in ``CHAT_MODELS``, and a command line names it with ``--model`` and ``--judge``
    alike: ``acme.StarChatModel:SOURCE``, where SOURCE is the first argument of the constructor.

    Attributes:
        name: what results and verdicts call it.
        sees_images: whether it may be shown pictures.
        threads: how many questions to ask at once.
    """

    name: str
    sees_images: bool = True
    threads: int = 1

    @abstractmethod
    def about(self) -> dict[str, Any]:
        """Return everything that changes its replies, as JSON values; never a secret."""

    @abstractmethod
    def reply(self, parts: Sequence[Part], *, system: str = "", max_new_tokens: int) -> ChatReply:
        """Return the reply to one question, or the problem where this one question has none.

        Shapes: a picture is (H, W, 3) uint8, (H, W) bool for a mask, or a Pillow image.
        Raises: GartkError where no question can be answered any more.
        """

    def close(self) -> None:  # noqa: B027 - only what waits for somebody has anything to close
        """Stop questions that are waiting for a reply; called when a run is aborted."""


def one_line(error: BaseException, *, secret: str = "", shown_as: str = "") -> str:
    """Return an error's class and text on one line, cut off where it is long and without a secret."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    if secret:
        text = text.replace(secret, shown_as)
    return text if len(text) <= _MAX_PROBLEM else f"{text[: _MAX_PROBLEM - 3]}..."


CHAT_MODELS: PartRegistry[ChatModel] = PartRegistry(
    "CHAT_MODELS",
    base="gartk.evaluation.models.chat:ChatModel",
    locations=["gartk.evaluation.models.openai", "gartk.evaluation.models.transformers"],
)
