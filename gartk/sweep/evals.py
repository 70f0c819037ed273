"""Published benchmarks as part of a sweep: run as gartk eval does, and read back item by item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gartk.errors import DataError

if TYPE_CHECKING:
    from gartk.evaluation.benchmarks.base import Benchmark
    from gartk.evaluation.item import Item

RESULTS_FILE = "results.json"


@dataclass(frozen=True)
class EvalSettings:
    """A benchmark that every run is put to after its training; names as in ``gartk eval``.

    Args:
        benchmark: a short name such as "gar-vqa", or a registered one.
        judge: who judges, where a judge is part of the score, such as "openai:gpt-4o".
        judge_base_url, judge_key_env: the judge's server, and the environment variable with its key.
        judge_texts_only: show the judge no pictures.
        limit: only the first so many items.
        batch_size: how many items go through the model at once.
        max_missing: with more per cent of answers missing the run counts as failed.
    """

    benchmark: str
    judge: str | None = None
    judge_base_url: str | None = None
    judge_key_env: str = "OPENAI_API_KEY"
    judge_texts_only: bool = False
    limit: int | None = None
    batch_size: int = 8
    max_missing: float = 2.0

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON values."""
        return asdict(self)


def run_eval(settings: EvalSettings, checkpoint: Path, folder: Path, *, device: str) -> None:
    """Put a trained model to a benchmark, or go on with it; nothing if its results are there.

    Raises: DataError if data or too many answers are missing; the errors of the model and the judge.
    """
    if (folder / RESULTS_FILE).is_file():
        return
    from gartk.evaluation.by_name import build_judge
    from gartk.evaluation.models.cache import default_cache
    from gartk.evaluation.models.gartk_model import GartkModelUnderTest
    from gartk.evaluation.report.files import save
    from gartk.evaluation.run import RunSettings, Selection, run_model

    order = RunSettings(
        benchmark=settings.benchmark,
        folder=folder,
        selection=Selection(settings.limit),
        resume=True,
        retry_missing=True,
        max_missing=settings.max_missing,
    )
    offer = {
        "base_url": settings.judge_base_url,
        "key_env": settings.judge_key_env,
        "sees_images": not settings.judge_texts_only,
        "cache": default_cache(),
        "device": device,
    }
    spec = settings.judge
    done = run_model(
        order,
        lambda: GartkModelUnderTest(str(checkpoint), device=device, batch_size=settings.batch_size),
        None if spec is None else lambda: build_judge(spec, offer=offer),
    )
    withheld = done.results.info.get("withheld")
    if withheld:
        raise DataError(f"{settings.benchmark}: {withheld}")
    save(done.results, done.benchmark, folder, find_image=done.find_image)


def published_scores(
    benchmark: Benchmark, records: Sequence[Item]
) -> dict[tuple[str, str], dict[str, float]]:
    """Return what each item of a published benchmark scored, by (sub-task, id).

    Under the name of each rule stands the item's own score, and under "rule/score" what it contributes to
    every score of the report. Right or wrong is 100 or 0, and an answer that is missing 0; an item that
    could not be judged has no score.
    """
    from gartk.evaluation.rates import leaves
    from gartk.evaluation.statistics.item_scores import with_scores

    items = with_scores(benchmark, [item for item in records if benchmark.has_score(item)])
    found: list[dict[str, float]] = [{} for _ in items]
    for item, scores in zip(items, found, strict=True):
        for rule in benchmark.rules:
            value = item.scores.get(rule)
            if benchmark.is_binary and rule in item.scores:
                scores[rule] = 100.0 * (value or 0.0)
            elif value is not None:
                scores[rule] = value
    for path, score in leaves(benchmark.variants(items)):
        column = score.column
        for place, value in zip(column.places, column.values, strict=True):
            if value is not None:
                found[place]["/".join(path)] = value
    return {(item.task, item.id): scores for item, scores in zip(items, found, strict=True)}
