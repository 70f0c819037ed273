"""Writing a sweep's report from what is there: table.md, table.csv, table.json, curves and index.html."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gartk.io import write_atomic
from gartk.sweep.collect import Collector
from gartk.sweep.curves import Kind, draw_curves, render
from gartk.sweep.page import page
from gartk.sweep.table import make_table
from gartk.sweep.table_text import csv_text, markdown

if TYPE_CHECKING:
    from gartk.sweep.collect import RunData
    from gartk.sweep.cost import RowCost
    from gartk.sweep.plan import Plan

CURVES: Mapping[Kind, str] = {"loss": "Training loss", "validation": "Validation accuracy"}
FILES = ("table.md", "table.csv", "table.json", "index.html")


def reporter(plan: Plan, out: Path, costs: Mapping[str, RowCost] | None = None) -> Callable[[], None]:
    """Return a function that writes the report of a sweep as far as it is; each file is whole at any time."""
    collector = Collector(plan, out)
    return lambda: _write(plan, collector.collect(), out, costs)


def publish(out: Path, folder: Path) -> None:
    """Copy what is worth keeping of the report in ``out`` into another folder: the tables and one curve.

    The curve is that of the validation, or the loss where nothing was validated.
    """
    folder.mkdir(parents=True, exist_ok=True)
    curves = [name for name in ("validation.png", "loss.png") if (out / name).is_file()]
    for name in ("table.md", "table.json", *curves[:1]):
        write_atomic(folder / name, (out / name).read_bytes())


def _write(
    plan: Plan,
    data: Mapping[str, Sequence[RunData]],
    folder: Path,
    costs: Mapping[str, RowCost] | None,
) -> None:
    table = make_table(plan, data, costs)
    runs = [run for row in plan.rows for run in data[row.name]]
    curves: dict[str, bytes] = {}
    for kind, title in CURVES.items():
        figure = draw_curves(plan, data, kind)
        if figure is not None:
            curves[title] = render(figure, "svg")
            write_atomic(folder / f"{kind}.svg", curves[title])
            write_atomic(folder / f"{kind}.png", render(figure, "png"))
    write_atomic(folder / "table.md", markdown(table, runs))
    write_atomic(folder / "table.csv", csv_text(table))
    write_atomic(folder / "table.json", json.dumps(table.to_json(), ensure_ascii=False) + "\n")
    write_atomic(folder / "index.html", page(plan, table, data, curves))
