"""Shared set-up of the sweep's tests: sweep files in a folder of their own."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gartk.sweep.plan import Plan, make_plan
from gartk.sweep.settings import read_sweep
from tests.sweep.helpers import HERE


@pytest.fixture
def write_sweep(tmp_path: Path) -> Callable[..., Path]:
    """Write a sweep file next to the toy config; rows are given by name or as dicts."""

    def write(*rows: str | dict[str, Any], name: str = "sweep.py", **settings: Any) -> Path:
        shutil.copy(HERE / "toy_config.py", tmp_path / "toy_config.py")
        whole = [{"name": row} if isinstance(row, str) else row for row in rows]
        settings["rows"] = [{"config": "toy_config.py", **row} for row in whole]
        text = "".join(f"{key} = {value!r}\n" for key, value in settings.items())
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return write


@pytest.fixture
def plan_of(write_sweep: Callable[..., Path]) -> Callable[..., Plan]:
    """Write a sweep file and plan it."""

    def plan(*rows: str | dict[str, Any], **settings: Any) -> Plan:
        return make_plan(read_sweep([write_sweep(*rows, **settings)]))

    return plan
