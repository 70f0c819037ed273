"""The judge and the models of docs/extend keep their contracts and run by name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gartk.evaluation.results import read_results
from gartk.registry import CHAT_MODELS, JUDGES, MODELS_UNDER_TEST
from gartk.testing.benchmark_files import rle, write_gar_bench, write_json

pytest.importorskip("jinja2", reason="needs the extra 'eval'")


@contextmanager
def page(repo_root: Path, name: str) -> Iterator[dict[str, Any]]:
    """Run the blocks of a page in one namespace, and forget what they register."""
    text = (repo_root / "docs" / "extend" / name).read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert blocks
    space: dict[str, Any] = {"__name__": "acme_page"}
    before = {registry: set(registry.names()) for registry in (CHAT_MODELS, JUDGES, MODELS_UNDER_TEST)}
    try:
        exec(compile("\n".join(blocks), name, "exec"), space)
        yield space
    finally:
        for registry, names in before.items():
            for key in set(registry.names()) - names:
                registry.unregister(key)


def run(tmp_path: Path, benchmark: str, *arguments: str) -> Any:
    """Run tools/eval.py; return the results."""
    from tools import eval as tool

    out = tmp_path / "out"
    status = tool.main([benchmark, "--data", str(tmp_path / "data"), "--out", str(out), *arguments])
    assert status == 0
    return read_results(out / "results.json")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GARTK_CACHE", str(tmp_path / "cache"))
    write_gar_bench(tmp_path / "data", count=4)
    caption = {
        "image": "images/vqa_0.png",
        "mask_rles": [rle((1, 1, 9, 9))],
        "question": "Q?",
        "answer": "A.",
    }
    write_json(tmp_path / "data" / "gar_bench" / "GAR-Bench-Caption-Simple.json", [caption])
    return tmp_path


def test_the_judge_keeps_the_contract_and_runs_by_name(repo_root: Path, data: Path) -> None:
    with page(repo_root, "judge.md") as space, page(repo_root, "model_under_test.md"):
        space["test_the_length_judge_keeps_the_contract"]()
        judge = ["--judge", "acme.length", "--judge-arg", "words=5", "name=five"]
        results = run(data, "gar-cap-simple", "--model", "acme.parrot:one two", *judge)
    assert results.info["judged_by"] == {"kind": "acme length", "words": 5}
    assert results.info["judge"] == "five"
    assert results.summary["variants"]["published"]["simple"]["hits"] == 0


def test_the_models_keep_their_contracts_and_run_by_name(repo_root: Path, data: Path) -> None:
    with page(repo_root, "model_under_test.md") as space:
        space["test_both_keep_their_contracts"]()
        loud = run(data, "gar-vqa", "--model", "acme.parrot:a", "--model-arg", "loud=True")
        bright = run(data / "more", "gar-vqa", "--data", str(data / "data"), "--model", "acme.brightness")
    assert [item.prediction for item in loud.records] == ["A"] * 4
    assert loud.info["run"]["model"]["says"] == "A"
    assert {item.prediction for item in bright.records} <= set("ABCD")
    assert len({item.prediction for item in bright.records}) > 1
