"""Score recorded outputs.

    gartk eval score gar-vqa --records outputs.json --intervals
    gartk eval score gar-vqa --records a.json --against b.json --json

Nothing is run or downloaded: the files hold what the model said and, where a judge is part of the
benchmark, what the judge replied. Files are JSON lists of records, or JSON lines if named .jsonl.

``gartk eval list`` says which files a benchmark takes (fields beside these are kept and not looked at).

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
"""

from __future__ import annotations

import argparse

from gartk.cli.report import Report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add("benchmark", metavar="BENCH", help="its name: see gartk eval list")
    add("--records", nargs="+", required=True, metavar="FILE", help="the recorded outputs")
    add("--annotations", nargs="+", metavar="FILE", help="count what these have and the records lack")
    text = "add bootstrap intervals of N resamples (1000)"
    add("--intervals", nargs="?", type=int, const=1000, metavar="N", help=text)
    add("--against", nargs="+", metavar="FILE", help="compare with another model's outputs")


def run(args: argparse.Namespace) -> Report:
    """Score the files."""
    from gartk.evaluation.benchmarks.base import build_benchmark
    from gartk.evaluation.score import score_files
    from gartk.evaluation.tables import print_report

    report = score_files(
        args.benchmark, args.records, args.annotations, resamples=args.intervals, against=args.against
    )
    benchmark = build_benchmark(args.benchmark)
    return Report(report, lambda: print_report(report, benchmark.tables(report), benchmark.remarks(report)))
