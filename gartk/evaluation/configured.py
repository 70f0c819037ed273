"""The benchmark and metrics that a config's ``test_data`` describes."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gartk.errors import ConfigError
from gartk.registry import BENCHMARKS, METRICS

if TYPE_CHECKING:
    from gartk.evaluation.benchmarks.region_world import RegionWorldBenchmark
    from gartk.evaluation.metrics import Metric

DEFAULT_BENCHMARK = "RegionWorldBenchmark"
DEFAULT_METRICS: tuple[Mapping[str, Any], ...] = (
    {"type": "AccuracyMetric"},
    {"type": "MeanScoreMetric"},
    {"type": "LetterMetric"},
)
# What may be set by --cfg-options although a config does not spell it out.
TEST_KEYS: tuple[str, ...] = (
    *(f"test_data.{name}" for name in ("type", "tasks", "metrics", "items_per_task", "batch_size")),
    *(f"test_data.max_new_tokens.{kind}" for kind in ("choice", "reasoned", "open", "caption")),
)


def build_test(cfg: Mapping[str, Any]) -> tuple[RegionWorldBenchmark, list[Metric]]:
    """Build what ``cfg['test_data']`` describes.

    ``type`` names the benchmark (RegionWorldBenchmark where it is left out), ``metrics`` is a list of
    metric configs over the default ones; the rest are the benchmark's arguments.

    Raises: ConfigError if there is no ``test_data``, or its parts are unknown.
    """
    from gartk.evaluation.benchmarks.region_world import RegionWorldBenchmark

    test_data = cfg.get("test_data")
    if not isinstance(test_data, Mapping):
        raise ConfigError(
            "The config has no test_data. Add the base '_base_/data/region_world.py', or write"
            " test_data = dict(dataset=dict(type='RegionWorldDataset', split='test'), items_per_task=200)."
        )
    arguments = {"type": DEFAULT_BENCHMARK, **test_data}
    metrics = arguments.pop("metrics", DEFAULT_METRICS)
    benchmark = BENCHMARKS.build(arguments, path="test_data")
    if not isinstance(benchmark, RegionWorldBenchmark):
        raise ConfigError(
            f"test_data.type {arguments['type']!r} is no benchmark; see gartk.evaluation.benchmarks."
        )
    built = [METRICS.build(metric, path=f"test_data.metrics[{i}]") for i, metric in enumerate(metrics)]
    return benchmark, built


def describe_run(
    test_data: Mapping[str, Any], *, config: str, checkpoint: str, device: str
) -> dict[str, Any]:
    """Say what was run, for a results file: config, checkpoint, test data, device and versions."""
    from importlib_metadata import version

    from gartk import __version__
    from gartk.models.checkpoints import CONFIG_NAME, read_config

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
