"""The command scores files with the standard library alone, and no malformed file gets past it."""

from __future__ import annotations

import contextlib
import io
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gartk.cli.main import main
from gartk.errors import DataError
from gartk.evaluation import score
from gartk.evaluation.benchmarks.base import benchmark_names

MASK = {"size": [2, 2], "counts": [0, 4]}
RLE = {"segmentation": MASK}
DLC_QUESTION = {"question": "Q", "choices": [["Not said.", 0], ["Said.", 1]], "pred_answer": "B. Said."}
RECOGNITION = {"question": "Q", "choices": [["Yes", "correct"], ["No", "incorrect"]], "pred_answer": "A. Yes"}
DLC = {
    "pred": "A ski.",
    "details_recognition": [RECOGNITION],
    "details_positives": [DLC_QUESTION],
    "details_negatives": [DLC_QUESTION],
}
CHOICE = {"question": "Q\nA. red\nB. blue", "answer": "A", "model_output": "A", "index": 1, "category": "p"}
GOOD: dict[str, Any] = {
    "gar-vqa": {
        "image": "a",
        "mask_rles": [MASK],
        "choices": ["A. x", "B. y"],
        "answer": "A",
        "type": "color",
        "model_output": "A",
    },
    "gar-cap-simple": {"image": "a", "answer": "x", "model_output": "y", "eval_result": "True"},
    "gar-cap-detailed": {
        "image": "b",
        "subject_name": "s",
        "object_name": "o",
        "predicate_name": "p",
        "model_output": "y",
        "eval_result": "True",
    },
    "gar-cap": {"image": "a", "answer": "x", "model_output": "y", "eval_result": "True"},
    "dlc": DLC,
    "ferret": {
        "question_id": 0,
        "content": "7 4\n",
        "tuple": [7, 4],
        "answer2": "x",
        "annotation": {"bbox": [0, 0, 1, 1]},
    },
    "mdvp": {"question_id": 0, "category": "web_detailed_caption_box", "content": "7 4", "answer2": "x"},
    "videorefer-d": {
        "id": 0,
        "video": "v",
        "caption": "c",
        "pred": "p",
        "reply": "1. Subject Correspondence: 3",
        "annotation": [{"1": RLE}],
    },
    "videorefer-q": {
        "id": 0,
        "type": "Basic Questions",
        "options": ["(A) x", "(B) y"],
        "Answer": "(A) x",
        "pred": "A",
        "annotation": [{"1": RLE}],
    },
    "lvis": {"file_name": "a", "categories": ["dog"], "annotations": [RLE], "predictions": ["dog"]},
    "paco": {
        "file_name": "a",
        "categories": ["dog:leg"],
        "annotations": [RLE],
        "predictions": ["dog: leg"],
    },
    "vstar": {
        "question_id": 0,
        "category": "p",
        "text": "Q (A) x (B) y",
        "label": "A",
        "model_output": "A",
    },
    "mmvp": {
        "Index": 1,
        "Question": "Q",
        "Options": "(a) x (b) y",
        "Correct Answer": "(a)",
        "model_output": "a",
    },
    "realworldqa": {"question": "Q", "answer": "A", "model_output": "A"},
    "mmstar": {**CHOICE, "l2_category": "q"},
}
# Which field of a good record holds what the model or the judge said.
SAID = {"gar-cap-simple": "eval_result", "gar-cap-detailed": "eval_result", "gar-cap": "eval_result"}
SAID |= {"ferret": "content", "mdvp": "content", "videorefer-d": "reply", "videorefer-q": "pred"}


def run(*arguments: str) -> tuple[int, str]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        status = main(["eval", "score", *arguments])
    return status, out.getvalue()


def write(path: Path, benchmark: str, record: object) -> str:
    path.write_text(json.dumps({"1": record} if benchmark == "dlc" else [record]), encoding="utf-8")
    return str(path)


def leaves(value: object) -> list[dict[str, Any]]:
    if not isinstance(value, dict):
        return []
    return [value] if "text" in value else [leaf for part in value.values() for leaf in leaves(part)]


def test_every_benchmark_has_a_good_record_here() -> None:
    assert set(GOOD) <= set(benchmark_names())


@pytest.mark.parametrize("benchmark", GOOD)
def test_a_good_record_is_scored_as_json_and_as_a_table(tmp_path: Path, benchmark: str) -> None:
    path = write(tmp_path / "records.json", benchmark, GOOD[benchmark])
    status, text = run(benchmark, "--records", path, "--json")
    report = json.loads(text)
    assert (status, report["benchmark"], report["files"], report["records"]) == (0, benchmark, [path], 1)
    assert any(
        leaf.get("percent") == 100 or leaf.get("value") is not None for leaf in leaves(report["variants"])
    )
    status, table = run(benchmark, "--records", path)
    assert status == 0
    assert f"{benchmark}: 1 records read" in table


@pytest.mark.parametrize("benchmark", GOOD)
def test_a_record_without_what_was_said_counts_as_missing(tmp_path: Path, benchmark: str) -> None:
    record = json.loads(json.dumps(GOOD[benchmark]))
    if benchmark == "dlc":
        for part in ("details_recognition", "details_positives", "details_negatives"):
            del record[part][0]["pred_answer"]
    elif benchmark in ("lvis", "paco"):
        record["predictions"] = [None]
    else:
        del record[SAID.get(benchmark, "model_output")]
        record.pop("tuple", None)
    report = score.score_files(benchmark, [write(tmp_path / "records.json", benchmark, record)])
    for leaf in leaves(report["variants"]):
        assert leaf["missing"] == leaf["total"] or leaf["text"].startswith("0/214")
        assert leaf.get("percent", leaf.get("value")) is None or leaf["text"].startswith("0/214")


def test_annotated_items_without_a_record_count_as_missing(tmp_path: Path) -> None:
    record = write(tmp_path / "records.json", "gar-vqa", GOOD["gar-vqa"])
    annotated = [{**GOOD["gar-vqa"], "image": name} for name in ("a", "b")]
    (tmp_path / "annotations.json").write_text(json.dumps(annotated), encoding="utf-8")
    report = score.score_files("gar-vqa", [record], [str(tmp_path / "annotations.json")])
    assert report["variants"]["strict"]["overall"]["text"] == "1/2 = 50.0 % (1 missing)"
    assert (report["records"], report["published_records"]) == (1, 424)


def test_bad_input_ends_with_status_2_and_says_why(tmp_path: Path) -> None:
    assert run("gar-vqa", "--records", str(tmp_path / "no.json")) == (
        2,
        f"DataError: {tmp_path / 'no.json'} cannot be read as JSON: [Errno 2] No such file or directory:"
        f" '{tmp_path / 'no.json'}'\n",
    )
    (tmp_path / "empty.json").write_text("[]", encoding="utf-8")
    status, text = run("gar-vqa", "--records", str(tmp_path / "empty.json"))
    assert (status, text) == (2, f"DataError: {tmp_path / 'empty.json'}: there is no record to score.\n")


def test_intervals_stand_beside_every_score_on_request(tmp_path: Path) -> None:
    records = [{**GOOD["gar-vqa"], "image": str(n), "model_output": "AB"[n % 2]} for n in range(40)]
    path = tmp_path / "records.json"
    path.write_text(json.dumps(records), encoding="utf-8")
    status, text = run("gar-vqa", "--records", str(path), "--json", "--intervals", "100")
    found = leaves(json.loads(text)["variants"])
    assert status == 0
    assert all(leaf["interval"][0] < leaf["percent"] < leaf["interval"][1] for leaf in found)
    assert (
        "interval"
        not in leaves(json.loads(run("gar-vqa", "--records", str(path), "--json")[1])["variants"])[0]
    )
    status, table = run("gar-vqa", "--records", str(path), "--intervals", "100")
    assert re.search(r"20/40 = 50.0 % \[3\d\.\d, 6\d\.\d\]", table)
    assert run("gar-vqa", "--records", str(path), "--intervals", "3")[0] == 2


def test_two_files_are_compared_item_by_item(tmp_path: Path) -> None:
    paths = []
    for name, said in (("one", "AAAAAABB"), ("two", "BBBAAAAA")):
        records = [
            {**GOOD["gar-vqa"], "image": str(n), "model_output": letter} for n, letter in enumerate(said)
        ]
        paths.append(tmp_path / f"{name}.json")
        paths[-1].write_text(json.dumps(records), encoding="utf-8")
    arguments = ("gar-vqa", "--records", str(paths[0]), "--against", str(paths[1]))
    status, text = run(*arguments, "--json")
    row = json.loads(text)["comparison"]["strict"]
    assert (status, row["items"], row["only_first"], row["only_second"]) == (0, 8, 3, 2)
    assert (row["first"], row["second"], row["difference"]) == (75.0, 62.5, -12.5)
    assert "strict: 75.0 against 62.5 over 8 items" in " ".join(run(*arguments)[1].split())


def test_an_unknown_benchmark_ends_with_status_2() -> None:
    status, text = run("gar-vqaa", "--records", "x")
    assert status == 2
    assert "There is no benchmark 'gar-vqaa'. Did you mean 'gar-vqa'" in text


def test_the_command_starts_without_torch_or_a_model(tmp_path: Path, repo_root: Path) -> None:
    path = write(tmp_path / "records.json", "gar-vqa", GOOD["gar-vqa"])
    probe = (
        "import sys; before = set(sys.modules); from gartk.cli.main import main;"
        f" status = main(['eval', 'score', 'gar-vqa', '--records', {path!r}, '--json']);"
        " tops = {name.partition('.')[0] for name in set(sys.modules) - before};"
        " sys.stderr.write(' '.join(sorted(tops))); sys.exit(status)"
    )
    found = subprocess.run(
        [sys.executable, "-c", probe], cwd=repo_root, capture_output=True, text=True, check=True, timeout=60
    )
    assert not {"torch", "transformers", "mmengine", "scipy", "cv2"} & set(found.stderr.split())
    assert json.loads(found.stdout)["variants"]["strict"]["overall"]["hits"] == 1


def test_the_list_says_what_each_benchmark_takes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "list"]) == 0
    said = capsys.readouterr().out
    assert all(f"\n{name}: " in f"\n{said}" for name in GOOD)
    assert "review_refer_desc.jsonl" in said
    assert main(["eval", "list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["gar-vqa"]["size"] == 424
    assert found["dlc"]["judged"] is True


def test_the_module_still_runs_as_a_command(tmp_path: Path, repo_root: Path) -> None:
    path = write(tmp_path / "records.json", "gar-vqa", GOOD["gar-vqa"])
    command = [sys.executable, "-m", "gartk.evaluation.score", "gar-vqa", "--records", path, "--json"]
    found = subprocess.run(command, cwd=repo_root, capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(found.stdout)["records"] == 1


# ------------------------------------------------------------------ malformed records and replies

WORDS = [
    "",
    "A",
    "(B)",
    "a.",
    "True",
    "7 4",
    "-1 -1",
    "1e999 2",
    "B. blue",
    "C. Maybe",
    "E",
    "A or B",
    "[/red]",
]
WORDS += ["1. Appearance: 9999", "yes, I know", ":", "a:b:c", "\ud800", "\0", "<Prompt0>", "9" * 5000, " "]
TEXTS = st.sampled_from(WORDS) | st.text(max_size=12)
NUMBERS = st.integers(-3, 3) | st.sampled_from([10**400, 1e308, -1e308, 0.5, True])
JSON = st.recursive(
    st.none() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)


def places(value: object, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a record where something else can be put."""
    keys: Any = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [at] * bool(at) + [place for key in keys for place in places(value[key], (*at, key))]  # type: ignore[index]


@st.composite
def malformed(draw: st.DrawFn, benchmark: str) -> object:
    if draw(st.integers(0, 19)) == 0:
        return draw(JSON)
    record = json.loads(json.dumps(GOOD[benchmark]))
    for _ in range(draw(st.integers(1, 2))):
        *way, last = draw(st.sampled_from(places(record)))
        part = record
        for key in way:
            part = part[key]
        if draw(st.booleans()) and isinstance(part, dict):
            del part[last]
        else:
            part[last] = draw(JSON)
        if not places(record):
            break
    return record


@pytest.mark.parametrize("benchmark", GOOD)
def test_a_malformed_record_is_refused_or_scored_below_all_and_nothing_else(benchmark: str) -> None:
    folder = Path(tempfile.mkdtemp())

    @settings(
        max_examples=100,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(malformed(benchmark))
    def check(record: object) -> None:
        try:
            report = score.score_files(benchmark, [write(folder / "records.json", benchmark, record)])
        except DataError:
            return
        json.dumps(report, allow_nan=False)
        assert all(leaf["missing"] <= leaf["total"] for leaf in leaves(report["variants"]))

    check()


@pytest.mark.parametrize("benchmark", [name for name in GOOD if name not in ("gar-cap", "lvis", "paco")])
def test_a_reply_of_any_kind_is_right_only_if_it_says_so(benchmark: str) -> None:
    folder = Path(tempfile.mkdtemp())
    key = SAID.get(benchmark, "model_output")

    @settings(
        max_examples=100,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        TEXTS.filter(lambda text: not set(text.upper()) & set("AXT") and "7" not in text and "3" not in text)
    )
    def check(reply: str) -> None:
        record = json.loads(json.dumps(GOOD[benchmark]))
        if benchmark == "dlc":
            record["details_recognition"][0]["pred_answer"] = f"~{reply}"
        else:
            record[key] = reply
            record.pop("tuple", None)
        report = score.score_files(benchmark, [write(folder / "records.json", benchmark, record)])
        for leaf in leaves(report["variants"]):
            assert leaf.get("hits", 0) == 0
        json.dumps(report, allow_nan=False)

    check()
