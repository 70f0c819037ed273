"""Report how scores vary on parts of a benchmark.

    gartk eval stability gar-vqa --records GAR-1B gar_1b_vqa.json --records GAR-8B gar_8b_vqa.json --parts 2 4

Every --records is a model and its files. Draws a half and a quarter of each sub-task many times, the same
items for all models, and prints how the scores and the order vary. For two models on the same items see
gartk eval score --against.
"""

from __future__ import annotations

import argparse
from typing import Any

from gartk.cli.arguments import named_files
from gartk.cli.report import Report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add("benchmark", metavar="BENCH", help="its name: see gartk eval list")
    add(
        "--records",
        nargs="+",
        action="append",
        required=True,
        metavar=("MODEL", "FILE"),
        help="a model and its recorded outputs",
    )
    add("--parts", nargs="+", type=int, default=[2, 4], metavar="K", help="draw 1/K")
    add("--draws", type=int, default=2000, metavar="N", help="how many draws (2000)")
    add("--rule", help="the scoring rule, by default the benchmark's first")
    add("--annotations", nargs="+", metavar="FILE", help="count what records lack")


def run(args: argparse.Namespace) -> Report:
    """Read all records and draw parts of them."""
    from gartk.evaluation.benchmarks.base import build_benchmark
    from gartk.evaluation.score import read_items
    from gartk.evaluation.statistics.item_scores import item_scores
    from gartk.evaluation.statistics.stability import stability

    benchmark = build_benchmark(args.benchmark).without_models()
    models = {
        model: item_scores(benchmark, read_items(benchmark, files, args.annotations)[0])
        for model, *files in named_files(args.records, least=2, option="--records MODEL FILE...")
    }
    found = [stability(models, parts=parts, seeds=args.draws, rule=args.rule) for parts in args.parts]
    data = {"benchmark": args.benchmark, "parts": [one.to_json() for one in found]}
    return Report(data, lambda: print_stability(data))


def print_stability(report: dict[str, Any]) -> None:
    """Print how each model's score varies, and how often the order holds."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for one in report["parts"]:
        table = Table(title=f"1/{one['parts']} of the items: {one['items']}, {one['draws']} draws")
        for heading in ("model", "all items", "mean", "sd", "min", "max"):
            table.add_column(heading)
        for model, spread in one["models"].items():
            table.add_row(model, *(f"{spread[key]:.2f}" for key in ("full", "mean", "sd", "min", "max")))
        console.print(table)
        for pair, share in one["ahead"].items():
            console.print(
                f"{pair} in {100 * share:.2f} % of draws, equal in {100 * one['ties'][pair]:.2f} %",
                highlight=False,
            )
        if one["kendall"] is not None:
            console.print(
                f"order as on all items in {100 * one['same_order']:.1f} %; Kendall {one['kendall'][0]:.2f}"
                f" (lowest {one['kendall'][1]:.2f}), Spearman {one['spearman'][0]:.2f}"
                f" (lowest {one['spearman'][1]:.2f})",
                highlight=False,
            )
