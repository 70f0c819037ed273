"""Score recorded outputs: python -m gartk.evaluation.score BENCH --records FILE... [--json].

Nothing is run or downloaded: the files hold what the model said and, where a judge is part of the
benchmark, what the judge replied. Files are JSON lists of records, or JSON lines if named .jsonl.

BENCH and the files it takes (fields beside these are kept and not looked at):
  gar-vqa           annotations + "model_output" (gar_1b_vqa.json): image, type, choices, answer
  gar-cap-simple    judged captions (gar_1b_simple_eval.json): image, answer, model_output, eval_result
  gar-cap-detailed  the same (gar_1b_detailed_eval.json) with subject_name, object_name, predicate_name
  gar-cap           both of these; also both together, over 204 and over the paper's 214
  dlc               one judged file (gar_1b_eval.json or gar_1b_eval_gpt.json): an object by region id with
                    pred and details_recognition, details_positives, details_negatives, each a list of
                    questions with choices and pred_answer; it holds all that is needed
  ferret            reviews (review_refer_desc.jsonl): question_id, content (the judge's reply), answer2
  mdvp              reviews of the same form with category (the phase) and, if not as published, pairing;
                    and/or captions (gar_1b.json): image_path, caption, gt
  videorefer-d      annotations + "pred" and "reply" (the judge's) or the four scores by name
  videorefer-q      annotations + "pred": id, type, options, Answer
  lvis, paco        annotations + "predictions": file_name, categories, annotations (parallel lists);
                    Sem-IoU alone, since Sem-Sim needs an encoder
  vstar, mmvp, realworldqa, mmstar
                    the data set's records + "model_output"; for circular options also
                    "circular_id" and "rotation"

--intervals [N] adds the bootstrap interval (95 %, percentiles of N resamples, 1000 unless given) to
every score: items are drawn anew within each sub-task. --against FILE... compares with the recorded
outputs of a second model, item by item and by every rule. Both need the packages of gartk[eval].

--annotations FILE... is the benchmark's own annotation file (qa.json for dlc, mdvp_caption_mask.json for
mdvp): what it has and the records lack then counts as missing.

With --json the output is one object: benchmark, files, records (how many were read), published_records
(how many the benchmark has), annotations (the files), and variants, which holds the scores by
each rule that is in dispute. A score is an object with text, missing, and hits, total, percent (rates);
value, scored, total (means); value, model, reference, scored, total (ratios). percent and value are null
where nothing could be scored. A missing item stays in total. interval, with --intervals, is the two ends.
letters counts the answer letters that are right and that were said, recognised the regions of dlc
recognised, conflicts its recorded choices that are not what the reply says, same_image the pairs of mdvp
about one image. comparison, with --against, holds by rule: items (scored for both), left_out, first,
second, difference (second minus first), interval, only_first, only_second, test, p_value; of ferret and mdvp
it is about the model's own ratings.

Exit status: 0, 1 for files that cannot be scored (why is on stderr), 2 for a wrong command line.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from gartk.errors import ConfigError, DataError
from gartk.evaluation.scoring import (
    choices,
    dlc_bench,
    ferret_bench,
    gar_bench,
    items,
    mdvp_bench,
    open_class,
    video_refer,
)
from gartk.evaluation.scoring.items import Item


@dataclass(frozen=True)
class Scorer:
    """How a benchmark is read and scored, and how many records it has as published."""

    size: int
    read: Callable[[Sequence[str]], list[Item]]
    score: Callable[[Sequence[Item]], dict[str, Any]]
    read_annotations: Callable[[Sequence[str]], list[Item]] | None = None
    complete: Callable[[Sequence[Item], Sequence[Item]], list[Item]] = items.complete


def _choices(benchmark: str, size: int) -> Scorer:
    return Scorer(size, partial(choices.read, benchmark=benchmark), choices.score)


def _open_class(benchmark: str, size: int) -> Scorer:
    return Scorer(size, partial(open_class.read, benchmark=benchmark), open_class.score)


SCORERS: Mapping[str, Scorer] = {
    "gar-vqa": Scorer(424, gar_bench.read_vqa, gar_bench.score_vqa),
    "gar-cap-simple": Scorer(97, partial(gar_bench.read_cap, kind=gar_bench.SIMPLE), gar_bench.score_cap),
    "gar-cap-detailed": Scorer(
        107, partial(gar_bench.read_cap, kind=gar_bench.DETAILED), gar_bench.score_cap
    ),
    "gar-cap": Scorer(204, gar_bench.read_cap, gar_bench.score_cap),
    "dlc": Scorer(100, dlc_bench.read, dlc_bench.score, dlc_bench.read_questions, dlc_bench.complete),
    "ferret": Scorer(40, ferret_bench.read, ferret_bench.score),
    "mdvp": Scorer(364, mdvp_bench.read, mdvp_bench.score, complete=mdvp_bench.complete),
    "videorefer-d": Scorer(400, video_refer.read_d, video_refer.score_d),
    "videorefer-q": Scorer(1000, video_refer.read_q, video_refer.score_q),
    "lvis": _open_class("lvis", 4004),
    "paco": _open_class("paco", 4263),
    "vstar": _choices("vstar", 191),
    "mmvp": _choices("mmvp", 300),
    "realworldqa": _choices("realworldqa", 765),
    "mmstar": _choices("mmstar", 1500),
}


def read_items(
    benchmark: str, files: Sequence[str], annotations: Sequence[str] | None = None
) -> tuple[list[Item], int]:
    """Read recorded outputs, completed by the annotations if some are given; and how many were read.

    Raises: DataError if a file cannot be read or does not fit the benchmark, or there is no record.
    """
    scorer = SCORERS[benchmark]
    records = scorer.read(files)
    if not records:
        raise DataError(f"{', '.join(files)}: there is no record to score.")
    read = len(records)
    if annotations is not None:
        read_annotations = scorer.read_annotations or scorer.read
        records = scorer.complete(records, read_annotations(annotations))
    return records, read


def score_files(
    benchmark: str,
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
    records, read = read_items(benchmark, files, annotations)
    report = {
        "benchmark": benchmark,
        "files": list(files),
        "annotations": list(annotations or ()),
        "records": read,
        "published_records": SCORERS[benchmark].size,
        **SCORERS[benchmark].score(records),
    }
    if resamples is not None:
        from gartk.evaluation.intervals import add_intervals

        add_intervals(report, benchmark, records, resamples=resamples)
    if against is not None:
        from gartk.evaluation.intervals import compare

        report["against"] = list(against)
        report["comparison"] = compare(benchmark, records, read_items(benchmark, against, annotations)[0])
    return report


def rows(scores: Mapping[str, Any], names: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Give the name and the text of every score below some variants, in order."""
    for name, value in scores.items():
        if not isinstance(value, dict):
            continue
        if isinstance(value.get("text"), str):
            yield " / ".join([*names, name]), value["text"] + _interval(value)
        else:
            yield from rows(value, (*names, name))


def _interval(score: Mapping[str, Any]) -> str:
    ends = score.get("interval")
    return f" [{ends[0]:.1f}, {ends[1]:.1f}]" if ends else ""


def print_table(report: Mapping[str, Any]) -> None:
    """Print the scores of a report as a table."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    count = f"{report['records']} records read, {report['published_records']} published"
    table = Table(title=f"{report['benchmark']}: {count}")
    table.add_column("score by rule", overflow="fold")
    table.add_column("value", overflow="fold")
    shown = {**report["variants"], **{k: v for k, v in report.items() if k == "recognised"}}
    for name, text in rows(shown):
        table.add_row(Text(_printable(name)), Text(_printable(text)))
    console = Console()
    console.print(table)
    if report.get("conflicts"):
        console.print(f"{report['conflicts']} recorded choices are not what the reply says; the reply counts")
    if "letters" in report:
        letters = Table(title="answer letters")
        for heading in ("letter", "right", "said (strict)", "said (lenient)"):
            letters.add_column(heading)
        for letter, counts in report["letters"].items():
            letters.add_row(letter or "(none)", *(str(counts[k]) for k in ("right", "strict", "lenient")))
        console.print(letters)
    for name, row in report.get("comparison", {}).items():
        low, high = row["interval"]
        sizes = f"{row['items']} items, {row['left_out']} left out"
        line = f"{name}: {row['first']:.1f} against {row['second']:.1f} over {sizes}"
        more = f"difference {row['difference']:+.1f} [{low:+.1f}, {high:+.1f}], p = {row['p_value']:.2g}"
        console.print(f"{line}; {more} ({row['test']})", highlight=False)


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m gartk.evaluation.score",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("benchmark", metavar="BENCH", choices=list(SCORERS), help=", ".join(SCORERS))
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
        print_table(report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
