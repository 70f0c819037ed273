"""Published benchmarks as part of a sweep: run as tools/eval.py does, and read back item by item."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gartk.errors import DataError
from gartk.io import cache_dir

if TYPE_CHECKING:
    from gartk.evaluation.records import Results

RESULTS_FILE = "results.json"


@dataclass(frozen=True)
class EvalSettings:
    """A benchmark that every run is put to after its training; names as in ``tools/eval.py``.

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
        """Give all of it as JSON values."""
        return asdict(self)


def run_eval(settings: EvalSettings, checkpoint: Path, folder: Path, *, device: str) -> None:
    """Put a trained model to a benchmark, or go on with it; nothing if its results are there.

    Raises: DataError if data or too many answers are missing; the errors of the model and the judge.
    """
    if (folder / RESULTS_FILE).is_file():
        return
    from gartk.evaluation import hub
    from gartk.evaluation.options import Calls, judge_from, model_from
    from gartk.evaluation.running import Order, run_model

    endpoint = {"base_url": settings.judge_base_url, "key_env": settings.judge_key_env}
    calls = Calls(endpoint, cache_dir() / "replies.sqlite", device)
    order = Order(
        benchmark=settings.benchmark,
        folder=folder,
        choice=hub.Choice(settings.limit),
        resume=True,
        retry_missing=True,
        max_missing=settings.max_missing,
    )
    spec, sees_images = settings.judge, not settings.judge_texts_only
    judge = None if spec is None else lambda: judge_from(spec, calls, sees_images=sees_images)
    batch_size = settings.batch_size
    done = run_model(
        order, lambda find: model_from(str(checkpoint), find, calls, batch_size=batch_size), judge
    )
    withheld = done.results.info.get("withheld")
    if withheld:
        raise DataError(f"{settings.benchmark}: {withheld}")
    hub.save(done.results, done.benchmark, folder, find_image=done.find_image)


def published_scores(results: Results) -> dict[tuple[str, str], dict[str, float]]:
    """Give what each item of a published benchmark scored, by (sub-task, id).

    Under the name of each rule stands the benchmark's headline, and under "rule/score" every score that a
    single item has. Right or wrong is 100 or 0, and an answer that is missing 0; an item that could not
    be judged has no score.
    """
    from gartk.evaluation.intervals import leaves
    from gartk.evaluation.item_scores import item_scores
    from gartk.evaluation.score import SCORERS

    name = results.benchmark
    headline = item_scores(name, results.records)
    by_key: dict[tuple[str, str], dict[str, float]] = {key: {} for key in headline.keys}
    for rule, values in headline.by_rule.items():
        for key, value in zip(headline.keys, values, strict=True):
            if headline.is_binary:
                by_key[key][rule] = 100.0 * (value or 0.0)
            elif value is not None:
                by_key[key][rule] = value
    for item in results.records:
        scores = by_key.get((item.task, item.id))
        if scores is None:
            continue
        for path, leaf in leaves(SCORERS[name].score([item])["variants"]):
            value = _value(leaf)
            if value is not None:
                scores["/".join(path)] = value
    return by_key


def _value(leaf: Mapping[str, Any]) -> float | None:
    if "hits" in leaf:
        return 100.0 * leaf["hits"]
    return leaf["model"] if "model" in leaf else leaf["value"]
