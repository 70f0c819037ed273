"""What a benchmark promises."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from gartk.structures import Sample


@runtime_checkable
class Benchmark(Protocol):
    """Items to ask a model, and the rule by which a reply scores.

    ``batch_size`` items are answered at once; of an item's meta ``keep_meta`` goes into its record.
    """

    name: str
    batch_size: int
    keep_meta: Sequence[str]

    def __len__(self) -> int:
        """Number of items."""
        ...

    def samples(self) -> Iterable[Sample]:
        """Give the items in order: one question with its reference answer each, and ``meta['task']``."""
        ...

    def max_new_tokens(self, sample: Sample) -> int:
        """How many tokens a reply to this item may have."""
        ...

    def score(self, prediction: str, meta: Mapping[str, Any]) -> dict[str, float]:
        """Score a reply; ``correct`` (0 or 1) is always among the scores."""
        ...
