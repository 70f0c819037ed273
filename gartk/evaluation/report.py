"""Results as a table on the screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from rich.table import Table

if TYPE_CHECKING:
    from gartk.evaluation.records import Results

HEADINGS = ("task", "right", "%", "95 % interval", "chance", "blind", "identity (blind)", "held out",
            "other scores")  # fmt: skip
# The scores that stand beside the accuracy, in this order, where a task has them.
SHOWN_SCORES = ("lenient", "attributes", "relation")


def results_table(results: Results) -> Table:
    """Lay the accuracy of every task out, beside what guessing gives and the harder parts of it.

    ``identity`` is the accuracy on items whose answer needs telling prompts apart, with the best guess
    without that in brackets; ``held out`` that on attribute combinations training never shows.
    """
    table = Table(title=f"{results.benchmark}: {len(results.records)} items in {results.seconds:.0f} s")
    for heading in HEADINGS:
        side: Literal["left", "right"] = "left" if heading in ("task", "other scores") else "right"
        table.add_column(heading, justify=side, no_wrap=True)
    scores = results.summary.get("scores", {})
    for task, numbers in results.summary["accuracy"].items():
        table.add_row(task, *_cells(numbers), _score_cell(scores.get(task, {})))
    return table


def _cells(numbers: Mapping[str, Any]) -> list[str]:
    low, high = numbers["interval"]
    identity, held_out = numbers["needs_identity"], numbers["held_out"]
    return [
        f"{numbers['correct']}/{numbers['total']}",
        _percent(numbers["accuracy"]),
        f"{_percent(low)} - {_percent(high)}",
        _percent(numbers["chance"]),
        _percent(numbers["blind_chance"]),
        "-" if identity is None else f"{_share(identity)} ({_percent(identity['blind_chance'])})",
        "-" if held_out is None else _share(held_out),
    ]


def _share(numbers: Mapping[str, Any]) -> str:
    return f"{_percent(numbers['accuracy'])} of {numbers['total']}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def _score_cell(scores: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {_percent(scores[name])}" for name in SHOWN_SCORES if name in scores)
