"""A whole run, from a benchmark's name to its results: with a model, or from recorded outputs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gartk.errors import ConfigError, DataError
from gartk.evaluation import hub
from gartk.evaluation.benchmarks.base import Benchmark, build_benchmark
from gartk.evaluation.benchmarks.files import data_root
from gartk.evaluation.hub import MAX_MISSING, Choice, Watcher
from gartk.evaluation.journal import Journal
from gartk.evaluation.score import read_items

if TYPE_CHECKING:
    from gartk.evaluation.item import Item
    from gartk.evaluation.judges.base import Judge
    from gartk.evaluation.models.base import ModelUnderTest
    from gartk.evaluation.pictures import ImageFinder
    from gartk.evaluation.results import Results

JOURNAL = "journal.jsonl"
# What a judged benchmark's score says without a judge.
NO_JUDGE = "this benchmark is scored by a judge; name one with --judge"


@dataclass(frozen=True)
class Order:
    """What is run, apart from the model and the judge.

    Args:
        benchmark: a short name ("gar-vqa") or a registered one.
        folder: where the run leaves its files.
        data: the folder of the benchmarks' folders; None for ``GARTK_DATA``.
        choice: which items are asked.
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
    choice: Choice = field(default_factory=Choice)
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
class Finished:
    """A run that is over: its results, and what is needed to save them."""

    results: Results
    benchmark: Benchmark
    find_image: ImageFinder


def run_model(
    order: Order,
    model: Callable[[], ModelUnderTest],
    judge: Callable[[], Judge] | None = None,
    *,
    watcher: Watcher | None = None,
) -> Finished:
    """Ask a model about every item of a benchmark, then the judge, and score.

    Raises: DataError if the data are not there, or the folder holds another run; the errors of the
        model and the judge that stop everything.
    """
    began = time.perf_counter()
    benchmark = order.build(judged=judge is not None)
    root = data_root(order.data) if benchmark.folder else Path()
    find_image = benchmark.find_image(root)
    items = order.choice.of(benchmark, benchmark.load(root), find_image)
    judging = judge() if judge is not None else None
    asked = model()
    about = hub.about_run(
        benchmark,
        asked,
        max_new_tokens=order.max_new_tokens or benchmark.max_new_tokens,
        circular=order.choice.circular,
    )
    with Journal(order.folder / JOURNAL, about=about, resume=order.resume) as journal:
        notes = _notes(journal, benchmark, judging)
        outcome = hub.ask(
            items,
            asked,
            journal,
            find_image=find_image,
            max_new_tokens=order.max_new_tokens or benchmark.max_tokens_of,
            retry_missing=order.retry_missing,
            watcher=watcher,
        )
        items = _judged(benchmark, outcome.items, judging, journal, order, find_image, watcher)
    info = {
        "model": asked.name,
        "judge": judging.name if judging else "",
        **({"judged_by": judging.about()} if judging else {}),
        "subset": hub.subset(benchmark, outcome.items, order.choice),
        "run": about,
        "seconds_asking": round(outcome.seconds, 1),
        "notes": notes,
        "versions": versions(),
    }
    return _finish(order, benchmark, items, find_image, info, began)


def run_replay(
    order: Order,
    files: Sequence[str],
    *,
    annotations: Sequence[str] | None = None,
    judge: Callable[[], Judge] | None = None,
    watcher: Watcher | None = None,
) -> Finished:
    """Score recorded outputs in the benchmark's published layout, judged anew if there is a judge.

    Images are for the judge and the page alone; recorded outputs are scored without them.

    Raises: DataError if a file cannot be read or does not fit the benchmark.
    """
    began = time.perf_counter()
    benchmark = order.build(judged=judge is not None)
    items, _ = read_items(benchmark, files, annotations)
    find_image = _images_if_there(benchmark, order.data)
    info: dict[str, Any] = {"files": list(files)}
    if judge is not None:
        judging = judge()
        info |= {"judge": judging.name, "judged_by": judging.about()}
        about = {"benchmark": benchmark.name, "files": list(files)}
        with Journal(order.folder / JOURNAL, about=about, resume=order.resume) as journal:
            items = _judged(benchmark, items, judging, journal, order, find_image, watcher)
    return _finish(order, benchmark, items, find_image, info, began)


def _images_if_there(benchmark: Benchmark, data: str | None) -> ImageFinder:
    try:
        return benchmark.find_image(data_root(data) if benchmark.folder else Path())
    except DataError:
        if data is not None:
            raise
        return lambda _: None


def _notes(journal: Journal, benchmark: Benchmark, judging: Judge | None) -> list[str]:
    notes = [f"a torn last line of {journal.torn} bytes was cut off {journal.path}"] if journal.torn else []
    return notes + ([NO_JUDGE] if benchmark.is_judged and judging is None else [])


def _judged(
    benchmark: Benchmark,
    items: list[Item],
    judging: Judge | None,
    journal: Journal,
    order: Order,
    find_image: ImageFinder,
    watcher: Watcher | None,
) -> list[Item]:
    if judging is None:
        return items
    retry = order.retry_missing
    return hub.judge(
        benchmark, items, judging, journal, find_image=find_image, retry_missing=retry, watcher=watcher
    )


def _finish(
    order: Order,
    benchmark: Benchmark,
    items: Sequence[Item],
    find_image: ImageFinder,
    info: dict[str, Any],
    began: float,
) -> Finished:
    asked_anyone = "model" in info or "judge" in info
    usual = MAX_MISSING if asked_anyone else 100.0
    results = hub.sum_up(
        benchmark,
        items,
        info=info,
        seconds=round(time.perf_counter() - began, 2),
        max_missing=usual if order.max_missing is None else order.max_missing,
        resamples=order.resamples,
    )
    return Finished(results, benchmark, find_image)


def versions() -> dict[str, str]:
    """Say what ran."""
    from importlib_metadata import version

    from gartk import __version__

    others = {name: version(name) for name in ("torch", "transformers", "numpy")}
    return {"gartk": __version__, "python": sys.version.split()[0], **others}
