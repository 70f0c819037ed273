"""What docs/evaluation.md states about benchmarks and files is what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from gartk.evaluation.benchmarks.base import benchmark_names, build_benchmark
from gartk.evaluation.models.marks import MarkStyle


def test_the_table_of_benchmarks_is_complete_and_right(repo_root: Path) -> None:
    text = (repo_root / "docs" / "evaluation.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z-]+)` \| (\d+) \| .* \| (yes|-) \|$", text, re.MULTILINE)
    stated = {name: (int(size), judge == "yes") for name, size, judge in rows}
    assert stated == {
        name: (benchmark.size, benchmark.is_judged)
        for name, benchmark in ((name, build_benchmark(name)) for name in benchmark_names())
    }


def test_the_options_of_marks_are_named(repo_root: Path) -> None:
    text = (repo_root / "docs" / "evaluation.md").read_text(encoding="utf-8")
    for name in MarkStyle.__dataclass_fields__:
        assert name == "mark" or f"`{name}`" in text, name
