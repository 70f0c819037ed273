"""What a model under test promises."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from gartk.evaluation.item import Item, TokenLimit


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


class Testee(Protocol):
    """Answers the questions of items, each on its own."""

    name: str

    def about(self) -> dict[str, Any]:
        """Say everything that changes its answers, as JSON; never a secret."""
        ...

    def answers(self, items: Sequence[Item], *, max_new_tokens: TokenLimit) -> Iterator[Answer]:
        """Give an answer for every item as soon as it is there, in any order.

        An item that cannot be asked gets an Answer with its problem; only what stops all of them raises.
        """
        ...
