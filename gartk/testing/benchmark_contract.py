"""The contract of benchmarks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from gartk.errors import ConfigError
from gartk.evaluation.benchmarks.base import BENCHMARKS, Benchmark
from gartk.evaluation.item import Item, asked
from gartk.evaluation.rates import leaves
from gartk.evaluation.statistics.bootstrap import score_intervals
from gartk.testing.checks import PartSpec, build_part, require


def check_benchmark(spec: PartSpec, *, root: str | Path) -> None:
    """Check everything that runs, judges, statistics and pages rely on in a benchmark.

    Promises: loading gives items with an id of their own and a prompt, the same every time; an item is
    scored by some of the rules, a silent one by none; scores sum up to numbers that resampling can
    repeat; what ``publish`` writes is read back and scores the same; a benchmark with a judge asks it about
    every answer and reads any reply, and one without refuses.

    Args:
        spec: a registered name, a class, or a config with ``type`` and arguments.
        root: the folder that holds the benchmark's folder with its files; a few records are enough.

    Raises: ContractViolation naming the promise that is broken.
    """
    benchmark = build_part(BENCHMARKS, spec)
    require(isinstance(benchmark, Benchmark), "A benchmark is a Benchmark.", type(benchmark).__name__)
    benchmark = benchmark.without_models()
    items = benchmark.load(Path(root))
    keys = [(item.task, item.id) for item in items]
    require(bool(items), "Loading gives items.", f"none from {root}")
    require(len(set(keys)) == len(keys), "Items of a sub-task have ids of their own.", str(keys))
    require(benchmark.load(Path(root)) == items, "Loading gives the same items every time.")
    for item in items:
        require(bool(asked(item).strip()), "Every item has a prompt.", item.id)
        require(benchmark.max_tokens_of(item) > 0, "An answer may have a token.", item.id)
    said = [replace(item, prediction=item.reference or "something") for item in items]
    _check_scores(benchmark, [*said[:-1], replace(said[-1], prediction=None)])
    _check_files(benchmark, said)
    _check_judge(benchmark, said)


def _check_scores(benchmark: Benchmark, items: Sequence[Item]) -> None:
    require(len(set(benchmark.rules)) == len(benchmark.rules) > 0, "A benchmark names its rules.")
    scored = benchmark.scored(items)
    require([replace(item, scores={}) for item in scored] == list(items), "Scoring adds scores alone.")
    for item in scored:
        by_rule = set(item.scores) & set(benchmark.rules) or not benchmark.has_score(item)
        require(bool(by_rule), "Scores are by the benchmark's rules.", f"{sorted(item.scores)}")
        if item.prediction is None:
            known = [name for name, value in item.scores.items() if value is not None]
            require(not known, "An item without an answer has no score.", f"{item.id}: {known}")
    paths = {path for path, _ in leaves(benchmark.variants(scored))}
    report = benchmark.aggregate(scored)
    require(set(report["variants"]) == set(benchmark.rules), "Variants are by rule.", str(report["variants"]))
    try:
        json.dumps(report, allow_nan=False)
    except (TypeError, ValueError) as error:
        require(False, "A report is made of JSON values.", str(error))
    found = score_intervals(benchmark, scored, resamples=20)
    require(set(found) <= paths, "Intervals are those of scores.", str(set(found) - paths))


def _check_files(benchmark: Benchmark, items: Sequence[Item]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "outputs.json"
        path.write_text(json.dumps(benchmark.publish(items)), encoding="utf-8")
        back = benchmark.complete(benchmark.read_records([path]), items)
    answers = [item.prediction for item in back]
    require(answers == [item.prediction for item in items], "Published answers are read back.", str(answers))
    same = benchmark.aggregate(benchmark.scored(back)) == benchmark.aggregate(benchmark.scored(items))
    require(same, "Published answers score as the items do.")


def _check_judge(benchmark: Benchmark, items: Sequence[Item]) -> None:
    if not benchmark.is_judged:
        try:
            benchmark.to_judge(items)
        except ConfigError:
            return
        require(False, "A benchmark without a judge refuses one.")
    for item in benchmark.to_judge(items):
        if not benchmark.is_asked(item):
            continue
        keys = benchmark.question_keys(item)
        require(len(set(keys)) == len(keys) > 0, "Questions about an item are told apart.", str(keys))
        for number in range(len(keys)):
            for reply in ("", "True", "A", "7 8", "no\n" * 99):
                said = benchmark.read_reply(item, number, reply).tolerant
                if said is not None:
                    verdict = benchmark.verdict(item, number, said)
                    require(isinstance(verdict, str | float), "A verdict is a label or a number.", reply)
