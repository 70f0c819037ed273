"""What a sweep costs before it runs: updates, samples, parameters, tokens, and on request measured time."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gartk.errors import ConfigError, GartkError
from gartk.io import read_json
from gartk.sweep.child import MEASURE_FILE
from gartk.sweep.executors import child_command, child_environment
from gartk.sweep.plan import Plan, Row
from gartk.sweep.store import prepare

if TYPE_CHECKING:
    from rich.console import Console

MEASURED_UPDATES = 4
MEASURE_TIMEOUT_S = 1800


@dataclass(frozen=True)
class RowCost:
    """What one run of a row costs; ``problem`` says why the model could not be counted (numbers are None).

    ``vit_tokens`` is what the tower encodes for an image with one region, in pooled cells as the paper
    counts; ``llm_tokens`` what the language model reads of both: ``image_tokens`` and ``region_tokens``.
    ``train_s`` and ``test_s`` are estimates of a run's time in seconds.
    """

    updates: int
    samples: int
    parameters: int | None = None
    vit_tokens: int | None = None
    image_tokens: int | None = None
    region_tokens: int | None = None
    llm_tokens: int | None = None
    problem: str | None = None
    train_s: float | None = None
    test_s: float | None = None


def count_costs(plan: Plan) -> dict[str, RowCost]:
    """Count every row's cost by its name; a row whose model cannot be built says why.

    Models are built without weights, so this takes seconds whatever their size.
    """
    return {row.name: _count(plan, row) for row in plan.rows}


def _count(plan: Plan, row: Row) -> RowCost:
    from gartk.model_cost import model_cost

    run = plan.runs_of(row)[0]
    base = RowCost(run.updates, run.samples)
    options = {key: value for key, value in row.options.items() if key.partition(".")[0] == "model"}
    try:
        cost = model_cost(row.config, options, sizes_hw=[plan.settings.image_hw])
    except (GartkError, RuntimeError) as error:
        return replace(base, problem=str(error).partition("\n")[0])
    tokens = cost.tokens[0]
    return replace(
        base,
        parameters=cost.parameters,
        vit_tokens=tokens.vit_tokens(),
        image_tokens=tokens.image_tokens,
        region_tokens=tokens.region_tokens,
        llm_tokens=tokens.llm_tokens(),
    )


# ---- time -------------------------------------------------------------------------------------


def measure_times(
    plan: Plan,
    costs: Mapping[str, RowCost],
    *,
    gpu: str | None = None,
    updates: int = MEASURED_UPDATES,
    say: Callable[[str], None] = lambda text: None,
) -> dict[str, RowCost]:
    """Train every row for a few updates, one after the other, and add the estimated times to its cost.

    The time on a CPU is CPU time, which is what a run takes on a core of its own: with more jobs at once
    than cores, or beside other work, it takes longer. Hooks and published benchmarks are not measured.
    """
    measured = {}
    with tempfile.TemporaryDirectory() as scratch:
        single = replace(plan, runs=tuple(plan.runs_of(row)[0] for row in plan.rows))
        prepare(single, Path(scratch), resume=False)
        for run in single.runs:
            cost = costs[run.row.name]
            say(f"row {run.row.name}: measuring {updates} updates")
            try:
                found = _measure(Path(scratch) / run.folder, gpu, updates)
            except ConfigError as error:
                measured[run.row.name] = replace(cost, problem=cost.problem or str(error))
                continue
            train_s, test_s = found["update_s"] * cost.updates, found["item_s"] * found["items"]
            measured[run.row.name] = replace(cost, train_s=train_s, test_s=test_s)
    return measured


def _measure(folder: Path, gpu: str | None, updates: int) -> dict[str, float]:
    command = [*child_command(folder), "--measure", str(updates)]
    try:
        done = subprocess.run(
            command,
            env=child_environment(gpu),
            capture_output=True,
            text=True,
            timeout=MEASURE_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ConfigError(f"not measured: {updates} updates took over {MEASURE_TIMEOUT_S} s") from None
    if done.returncode != 0:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise ConfigError(f"does not run: {lines[-1] if lines else f'exit code {done.returncode}'}")
    found: dict[str, float] = read_json(folder / MEASURE_FILE)
    return found


# ---- showing ----------------------------------------------------------------------------------


COLUMNS = ("row", "what", "config", "runs", "updates", "samples", "parameters", "ViT tokens", "LLM tokens")
TIMES = ("training", "testing at most")


def show_plan(plan: Plan, costs: Mapping[str, RowCost], console: Console, *, jobs: int) -> None:
    """Print the plan: a line for each row with the cost of one of its runs, and the sum."""
    from rich.text import Text

    from gartk.doctor import table

    settings = plan.settings
    is_measured = any(cost.train_s is not None for cost in costs.values())
    lines = [_line(plan, row, costs[row.name], is_measured=is_measured) for row in plan.rows]
    seeds = ", ".join(map(str, settings.seeds))
    title = (
        f"{len(plan.runs)} runs, {jobs} at once; seeds {seeds};"
        f" tokens of an image of {settings.image_hw[0]}x{settings.image_hw[1]} with one region"
    )
    console.print(table(title, COLUMNS + TIMES * is_measured, lines))
    for row in plan.rows:
        if costs[row.name].problem:
            console.print(Text(f"Row {row.name} cannot be counted: {costs[row.name].problem}", style="red"))
    updates, samples = (sum(getattr(run, name) for run in plan.runs) for name in ("updates", "samples"))
    console.print(f"In all {updates:,} updates on {samples:,} samples.")
    if is_measured:
        each = [costs[run.row.name] for run in plan.runs]
        total = sum((cost.train_s or 0.0) + (cost.test_s or 0.0) for cost in each)
        console.print(f"About {_clock(total)} of computing, {_clock(total / jobs)} with {jobs} at once.")


def _line(plan: Plan, row: Row, cost: RowCost, *, is_measured: bool) -> tuple[str, ...]:
    numbers = (cost.updates, cost.samples, cost.parameters, cost.vit_tokens, cost.llm_tokens)
    line = (row.name, row.title, row.source, str(len(plan.runs_of(row))), *map(_number, numbers))
    return line + ((_clock(cost.train_s), _clock(cost.test_s)) if is_measured else ())


def _number(value: int | None) -> str:
    return "?" if value is None else f"{value:,}"


def _clock(seconds: float | None) -> str:
    if seconds is None:
        return "?"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes else f"{seconds:.0f} s"
