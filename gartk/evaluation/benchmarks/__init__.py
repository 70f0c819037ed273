"""The benchmarks that configs can name."""

from gartk.evaluation.benchmarks.region_world import RegionWorldBenchmark

__all__ = ["RegionWorldBenchmark"]
