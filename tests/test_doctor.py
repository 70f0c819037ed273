"""The doctor: what it finds, prints and exits with."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from gartk.doctor import Checkup, Parity, examine, show
from gartk.plugins import PluginLoader
from gartk.registry import registries


@pytest.fixture(scope="module")
def checkup() -> Checkup:
    return examine()


def _printed(checkup: Checkup) -> str:
    console = Console(file=io.StringIO(), width=200)
    show(checkup, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_every_registry_and_name_is_listed(checkup: Checkup) -> None:
    assert list(checkup.names) == list(registries())
    text = _printed(checkup)
    for registry in registries().values():
        assert registry.name in text
        for name in registry.names():
            assert name in text


def test_versions_devices_and_backends_are_listed(checkup: Checkup) -> None:
    import torch

    assert checkup.packages["torch"] == torch.__version__.partition("+")[0]
    assert checkup.environment["torch threads"] == str(torch.get_num_threads())
    assert {"roi_align", "roi_pool"} == {backend.op for backend in checkup.backends}
    assert [b.problem for b in checkup.backends if b.name == "torchvision" and b.device == "cpu"] == [
        None,
        None,
    ]


def test_backends_are_compared_on_the_spot(checkup: Checkup) -> None:
    pairs = {row.pair for row in checkup.parity}
    assert "roi_align: torchvision vs torch" in pairs
    assert all(row.holds for row in checkup.parity)
    assert not Parity("cpu", "a vs b", 1e-3, 0.0).holds
    assert not Parity("cpu", "a vs b", 0.0, float("nan")).holds


def test_backends_that_disagree_are_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    row = SimpleNamespace(pair="roi_align: left vs right", forward=0.5, backward=0.0)
    monkeypatch.setattr("gartk.ops.roi.parity_report", lambda device: [row])
    found = examine()
    assert not found.is_healthy
    assert any("RoI backends disagree on cpu: roi_align: left vs right" in p for p in found.problems)
    assert "DIFFER" in _printed(found)


@pytest.mark.filterwarnings("ignore:Plugin")
def test_a_plugin_that_failed_is_a_problem_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def load() -> None:
        raise ImportError("No module named '[einops]'")

    dist = SimpleNamespace(name="gartk-star", version="0.2")
    point = SimpleNamespace(name="star", module="gartk_star", dist=dist, load=load)
    monkeypatch.setattr("gartk.plugins._LOADER", PluginLoader(environ={}, entry_points=[point]))
    found = examine()
    assert "Plugin 'star' (gartk-star 0.2) failed to load: No module named '[einops]'." in found.problems
    text = _printed(found)
    assert "failed" in text
    assert "No module named '[einops]'" in text


def test_a_registry_that_cannot_be_imported_is_a_problem_and_the_rest_is_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from gartk.registry import SEGMENTERS

    (tmp_path / "broken_segmenters.py").write_text("import no_such_library_at_all\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(SEGMENTERS, "_locations", ("broken_segmenters",))
    monkeypatch.setattr(SEGMENTERS, "_builtins_loaded", False)
    found = examine()
    assert any("SEGMENTERS cannot be loaded: ModuleNotFoundError" in problem for problem in found.problems)
    assert "AnyResTiler" in found.names["TILERS"]


def test_a_checkup_is_plain_json(checkup: Checkup) -> None:
    data = json.loads(json.dumps(checkup.as_dict()))
    assert data["healthy"] is checkup.is_healthy
    assert set(data) == {f.name for f in dataclasses.fields(Checkup)} | {"healthy"}
