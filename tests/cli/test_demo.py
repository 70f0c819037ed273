"""``gartk demo`` from end to end, a few updates long."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

Main = Callable[..., tuple[int, str, str]]


def test_the_demo_trains_tests_and_draws(
    gartk: Main, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GARTK_DATA", str(tmp_path))  # no photo: that is tested above
    out = tmp_path / "demo"
    for _ in range(2):  # a second demo replaces the first
        code, text, err = gartk("demo", "--out", out, "--iters", 2, "--items", 2)
        assert code == 0, err
    assert "2 updates of 8 scenes" in text
    assert {path.name for path in out.glob("*.png")} == {
        *(f"scene_{i}.png" for i in range(4)),
        *(f"open_{name}.png" for name in ("color", "shape", "texture", "material")),
    }
    assert len(json.loads((out / "results.json").read_text(encoding="utf-8"))["records"]) == 12
    assert "of 12 descriptions right" in text
    with Image.open(out / "scene_0.png") as picture:
        assert picture.width == 3 * 224


def test_the_demo_never_deletes_what_is_not_its_own(gartk: Main, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("years of work", encoding="utf-8")
    code, _, err = gartk("demo", "--out", tmp_path, "--iters", 2)
    assert code == 2
    assert "holds something else" in err
    assert (tmp_path / "run" / "thesis.txt").is_file()
