"""Results of tests and sweeps on the page of configs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gartk.errors import DataError
from tools import ablation_table


def test_results_of_single_tests_and_of_sweeps_come_into_the_page(tmp_path: Path) -> None:
    counts = {
        "color": {"accuracy": 0.75, "correct": 3, "total": 4},
        "relation": {"accuracy": 0.5, "correct": 1, "total": 2},
    }
    single = {
        "format": "gartk-results-2",
        "info": {"config": "configs/tiny/a.py"},
        "summary": {"accuracy": counts},
    }
    cells = {"overall": {"mean": 61.25, "std": 0.55}, "color": {"mean": 70.0, "std": None}}
    other = {"overall": {"mean": 1.0, "std": None}}
    table = {"format": "gartk-sweep-1", "rows": [
        {"source": "configs/tiny/b.py", "finished": 3, "cells": cells},
        {"source": "configs/tiny/c.py", "finished": 0, "cells": other},
        {"source": "configs/tiny/d.py", "finished": 1, "cells": other},
        {"source": "configs/tiny/d.py", "finished": 1, "cells": other},
    ]}  # fmt: skip
    for name, content in (("single.json", single), ("table.json", table), ("else.json", {"format": "x"})):
        (tmp_path / name).write_text(json.dumps(content), encoding="utf-8")
    scores = ablation_table.read_scores([tmp_path], [f"tiny/{letter}.py" for letter in "abcd"])
    assert scores == {
        "tiny/a.py": {"color": "75.0", "relation": "50.0", "overall": "66.7"},
        "tiny/b.py": {"overall": "61.2 ± 0.6", "color": "70.0"},
    }


def test_results_that_are_not_there_or_no_json_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There are no results at"):
        ablation_table.read_scores([tmp_path / "absent"], [])
    (tmp_path / "bad.json").write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match=r"bad\.json cannot be read as JSON"):
        ablation_table.read_scores([tmp_path], [])
