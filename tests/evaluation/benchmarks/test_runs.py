"""Every published benchmark runs from its files to its results, with a model that only says one thing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gartk.evaluation.models.base import ModelUnderTest
from gartk.evaluation.models.chat import ChatReply
from gartk.evaluation.models.item_view import ItemView
from gartk.evaluation.models.visual_prompts import VisualPrompt
from gartk.evaluation.report.files import save
from gartk.evaluation.results import read_results
from gartk.evaluation.run import RunSettings, run_model, run_replay
from tests.evaluation.benchmarks.samples import WRITERS

pytest.importorskip("jinja2", reason="needs the extra 'eval'")


class Parrot(ModelUnderTest):
    """Looks at everything as a model without mask input would, and says A."""

    name = "parrot"

    def about(self) -> dict[str, Any]:
        return {"kind": "parrot"}

    def reply(self, view: ItemView, *, max_new_tokens: int) -> ChatReply:
        return ChatReply("A", details={"parts": len(VisualPrompt(1).parts(view))})


@pytest.mark.parametrize("name", WRITERS)
def test_a_run_leaves_results_that_are_read_back_and_score_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("GARTK_CACHE", str(tmp_path / "cache"))
    root, out = tmp_path / "root", tmp_path / "out"
    WRITERS[name](root)
    arguments = {"encoder": "none"} if name in ("lvis", "paco") else {}
    order = RunSettings(name, out, data=str(root), arguments=arguments)
    done = run_model(order, Parrot)
    paths = save(done.results, done.benchmark, out, find_image=done.find_image)
    assert [path.name for path in paths] == ["results.json", "results.md", "results.html", "outputs.json"]
    back = read_results(paths[0])
    assert [item.prediction for item in back.records] == ["A"] * len(back.records)
    assert json.loads(json.dumps(done.results.summary)) == back.summary
    again = run_replay(
        RunSettings(name, tmp_path / "again", data=str(root), arguments=arguments), [str(paths[3])]
    )
    assert json.loads(json.dumps(again.results.summary["variants"])) == back.summary["variants"]


def test_a_page_that_cannot_be_written_is_told_and_the_rest_is_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gartk.errors import ConfigError

    def fail(*_: Any, **__: Any) -> None:
        raise ConfigError("A page needs jinja2.")

    monkeypatch.setattr("gartk.evaluation.report.page.write_page", fail)
    WRITERS["gar-vqa"](tmp_path / "root")
    done = run_model(RunSettings("gar-vqa", tmp_path / "out", data=str(tmp_path / "root")), Parrot)
    with pytest.warns(UserWarning, match="no results.html: A page needs jinja2"):
        paths = save(done.results, done.benchmark, tmp_path / "out", find_image=done.find_image)
    assert [path.name for path in paths] == ["results.json", "results.md", "outputs.json"]
