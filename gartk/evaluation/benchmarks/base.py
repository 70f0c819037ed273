"""What a benchmark is: a class that knows everything about it, which all other code asks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from gartk.errors import ConfigError, DataError, did_you_mean
from gartk.evaluation.benchmarks.files import find_file, first_file
from gartk.evaluation.item import (
    PROMPT,
    Fields,
    Item,
    Layout,
    check_unique,
    complete,
    read_files,
    to_item,
    to_record,
)
from gartk.evaluation.judgements import JudgeQuestion, Reading, Verdict
from gartk.evaluation.rates import Mean, Rate, tree_to_json
from gartk.registry import PartRegistry

if TYPE_CHECKING:
    from gartk.evaluation.pictures import ImageFinder, Pictures
    from gartk.evaluation.rates import Tree
    from gartk.evaluation.tables import TextTable


@dataclass(frozen=True)
class Option:
    """An option of a multiple-choice question, whether it is right and whether the model chose it."""

    text: str
    is_right: bool
    is_said: bool


class Benchmark(ABC):
    """A benchmark: items from its files, what is asked, how replies are judged and scored, files back.

    A subclass with a ``layout`` and ``files`` has to define no more than ``prompt`` and ``score``.
    Running, statistics, judges and pages know nothing of a benchmark but what its methods say.

    Attributes:
        name: what results and the command line call it.
        short_names: what a command line may write for it, each with arguments of the class; by default
            its name.
        size: how many records it has as published.
        folder: where its files lie below the data root; "" for one that has no files.
        source: where to get them.
        files: the annotations' names in the folder.
        layout: which key of a record holds which part of an item.
        records: which recorded outputs are scored, in a line for the command line's help.
        rules: the names of its scoring rules, the first one for comparisons.
        headline: the rule by which judges are compared; the first where it is "".
        is_binary: whether ``score`` gives 1 (right) and 0, or numbers in the benchmark's own unit.
        is_judged: whether a judge is part of its score.
        judge_sees_pictures: whether a judge that can see is shown pictures.
        max_new_tokens: how long an answer may be.
        batch_size: how many items a model of gartk answers at once in ``gartk.evaluation.test_data``.
        recorded_verdicts: keys of a record that hold another judge's verdict.
    """

    name: str
    short_names: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    size: int = 0
    folder: str = ""
    source: str = ""
    files: Sequence[str] = ()
    layout: Layout = Layout()
    records: str = "its annotations with the model's answers"
    rules: Sequence[str] = ("correct",)
    headline: str = ""
    is_binary: bool = True
    is_judged: bool = False
    judge_sees_pictures: bool = False
    max_new_tokens: int = 1024
    batch_size: int = 8
    recorded_verdicts: Sequence[str] = ()

    @classmethod
    def command_names(cls) -> Mapping[str, Mapping[str, Any]]:
        """Return what a command line may write for this class, each with its arguments."""
        return cls.short_names or {cls.name: {}}

    # ---- items ------------------------------------------------------------------------------

    def load(self, root: Path) -> list[Item]:
        """Read the items in the published order, each with its prompt.

        Raises: DataError naming file, record and field, or what to get from where.
        """
        return [self.with_prompt(item) for item in self.read_annotations(self.annotation_files(root))]

    def annotation_files(self, root: Path) -> list[Path]:
        """Find the annotations.

        Raises: DataError that says what to get from where.
        """
        return [self.file(root, name) for name in self.files]

    def read_records(self, files: Sequence[str | Path]) -> list[Item]:
        """Read recorded outputs, with or without the model's answers.

        Raises: DataError naming file, record and field.
        """
        return check_unique(self.read_record(fields) for fields in read_files(files))

    def read_record(self, fields: Fields) -> Item:
        """Read one record by the layout.

        Raises: DataError naming file, record and field.
        """
        return to_item(fields, self.layout, benchmark=self.name)

    def read_annotations(self, files: Sequence[str | Path]) -> list[Item]:
        """Read the benchmark's own annotations, by default as recorded outputs without answers."""
        return self.read_records(files)

    def complete(self, items: Sequence[Item], annotated: Sequence[Item]) -> list[Item]:
        """Add the annotated items that have no record, so that they count as missing.

        Raises: DataError if a record is none of the annotated items.
        """
        return complete(items, annotated)

    def publish(self, items: Sequence[Item]) -> Any:
        """Return items in the layout of recorded outputs, as ``read_records`` reads it."""
        return [self.to_record(item) for item in items]

    def to_record(self, item: Item) -> dict[str, Any]:
        """Return an item as the record that it would be read from."""
        return to_record(item, self.layout)

    def image_folders(self, root: Path) -> Sequence[Path]:
        """Return where its images may lie."""
        return (root / self.folder, root / self.folder / "images")

    def find_image(self, root: Path) -> ImageFinder:
        """Return what finds the image of an item: a path or pixels; None for one that is not there."""
        folders = self.image_folders(root)
        return lambda item: first_file(folders, item.image) if item.image else None

    def file(self, root: Path, *names: str) -> Path:
        """Find one of its files.

        Raises: DataError that says what to get from where.
        """
        return find_file(root, self.folder, names, source=self.source)

    # ---- asking -----------------------------------------------------------------------------

    @abstractmethod
    def prompt(self, item: Item) -> str:
        """Write what a model is asked; regions are ``<Prompt0>``... in the order of the masks.

        Raises: DataError if the item lacks its question.
        """

    def with_prompt(self, item: Item) -> Item:
        """Return an item that carries its prompt."""
        return replace(item, extra={**item.extra, PROMPT: self.prompt(item)})

    def question(self, item: Item) -> str:
        """Return an item's question.

        Raises: DataError if it has none.
        """
        if not item.question.strip():
            raise DataError(f"{item.benchmark} item {item.id}: it has no question to ask.")
        return item.question

    def max_tokens_of(self, item: Item) -> int:
        """Return how many tokens the answer to an item may have."""
        return self.max_new_tokens

    def rotations(self, item: Item) -> list[Item]:
        """Return an item with each rotation of its options; alone where it has none."""
        return [item]

    # ---- scoring ----------------------------------------------------------------------------

    @abstractmethod
    def score(self, item: Item) -> dict[str, float | None]:
        """Score one item by each rule that applies to it; None where it is missing.

        Beside the rules, "rule/part" may hold values that a rule is made of.
        """

    def scored(self, items: Sequence[Item]) -> list[Item]:
        """Return items with their scores; for a benchmark that scores many items at once faster."""
        return [replace(item, scores=self.score(item)) for item in items]

    def has_score(self, item: Item) -> bool:
        """Whether an item is one of those that are scored at all."""
        return True

    def variants(self, items: Sequence[Item]) -> Tree:
        """Sum scored items up by each rule: over all, and for each sub-task where there are several."""
        return {rule: self.by_task(items, rule) for rule in self.rules}

    def by_task(
        self,
        items: Sequence[Item],
        rule: str,
        *,
        places: Sequence[int] | None = None,
        names: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Sum a rule up over all items and over each sub-task.

        Args:
            places: which of the items count; all by default.
            names: names of sub-tasks in the order in which they are shown.
        """
        of = Rate.of if self.is_binary else Mean.of
        chosen = range(len(items)) if places is None else places
        values = {place: items[place].scores.get(rule) for place in chosen}
        groups: dict[str, list[int]] = {name: [] for name in names or ()}
        for place in values:
            groups.setdefault(items[place].task, []).append(place)
        tasks = {
            (names or {}).get(task, task): of([values[place] for place in group], group)
            for task, group in groups.items()
            if group
        }
        return {"overall": of(values.values(), values), "tasks": {} if set(tasks) == {""} else tasks}

    def details(self, items: Sequence[Item]) -> dict[str, Any]:
        """Return what a report states beside the scores, as JSON values."""
        return {}

    def aggregate(self, items: Sequence[Item]) -> dict[str, Any]:
        """Return the report of scored items: ``variants`` with the scores by rule, and details."""
        return {"variants": tree_to_json(self.variants(items)), **self.details(items)}

    def without_models(self) -> Benchmark:
        """Return the benchmark as it scores where no model may be loaded to score with."""
        return self

    def tables(self, report: Mapping[str, Any]) -> list[TextTable]:
        """Return what to show of a report beside the scores."""
        return []

    def remarks(self, report: Mapping[str, Any]) -> list[str]:
        """Return sentences to print below a report."""
        return []

    # ---- statistics -------------------------------------------------------------------------

    def resampling_unit(self, item: Item) -> Hashable | None:
        """Return what items that are drawn together share; None for an item drawn on its own."""
        return None

    def stratum(self, item: Item) -> Hashable:
        """Return within what items are drawn: their sub-task."""
        return item.task

    # ---- judges -----------------------------------------------------------------------------

    def to_judge(self, items: Sequence[Item]) -> list[Item]:
        """Return what a judge is shown: the items themselves.

        Raises: ConfigError if the benchmark is scored without a judge.
        """
        if not self.is_judged:
            raise ConfigError(f"{self.name} is scored without a judge; leave it out.")
        return list(items)

    def is_answered(self, item: Item) -> bool:
        """Whether an item is one that a model answers, and none that is made of answers for the judge."""
        return True

    def is_asked(self, item: Item) -> bool:
        """Whether a judge has anything to say about an item."""
        return item.prediction is not None

    def judge_questions(self, item: Item, pictures: Pictures | None = None) -> list[JudgeQuestion]:
        """Return the questions about an item's prediction, with pictures where there are some to show.

        Raises: ConfigError if the benchmark has no judge; DataError if the item lacks what is asked about.
        """
        raise ConfigError(f"{self.name} is scored without a judge; leave it out.")

    def question_keys(self, item: Item) -> list[Hashable]:
        """Return what tells an item's questions apart when recorded verdicts are looked up, in order."""
        return [0]

    def question_text(self, item: Item, number: int) -> str:
        """Return what a page shows of a judge's question beside the prompt's version."""
        return ""

    def read_reply(self, item: Item, number: int, reply: str) -> Reading:
        """Read a judge's reply to an item's question ``number``."""
        raise ConfigError(f"{self.name} is scored without a judge; leave it out.")

    def verdict(self, item: Item, number: int, said: Any) -> Verdict:
        """Turn what ``read_reply`` read tolerantly into a label, or a rating that judges are compared by."""
        return str(said)

    def raw_replies(self, replies: Sequence[str | None]) -> Any:
        """Return a judge's replies as an item keeps them: the only one, or None if it is not there."""
        return replies[0] if replies else None

    def without_verdicts(self, extra: Mapping[str, Any]) -> dict[str, Any]:
        """Return the rest of a record without what another judge said."""
        return {key: value for key, value in extra.items() if key not in self.recorded_verdicts}

    def judge_by_rules(self, item: Item) -> list[str]:
        """Return the replies of the judge that goes by words alone.

        Raises: ConfigError for a benchmark that no such rule can judge.
        """
        raise ConfigError(f"The judge 'rules' has no rule for {self.name}.")

    # ---- showing ----------------------------------------------------------------------------

    def options(self, item: Item) -> list[Option]:
        """Return the options of a multiple-choice question; [] for another one."""
        return []

    def reference_text(self, item: Item) -> str:
        """Return what a page shows as the right answer."""
        return item.reference


def benchmark_names() -> dict[str, tuple[str, Mapping[str, Any]]]:
    """Return what a command line may write: each with the registered name and its arguments."""
    found: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for key in BENCHMARKS.names():
        part = BENCHMARKS.get(key)
        if isinstance(part, type) and issubclass(part, Benchmark):
            for name, arguments in part.command_names().items():
                found.setdefault(name, (key, arguments))
    return found


def build_benchmark(name: str, /, **arguments: Any) -> Benchmark:
    """Build a benchmark by its short or its registered name; ``arguments`` go beside those of the name.

    Raises: ConfigError if there is none of this name, or it does not take the arguments.
    """
    known = benchmark_names()
    if name not in known and name not in BENCHMARKS:
        own = [key for key in BENCHMARKS.names() if "." in key]
        raise ConfigError(f"There is no benchmark {name!r}. {did_you_mean(name, [*known, *own])}")
    key, own_arguments = known.get(name, (name, {}))
    built = BENCHMARKS.build({"type": key, **own_arguments, **arguments}, path="benchmark")
    if not isinstance(built, Benchmark):
        raise ConfigError(f"{name!r} is no benchmark: its class does not derive from {Benchmark.__name__}.")
    return built


BENCHMARKS: PartRegistry[Benchmark] = PartRegistry(
    "BENCHMARKS", base="gartk.evaluation.benchmarks.base:Benchmark", locations=["gartk.evaluation.benchmarks"]
)
