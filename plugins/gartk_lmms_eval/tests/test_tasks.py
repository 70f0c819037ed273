"""The tasks say what gartk says, and lmms-eval runs them where it is installed."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from gartk_lmms_eval import documents
from gartk_lmms_eval.documents import METRICS, aggregate, documents_of, process_results, to_document, to_item
from PIL import Image

from gartk.errors import ConfigError, DataError
from tests.evaluation.benches import read, report

TASKS = Path(documents.__file__).parent / "tasks"
MASK = {"size": [40, 60], "counts": [400, 800, 1200]}


class _Loader(yaml.SafeLoader):
    """Reads a task file without loading the functions that it names."""


_Loader.add_constructor("!function", lambda loader, node: f"!{loader.construct_scalar(node)}")


def task_file(name: str) -> dict[str, Any]:
    return yaml.load((TASKS / name).read_text(encoding="utf-8"), Loader=_Loader)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two questions and one caption of GAR-Bench; the image of the second question is not there."""
    folder = tmp_path / "gar_bench"
    (folder / "images").mkdir(parents=True)
    ramp = np.linspace(0, 255, 40 * 60 * 3).reshape(40, 60, 3).astype(np.uint8)
    Image.fromarray(ramp).save(folder / "images" / "vqa_0.png")
    vqa = [
        {"image": f"images/vqa_{n}.png", "mask_rles": [MASK], "question": "What colour is <Prompt0>?",
         "choices": ["A. red", "B. blue"], "answer": "B", "type": "color"}
        for n in range(2)
    ]  # fmt: skip
    caption = [{"image": "images/vqa_0.png", "mask_rles": [MASK, MASK], "question": "How do <Prompt0> and"
                " <Prompt1> relate?", "answer": "<Prompt0> is on <Prompt1>."}]  # fmt: skip
    for name, records in (("GAR-Bench-VQA", vqa), ("GAR-Bench-Caption-Simple", caption)):
        (folder / f"{name}.json").write_text(json.dumps(records), encoding="utf-8")
    monkeypatch.setenv("GARTK_DATA", str(tmp_path))
    monkeypatch.setenv("GARTK_LMMS_PARTIAL", "1")
    monkeypatch.delenv("GARTK_LMMS_JUDGE", raising=False)
    return tmp_path


def load(name: str) -> Any:
    pytest.importorskip("datasets")
    return documents_of([{"benchmark": name}])


# ------------------------------------------------------------------ the files


@pytest.mark.parametrize("task", METRICS)
def test_a_task_file_names_its_benchmark_metrics_and_length(task: str) -> None:
    name = task.replace("-", "_")
    config = task_file(f"gartk_{name}.yaml")
    stub = TASKS / config["dataset_kwargs"]["data_files"]["test"]
    assert json.loads(stub.read_text(encoding="utf-8")) == [{"benchmark": task}]
    assert config["task"] == f"gartk_{name}"
    assert config["generation_kwargs"]["max_new_tokens"] == documents.benchmark(task).max_new_tokens
    assert config["process_results"] == f"!utils.process_{name}"
    named = {row["metric"]: row["aggregation"] for row in config["metric_list"]}
    assert named == {metric: f"!utils.score_{name}_{metric}" for metric in METRICS[task]}
    assert {value[len("!utils.") :] for value in named.values()} <= set(documents.FUNCTIONS)


def test_the_group_names_every_task_and_the_package_holds_every_file() -> None:
    assert task_file("gartk.yaml")["task"] == [f"gartk_{task.replace('-', '_')}" for task in METRICS]
    assert {path.stem for path in TASKS.glob("gartk_*.yaml")} == set(task_file("gartk.yaml")["task"])
    found = subprocess.run(
        [sys.executable, "-m", "gartk_lmms_eval"],
        capture_output=True, text=True, check=True, timeout=60, cwd=TASKS.parents[1],
    )  # fmt: skip
    assert found.stdout.strip() == str(TASKS)


@pytest.mark.parametrize("task", METRICS)
def test_every_metric_stands_in_gartks_report(tmp_path: Path, task: str) -> None:
    from tests.evaluation.test_score import GOOD, write

    record = {**GOOD[task], "pairing": "fixed"} if task == "mdvp" else GOOD[task]
    found = report(task, read(task, [write(tmp_path / "a.json", task, record)]))["variants"]
    for metric, path in METRICS[task].items():
        scores: Any = found
        for name in path:
            if not (task == "gar-vqa" and "tasks" in path and name not in scores):
                scores = scores[name]
        assert isinstance(scores, dict), metric


# ------------------------------------------------------------------ documents and scores


def test_a_document_shows_crops_and_asks_what_gartk_asks(data: Path) -> None:
    (doc,) = load("gar-vqa")
    pictures = documents.doc_to_visual(doc)
    assert pictures[0].size == (60, 40)
    assert len(pictures) == 3
    text = documents.doc_to_text(doc)
    assert text.endswith("A. red\nB. blue\nAnswer with the correct option's letter directly.")
    (message,) = documents.doc_to_messages(doc)
    kinds = [part["type"] for part in message["content"]]
    assert kinds == ["text", "image"] * 3 + ["text"]
    (outlined,) = documents.doc_to_visual(doc, {"input_type": 2})
    assert outlined.size == (60, 40)
    assert "outlined in red" in documents.doc_to_text(doc, {"input_type": 2})


def test_replies_score_as_in_gartk(data: Path) -> None:
    (doc,) = load("gar-vqa")
    for reply, strict, lenient in (("B", 100, 100), ("(B)", 0, 100), ("A", 0, 0)):
        payloads = [process_results(doc, [reply], task="gar-vqa")["strict"]]
        assert aggregate(payloads, task="gar-vqa", metric="strict") == strict
        assert aggregate(payloads, task="gar-vqa", metric="lenient") == lenient
    assert math.isnan(aggregate(payloads, task="gar-vqa", metric="lenient_shape"))
    assert to_document(to_item(doc["item"])) == dict(doc)


def test_captions_have_a_score_only_from_a_judge(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (doc,) = load("gar-cap-simple")
    payloads = [process_results(doc, ["<Prompt0> is on <Prompt1>."], task="gar-cap-simple")["judged"]]
    assert math.isnan(aggregate(payloads, task="gar-cap-simple", metric="judged"))
    monkeypatch.setenv("GARTK_LMMS_JUDGE", "rules")
    assert aggregate(payloads, task="gar-cap-simple", metric="judged") == 100
    documents._SCORED.clear()
    monkeypatch.setenv("GARTK_LMMS_JUDGE", "oracle")
    with pytest.raises(
        ConfigError, match="There is no judge .oracle.*Known: .*openai, replay, rules, transformers"
    ):
        aggregate(payloads, task="gar-cap-simple", metric="judged")


def test_missing_images_are_an_error_unless_a_partial_run_is_asked_for(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GARTK_LMMS_PARTIAL")
    with pytest.raises(DataError, match="1 of 2 images are not there"):
        load("gar-vqa")


# ------------------------------------------------------------------ lmms-eval itself


@pytest.fixture
def lmms_tasks() -> Any:
    tasks = pytest.importorskip("lmms_eval.tasks", reason="needs lmms-eval: pip install lmms-eval")
    return tasks.TaskManager(include_path=str(TASKS), include_defaults=False)


def test_lmms_eval_lists_the_tasks_and_the_group(lmms_tasks: Any) -> None:
    assert lmms_tasks.all_tasks == sorted(["gartk", *task_file("gartk.yaml")["task"]])


@pytest.mark.parametrize("kind", ["simple", "chat"])
def test_lmms_eval_builds_a_task(data: Path, lmms_tasks: Any, kind: str) -> None:
    from lmms_eval.tasks import get_task_dict

    task = get_task_dict(["gartk_gar_vqa"], lmms_tasks, kind)["gartk_gar_vqa"]
    assert len(task.eval_docs) == 1
    assert task.doc_to_target(task.eval_docs[0]) == "B"
    if kind == "chat":
        assert task.doc_to_messages(task.eval_docs[0])[0]["role"] == "user"


def test_lmms_eval_scores_a_model_that_always_says_b(data: Path, lmms_tasks: Any) -> None:
    from lmms_eval.evaluator import simple_evaluate

    found = simple_evaluate(
        model="dummy",
        model_args="response=B",
        tasks=["gartk_gar_vqa"],
        task_manager=lmms_tasks,
        batch_size=1,
        bootstrap_iters=0,
    )
    assert found["results"]["gartk_gar_vqa"]["strict,none"] == 100
    assert found["results"]["gartk_gar_vqa"]["lenient_color,none"] == 100
