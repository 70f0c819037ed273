"""A sweep's numbers as text: sheets of cells for the page, Markdown and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gartk.sweep.table import Cell, Difference, RowNumbers, Table

if TYPE_CHECKING:
    from gartk.sweep.collect import RunData

EMPTY = "–"


@dataclass(frozen=True)
class Sheet:
    """A table of text; the first ``words`` columns are words, the rest numbers."""

    caption: str
    headings: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    words: int = 2


def score_sheet(table: Table) -> Sheet:
    """Lay out means and standard deviations over seeds, costs, and what guessing gives."""
    costs = ("ViT tokens", "LLM tokens", "parameters", "ms per item", "seeds")
    titles = [column.title for column in table.columns]
    lines = [_score_line(row, titles) for row in table.rows]
    for name, guess in (("chance", table.chance), ("blind chance", table.blind_chance)):
        if any(value is not None for value in guess.values()):
            numbers = [percent(guess[title]) for title in titles]
            lines.append((name, "", *numbers, *[""] * len(costs)))
    count = len(table.seeds)
    spread = f"mean ± sample standard deviation over up to {count} seeds" if count > 1 else "one seed"
    return Sheet(f"Scores: {spread}", ("row", "what", *titles, *costs), tuple(lines))


def _score_line(row: RowNumbers, titles: Sequence[str]) -> tuple[str, ...]:
    cost = row.cost
    costs = (None, None, None) if cost is None else (cost.vit_tokens, cost.llm_tokens, cost.parameters)
    return (
        row.name,
        row.title,
        *(score_text(row.cells.get(title)) for title in titles),
        *(EMPTY if value is None else f"{value:,}" for value in costs),
        EMPTY if row.latency_ms is None else f"{row.latency_ms:.1f}",
        f"{row.finished} of {row.runs}",
    )


def difference_sheet(table: Table) -> Sheet | None:
    """Lay out each row minus the baseline with its interval; None without a baseline or a number."""
    titles = [column.title for column in table.columns]
    lines = []
    for row in table.rows:
        versus = [cell.versus if (cell := row.cells.get(title)) else None for title in titles]
        if any(versus):
            lines.append((row.name, row.title, *map(difference_text, versus)))
    if table.baseline is None or not lines:
        return None
    caption = (
        f"Difference from row {table.baseline} on the same items, with its {100 * table.level:.0f} %"
        f" bootstrap interval over items and seeds ({table.resamples} resamples)"
    )
    return Sheet(caption, ("row", "what", *titles), tuple(lines))


def published_sheet(table: Table) -> Sheet | None:
    """Lay out the numbers that others published for these rows; None if the sweep states none."""
    headings = tuple(dict.fromkeys(name for row in table.rows for name in row.published))
    if not headings:
        return None
    lines = tuple(
        (row.name, row.title, *(_published(row.published.get(name)) for name in headings))
        for row in table.rows
        if row.published
    )
    return Sheet("Published numbers, as the sweep file states them", ("row", "what", *headings), lines)


def _published(value: float | int | str | None) -> str:
    if value is None:
        return EMPTY
    return f"{value:,}" if isinstance(value, int) else str(value)


def percent(value: float | None) -> str:
    """A number with one decimal."""
    return EMPTY if value is None else f"{value:.1f}"


def score_text(cell: Cell | None) -> str:
    """A mean, with its spread where there are several seeds."""
    if cell is None:
        return EMPTY
    return percent(cell.mean) if cell.std is None else f"{cell.mean:.1f} ± {cell.std:.1f}"


def difference_text(difference: Difference | None) -> str:
    """A difference with the ends of its interval."""
    if difference is None:
        return EMPTY
    low, high = difference.interval
    return f"{difference.value:+.1f} [{low:+.1f}, {high:+.1f}]"


def unfinished(data: Sequence[RunData]) -> list[tuple[str, tuple[str, ...]]]:
    """Return the runs that are not finished, each with how far it is and, if it failed, its log's end."""
    found = []
    for run in data:
        if run.state == "finished":
            continue
        done = f"{run.updates_done:,} of {run.run.updates:,} updates"
        what = f"failed ({run.failure}) after {done}" if run.failure is not None else f"{run.state}, {done}"
        found.append((f"{run.run.title}: {what}", run.failure.tail if run.failure is not None else ()))
    return found


# ---- Markdown ---------------------------------------------------------------------------------


def markdown(table: Table, data: Sequence[RunData]) -> str:
    """Write everything as Markdown."""
    blocks = [f"# {table.title}", table.notes]
    for sheet in (score_sheet(table), difference_sheet(table), published_sheet(table)):
        if sheet is not None:
            blocks += [f"{sheet.caption}.", markdown_sheet(sheet)]
    problems = unfinished(data)
    if problems:
        blocks.append("## Not finished")
    for title, tail in problems:
        blocks.append(f"- {title}")
        if tail:
            blocks.append("\n".join(f"      {line}" for line in tail))
    return "\n\n".join(block for block in blocks if block) + "\n"


def markdown_sheet(sheet: Sheet) -> str:
    """Write one sheet as a Markdown table."""
    rule = ["---" if number < sheet.words else "---:" for number in range(len(sheet.headings))]
    lines = [sheet.headings, rule, *sheet.lines]
    return "\n".join("| " + " | ".join(_cell(text) for text in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


# ---- CSV --------------------------------------------------------------------------------------


CSV_HEADS = (
    "row",
    "what",
    "config",
    "finished",
    "runs",
    "vit_tokens",
    "llm_tokens",
    "parameters",
    "latency_ms",
)
CSV_PARTS = ("mean", "std", "items", "difference", "low", "high", "items_low", "items_high")


def csv_text(table: Table) -> str:
    """Write a line for each row with every number at full precision; costs first, then column by column."""
    titles = [column.title for column in table.columns]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*CSV_HEADS, *(f"{title} {part}" for title in titles for part in CSV_PARTS)])
    for row in table.rows:
        cost = row.cost
        costs = [None] * 3 if cost is None else [cost.vit_tokens, cost.llm_tokens, cost.parameters]
        numbers = [value for title in titles for value in _csv_cell(row.cells.get(title))]
        writer.writerow(
            [row.name, row.title, row.source, row.finished, row.runs, *costs, row.latency_ms, *numbers]
        )
    for name, guess in (("chance", table.chance), ("blind chance", table.blind_chance)):
        rest = [None] * (len(CSV_PARTS) - 1)
        numbers = [value for title in titles for value in (guess[title], *rest)]
        writer.writerow([name, *[None] * (len(CSV_HEADS) - 1), *numbers])
    return file.getvalue()


def _csv_cell(cell: Cell | None) -> list[float | int | None]:
    if cell is None:
        return [None] * len(CSV_PARTS)
    versus = cell.versus
    if versus is None:
        return [cell.mean, cell.std, cell.items, *[None] * 5]
    return [cell.mean, cell.std, cell.items, versus.value, *versus.interval, *versus.items_interval]
