"""Testing a model of gartk on what a config's ``test_data`` names, in one process and without a journal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gartk.errors import ConfigError
from gartk.evaluation.benchmarks.base import BENCHMARKS, Benchmark
from gartk.evaluation.benchmarks.files import data_root
from gartk.evaluation.item import Item, asked
from gartk.evaluation.pictures import ImageFinder, item_regions, open_picture
from gartk.evaluation.results import Results
from gartk.evaluation.tables import score_table

if TYPE_CHECKING:
    from gartk.inference.batching import Reply
    from gartk.models.region_vlm import RegionVLM
    from gartk.structures import Sample

DEFAULT_BENCHMARK = "RegionWorldBenchmark"
# What may be set by --cfg-options although a config does not spell it out.
TEST_KEYS: tuple[str, ...] = (
    *(f"test_data.{name}" for name in ("type", "tasks", "items_per_task", "batch_size")),
    *(f"test_data.max_new_tokens.{kind}" for kind in ("choice", "reasoned", "open", "caption")),
)


def build_test(cfg: Mapping[str, Any]) -> Benchmark:
    """Build the benchmark that ``cfg['test_data']`` describes: its ``type`` and arguments.

    Raises: ConfigError if there is no ``test_data``, or its parts are unknown.
    """
    test_data = cfg.get("test_data")
    if not isinstance(test_data, Mapping):
        raise ConfigError(
            "The config has no test_data. Add the base '_base_/data/region_world.py', or write"
            " test_data = dict(dataset=dict(type='RegionWorldDataset', split='test'), items_per_task=200)."
        )
    benchmark = BENCHMARKS.build({"type": DEFAULT_BENCHMARK, **test_data}, path="test_data")
    if not isinstance(benchmark, Benchmark):
        raise ConfigError(f"test_data.type {test_data['type']!r} is no benchmark.")
    return benchmark


def run_test(
    model: RegionVLM,
    benchmark: Benchmark,
    *,
    info: Mapping[str, Any] | None = None,
    on_batch: Callable[[int], None] | None = None,
) -> Results:
    """Ask a model about every item of a benchmark, score and sum up; ``on_batch`` is told each batch's size.

    Raises: DataError if the benchmark's files or an image are not there.
    """
    began = time.perf_counter()
    root = data_root() if benchmark.folder else Path()
    items = answer_items(
        model, benchmark, benchmark.load(root), benchmark.find_image(root), on_batch=on_batch
    )
    return Results(benchmark.name, items, benchmark.aggregate(items), time.perf_counter() - began, info or {})


def answer_items(
    model: RegionVLM,
    benchmark: Benchmark,
    items: Sequence[Item],
    find_image: ImageFinder,
    *,
    on_batch: Callable[[int], None] | None = None,
) -> list[Item]:
    """Ask a model about items, greedily; return them with predictions and scores, in order.

    ``extra`` also holds the number of regions and tokens, whether the reply ended, and its seconds.

    Raises: DataError if an image is not there, or a mask does not fit it.
    """
    from gartk.inference.batching import answer_samples

    limits = {item.id: benchmark.max_tokens_of(item) for item in items}
    replies = answer_samples(
        model,
        _samples(items, find_image),
        batch_size=benchmark.batch_size,
        max_new_tokens=lambda sample: limits[sample.id],
        on_batch=on_batch,
    )
    return benchmark.scored([_answered(item, reply) for item, (_, reply) in zip(items, replies, strict=True)])


def _samples(items: Sequence[Item], find_image: ImageFinder) -> Iterator[Sample]:
    from gartk.structures import Sample, Turn

    for item in items:
        pixels = open_picture(find_image(item), item)
        regions = item_regions(item.masks, (pixels.shape[0], pixels.shape[1]), where=item.id)
        yield Sample([pixels], regions, [Turn("user", asked(item))], id=item.id)


def _answered(item: Item, reply: Reply) -> Item:
    said = {
        "num_regions": len(item.masks),
        "num_new_tokens": reply.generated.num_new_tokens,
        "ended": reply.generated.ended,
        "seconds": round(reply.seconds, 6),
    }
    return replace(item, prediction=reply.generated.text, extra={**item.extra, **said})


def print_results(benchmark: Benchmark, results: Results, console: Any) -> None:
    """Print a benchmark's own tables of some results, or their scores where it has none."""
    title = f"{results.benchmark}: {len(results.records)} items in {results.seconds:.0f} s"
    tables = benchmark.tables(results.summary) or [score_table(results.summary["variants"])]
    for table in tables:
        replace(table, title=title).print(console, fold=False)


def describe_run(
    test_data: Mapping[str, Any], *, config: str, checkpoint: str, device: str
) -> dict[str, Any]:
    """Return what was run, for a results file: config, checkpoint, test data, device and versions."""
    from importlib_metadata import version

    from gartk import __version__
    from gartk.models.weights import CONFIG_NAME, read_config

    versions = {name: version(name) for name in ("torch", "transformers", "timm", "numpy")}
    return {
        "config": config,
        "checkpoint": checkpoint,
        "checkpoint_info": read_config(Path(checkpoint) / CONFIG_NAME).get("info", {}),
        "test_data": test_data,
        "device": device,
        "decoding": "greedy",
        "versions": {"gartk": __version__, "python": sys.version.split()[0], **versions},
    }
