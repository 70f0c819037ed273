#!/usr/bin/env python
"""Write configs/README.md: every ablation's config, the paper's numbers, its cost, and the tiny twin's.

Usage: python tools/ablation_table.py [--check] [--results PATH ...]
A config's first comment says which table and row it is. Results are result files of tools/test.py and
table.json files of sweeps, given as files or folders (default: docs/results). With --check nothing is
written; the exit status is 1 if the page is out of date.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gartk.errors import DataError, exit_code
from gartk.io import read_json

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "configs" / "README.md"
SIDE_PX = 2048
# GAR-Bench caption and VQA, DLC-Bench average, positive and negative, and for Table 9 the latency and
# "# ViT Tokens". Source: Grasp Any Region, Tables 9 to 11.
PAPER: dict[tuple[int, int], tuple[float, ...]] = {
    (9, 1): (20.1, 37.8, 69.3, 60.2, 78.4, 36.1, 256),
    (9, 2): (19.1, 40.0, 68.8, 57.3, 80.3, 57.1, 4608),
    (9, 3): (28.4, 36.6, 77.4, 70.1, 84.8, 93.1, 4608),
    (9, 4): (57.5, 50.6, 77.1, 66.2, 88.0, 87.7, 4352),
    (9, 5): (39.3, 39.1, 50.0, 37.3, 62.7, 78.2, 4352),
    (9, 6): (42.1, 40.1, 67.1, 55.8, 78.4, 90.8, 4608),
    (9, 7): (17.8, 35.4, 65.0, 59.3, 70.7, 30.4, 256),
    (9, 8): (32.7, 40.4, 51.7, 40.4, 63.0, 75.0, 4352),
    (10, 5): (24.5, 30.7, 52.2, 38.0, 66.4),
    (10, 6): (27.9, 30.0, 55.7, 46.8, 64.6),
    (10, 7): (34.3, 32.1, 62.1, 50.7, 73.5),
    (10, 8): (41.2, 40.8, 69.2, 58.1, 80.3),
    (10, 9): (24.6, 33.0, 65.6, 48.5, 82.6),
    (10, 10): (29.4, 31.8, 68.8, 56.7, 80.9),
    (10, 11): (32.8, 36.1, 70.3, 61.6, 79.0),
    (10, 12): (43.1, 44.6, 73.0, 63.8, 82.2),
    (11, 1): (13.8, 41.5, 74.4, 63.0, 85.8),
    (11, 2): (14.2, 44.1, 77.5, 67.6, 87.4),
    (11, 3): (57.5, 50.6, 77.1, 66.2, 88.0),
}
TITLES = {
    9: "Architecture (Table 9, PerceptionLM-1B)",
    10: "Other bases (Table 10)",
    11: "Data (Table 11, PerceptionLM-1B)",
}
OVERALL, NOT_RUN = "overall", "not run"
Scores = Mapping[str, Mapping[str, str]]
SCORES = ("Caption", "VQA", "DLC avg", "DLC pos", "DLC neg")
HEAD = f"""# Configs

This page is written by `python tools/ablation_table.py`; do not edit it. Each config states only its change;
what the rows are, and what the paper leaves open about them, is in [docs/ablations.md](../docs/ablations.md).

Numbers of the paper: GAR-Bench caption and VQA, DLC-Bench (average, positive, negative), latency and ViT
tokens as printed. "ViT" and "LLM" are counted from the config for a square image of {SIDE_PX} pixels, which
gets the largest grid, with R regions: cells that the tower encodes, and visual tokens that the language
model reads (`gartk doctor --model CONFIG` counts for other sizes). "tiny" is the same row on the
tiny base, with its share of right answers over all RegionWorld items after the short training that
[docs/results](../docs/results/README.md) describes.
"""
_PLACE = re.compile(r"Table (\d+), row (\d+)(?: on the tiny base| \((.+?)\))?: (.+)", re.DOTALL)


@dataclass(frozen=True)
class Leaf:
    """An ablation's config: its place in the paper (None: not there), its base where named, what it is."""

    path: Path
    place: tuple[int, int] | None
    base: str
    what: str

    @property
    def twin(self) -> Path | None:
        """The config of the same name on the tiny base, where there is one."""
        file = self.path.parent / "tiny" / self.path.name
        return file if file.is_file() else None


def read_leaf(path: Path) -> Leaf:
    """Read a config's first comment.

    Raises: DataError if it has none.
    """
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").strip())
    if not lines:
        raise DataError(f"{path} does not begin with a comment that says its table and row.")
    text = " ".join(lines).rstrip(".")
    found = _PLACE.match(text)
    if found is None:
        return Leaf(path, None, "", text.removeprefix("Not in the paper; "))
    return Leaf(path, (int(found[1]), int(found[2])), found[3] or "", found[4])


def leaves(folder: Path) -> list[Leaf]:
    """Read all ablations of a folder: those of the paper in its order, then the others by name."""
    read = [read_leaf(path) for path in sorted(folder.glob("ablation_*.py"))]
    return sorted(read, key=lambda leaf: (leaf.place is None, leaf.place or (0, 0), leaf.path.name))


# ---- results ----------------------------------------------------------------------------------


def read_scores(paths: Sequence[Path], names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Read what was measured of some configs: for its name (``tiny/x.py``) a text for each column.

    A config is looked for in the files in their order. A table in which it stands twice is passed over,
    since the rows then differ in more than the config.

    Raises: DataError for a path that is not there, or a file that is no JSON.
    """
    found: dict[str, dict[str, str]] = {}
    for path in _files(paths):
        raw = read_json(path)
        kind = str(raw.get("format", "")) if isinstance(raw, dict) else ""
        if kind.startswith("gartk-sweep"):
            rows = [(str(row["source"]), row["cells"]) for row in raw["rows"] if row["finished"]]
            for source, cells in rows:
                name = _name(source, names)
                if name is not None and [s for s, _ in rows].count(source) == 1:
                    found.setdefault(name, {title: _cell(cell) for title, cell in cells.items()})
        elif kind.startswith("gartk-results"):
            name = _name(str(raw.get("info", {}).get("config", "")), names)
            if name is not None:
                found.setdefault(name, _accuracies(raw["summary"]))
    return found


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.exists():
            raise DataError(
                f"There are no results at {path}. Give result files, or a folder that holds them."
            )
        yield from sorted(path.rglob("*.json")) if path.is_dir() else [path]


def _name(source: str, names: Sequence[str]) -> str | None:
    return next((name for name in names if f"/{source}".endswith(f"/configs/{name}")), None)


def _cell(cell: Mapping[str, Any]) -> str:
    spread = "" if cell.get("std") is None else f" ± {cell['std']:.1f}"
    return f"{cell['mean']:.1f}{spread}"


def _accuracies(summary: Mapping[str, Any]) -> dict[str, str]:
    counts = summary.get("accuracy", {})
    each = {task: f"{100 * numbers['accuracy']:.1f}" for task, numbers in counts.items()}
    total = sum(numbers["total"] for numbers in counts.values())
    if total:
        each[OVERALL] = f"{100 * sum(numbers['correct'] for numbers in counts.values()) / total:.1f}"
    return each


# ---- page -------------------------------------------------------------------------------------


def page(folder: Path, results: Sequence[Path]) -> str:
    """Write the page for a folder of configs."""
    every, tiny = leaves(folder), leaves(folder / "tiny")
    scores = read_scores(results, [f"tiny/{leaf.path.name}" for leaf in tiny])
    tables = [_paper_table(number, every, scores) for number in TITLES]
    return "\n".join([HEAD, *tables, _other_table(every, scores), _tiny_table(tiny, scores)])


def _paper_table(number: int, every: Sequence[Leaf], scores: Scores) -> str:
    timed = ("latency", "ViT tokens") if number == 9 else ()
    head = ("row", "config", "what", *SCORES, *timed, "ViT", "LLM", "tiny")
    rows = []
    for leaf in every:
        if leaf.place is None or leaf.place[0] != number:
            continue
        printed = PAPER[leaf.place]
        numbers = [f"{value:.1f}" for value in printed[:6]] + [f"{int(value):,}" for value in printed[6:]]
        what = f"{leaf.base}: {leaf.what}" if leaf.base else leaf.what
        cells = (_link(leaf.path), what, *numbers, *cost(leaf.path), _twin(leaf, scores))
        rows.append((str(leaf.place[1]), *cells))
    return f"## {TITLES[number]}\n\n{_table(head, rows)}"


def _other_table(every: Sequence[Leaf], scores: Scores) -> str:
    others = [leaf for leaf in every if leaf.place is None]
    rows = [(_link(leaf.path), leaf.what, *cost(leaf.path), _twin(leaf, scores)) for leaf in others]
    return f"## Not in the paper\n\n{_table(('config', 'what', 'ViT', 'LLM', 'tiny'), rows)}"


def _tiny_table(every: Sequence[Leaf], scores: Scores) -> str:
    columns = list(dict.fromkeys(title for own in scores.values() for title in own))
    rows = []
    for leaf in every:
        own = scores.get(f"tiny/{leaf.path.name}")
        numbers = [own.get(title, "-") for title in columns] if own else [NOT_RUN]
        numbers += [""] * (max(1, len(columns)) - len(numbers))
        where = "-" if leaf.place is None else f"{leaf.place[0]}.{leaf.place[1]}"
        rows.append((where, _link(leaf.path, "tiny/"), leaf.what, *cost(leaf.path), *numbers))
    head = ("table.row", "config", "what", "ViT", "LLM", *(columns or ["result"]))
    note = "On RegionWorld, in per cent; ± is the standard deviation over seeds."
    return f"## Tiny twins\n\n{note}\n\n{_table(head, rows)}"


def cost(config: Path) -> tuple[str, str]:
    """Count what a config's model encodes and reads for the largest grid and R regions."""
    from gartk.model_cost import model_cost, with_regions

    tokens = model_cost(config, sizes_hw=[(SIDE_PX, SIDE_PX)]).tokens[0]
    return (
        with_regions(tokens.encoded_tokens, tokens.region_encoded_tokens),
        with_regions(tokens.image_tokens, tokens.region_tokens),
    )


def _link(path: Path, folder: str = "") -> str:
    return f"[{path.stem.removeprefix('ablation_')}]({folder}{path.name})"


def _twin(leaf: Leaf, scores: Scores) -> str:
    if leaf.twin is None:
        return "-"
    name = f"tiny/{leaf.twin.name}"
    return f"[{scores.get(name, {}).get(OVERALL, NOT_RUN)}]({name})"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def run(check: bool, results: Sequence[Path]) -> bool:
    """Write the page, or compare it; tells whether it is up to date afterwards."""
    text = page(PAGE.parent, results)
    if check:
        return PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text
    PAGE.write_text(text, encoding="utf-8")
    return True


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the arguments; gives the exit status."""
    parser = argparse.ArgumentParser(description="Write configs/README.md from the configs and results.")
    parser.add_argument("--check", action="store_true", help="only tell whether the page is up to date")
    parser.add_argument("--results", nargs="+", type=Path, metavar="PATH", help="result files or folders")
    arguments = parser.parse_args(argv)
    outcome: list[bool] = []
    results = arguments.results or [path for path in [ROOT / "docs" / "results"] if path.is_dir()]
    code = exit_code(lambda: outcome.append(run(arguments.check, results)))
    if code == 0 and not outcome[0]:
        print(f"{PAGE} is out of date. Run: python tools/ablation_table.py", file=sys.stderr)
        return 1
    return code


if __name__ == "__main__":
    raise SystemExit(main())
