"""One HTML file with everything a sweep has shown so far; it needs nothing else and asks for nothing."""

from __future__ import annotations

import base64
import importlib.resources
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gartk.sweep.plan import ABSENT, differences
from gartk.sweep.store import EVALS_FOLDER, RESULTS_FILE
from gartk.sweep.table_text import difference_sheet, published_sheet, score_sheet, unfinished

if TYPE_CHECKING:
    from gartk.sweep.collect import RunData
    from gartk.sweep.plan import Plan, Row
    from gartk.sweep.table import Table

TEMPLATE = "sweep_page.html.j2"


@dataclass(frozen=True)
class Change:
    """One difference of a row's config from the one it is compared with."""

    path: str
    there: str
    here: str


@dataclass(frozen=True)
class RowCard:
    """What the page says of a row beside its numbers; ``links`` are (text, address) of its finished runs."""

    name: str
    title: str
    source: str
    changes: Sequence[Change]
    links: Sequence[tuple[str, str]]


def compared_with(plan: Plan) -> Row:
    """The row whose config the others are compared with: the baseline, or else the first."""
    return next((row for row in plan.rows if row.name == plan.settings.baseline), plan.rows[0])


def row_cards(plan: Plan, data: Mapping[str, Sequence[RunData]]) -> list[RowCard]:
    """Return for every row how its config differs and where its results lie."""
    base = plan.runs_of(compared_with(plan))[0].config.to_dict()
    cards = []
    for row in plan.rows:
        changes = [
            Change(path, _shown(there), _shown(here))
            for path, there, here in differences(base, plan.runs_of(row)[0].config.to_dict())
        ]
        finished = [run for run in data[row.name] if run.state == "finished"]
        addresses = [link for run in finished for link in _links(run)]
        cards.append(RowCard(row.name, row.title, row.source, changes, addresses))
    return cards


def _links(run: RunData) -> list[tuple[str, str]]:
    """A run's results, as addresses below the sweep's folder."""
    seed, folder = f"seed {run.run.seed}", run.run.folder
    benchmarks = dict.fromkeys(benchmark for benchmark, _, _ in run.items)
    return [
        (f"{seed}, {name}", f"{folder}/{EVALS_FOLDER}/{name}/results.html")
        if name
        else (seed, f"{folder}/{RESULTS_FILE}")
        for name in benchmarks
    ]


def _shown(value: Any) -> str:
    return "" if value is ABSENT else repr(value)


def page(
    plan: Plan,
    table: Table,
    data: Mapping[str, Sequence[RunData]],
    curves: Mapping[str, bytes],
) -> str:
    """Write the page; ``curves`` are SVG pictures by what they show."""
    import jinja2

    text = importlib.resources.files("gartk").joinpath("assets", TEMPLATE).read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    runs = [run for row in plan.rows for run in data[row.name]]
    sheets = (score_sheet(table), difference_sheet(table), published_sheet(table))
    return environment.from_string(text).render(
        title=table.title,
        notes=table.notes,
        sheets=[sheet for sheet in sheets if sheet is not None],
        problems=unfinished(runs),
        finished=sum(run.state == "finished" for run in runs),
        runs=len(runs),
        curves={name: base64.b64encode(svg).decode("ascii") for name, svg in curves.items()},
        cards=row_cards(plan, data),
        compared=compared_with(plan).name,
        baseline=table.baseline,
    )
