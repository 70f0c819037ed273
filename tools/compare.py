"""Compare judges, and test how stable a benchmark is, from recorded outputs.

  compare.py agreement gar-cap --judged GPT-4o GAR-1B simple_eval.json detailed_eval.json --judged o3 ...
      Every --judged is a judge, a model and the files with that judge's verdicts on that model. Prints
      how far every two judges agree on each model (percent, Cohen's kappa) and, over several models, on
      their order. --with-rules adds the judge that goes by rules, which needs no files.
  compare.py stability gar-vqa --records GAR-1B gar_1b_vqa.json --records GAR-8B gar_8b_vqa.json --parts 2 4
      Every --records is a model and its files. Draws a half and a quarter of each sub-task many times, the
      same items for all models, and prints how the scores and the order vary.

--json prints one object instead of tables. For two models on the same items see
python -m gartk.evaluation.score --against.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gartk.errors import ConfigError, exit_code


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    agreement = commands.add_parser("agreement", help="how far judges agree")
    agreement.add_argument("benchmark", metavar="BENCH")
    agreement.add_argument(
        "--judged",
        nargs="+",
        action="append",
        required=True,
        metavar=("JUDGE", "MODEL"),
        help="a judge, a model, and files with the judge's verdicts on the model",
    )
    agreement.add_argument("--with-rules", action="store_true", help="add the judge that goes by rules")
    stability = commands.add_parser("stability", help="how scores vary on parts of the items")
    stability.add_argument("benchmark", metavar="BENCH")
    stability.add_argument(
        "--records",
        nargs="+",
        action="append",
        required=True,
        metavar=("MODEL", "FILE"),
        help="a model and its recorded outputs",
    )
    stability.add_argument("--parts", nargs="+", type=int, default=[2, 4], metavar="K", help="draw 1/K")
    stability.add_argument("--seeds", type=int, default=2000, help="how many draws (2000)")
    stability.add_argument("--rule", help="the scoring rule, by default the benchmark's first")
    for command in (agreement, stability):
        command.add_argument("--annotations", nargs="+", metavar="FILE", help="count what records lack")
        command.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args(argv)


def run_agreement(args: argparse.Namespace) -> dict[str, Any]:
    """Read all verdicts, and compare every two judges on each model and on the models' order."""
    from gartk.evaluation.benchmarks.base import build_benchmark
    from gartk.evaluation.by_name import build_judge
    from gartk.evaluation.item import Item
    from gartk.evaluation.score import read_items
    from gartk.evaluation.statistics.agreement import agree, headline_scores, rank_agreement, ranks

    benchmark = build_benchmark(args.benchmark).without_models()
    judged: dict[str, dict[str, list[Item]]] = {}
    for judge, model, *files in checked(args.judged, least=3, option="--judged JUDGE MODEL FILE..."):
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
    return {
        "scores": scores,
        "ranks": {j: ranks(s) for j, s in scores.items()},
        "verdicts": pairs,
        "order": order,
    }


def run_stability(args: argparse.Namespace) -> dict[str, Any]:
    """Read all records and draw parts of them."""
    from gartk.evaluation.benchmarks.base import build_benchmark
    from gartk.evaluation.score import read_items
    from gartk.evaluation.statistics.item_scores import item_scores
    from gartk.evaluation.statistics.stability import stability

    benchmark = build_benchmark(args.benchmark).without_models()
    models = {
        model: item_scores(benchmark, read_items(benchmark, files, args.annotations)[0])
        for model, *files in checked(args.records, least=2, option="--records MODEL FILE...")
    }
    found = [stability(models, parts=parts, seeds=args.seeds, rule=args.rule) for parts in args.parts]
    return {"parts": [one.to_json() for one in found]}


def checked(groups: Sequence[Sequence[str]], *, least: int, option: str) -> Iterator[list[str]]:
    """Give the groups of an option's values; ConfigError for one that is too short or comes twice."""
    seen = set()
    for group in groups:
        name = tuple(group[: least - 1])
        if len(group) < least or name in seen:
            problem = "comes twice" if name in seen else "is too short"
            raise ConfigError(f"{option}: {' '.join(group)!r} {problem}.")
        seen.add(name)
        yield list(group)


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


def run(args: argparse.Namespace) -> None:
    """Do what the command line says."""
    work, show = {
        "agreement": (run_agreement, print_agreement),
        "stability": (run_stability, print_stability),
    }[args.command]
    report = {"benchmark": args.benchmark, **work(args)}
    if args.json:
        print(json.dumps(report, indent=1))
    else:
        show(report)


def main(argv: Sequence[str] | None = None) -> int:
    """Compare; gives the exit code: 0, 2 for an error of the user's, 130 after Ctrl-C."""
    args = parse_args(argv)
    return exit_code(lambda: run(args))


if __name__ == "__main__":
    sys.exit(main())
