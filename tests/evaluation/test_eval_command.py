"""``gartk eval run`` on recorded outputs, and what a wrong command line is told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gartk.cli.eval.run import default_folder
from gartk.cli.main import build_parser, main
from gartk.evaluation.results import read_results
from tests.support.gar_bench import write_gar_bench

for package in ("openai", "tenacity", "jinja2"):
    pytest.importorskip(package, reason="needs the extra 'eval'")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_gar_bench(tmp_path / "data", count=2)
    return tmp_path / "data"


# ------------------------------------------------------------------ recorded outputs


RECORDED = [
    ("gar-vqa", ["gar_bench/{o}/gar_1b_vqa.json"],
     {"strict/overall": "203/424 = 47.9 %", "strict/tasks/Color": "34/69", "strict/tasks/Shape": "32/64",
      "strict/tasks/Texture": "17/29", "strict/tasks/Material": "14/36", "strict/tasks/Position": "13/64",
      "strict/tasks/Non-Entity": "36/61", "strict/tasks/Relation": "57/101"}),
    ("gar-cap", ["gar_bench/{o}/gar_1b_simple_eval.json", "gar_bench/{o}/gar_1b_detailed_eval.json"],
     {"published/simple": "54/97", "published/detailed": "71/107"}),
    ("dlc", ["dlc_bench/{o}/gar_1b_eval.json"],
     {"published/Pos": "48.9 ", "published/Neg": "87.0 ", "published/Avg": "67.9 "}),
    ("dlc", ["dlc_bench/{o}/gar_1b_eval_gpt.json"],
     {"published/Pos": "65.8 ", "published/Neg": "87.6 ", "published/Avg": "76.7 "}),
    ("ferret", ["ferret_bench/{o}/judged/review_refer_desc.jsonl"], {"published/refer_desc": "56.0 "}),
]  # fmt: skip


@pytest.mark.parametrize(("benchmark", "files", "texts"), RECORDED)
def test_recorded_outputs_give_the_published_numbers(
    shared_dir: Path, tmp_path: Path, repo_root: Path, benchmark: str, files: list[str], texts: dict[str, str]
) -> None:
    paths = [str(shared_dir / "data" / file.format(o="outputs/gar_1b")) for file in files]
    arguments = [
        sys.executable,
        "-m",
        "gartk",
        "eval",
        benchmark,
        "--replay",
        *paths,
        "--out",
        str(tmp_path / "out"),
    ]
    done = subprocess.run(
        arguments, cwd=repo_root, env=os.environ, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    results = read_results(tmp_path / "out" / "results.json")
    for path, text in texts.items():
        value: Any = results.summary["variants"]
        for key in path.split("/"):
            value = value[key]
        assert value["text"].startswith(text)
    assert results.summary.get("conflicts", 0) == 0


# ------------------------------------------------------------------ the command line


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["gar-vq", "--model", "tiny"], 2, "Did you mean 'gar-vqa'"),
        (["gar-vqa", "--model", "tinny"], 2, "no checkpoint 'tinny'"),
        (["gar-vqa", "--model", "tiny", "--replay", "x.json"], 2, "either --model or --records"),
        (["gar-vqa"], 2, "either --model or --records"),
        (["gar-vqa", "--model", "tiny", "--judge", "rules"], 2, "scored without a judge"),
        (["gar-vqa", "--model", "openai:x", "--mark", "width=3"], 2, "no option 'width'"),
        (["gar-vqa", "--model", "openai:x", "--threads", "0"], 2, "threads must be at least 1"),
        (["gar-vqa", "--replay", "no.json"], 2, "no.json cannot be read"),
        (["dlc", "--model", "tiny"], 2, "dlc_bench has no"),
    ],
)
def test_a_wrong_command_line_is_told_so(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    arguments: list[str], status: int, says: str,
) -> None:  # fmt: skip
    monkeypatch.setenv("GARTK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    monkeypatch.setenv("GARTK_DATA", str(root))
    try:
        got = main(["eval", "run", *arguments, "--out", str(tmp_path / "out")])
    except SystemExit as error:
        got = int(error.code or 0)
    assert got == status
    assert says in capsys.readouterr().err


def test_the_folder_of_a_run_is_named_by_benchmark_and_model() -> None:
    for arguments, folder in (
        (["--model", "openai:gpt-4o"], "runs/eval/gar-vqa/openai-gpt-4o"),
        (["--model", "transformers:Qwen/Qwen2.5-VL"], "runs/eval/gar-vqa/transformers-Qwen-Qwen2.5-VL"),
        (["--replay", "/x/gar_1b_vqa.json"], "runs/eval/gar-vqa/replay-gar_1b_vqa"),
        (["--model", "../.."], "runs/eval/gar-vqa/model"),
    ):
        assert (
            str(default_folder(build_parser().parse_args(["eval", "run", "gar-vqa", *arguments]))) == folder
        )
