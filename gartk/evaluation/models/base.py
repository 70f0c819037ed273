"""What a model under test promises, and how one that answers item by item keeps it."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gartk.errors import DataError, RegionError
from gartk.evaluation.item import token_limit
from gartk.evaluation.models.item_view import ItemView, ViewReader
from gartk.evaluation.models.threads import in_threads
from gartk.registry import PartRegistry

if TYPE_CHECKING:
    from gartk.evaluation.item import Item, TokenLimit
    from gartk.evaluation.models.chat import ChatReply
    from gartk.evaluation.pictures import ImageFinder


@dataclass(frozen=True)
class Answer:
    """What came back for an item: a text, or None and the problem that stood against it.

    Units: ``seconds`` of wall time, the item's share of its batch. ``details`` are for the journal.
    """

    item: Item
    text: str | None
    problem: str = ""
    seconds: float = 0.0
    details: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, item: Item, reply: ChatReply, seconds: float) -> Answer:
        """Return a reply as the answer to an item."""
        return cls(item, reply.text, reply.problem, seconds, reply.details)


class ModelUnderTest(ABC):
    """Answers the questions of items, each on its own.

    Register a subclass in ``MODELS_UNDER_TEST``, and a command line names it: ``--model acme.Star:SOURCE``,
    where SOURCE is the first argument of the constructor, and ``--model-arg NAME=VALUE`` gives the others.

    Attributes:
        name: what results call it.
        threads: how many items to ask about at once.
    """

    name: str
    threads: int = 1

    @abstractmethod
    def about(self) -> dict[str, Any]:
        """Return everything that changes its answers, as JSON values; never a secret."""

    @abstractmethod
    def reply(self, view: ItemView, *, max_new_tokens: int) -> ChatReply:
        """Return the reply to one item, or the problem where this one item has none.

        Raises: DataError or RegionError, which are that item's problem; any other error ends the run.
        """

    def answers(
        self, items: Sequence[Item], *, find_image: ImageFinder, max_new_tokens: TokenLimit
    ) -> Iterator[Answer]:
        """Yield an answer to every item as soon as it is there, in any order.

        An item that cannot be asked gets an Answer with its problem; only what stops all of them raises.
        """
        reader = ViewReader(find_image)

        def answer(item: Item) -> Answer:
            began = time.perf_counter()
            try:
                reply = self.reply(reader.read(item), max_new_tokens=token_limit(max_new_tokens, item))
            except (DataError, RegionError) as error:
                return Answer(item, None, str(error), time.perf_counter() - began)
            return Answer.of(item, reply, time.perf_counter() - began)

        yield from in_threads(answer, items, threads=self.threads, give_up=self.close)

    def close(self) -> None:  # noqa: B027 - only what waits for somebody has anything to close
        """Stop questions that are waiting for a reply; called when a run is aborted."""


MODELS_UNDER_TEST: PartRegistry[ModelUnderTest] = PartRegistry(
    "MODELS_UNDER_TEST",
    base="gartk.evaluation.models.base:ModelUnderTest",
    locations=["gartk.evaluation.models.gartk_model"],
)
