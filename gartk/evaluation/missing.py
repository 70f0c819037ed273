"""Who did not answer and why, and when that is too much for a score."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from gartk.evaluation.benchmarks.base import Benchmark
from gartk.evaluation.item import Item
from gartk.evaluation.judgements import judgements_of

PROBLEM = "problem"
NO_IMAGE = "the image is not there"
_REASONS = 10


@dataclass(frozen=True)
class Missing:
    """How many items have no answer, or an answer but no verdict of the judge.

    ``no_image`` of ``answers`` are items whose image is not there; ``reasons`` count why the rest have none.
    ``judged`` items were put to the judge (0 where there is none), and ``verdicts`` of them are missing.
    """

    total: int
    answers: int
    no_image: int
    judged: int = 0
    verdicts: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, benchmark: Benchmark, items: Sequence[Item]) -> Missing:
        """Count."""
        asked = [item for item in items if benchmark.is_answered(item)]
        silent = [item for item in asked if item.prediction is None]
        reasons = Counter(str(item.extra.get(PROBLEM) or "not said") for item in silent)
        judged = [item for item in items if benchmark.is_asked(item) and judgements_of(item)]
        unclear = [one for item in judged for one in judgements_of(item) if one.get("reply") is None]
        reasons.update(f"judge: {one.get(PROBLEM) or 'not said'}" for one in unclear)
        return cls(
            total=len(asked),
            answers=len(silent),
            no_image=reasons.pop(NO_IMAGE, 0),
            judged=len(judged),
            verdicts=sum(any(one.get("reply") is None for one in judgements_of(item)) for item in judged),
            reasons=dict(reasons.most_common(_REASONS)),
        )

    @property
    def percent(self) -> float:
        """The larger of both shares, in per cent."""
        shares = (self.answers / max(self.total, 1), self.verdicts / max(self.judged, 1))
        return 100 * max(shares)

    def to_json(self) -> dict[str, Any]:
        """Return the counts and the rate as JSON values."""
        return {**asdict(self), "percent": self.percent}

    @classmethod
    def from_json(cls, counts: Mapping[str, Any]) -> Missing:
        """Read what ``to_json`` gave."""
        return cls(**{name: counts[name] for name in cls.__dataclass_fields__})

    def lines(self) -> list[str]:
        """Return the counts as lines to read."""
        share = 100 * self.answers / max(self.total, 1)
        said = [f"missing answers: {self.answers}/{self.total} = {share:.1f} %"]
        if self.no_image:
            said.append(f"images that are not there: {self.no_image}")
        if self.judged:
            share = 100 * self.verdicts / self.judged
            said.append(f"missing verdicts: {self.verdicts}/{self.judged} = {share:.1f} %")
        return said + [f"  {count} x {reason}" for reason, count in self.reasons.items()]


def withheld_because(missing: Missing, max_missing: float) -> str:
    """Return why a score is withheld, or "": more is missing than ``max_missing`` per cent."""
    if missing.percent <= max_missing:
        return ""
    return (
        f"{missing.percent:.1f} % is missing and at most {max_missing:g} % may be, so there is no score."
        " Ask the missing ones again with --resume --retry-missing, or raise --max-missing."
    )
