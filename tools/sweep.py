"""Sweep: python tools/sweep.py SWEEP.py [--seeds 0,1,2] [--jobs 2] [--resume] [--dry-run [--measure]].

Trains and tests every row of a sweep file with every seed (or each of several CONFIGs), some at once, and
writes one table with means, spread, intervals and learning curves, anew after every run: table.md,
table.csv, table.json, loss.png, loss.svg, index.html in --out.

A row that fails is reported and the others go on. After Ctrl-C, kill -9 or a power cut the same command
with --resume goes on where it was. docs/sweeps.md says what a sweep file holds.

Exit status: 0 if every run finished, 1 if one did not, 2 for an error of the user's, 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gartk.errors import ConfigError, exit_code

if TYPE_CHECKING:
    from gartk.sweep.executors import Executor
    from gartk.sweep.plan import Plan
    from gartk.sweep.settings import SweepSettings


def numbers(text: str) -> tuple[int, ...]:
    """Read whole numbers with commas between."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not numbers such as 0,1,2") from None


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    from mmengine.config import DictAction

    parser = argparse.ArgumentParser(description="Train and test many rows and seeds; write one table.")
    add = parser.add_argument
    add("files", nargs="+", metavar="SWEEP|CONFIG", help="a sweep file, or configs (a row each)")
    add("--out", metavar="DIR", help="where everything goes (default: work_dirs/sweeps/<sweep's name>)")
    add("--seeds", type=numbers, metavar="0,1,2", help="seeds of every row (default: the sweep's, or 0)")
    add("--jobs", type=int, metavar="N", help="runs at once (default: the sweep's, one per GPU, or 1)")
    add("--gpus", metavar="0,1", help="GPUs to use, one for each run")
    add("--resume", action="store_true", help="go on with the sweep in --out, or start it")
    add("--grid", action="append", default=[], metavar="PATH=V1,V2", help="run every row with each value")
    add("--cfg-options", nargs="+", action=DictAction, metavar="KEY=VALUE", help="changes to every row")
    add("--baseline", metavar="NAME", help="the row that the others are compared with")
    add("--items", type=int, metavar="N", help="test items for each sub-task")
    add("--publish", metavar="DIR", help="copy the tables and a curve there, to be kept without the runs")
    add("--executor", choices=["local", "slurm"], default="local", help="slurm: jobs through submitit")
    add("--dry-run", action="store_true", help="print the plan and what it costs; run nothing")
    add("--measure", action="store_true", help="with --dry-run: time a few updates of each row")
    args = parser.parse_args(argv)
    if args.measure and not args.dry_run:
        parser.error("--measure goes with --dry-run")
    return args


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
    from gartk.sweep.executors import LocalExecutor, SubmititExecutor

    gpus = gpu_names(args.gpus)
    if args.executor == "slurm":
        if gpus:
            raise ConfigError("--gpus is for this machine; a cluster's are in the sweep file's slurm.")
        return SubmititExecutor(out / "slurm", jobs=settings.jobs, parameters=settings.slurm)
    return LocalExecutor(jobs=settings.jobs, gpus=gpus)


def gpu_names(text: str | None) -> list[str]:
    """Split --gpus."""
    return [name.strip() for name in text.split(",") if name.strip()] if text else []


def say(text: str) -> None:
    """Print an event with its time, at once."""
    sys.stdout.write(f"{time.strftime('%H:%M:%S')}  {text}\n")  # in one piece: several threads speak
    sys.stdout.flush()


def dry_run(args: argparse.Namespace, plan: Plan, jobs: int) -> None:
    """Print the plan with its cost."""
    from rich.console import Console

    from gartk.sweep.cost import count_costs, measure_times, show_plan

    costs: dict[str, Any] = count_costs(plan)
    if args.measure:
        gpu = (gpu_names(args.gpus) or [None])[0]
        costs = measure_times(plan, costs, gpu=gpu, say=say)
    console = Console()
    show_plan(plan, costs, console if console.is_terminal else Console(width=200), jobs=jobs)


def sweep(args: argparse.Namespace) -> bool:
    """Plan, and run unless it is a dry run; gives whether every run finished."""
    from gartk.sweep.cost import count_costs
    from gartk.sweep.plan import make_plan
    from gartk.sweep.report import FILES, publish, reporter
    from gartk.sweep.run import run_sweep

    settings = read_settings(args)
    plan = make_plan(settings, args.cfg_options)
    out = Path(args.out) if args.out else Path("work_dirs") / "sweeps" / settings.name
    if args.dry_run:
        dry_run(args, plan, settings.jobs or max(1, len(gpu_names(args.gpus))))
        return True
    executor = choose_executor(args, settings, out)
    costs = count_costs(plan)
    report = reporter(plan, out, costs)
    outcome = run_sweep(plan, out, executor=executor, resume=args.resume, report=report, say=say)
    say(f"The table: {', '.join(str(out / name) for name in FILES)}")
    if args.publish:
        publish(out, Path(args.publish))
        say(f"The tables and a curve, to be kept: {args.publish}")
    if outcome.failed:
        say(f"{len(outcome.failed)} of {len(plan.runs)} runs did not finish: {'; '.join(outcome.failed)}")
        say("Try them again with the same command and --resume.")
    return not outcome.failed


def main(argv: list[str] | None = None) -> int:
    """Sweep; gives the exit code."""
    args = parse_args(argv)
    warnings.simplefilter("default", UserWarning)
    done: list[bool] = []
    code = exit_code(lambda: done.append(sweep(args)))
    if code == 130:
        print("Stopped. Go on with the same command and --resume.", file=sys.stderr)
    return code or (0 if done == [True] else 1)


if __name__ == "__main__":
    sys.exit(main())
