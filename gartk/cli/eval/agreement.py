"""Report how far judges agree.

    gartk eval agreement gar-cap --judged GPT-4o GAR-1B simple_eval.json detailed_eval.json --judged o3 ...

Every --judged is a judge, a model and the files with that judge's verdicts on that model. Prints how far
every two judges agree on each model (percent, Cohen's kappa) and, over several models, on their order.
--with-rules adds the judge that goes by rules, which needs no files.
"""

from __future__ import annotations

import argparse
from itertools import combinations
from typing import Any

from gartk.cli.arguments import named_files
from gartk.cli.report import Report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add("benchmark", metavar="BENCH", help="its name: see gartk eval list")
    add(
        "--judged",
        nargs="+",
        action="append",
        required=True,
        metavar=("JUDGE", "MODEL FILE"),
        help="a judge, a model, and files with the judge's verdicts on the model",
    )
    add("--with-rules", action="store_true", help="add the judge that goes by rules")
    add("--annotations", nargs="+", metavar="FILE", help="count what records lack")


def run(args: argparse.Namespace) -> Report:
    """Read all verdicts, and compare every two judges on each model and on the models' order."""
    from gartk.evaluation.benchmarks.base import build_benchmark
    from gartk.evaluation.by_name import build_judge
    from gartk.evaluation.item import Item
    from gartk.evaluation.score import read_items
    from gartk.evaluation.statistics.agreement import agree, headline_scores, rank_agreement, ranks

    benchmark = build_benchmark(args.benchmark).without_models()
    judged: dict[str, dict[str, list[Item]]] = {}
    for judge, model, *files in named_files(args.judged, least=3, option="--judged JUDGE MODEL FILE..."):
        judged.setdefault(judge, {})[model] = read_items(benchmark, files, args.annotations)[0]
    if args.with_rules:
        rules = build_judge("rules")
        first = next(iter(judged.values()))
        judged[rules.name] = {
            model: rules.judge(items, benchmark=benchmark) for model, items in first.items()
        }
    pairs = [
        {
            "model": model,
            **agree(benchmark, judged[one][model], judged[two][model], names=(one, two)).to_json(),
        }
        for one, two in combinations(judged, 2)
        for model in judged[one]
        if model in judged[two]
    ]
    scores = {j: headline_scores(benchmark, models) for j, models in judged.items()}
    order = [pair.to_json() for pair in rank_agreement(scores)]
    data = {
        "benchmark": args.benchmark,
        "scores": scores,
        "ranks": {j: ranks(s) for j, s in scores.items()},
        "verdicts": pairs,
        "order": order,
    }
    return Report(data, lambda: print_agreement(data))


def print_agreement(report: dict[str, Any]) -> None:
    """Print the verdicts' agreement, and the models' order by each judge."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(title="verdicts of two judges on the same predictions")
    for heading in ("judges", "model", "equal", "kappa", "95 % interval", "one alone"):
        table.add_column(heading)
    for row in report["verdicts"]:
        kappa = "-" if row["kappa"] is None else f"{row['kappa']:.2f}{' weighted' if row['weighted'] else ''}"
        ends = "-" if row["interval"] is None else f"{row['interval'][0]:.2f} to {row['interval'][1]:.2f}"
        equal = f"{row['same']}/{row['both']}" + (f" = {row['percent']:.1f} %" if row["both"] else "")
        alone = str(row["only_first"] + row["only_second"])
        table.add_row(f"{row['first']}, {row['second']}", row["model"], equal, kappa, ends, alone)
    console.print(table)
    table = Table(title="scores and ranks by judge")
    models = list(dict.fromkeys(model for scores in report["scores"].values() for model in scores))
    table.add_column("model")
    for judge in report["scores"]:
        table.add_column(judge)
    for model in models:
        cells = [
            f"{scores[model]:.1f} ({report['ranks'][judge][model]})" if model in scores else "-"
            for judge, scores in report["scores"].items()
        ]
        table.add_row(model, *cells)
    console.print(table)
    for row in report["order"]:
        if row["kendall"] is not None:
            told = f"Kendall {row['kendall']:.2f}, Spearman {row['spearman']:.2f} over {row['models']} models"
            console.print(f"{row['first']}, {row['second']}: {told}", highlight=False)
