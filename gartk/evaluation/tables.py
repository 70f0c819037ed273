"""Reports as tables of text: for the screen and for Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TextTable:
    """A table of text; the columns named in ``words`` are words, the rest numbers."""

    title: str
    headings: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    words: tuple[str, ...] = ()

    def markdown(self) -> list[str]:
        """Return the lines of a Markdown table, without the title."""
        first, *rest = [self.headings, *self.lines]
        rule = "|" + "---|" * len(self.headings)
        return [_line(first), rule, *map(_line, rest)]

    def print(self, console: Any, *, fold: bool = True) -> None:
        """Print the table on a console of rich; cells are broken into lines where ``fold`` is set."""
        from rich.table import Table
        from rich.text import Text

        table = Table(title=self.title)
        for heading in self.headings:
            side: Any = "left" if heading in self.words or not self.words else "right"
            table.add_column(heading, justify=side, overflow="fold", no_wrap=not fold)
        for line in self.lines:
            table.add_row(*(Text(_printable(cell)) for cell in line))
        console.print(table)


def rows(scores: Mapping[str, Any], names: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Return the name and the text of every score below some variants, in order."""
    for name, value in scores.items():
        if not isinstance(value, dict):
            continue
        if isinstance(value.get("text"), str):
            yield " / ".join([*names, name]), value["text"] + _interval(value)
        else:
            yield from rows(value, (*names, name))


def score_table(variants: Mapping[str, Any]) -> TextTable:
    """Lay the rules of a benchmark side by side, a row for every score, each with what it is counted over."""
    columns = {rule: dict(rows(scores)) for rule, scores in variants.items()}
    names = list(dict.fromkeys(name for column in columns.values() for name in column))
    lines = [(name, *(column.get(name, "") for column in columns.values())) for name in names]
    return TextTable("scores", ("score", *columns), tuple(lines))


def print_report(report: Mapping[str, Any], tables: Sequence[TextTable], remarks: Sequence[str]) -> None:
    """Print the scores of a report, with its benchmark's further tables and remarks."""
    from rich.console import Console

    console = Console()
    title = (
        f"{report['benchmark']}: {report['records']} records read, {report['published_records']} published"
    )
    further = {name: value for name, value in report.items() if name != "variants"}
    lines = tuple(rows({**report["variants"], **further}))
    for table in (TextTable(title, ("score by rule", "value"), lines), *tables):
        table.print(console)
    for remark in remarks:
        console.print(remark, highlight=False)
    for name, row in report.get("comparison", {}).items():
        low, high = row["interval"]
        sizes = f"{row['items']} items, {row['left_out']} left out"
        line = f"{name}: {row['first']:.1f} against {row['second']:.1f} over {sizes}"
        more = f"difference {row['difference']:+.1f} [{low:+.1f}, {high:+.1f}], p = {row['p_value']:.2g}"
        console.print(f"{line}; {more} ({row['test']})", highlight=False)


def _interval(score: Mapping[str, Any]) -> str:
    ends = score.get("interval")
    return f" [{ends[0]:.1f}, {ends[1]:.1f}]" if ends else ""


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell_text(cell) for cell in cells) + " |"


def cell_text(text: str) -> str:
    """Return a text that a cell of a Markdown table can hold."""
    return " ".join(text.split()).replace("|", "\\|")
