"""RegionWorld as a benchmark: seven choice sub-tasks and two caption tasks on unseen scenes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import NormalDist, fmean
from typing import TYPE_CHECKING, Any

from gartk.errors import ConfigError, DataError, did_you_mean
from gartk.evaluation.benchmarks.base import BENCHMARKS, Benchmark, Option
from gartk.evaluation.item import Item, Layout
from gartk.evaluation.tables import TextTable

if TYPE_CHECKING:
    from gartk.evaluation.pictures import ImageFinder
    from gartk.structures import Sample

# Room for the longest right answer of each kind (7, 50, 5 and 44 tokens with the tiny tokenizer), and more.
MAX_NEW_TOKENS: Mapping[str, int] = {"choice": 16, "reasoned": 64, "open": 16, "caption": 64}
DEFAULT_DATASET: Mapping[str, Any] = {"type": "RegionWorldDataset", "split": "test"}
# What the benchmark sets itself, so that every task has as many items and every letter as many answers.
_OWN = ("tasks", "length", "balanced", "turns_per_sample")
# What stays of a question's facts: all that a reply is scored by, and what the report counts apart.
_KEPT = ("kind", "choices", "answer", "answer_form", "chance", "blind_chance", "needs_identity", "held_out",
         "facts", "scene_seed", "scene_kind")  # fmt: skip
# The scores that stand beside the accuracy, in this order, where a task has them.
_SHOWN_SCORES = ("lenient", "attributes", "relation")
HEADINGS = ("task", "right", "%", "95 % interval", "chance", "blind", "identity (blind)", "held out",
            "other scores")  # fmt: skip


@BENCHMARKS.register()
class RegionWorldBenchmark(Benchmark):
    """Single questions about scenes that training cannot show, scored by rule; no file is needed.

    Args:
        dataset: a config of RegionWorldDataset; tasks, length and balance are set here.
        items_per_task: how many items each task has.
        batch_size: how many items are answered at once.
        tasks: by default the seven choice sub-tasks and the two caption tasks.
        max_new_tokens: by kind of question (choice, open, caption, and reasoned for a choice answered with
            reasons), over the default.
    """

    name = "RegionWorld"
    short_names = {"region-world": {}}
    layout = Layout("id", "task", "", "masks", "question", "reference", "prediction")
    records = 'items of a run: id, task, question, reference, the facts asked about, "prediction"'

    def __init__(
        self,
        *,
        dataset: Mapping[str, Any] = DEFAULT_DATASET,
        items_per_task: int = 200,
        batch_size: int = 32,
        tasks: Sequence[str] | None = None,
        max_new_tokens: Mapping[str, int] | None = None,
    ) -> None:
        from gartk.data.world.tasks.catalogue import EVALUATION_TASKS

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
        self.budgets = {**MAX_NEW_TOKENS, **(max_new_tokens or {})}
        self.max_new_tokens = max(self.budgets.values())
        self.size = items_per_task * len(self.tasks)
        own = {"tasks": list(self.tasks), "length": self.size, "balanced": True}
        from gartk.data.base import DATASETS  # torch comes with it, which scoring does without

        self._dataset = DATASETS.build({**dataset, **own}, path="test_data.dataset")
        self._places: dict[str, int] = {}

    # ---- items ------------------------------------------------------------------------------

    def load(self, root: Path) -> list[Item]:
        """Draw the items in order, the tasks in turn."""
        return [self._item(place, self._dataset[place]) for place in range(self.size)]

    def _item(self, place: int, sample: Sample) -> Item:
        self._places[sample.id] = place
        from gartk.regions.masks import encode_rle

        question, answer = sample.turns
        item = Item(
            benchmark=self.name,
            id=sample.id,
            task=sample.meta["task"],
            masks=tuple(encode_rle(pair.region.mask) for pair in sample.pairs()),
            question=question.text,
            reference=answer.text,
            extra={key: sample.meta[key] for key in _KEPT if key in sample.meta},
        )
        return self.with_prompt(item)

    def find_image(self, root: Path) -> ImageFinder:
        """Draw the scene of an item again."""

        def find(item: Item) -> Any:
            if not self._places:
                self.load(root)
            place = self._places.get(item.id)
            return None if place is None else self._dataset[place].image

        return find

    def prompt(self, item: Item) -> str:
        """Ask the question as it is."""
        return item.question

    def max_tokens_of(self, item: Item) -> int:
        """Few tokens for a choice, more for one with reasons and for a caption."""
        reasoned = item.extra.get("answer_form") == "reasoned"
        return self.budgets["reasoned" if reasoned else item.extra["kind"]]

    # ---- scoring ----------------------------------------------------------------------------

    def score(self, item: Item) -> dict[str, float | None]:
        """Score by RegionWorld's rules; a choice is the letter or the text alone, after any reasons."""
        from gartk.data.world.scoring import score

        if item.prediction is None:
            return {"correct": None}
        try:
            return {**score(item.prediction, {**item.extra, "task": item.task})}
        except (KeyError, StopIteration, AttributeError, TypeError) as error:
            raise DataError(f"RegionWorld item {item.id}: its facts are not whole ({error!r}).") from error

    def details(self, items: Sequence[Item]) -> dict[str, Any]:
        """Count what is right beside what guessing gives, average the other scores, and count letters."""
        groups: dict[str, list[Item]] = {}
        for item in items:
            groups.setdefault(item.task, []).append(item)
        scores = {task: mean_scores(group) for task, group in groups.items()}
        letters = {task: letters_said(group) for task, group in groups.items()}
        return {
            "accuracy": {task: accuracy(group) for task, group in groups.items()},
            "scores": {task: means for task, means in scores.items() if means},
            "letters": {task: counts for task, counts in letters.items() if counts},
        }

    def tables(self, report: Mapping[str, Any]) -> list[TextTable]:
        """Lay the accuracy of every task out, beside what guessing gives and the harder parts of it.

        ``identity`` is the accuracy on items whose answer needs telling prompts apart, with the best guess
        without that in brackets; ``held out`` that on attribute combinations training never shows.
        """
        lines = []
        for task, numbers in report["accuracy"].items():
            scores = report["scores"].get(task, {})
            shown = [f"{name} {_percent(scores[name])}" for name in _SHOWN_SCORES if name in scores]
            lines.append((task, *_cells(numbers), ", ".join(shown)))
        return [TextTable("accuracy by task", HEADINGS, tuple(lines), words=("task", "other scores"))]

    def options(self, item: Item) -> list[Option]:
        """Return the options of a choice."""
        said = letter_said(item) if item.extra.get("choices") else ""
        answer = str(item.extra.get("answer", "")).upper()
        return [Option(text, text[0] == answer, text[0] == said) for text in item.extra.get("choices") or ()]


# ------------------------------------------------------------------ numbers of a task


def accuracy(items: Sequence[Item]) -> dict[str, Any]:
    """Return the share of right items with its Wilson interval, overall and where it is hard.

    ``needs_identity``: the items that cannot be known without telling prompts apart (blind chance
    below 1). ``held_out``: items about attribute combinations that training never shows; ``seen`` the rest.
    """
    subsets: dict[str, Callable[[Item], bool]] = {
        "needs_identity": lambda item: bool(item.extra.get("needs_identity")),
        "held_out": lambda item: item.extra.get("held_out") is True,
        "seen": lambda item: item.extra.get("held_out") is False,
    }
    parts = {name: share_right([item for item in items if keep(item)]) for name, keep in subsets.items()}
    return {**(share_right(items) or {}), **parts}


def share_right(items: Sequence[Item]) -> dict[str, Any] | None:
    """Count what is right among items, beside what guessing would give; None for no items.

    ``chance`` is a guess among the options, ``blind_chance`` the best guess of one who sees image and
    regions but not which region has which number; both None where no item states them.
    """
    if not items:
        return None
    correct = sum(item.scores["correct"] == 1.0 for item in items)
    return {
        "correct": correct,
        "total": len(items),
        "accuracy": correct / len(items),
        "interval": list(wilson_interval(correct, len(items))),
        "chance": _mean_of(items, "chance"),
        "blind_chance": _mean_of(items, "blind_chance"),
    }


def _mean_of(items: Sequence[Item], key: str) -> float | None:
    values = [float(item.extra[key]) for item in items if item.extra.get(key) is not None]
    return fmean(values) if values else None


def wilson_interval(correct: int, total: int, *, level: float = 0.95) -> tuple[float, float]:
    """Return the Wilson score interval of a share.

    Raises: ConfigError unless 0 <= correct <= total, total >= 1 and 0 < level < 1.
    Source: Wilson, "Probable inference", JASA 22 (1927).
    """
    if not (0 <= correct <= total and total >= 1 and 0 < level < 1):
        raise ConfigError(f"wilson_interval got correct={correct}, total={total}, level={level}.")
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = correct / total
    scale = 1 + z * z / total
    middle = (share + z * z / (2 * total)) / scale
    half = z * (share * (1 - share) / total + z * z / (4 * total * total)) ** 0.5 / scale
    # At the ends rounding could leave 0..1 by an ulp.
    return (0.0 if correct == 0 else middle - half), (1.0 if correct == total else middle + half)


def mean_scores(items: Sequence[Item]) -> dict[str, float]:
    """Average every score beside ``correct``: ``lenient`` of choices, recall and relation of captions."""
    names = dict.fromkeys(name for item in items for name in item.scores if name != "correct")
    values = {name: [item.scores[name] for item in items if name in item.scores] for name in names}
    return {name: fmean(value or 0.0 for value in column) for name, column in values.items()}


def letters_said(items: Sequence[Item]) -> dict[str, dict[str, int]]:
    """Count how often each letter was the answer, and was said; what is no option counts as ``other``.

    An option's text counts as its letter. A model that always says one letter shows here, whatever its
    accuracy. Empty for a task without options.
    """
    asked = [item for item in items if item.extra.get("choices")]
    if not asked:
        return {}
    letters = sorted({choice[0] for item in asked for choice in item.extra["choices"]})
    right, said = Counter(item.reference for item in asked), Counter(map(letter_said, asked))
    return {
        "answer": {letter: right[letter] for letter in letters},
        "said": {letter: said[letter] for letter in (*letters, "other")},
    }


def letter_said(item: Item) -> str:
    """Return the letter of the option that a reply gives by its letter or by its text, else ``other``."""
    from gartk.data.world.scoring import final_answer

    reply = final_answer(item.prediction or "", item.extra).strip().upper()
    for choice in item.extra["choices"]:
        if reply in (choice[0], choice[3:].upper()):
            return str(choice[0])
    return "other"


def _cells(numbers: Mapping[str, Any]) -> list[str]:
    low, high = numbers["interval"]
    identity, held_out = numbers["needs_identity"], numbers["held_out"]
    return [
        f"{numbers['correct']}/{numbers['total']}",
        _percent(numbers["accuracy"]),
        f"{_percent(low)} - {_percent(high)}",
        _percent(numbers["chance"]),
        _percent(numbers["blind_chance"]),
        "-" if identity is None else f"{_share(identity)} ({_percent(identity['blind_chance'])})",
        "-" if held_out is None else _share(held_out),
    ]


def _share(numbers: Mapping[str, Any]) -> str:
    return f"{_percent(numbers['accuracy'])} of {numbers['total']}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"
