"""RegionWorld as a benchmark: seven choice sub-tasks and two caption tasks on unseen scenes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gartk.data.world.scoring import score
from gartk.data.world.tasks.catalogue import EVALUATION_TASKS
from gartk.errors import ConfigError, did_you_mean
from gartk.registry import BENCHMARKS, DATASETS

if TYPE_CHECKING:
    from gartk.structures import Sample

# Room for the longest right answer of each kind (7, 50, 5 and 44 tokens with the tiny tokenizer), and more.
MAX_NEW_TOKENS: Mapping[str, int] = {"choice": 16, "reasoned": 64, "open": 16, "caption": 64}
DEFAULT_DATASET: Mapping[str, Any] = {"type": "RegionWorldDataset", "split": "test"}
# What the benchmark sets itself, so that every task has as many items and every letter as many answers.
_OWN = ("tasks", "length", "balanced", "turns_per_sample")


@BENCHMARKS.register()
class RegionWorldBenchmark:
    """Single questions about scenes that training cannot show, scored by rule.

    Args:
        dataset: a config of RegionWorldDataset; tasks, length and balance are set here.
        items_per_task: how many items each task has.
        batch_size: how many items are answered at once.
        tasks: by default the seven choice sub-tasks and the two caption tasks.
        max_new_tokens: by kind of question (choice, open, caption, and reasoned for a choice answered with
            reasons), over the default.
    """

    name = "RegionWorld"
    keep_meta = ("kind", "choices", "answer_form", "chance", "blind_chance", "needs_identity", "held_out",
                 "facts", "scene_seed", "scene_kind")  # fmt: skip

    def __init__(
        self,
        *,
        dataset: Mapping[str, Any] = DEFAULT_DATASET,
        items_per_task: int = 200,
        batch_size: int = 32,
        tasks: Sequence[str] | None = None,
        max_new_tokens: Mapping[str, int] | None = None,
    ) -> None:
        if items_per_task < 1:
            raise ConfigError(
                f"RegionWorldBenchmark.items_per_task must be at least 1; got {items_per_task}."
            )
        taken = [key for key in _OWN if key in dataset]
        if taken:
            raise ConfigError(
                f"RegionWorldBenchmark.dataset may not set {', '.join(taken)}: the benchmark does."
                " Use its own arguments items_per_task and tasks."
            )
        if max_new_tokens is not None and not isinstance(max_new_tokens, Mapping):
            raise ConfigError(
                f"RegionWorldBenchmark.max_new_tokens is {max_new_tokens!r}; e.g. dict(choice=8) is right."
            )
        unknown = sorted(set(max_new_tokens or {}) - set(MAX_NEW_TOKENS))
        if unknown:
            raise ConfigError(
                f"RegionWorldBenchmark.max_new_tokens has no kind {unknown[0]!r}."
                f" {did_you_mean(unknown[0], MAX_NEW_TOKENS)}"
            )
        self.tasks = tuple(EVALUATION_TASKS if tasks is None else tasks)
        self.batch_size = batch_size
        self._budgets = {**MAX_NEW_TOKENS, **(max_new_tokens or {})}
        own = {"tasks": list(self.tasks), "length": items_per_task * len(self.tasks), "balanced": True}
        self._dataset = DATASETS.build({**dataset, **own}, path="test_data.dataset")

    def __len__(self) -> int:
        return len(self._dataset)

    def samples(self) -> Iterable[Sample]:
        """Draw the items in order, the tasks in turn."""
        return (self._dataset[index] for index in range(len(self._dataset)))

    def max_new_tokens(self, sample: Sample) -> int:
        """Few tokens for a choice, more for one with reasons and for a caption."""
        reasoned = sample.meta.get("answer_form") == "reasoned"
        return self._budgets["reasoned" if reasoned else sample.meta["kind"]]

    def score(self, prediction: str, meta: Mapping[str, Any]) -> dict[str, float]:
        """Score by RegionWorld's rules; a choice is the letter or the text alone, after any reasons."""
        return score(prediction, meta)
