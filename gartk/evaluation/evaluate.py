"""Running a model over the items of a benchmark."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gartk.errors import DataError
from gartk.evaluation.item import Item
from gartk.evaluation.metrics import Metric
from gartk.evaluation.records import Results
from gartk.inference.batching import answer_samples

if TYPE_CHECKING:
    from gartk.inference.batching import Reply
    from gartk.models.region_vlm import RegionVLM
    from gartk.structures import Sample

ScoreRule = Callable[[str, Mapping[str, Any]], dict[str, float]]


def evaluate(
    model: RegionVLM,
    samples: Iterable[Sample],
    *,
    score: ScoreRule,
    max_new_tokens: Callable[[Sample], int],
    batch_size: int = 32,
    keep_meta: Sequence[str] = (),
    benchmark: str = "",
    on_batch: Callable[[int], None] | None = None,
) -> list[Item]:
    """Ask a model the question of every sample and score its replies; items in the samples' order.

    A sample has one question with its reference answer, and ``meta['task']``. ``score`` is given the
    reply and the meta; of the meta, ``keep_meta`` goes into the item's ``extra``. Decoding is greedy.

    Raises: DataError if a sample is not one question with one answer.
    """
    replies = answer_samples(
        model, map(_checked, samples), batch_size=batch_size, max_new_tokens=max_new_tokens, on_batch=on_batch
    )
    return [
        _item(sample, reply, score, benchmark=benchmark, keep_meta=keep_meta) for sample, reply in replies
    ]


def run_benchmark(
    model: RegionVLM,
    benchmark: Any,
    *,
    metrics: Sequence[Metric],
    info: Mapping[str, Any] | None = None,
    on_batch: Callable[[int], None] | None = None,
) -> Results:
    """Evaluate a model on a benchmark and sum its records up; see ``gartk.evaluation.benchmarks``."""
    began = time.perf_counter()
    records = evaluate(
        model,
        benchmark.samples(),
        score=benchmark.score,
        max_new_tokens=benchmark.max_new_tokens,
        batch_size=benchmark.batch_size,
        keep_meta=benchmark.keep_meta,
        benchmark=benchmark.name,
        on_batch=on_batch,
    )
    summary = {metric.name: metric(records) for metric in metrics}
    return Results(benchmark.name, records, summary, time.perf_counter() - began, info or {})


def _checked(sample: Sample) -> Sample:
    if [turn.role for turn in sample.turns] != ["user", "assistant"] or "task" not in sample.meta:
        raise DataError(
            f"Sample {sample.id!r} cannot be evaluated: it needs one question, one answer and meta['task']."
            f" It has the turns {[turn.role for turn in sample.turns]} and the meta {sorted(sample.meta)}."
        )
    return sample


def _item(
    sample: Sample, reply: Reply, score: ScoreRule, *, benchmark: str, keep_meta: Sequence[str]
) -> Item:
    """Give a sample with what was said; ``extra`` also holds the tokens, the end and the seconds of it."""
    kept = {key: sample.meta[key] for key in keep_meta if key in sample.meta}
    said = {
        "num_regions": len(sample.regions),
        "num_new_tokens": reply.generated.num_new_tokens,
        "ended": reply.generated.ended,
        "seconds": round(reply.seconds, 6),
    }
    return Item(
        benchmark=benchmark,
        id=sample.id,
        task=sample.meta["task"],
        question=sample.turns[0].text,
        reference=sample.turns[1].text,
        prediction=reply.generated.text,
        scores=score(reply.generated.text, sample.meta),
        extra={**kept, **said},
    )
