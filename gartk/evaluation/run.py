"""A whole run, from a benchmark's name to its results: with a model, or from recorded outputs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gartk.errors import ConfigError, DataError
from gartk.evaluation.asking import Progress, ask, judge_items
from gartk.evaluation.benchmarks.base import Benchmark, build_benchmark
from gartk.evaluation.benchmarks.files import data_root
from gartk.evaluation.journal import Journal
from gartk.evaluation.missing import Missing, withheld_because
from gartk.evaluation.results import Results
from gartk.evaluation.score import read_items

if TYPE_CHECKING:
    from gartk.evaluation.item import Item
    from gartk.evaluation.judges.base import Judge
    from gartk.evaluation.models.base import ModelUnderTest
    from gartk.evaluation.pictures import ImageFinder

JOURNAL = "journal.jsonl"
MAX_MISSING = 2.0
# What a judged benchmark's score says without a judge.
NO_JUDGE = "this benchmark is scored by a judge; name one with --judge"


@dataclass(frozen=True)
class Selection:
    """Which items of a benchmark are asked.

    Args:
        limit: only the first so many; None for all.
        only_with_images: only those whose image is there, which makes another, smaller benchmark.
        circular: every rotation of the options (multiple choice).
    """

    limit: int | None = None
    only_with_images: bool = False
    circular: bool = False

    def of(self, benchmark: Benchmark, items: Sequence[Item], find: ImageFinder) -> list[Item]:
        """Choose.

        Raises: ConfigError if nothing is left, or there are no options to rotate.
        """
        if self.limit is not None and self.limit < 1:
            raise ConfigError(f"--limit must be at least 1; got {self.limit}.")
        chosen = [item for item in items if not self.only_with_images or find(item) is not None]
        chosen = chosen[: self.limit]
        if not chosen:
            raise ConfigError(f"No item is left to ask: none of the {len(items)} images is there.")
        return rotated(benchmark, chosen) if self.circular else chosen

    def describe(self, benchmark: Benchmark, chosen: Sequence[Item]) -> str:
        """Return how much of the benchmark the chosen items are, in words."""
        count = len({item.extra["circular_id"] if self.circular else (item.task, item.id) for item in chosen})
        if count == benchmark.size:
            return f"all {benchmark.size} items"
        why = "those whose image is there" if self.only_with_images else "the first ones"
        return f"{count} of {benchmark.size} items ({why}): not the benchmark's score"


@dataclass(frozen=True)
class RunSettings:
    """What is run, apart from the model and the judge.

    Args:
        benchmark: a short name ("gar-vqa") or a registered one.
        folder: where the run leaves its files.
        data: the folder of the benchmarks' folders; None for ``GARTK_DATA``.
        selection: which items are asked.
        max_new_tokens: how long an answer may be; None for the benchmark's own.
        resume: continue the run in the folder; ``retry_missing`` also asks again what is missing.
        max_missing: above so many per cent the score is withheld; None for 2 where a model or a judge is
            asked, and any number for recorded outputs, whose scores state what is missing.
        resamples: adds bootstrap intervals of so many resamples.
        arguments: of the benchmark's class.
    """

    benchmark: str
    folder: Path
    data: str | None = None
    selection: Selection = field(default_factory=Selection)
    max_new_tokens: int | None = None
    resume: bool = False
    retry_missing: bool = False
    max_missing: float | None = None
    resamples: int | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def build(self, *, judged: bool) -> Benchmark:
        """Build the benchmark.

        Raises: ConfigError if it is unknown, or a judge or an argument is given that it has no use for.
        """
        benchmark = build_benchmark(self.benchmark, **self.arguments)
        if judged and not benchmark.is_judged:
            raise ConfigError(f"{benchmark.name} is scored without a judge; leave --judge out.")
        return benchmark


@dataclass(frozen=True)
class FinishedRun:
    """A run that is over: its results, and what is needed to save them."""

    results: Results
    benchmark: Benchmark
    find_image: ImageFinder


def run_model(
    settings: RunSettings,
    model: Callable[[], ModelUnderTest],
    judge: Callable[[], Judge] | None = None,
    *,
    progress: Progress | None = None,
) -> FinishedRun:
    """Ask a model about every item of a benchmark, then the judge, and score.

    Raises: DataError if the data are not there, or the folder holds another run; the errors of the
        model and the judge that stop everything.
    """
    began = time.perf_counter()
    benchmark = settings.build(judged=judge is not None)
    root = data_root(settings.data) if benchmark.folder else Path()
    find_image = benchmark.find_image(root)
    items = settings.selection.of(benchmark, benchmark.load(root), find_image)
    subset = settings.selection.describe(benchmark, items)
    judging = judge() if judge is not None else None
    asked = model()
    about = {
        "benchmark": benchmark.name,
        "model": asked.about(),
        "max_new_tokens": settings.max_new_tokens or benchmark.max_new_tokens,
        "circular": settings.selection.circular,
    }
    with Journal(settings.folder / JOURNAL, about=about, resume=settings.resume) as journal:
        notes = (
            [f"a torn last line of {journal.torn} bytes was cut off {journal.path}"] if journal.torn else []
        )
        notes += [NO_JUDGE] if benchmark.is_judged and judging is None else []
        start = time.perf_counter()
        items = ask(
            items,
            asked,
            journal,
            find_image=find_image,
            max_new_tokens=settings.max_new_tokens or benchmark.max_tokens_of,
            retry_missing=settings.retry_missing,
            progress=progress,
        )
        seconds = round(time.perf_counter() - start, 1)
        items = _judged(benchmark, items, judging, journal, settings, find_image, progress)
    info = {
        "model": asked.name,
        "judge": judging.name if judging else "",
        **({"judged_by": judging.about()} if judging else {}),
        "subset": subset,
        "run": about,
        "seconds_asking": seconds,
        "notes": notes,
        "versions": versions(),
    }
    return _finish(settings, benchmark, items, find_image, info, began)


def run_replay(
    settings: RunSettings,
    files: Sequence[str],
    *,
    annotations: Sequence[str] | None = None,
    judge: Callable[[], Judge] | None = None,
    progress: Progress | None = None,
) -> FinishedRun:
    """Score recorded outputs in the benchmark's published layout, judged anew if there is a judge.

    Images are for the judge and the page alone; recorded outputs are scored without them.

    Raises: DataError if a file cannot be read or does not fit the benchmark.
    """
    began = time.perf_counter()
    benchmark = settings.build(judged=judge is not None)
    items, _ = read_items(benchmark, files, annotations)
    find_image = _images_if_there(benchmark, settings.data)
    info: dict[str, Any] = {"files": list(files)}
    if judge is not None:
        judging = judge()
        info |= {"judge": judging.name, "judged_by": judging.about()}
        about = {"benchmark": benchmark.name, "files": list(files)}
        with Journal(settings.folder / JOURNAL, about=about, resume=settings.resume) as journal:
            items = _judged(benchmark, items, judging, journal, settings, find_image, progress)
    return _finish(settings, benchmark, items, find_image, info, began)


def _images_if_there(benchmark: Benchmark, data: str | None) -> ImageFinder:
    try:
        return benchmark.find_image(data_root(data) if benchmark.folder else Path())
    except DataError:
        if data is not None:
            raise
        return lambda _: None


def _judged(
    benchmark: Benchmark,
    items: list[Item],
    judging: Judge | None,
    journal: Journal,
    settings: RunSettings,
    find_image: ImageFinder,
    progress: Progress | None,
) -> list[Item]:
    if judging is None:
        return items
    retry = settings.retry_missing
    return judge_items(
        benchmark, items, judging, journal, find_image=find_image, retry_missing=retry, progress=progress
    )


def _finish(
    settings: RunSettings,
    benchmark: Benchmark,
    items: Sequence[Item],
    find_image: ImageFinder,
    info: dict[str, Any],
    began: float,
) -> FinishedRun:
    asked_anyone = "model" in info or "judge" in info
    usual = MAX_MISSING if asked_anyone else 100.0
    results = sum_up(
        benchmark,
        items,
        info=info,
        seconds=round(time.perf_counter() - began, 2),
        max_missing=usual if settings.max_missing is None else settings.max_missing,
        resamples=settings.resamples,
    )
    return FinishedRun(results, benchmark, find_image)


def sum_up(
    benchmark: Benchmark,
    items: Sequence[Item],
    *,
    info: dict[str, Any],
    seconds: float,
    max_missing: float = MAX_MISSING,
    resamples: int | None = None,
) -> Results:
    """Score items, unless more than ``max_missing`` per cent of them are missing.

    ``resamples`` adds bootstrap intervals of so many resamples.
    """
    missing = Missing.of(benchmark, items)
    withheld = withheld_because(missing, max_missing)
    summary: dict[str, Any] = {}
    if not withheld:
        items = benchmark.scored(items)
        summary = benchmark.aggregate(items)
        if resamples:
            from gartk.evaluation.statistics.bootstrap import add_intervals

            add_intervals(summary, benchmark, items, resamples=resamples)
    whole = {**info, "missing": missing.to_json(), **({"withheld": withheld} if withheld else {})}
    return Results(benchmark.name, list(items), summary, seconds, whole)


def versions() -> dict[str, str]:
    """Return the versions of what ran."""
    from importlib_metadata import version

    from gartk import __version__

    others = {name: version(name) for name in ("torch", "transformers", "numpy")}
    return {"gartk": __version__, "python": sys.version.split()[0], **others}


def rotated(benchmark: Benchmark, items: Sequence[Item]) -> list[Item]:
    """Return all rotations of the options of all items.

    Raises: ConfigError if no item has options.
    """
    turned = [one for item in items for one in benchmark.rotations(item)]
    if len(turned) == len(items):
        raise ConfigError(f"{benchmark.name} has no options to rotate; leave --circular out.")
    return turned
