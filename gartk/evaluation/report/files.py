"""What a run leaves in its folder, beside its journal.

``results.json`` (all items and scores), ``results.md`` (scores to read), ``results.html`` (a page with the
images), and ``outputs.json`` (the answers in the benchmark's published layout, which ``score`` reads).
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gartk.errors import ConfigError, DataError
from gartk.evaluation.benchmarks.base import Benchmark
from gartk.evaluation.missing import Missing
from gartk.evaluation.pictures import ImageFinder
from gartk.evaluation.results import Results
from gartk.evaluation.tables import cell_text, score_table
from gartk.io import write_atomic


def save(results: Results, benchmark: Benchmark, folder: Path, *, find_image: ImageFinder) -> list[Path]:
    """Write all files of a run; return their paths.

    A page that cannot be written (no jinja2) is left out with a UserWarning.
    """
    from gartk.evaluation.report.page import write_page

    paths = {name: folder / f"results.{name}" for name in ("json", "md", "html")}
    results.save(paths["json"])
    write_atomic(paths["md"], markdown(benchmark, results))
    try:
        write_page(results, paths["html"], benchmark=benchmark, find_image=find_image)
    except (ConfigError, DataError) as error:
        warnings.warn(f"There is no {paths.pop('html').name}: {error}", UserWarning, stacklevel=2)
    outputs = folder / "outputs.json"
    write_atomic(outputs, json.dumps(benchmark.publish(results.records), indent=1, ensure_ascii=True) + "\n")
    return [*paths.values(), outputs]


def markdown(benchmark: Benchmark, results: Results) -> str:
    """Write results as Markdown: what is missing, the scores by every rule side by side, further tables."""
    lines = [f"# {results.benchmark}", ""]
    lines += [f"- {name}: {_flat(value)}" for name, value in results.info.items() if name in _SHOWN]
    missing = results.info.get("missing")
    if isinstance(missing, dict):
        said = Missing.from_json(missing).lines()
        lines += [f"- {line}" if line[0] != " " else f"  - {line.strip()}" for line in said]
    if results.info.get("withheld"):
        lines += ["", f"**{results.info['withheld']}**"]
    if "variants" in results.summary:
        for table in (score_table(results.summary["variants"]), *benchmark.tables(results.summary)):
            lines += ["", *table.markdown()]
    return "\n".join(lines) + "\n"


_SHOWN = ("model", "judge", "files", "subset", "circular", "max_new_tokens", "seconds_asking", "notes")


def _flat(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_flat(one)}" for key, one in value.items() if one not in (None, "", []))
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_flat, value)) or "none"
    return cell_text(str(value))
