"""List the benchmarks and the recorded outputs they take.

Plugins' benchmarks are among them.
"""

from __future__ import annotations

import argparse
import textwrap

from gartk.cli.report import Report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add nothing: the command has no arguments of its own."""


def run(args: argparse.Namespace) -> Report:
    """Read what each benchmark says of itself."""
    from gartk.evaluation.benchmarks.base import benchmark_names, build_benchmark

    found = {}
    for name in benchmark_names():
        one = build_benchmark(name)
        about = {"size": one.size, "judged": one.is_judged, "source": one.source, "records": one.records}
        found[name] = about

    def show() -> None:
        for name, about in found.items():
            judged = ", with a judge" if about["judged"] else ""
            size = about["size"] or "any number of"
            print(f"{name}: {size} items{judged}; {about['source'] or 'no files of its own'}")
            indent = "    "
            print(textwrap.fill(str(about["records"]), 100, initial_indent=indent, subsequent_indent=indent))

    return Report(found, show)
