"""Score recorded outputs: python -m gartk.evaluation.score BENCH --records FILE... [--json].

Nothing is run or downloaded: the files hold what the model said and, where a judge is part of the
benchmark, what the judge replied. Files are JSON lists of records, or JSON lines if named .jsonl.

BENCH and the files it takes stand at the end (fields beside these are kept and not looked at).

--intervals [N] adds the bootstrap interval (95 %, percentiles of N resamples, 1000 unless given) to
every score: items are drawn anew within each sub-task. --against FILE... compares with the recorded
outputs of a second model, item by item and by every rule. Both need the packages of gartk[eval].

--annotations FILE... is the benchmark's own annotation file: what it has and the records lack then counts
as missing.

With --json the output is one object: benchmark, files, records (how many were read), published_records
(how many the benchmark has), annotations (the files), and variants, which holds the scores by
each rule that is in dispute. A score is an object with text, missing, and hits, total, percent (rates);
value, scored, total (means); value, model, reference, scored, total (ratios). percent and value are null
where nothing could be scored. A missing item stays in total. interval, with --intervals, is the two ends.
letters counts the answer letters that are right and that were said; a benchmark may state further counts,
which docs/evaluation.md lists. comparison, with --against, holds by rule: items (scored for both), left_out,
first, second, difference (second minus first), interval, only_first, only_second, test, p_value; where a
judge rates two answers it is about the model's own ratings.

Exit status: 0, 1 for files that cannot be scored (why is on stderr), 2 for a wrong command line.
"""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections.abc import Sequence
from typing import Any

from gartk.errors import ConfigError, DataError
from gartk.evaluation.benchmarks.base import Benchmark, benchmark_names, build_benchmark
from gartk.evaluation.item import Item
from gartk.evaluation.tables import print_report
from gartk.registry import BENCHMARKS


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
    """Score the recorded outputs in some files; see the module for what they hold and what comes back.

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


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    names = list(benchmark_names())
    parser = argparse.ArgumentParser(
        prog="python -m gartk.evaluation.score",
        description=__doc__,
        epilog=_files_taken(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("benchmark", metavar="BENCH", choices=names, help=", ".join(names))
    parser.add_argument("--records", nargs="+", required=True, metavar="FILE", help="the recorded outputs")
    parser.add_argument(
        "--annotations", nargs="+", metavar="FILE", help="count what these have and the records lack"
    )
    parser.add_argument(
        "--intervals",
        nargs="?",
        type=int,
        const=1000,
        metavar="N",
        help="add bootstrap intervals of N resamples (1000)",
    )
    parser.add_argument("--against", nargs="+", metavar="FILE", help="compare with another model's outputs")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    return parser.parse_args(argv)


def _files_taken() -> str:
    """Say for each benchmark which recorded outputs it takes."""
    lines = []
    for name, (key, _) in benchmark_names().items():
        lines += [
            name,
            *textwrap.wrap(BENCHMARKS.get(key).records, initial_indent="  ", subsequent_indent="  "),
        ]
    return "\n".join(["files by benchmark:", *lines])


def main(argv: Sequence[str] | None = None) -> int:
    """Score what the command line names; give the exit status."""
    args = parse_args(argv)
    try:
        report = score_files(
            args.benchmark, args.records, args.annotations, resamples=args.intervals, against=args.against
        )
    except (ConfigError, DataError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if args.json:
        sys.stdout.write(json.dumps(report, indent=1) + "\n")
    else:
        benchmark = build_benchmark(args.benchmark)
        print_report(report, benchmark.tables(report), benchmark.remarks(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
