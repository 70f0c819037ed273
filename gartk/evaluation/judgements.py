"""What a judge is asked and what its reply says: the records between benchmarks and judges."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from gartk.errors import DataError
from gartk.evaluation.item import JUDGE, Item

Part = str | NDArray[Any]
JUDGEMENTS = "judgements"
# A label (str), a rating (float), or None for a reply that cannot be read.
Verdict = str | float | None


@dataclass(frozen=True)
class JudgeQuestion:
    """One question to a judge: texts and pictures in their order, and how long the reply may be.

    ``prompt`` is the version of the wording ("gar_cap_simple/1"), which is kept with every verdict: change
    a sentence and raise its number.
    Shapes: a picture is (H, W, 3) uint8, a mask (H, W) bool.
    """

    prompt: str
    parts: tuple[Part, ...]
    system: str = ""
    max_tokens: int = 300

    @property
    def text(self) -> str:
        """All texts, a line each, with a mark where a picture stands."""
        return "\n".join(part if isinstance(part, str) else "[picture]" for part in self.parts)


@dataclass(frozen=True)
class JudgeReply:
    """A judge's reply to one question, None where there is none; ``problem`` then says why."""

    prompt: str
    reply: str | None
    problem: str = ""


@dataclass(frozen=True)
class Reading:
    """What one reply says, None where it cannot be read; what it holds is the benchmark's matter.

    ``strict``: the form asked for and no other; ``tolerant``: as the benchmark's scores read it.
    """

    strict: Any
    tolerant: Any

    def to_json(self) -> dict[str, Any]:
        """Return both readings as JSON values."""
        return {"strict": self.strict, "tolerant": self.tolerant}


def replies_of(item: Item, judge: str = JUDGE) -> list[str | None]:
    """Return the replies of a judge to an item's questions; [] where it has none."""
    given = item.replies.get(judge, [])
    return [given] if isinstance(given, str) else list(given)


def judgements_of(item: Item) -> list[dict[str, Any]]:
    """Return what stays with the record of an item's judgements; [] where it was not judged.

    Raises: DataError if it is malformed.
    """
    entries = item.extra.get(JUDGEMENTS, [])
    if not isinstance(entries, list) or not all(map(_is_entry, entries)):
        raise DataError(
            f"{item.benchmark} item {item.id}: field {JUDGEMENTS!r} must be a list of objects with the"
            " judge's name, the number of the question, and the reply as text or null."
        )
    return entries


def _is_entry(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("judge"), str)
        and type(entry.get("question")) is int
        and isinstance(entry.get("reply"), str | None)
    )


def judges_of(items: Iterable[Item]) -> list[str]:
    """Return the names of the judges that have judged items, in the order in which they first occur."""
    names = (entry["judge"] for item in items for entry in judgements_of(item))
    return list(dict.fromkeys(names))
