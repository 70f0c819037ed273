"""Train and test many rows and seeds; write one table.

    gartk sweep configs/sweeps/tiny_table9.py --dry-run --measure
    gartk sweep configs/sweeps/tiny_table9.py --jobs 2 [--resume]

The rows are those of a sweep file (docs/sweeps.md), or each of several CONFIGs. The table with means,
spread, intervals and learning curves is written anew after every run: table.md, table.csv, table.json,
loss.png, loss.svg, index.html in --out.

A row that fails is reported and the others go on. After Ctrl-C, kill -9 or a power cut the same command
with --resume goes on where it was.

Exit status: 1 if a run did not finish.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gartk.cli.arguments import add_cfg_options, whole_numbers
from gartk.cli.report import Report, wide_console
from gartk.errors import ConfigError

if TYPE_CHECKING:
    from gartk.sweep.executors import Executor
    from gartk.sweep.plan import Plan
    from gartk.sweep.settings import SweepSettings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add("files", nargs="+", metavar="SWEEP|CONFIG", help="a sweep file, or configs (a row each)")
    add("--out", metavar="DIR", help="where everything goes (default: work_dirs/sweeps/<sweep's name>)")
    add(
        "--seeds", type=whole_numbers, metavar="0,1,2", help="seeds of every row (default: the sweep's, or 0)"
    )
    add("--jobs", type=int, metavar="N", help="runs at once (default: the sweep's, one per GPU, or 1)")
    add("--gpus", metavar="0,1", help="GPUs to use, one for each run")
    add("--resume", action="store_true", help="go on with the sweep in --out, or start it")
    add("--grid", action="append", default=[], metavar="PATH=V1,V2", help="run every row with each value")
    add_cfg_options(parser, "changes to every row")
    add("--baseline", metavar="NAME", help="the row that the others are compared with")
    add("--items", type=int, metavar="N", help="test items for each sub-task")
    add("--publish", metavar="DIR", help="copy the tables and a curve there, to be kept without the runs")
    add("--executor", choices=["local", "slurm"], default="local", help="slurm: jobs through submitit")
    add("--dry-run", action="store_true", help="print the plan and what it costs; run nothing")
    add("--measure", action="store_true", help="with --dry-run: time a few updates of each row")


def read_settings(args: argparse.Namespace) -> SweepSettings:
    """Read the sweep and what the command line changes in it."""
    from gartk.sweep.plan import with_options
    from gartk.sweep.settings import parse_grid, read_sweep

    grid = dict(parse_grid(text) for text in args.grid)
    return with_options(
        read_sweep(args.files),
        seeds=args.seeds,
        jobs=args.jobs,
        items=args.items,
        baseline=args.baseline,
        grid=grid,
    )


def choose_executor(args: argparse.Namespace, settings: SweepSettings, out: Path) -> Executor:
    """Make what carries the runs out."""
    from gartk.sweep import executors

    gpus = gpu_names(args.gpus)
    if args.executor == "slurm":
        if gpus:
            raise ConfigError("--gpus is for this machine; a cluster's are in the sweep file's slurm.")
        return executors.SubmititExecutor(out / "slurm", jobs=settings.jobs, parameters=settings.slurm)
    return executors.LocalExecutor(jobs=settings.jobs, gpus=gpus)


def gpu_names(text: str | None) -> list[str]:
    """Split --gpus."""
    return [name.strip() for name in text.split(",") if name.strip()] if text else []


def say(text: str) -> None:
    """Print an event with its time, at once."""
    sys.stdout.write(f"{time.strftime('%H:%M:%S')}  {text}\n")  # in one piece: several threads speak
    sys.stdout.flush()


def dry_run(args: argparse.Namespace, plan: Plan, jobs: int) -> Report:
    """Count what the plan costs, and measure it if asked to."""
    from dataclasses import asdict

    from gartk.sweep.cost import count_costs, measure_times, show_plan

    costs: dict[str, Any] = count_costs(plan)
    if args.measure:
        gpu = next(iter(gpu_names(args.gpus)), None)
        costs = measure_times(plan, costs, gpu=gpu, say=say)
    data = {"runs": [run.title for run in plan.runs], "costs": {n: asdict(c) for n, c in costs.items()}}
    return Report(data, lambda: show_plan(plan, costs, wide_console(200), jobs=jobs))


def run(args: argparse.Namespace) -> Report:
    """Plan, and run unless it is a dry run."""
    if args.measure and not args.dry_run:
        args.parser.error("--measure goes with --dry-run")
    from gartk.sweep.cost import count_costs
    from gartk.sweep.plan import make_plan
    from gartk.sweep.report import FILES, publish, reporter
    from gartk.sweep.run import run_sweep

    settings = read_settings(args)
    plan = make_plan(settings, args.cfg_options)
    out = Path(args.out) if args.out else Path("work_dirs") / "sweeps" / settings.name
    if args.dry_run:
        return dry_run(args, plan, settings.jobs or max(1, len(gpu_names(args.gpus))))
    executor = choose_executor(args, settings, out)
    costs = count_costs(plan)
    report = reporter(plan, out, costs)
    outcome = run_sweep(plan, out, executor=executor, resume=args.resume, report=report, say=say)
    files = [str(out / name) for name in FILES]
    lines = [f"The table: {', '.join(files)}"]
    if args.publish:
        publish(out, Path(args.publish))
        lines.append(f"The tables and a curve, to be kept: {args.publish}")
    if outcome.failed:
        lines.append(
            f"{len(outcome.failed)} of {len(plan.runs)} runs did not finish: {'; '.join(outcome.failed)}"
        )
        lines.append("Try them again with the same command and --resume.")
    data = {"out": str(out), "files": files, "runs": len(plan.runs), "failed": list(outcome.failed)}
    return Report(data, lambda: print("\n".join(lines)), code=1 if outcome.failed else 0)
