"""Every benchmark keeps the contract, and what breaks it is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gartk.evaluation.item import Item
from gartk.registry import BENCHMARKS
from gartk.testing.contracts import ContractViolation, check_benchmark
from tests.evaluation.benchmarks.samples import WRITERS
from tests.evaluation.colours import ColoursBenchmark, write_colours

KEYS = {
    "gar-vqa": "GARVQABenchmark", "gar-cap": "GARCapBenchmark", "dlc": "DLCBenchmark",
    "ferret": "FerretBenchmark", "mdvp": "MDVPBenchmark", "videorefer-d": "VideoReferDBenchmark",
    "videorefer-q": "VideoReferQBenchmark", "lvis": "LVISBenchmark", "paco": "PACOBenchmark",
    "vstar": "VStarBenchmark", "mmvp": "MMVPBenchmark", "realworldqa": "RealWorldQABenchmark",
    "mmstar": "MMStarBenchmark",
}  # fmt: skip


def test_every_registered_benchmark_is_checked_here() -> None:
    assert {*KEYS.values(), "RegionWorldBenchmark"} == set(BENCHMARKS.names())


@pytest.mark.parametrize("name", KEYS)
def test_published_benchmarks_keep_the_contract(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GARTK_CACHE", str(tmp_path / "cache"))
    WRITERS[name](tmp_path / "root")
    check_benchmark(KEYS[name], root=tmp_path / "root")


def test_region_world_and_a_plugins_benchmark_keep_the_contract(tmp_path: Path) -> None:
    dataset = {"type": "RegionWorldDataset", "split": "test", "size": (96, 96)}
    check_benchmark({"type": "RegionWorldBenchmark", "items_per_task": 1, "dataset": dataset}, root=tmp_path)
    write_colours(tmp_path)
    check_benchmark(ColoursBenchmark, root=tmp_path)


def _scores_silence(self: Any, item: Item) -> dict[str, float | None]:
    return {"word": 0.0, "judged": None}


def _unknown_rule(self: Any, item: Item) -> dict[str, float | None]:
    return {"words": None}


BROKEN = [
    ({"score": _scores_silence}, "An item without an answer has no score"),
    ({"score": _unknown_rule}, "Scores are by the benchmark's rules"),
    ({"publish": lambda self, items: []}, "Published answers are read back"),
    ({"prompt": lambda self, item: " "}, "Every item has a prompt"),
    ({"details": lambda self, items: {"odd": {1, 2}}}, "A report is made of JSON values"),
    ({"question_keys": lambda self, item: [0, 0]}, "Questions about an item are told apart"),
    ({"verdict": lambda self, item, number, said: None}, "A verdict is a label or a number"),
    ({"is_judged": False, "to_judge": lambda self, items: items}, "without a judge refuses one"),
    ({"load": lambda self, root: []}, "Loading gives items"),
]


@pytest.mark.parametrize(("change", "promise"), BROKEN)
def test_a_broken_promise_is_named(change: dict[str, Any], promise: str, tmp_path: Path) -> None:
    write_colours(tmp_path)
    broken = type("Broken", (ColoursBenchmark,), change)
    if "verdict" in change:
        broken.read_reply = lambda self, item, number, reply: type("R", (), {"tolerant": "x"})()  # type: ignore[attr-defined]
    with pytest.raises(ContractViolation, match=promise):
        check_benchmark(broken, root=tmp_path)
