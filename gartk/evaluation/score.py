"""Scoring recorded outputs, from their files alone: nothing is run or downloaded.

``gartk eval score`` prints what ``score_files`` returns; its help says what the report holds.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from gartk.errors import DataError
from gartk.evaluation.benchmarks.base import Benchmark, build_benchmark
from gartk.evaluation.item import Item


def read_items(
    benchmark: Benchmark, files: Sequence[str], annotations: Sequence[str] | None = None
) -> tuple[list[Item], int]:
    """Read recorded outputs, completed by the annotations if some are given; and how many were read.

    Raises: DataError if a file cannot be read or does not fit the benchmark, or there is no record.
    """
    records = benchmark.read_records(files)
    if not records:
        raise DataError(f"{', '.join(files)}: there is no record to score.")
    read = len(records)
    if annotations is not None:
        records = benchmark.complete(records, benchmark.read_annotations(annotations))
    return records, read


def score_files(
    name: str,
    files: Sequence[str],
    annotations: Sequence[str] | None = None,
    *,
    resamples: int | None = None,
    against: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Score the recorded outputs in some files; see ``gartk eval score --help`` for what comes back.

    ``resamples`` asks for intervals, ``against`` for the comparison with other files.

    Raises: DataError if a file cannot be read or does not fit the benchmark; ConfigError if resamples are
        too few.
    """
    benchmark = build_benchmark(name).without_models()
    records, read = read_items(benchmark, files, annotations)
    records = benchmark.scored(records)
    report = {
        "benchmark": name,
        "files": list(files),
        "annotations": list(annotations or ()),
        "records": read,
        "published_records": benchmark.size,
        **benchmark.aggregate(records),
    }
    if resamples is not None:
        from gartk.evaluation.statistics.bootstrap import add_intervals

        add_intervals(report, benchmark, records, resamples=resamples)
    if against is not None:
        from gartk.evaluation.statistics.paired import compare

        report["against"] = list(against)
        report["comparison"] = compare(benchmark, records, read_items(benchmark, against, annotations)[0])
    return report


if __name__ == "__main__":  # the name that ``gartk eval score`` had
    sys.exit(subprocess.call([sys.executable, "-m", "gartk", "eval", "score", *sys.argv[1:]]))
