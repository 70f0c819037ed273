"""``gartk eval`` from end to end: a server and the tiny model, killed and continued; recorded outputs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from gartk.evaluation.results import read_results
from tests.support.chat_server import ChatServer, Fault, chat_server, texts_of
from tests.support.gar_bench import write_gar_bench

for package in ("openai", "tenacity", "jinja2"):
    pytest.importorskip(package, reason="needs the extra 'eval'")
SECRET = "sk-this-must-stand-nowhere"
COUNT = 12
# The tiny model is through 12 in a tenth of a second: too fast to be killed in the middle on a busy machine.
MANY = 200


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_gar_bench(tmp_path / "data", count=COUNT)
    return tmp_path / "data"


def environment(tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    return {**kept, "GARTK_CACHE": str(tmp_path / "cache"), "OPENAI_API_KEY": SECRET, "COLUMNS": "120"}


def command(root: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "gartk", "eval", "gar-vqa", "--data", str(root), *arguments]


def run(tmp_path: Path, repo_root: Path, root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(root, *arguments),
        cwd=repo_root,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=240,
    )


def knows(request: dict[str, Any]) -> str:
    """Answer as the prompt itself tells nothing: by the length of the picture, so that items differ."""
    return "ABCD"[len(texts_of(request)[-1]) % 4]


def server_options(server: ChatServer, *more: str) -> list[str]:
    fast = ["--endpoint", "first_pause_s=0.01", "max_pause_s=0.1", *more]
    return ["--model", "openai:stub", "--base-url", server.url, *fast]


def journal_lines(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "journal.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines[1:]]


# ------------------------------------------------------------------ a server


def test_a_server_is_evaluated_through_faults_and_the_key_stands_nowhere(
    root: Path, tmp_path: Path, repo_root: Path
) -> None:
    faults = [Fault(status=429, retry_after="0.05"), Fault(status=500), Fault("garbage"), Fault("hang up")]
    with chat_server("a", faults=faults) as server:
        done = run(
            tmp_path,
            repo_root,
            root,
            *server_options(server),
            "--out",
            str(tmp_path / "out"),
            "--input-type",
            "2",
        )
    assert done.returncode == 0, done.stderr
    results = read_results(tmp_path / "out" / "results.json")
    assert len(results.records) == COUNT
    assert all(item.prediction == "a" for item in results.records)
    assert results.summary["variants"]["strict"]["overall"]["text"] == "3/12 = 25.0 %"
    assert len(server.requests) == COUNT + len(faults)
    assert "strict / overall" in done.stdout and "missing answers: 0/12" in done.stdout
    assert "12 of 424 items (the first ones): not the benchmark's score" in done.stdout
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert SECRET.encode() not in written
    assert SECRET not in done.stdout + done.stderr
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"journal.jsonl", "results.json", "results.md", "results.html", "outputs.json"}
    # The server is gone, but a second run has the replies in its cache.
    again = run(
        tmp_path, repo_root, root, *server_options(server), "--out", str(tmp_path / "o2"), "--input-type", "2"
    )
    assert again.returncode == 0, again.stderr
    assert read_results(tmp_path / "o2" / "results.json").summary == results.summary


def test_calls_that_keep_failing_withhold_the_score_until_they_are_asked_again(
    root: Path, tmp_path: Path, repo_root: Path
) -> None:
    out = ["--out", str(tmp_path / "out"), "--threads", "1", "--tries", "2"]
    with chat_server("A", faults=[Fault(status=500, message="the disk is full")] * 4) as server:
        first = run(tmp_path, repo_root, root, *server_options(server), *out)
        assert first.returncode == 1, first.stderr
        assert "missing answers: 2/12 = 16.7 %" in first.stdout
        assert "2 x " in first.stdout and "the disk is full" in first.stdout
        assert "16.7 % is missing and at most 2 % may be, so there is no score" in first.stdout
        results = read_results(tmp_path / "out" / "results.json")
        assert results.summary == {}
        assert [item.prediction for item in results.records[:3]] == [None, None, "A"]
        assert "the disk is full" in results.records[0].extra["problem"]
        before = len(server.requests)
        shown = run(
            tmp_path, repo_root, root, *server_options(server), *out, "--resume", "--max-missing", "20"
        )
        assert shown.returncode == 0 and "2/12 = 16.7 % (2 missing)" in shown.stdout
        assert len(server.requests) == before
        again = run(tmp_path, repo_root, root, *server_options(server), *out, "--resume", "--retry-missing")
        assert again.returncode == 0 and "missing answers: 0/12" in again.stdout
        assert len(server.requests) == before + 2


def killed_when(process: subprocess.Popen[str], folder: Path, lines: int, limit_s: float = 120.0) -> None:
    """Kill a run once its journal has so many lines."""
    end = time.monotonic() + limit_s
    path = folder / "journal.jsonl"
    while time.monotonic() < end and process.poll() is None:
        if path.is_file() and path.read_bytes().count(b"\n") >= lines:
            break
        time.sleep(0.01)
    assert process.poll() is None, "the run was over before it could be killed"
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_a_killed_run_goes_on_where_it_was_and_asks_no_item_twice(
    root: Path, tmp_path: Path, repo_root: Path
) -> None:
    out = tmp_path / "out"
    with chat_server(knows, delay_s=0.15) as server:
        options = [*server_options(server), "--out", str(out), "--threads", "1", "--no-cache"]
        process = subprocess.Popen(
            command(root, *options), cwd=repo_root, env=environment(tmp_path), stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        killed_when(process, out, lines=5)
        kept = journal_lines(out)
        asked = len(server.requests)
        assert 4 <= len(kept) <= asked <= len(kept) + 1  # at most the item in flight is lost
        with (out / "journal.jsonl").open("ab") as file:
            file.write(b'{"kind": "answer", "task": "col')  # as a crash of the machine could leave it
        refused = run(tmp_path, repo_root, root, *options)
        assert refused.returncode == 2 and "--resume" in refused.stderr
        done = run(tmp_path, repo_root, root, *options, "--resume")
        assert done.returncode == 0, done.stderr
        assert "a torn last line of 31 bytes was cut off" in done.stdout
        assert len(server.requests) == asked + COUNT - len(kept)
    ids = Counter(line["id"] for line in journal_lines(out))
    assert ids == dict.fromkeys((f"images/vqa_{n}.png" for n in range(COUNT)), 1)
    assert all(item.prediction for item in read_results(out / "results.json").records)


def test_a_server_that_refuses_access_ends_the_run_with_an_error(
    root: Path, tmp_path: Path, repo_root: Path
) -> None:
    with chat_server("A", faults=[Fault(status=401, message=f"no {SECRET}")] * 20) as server:
        done = run(tmp_path, repo_root, root, *server_options(server), "--out", str(tmp_path / "out"))
    assert done.returncode == 2
    assert done.stderr.startswith("EndpointError: ") and "Check the key in OPENAI_API_KEY" in done.stderr
    assert SECRET not in done.stderr


def test_ctrl_c_ends_a_run_at_once_and_it_can_go_on(root: Path, tmp_path: Path, repo_root: Path) -> None:
    out = tmp_path / "out"
    waiting = [Fault("late", seconds=60.0)] * 4
    with chat_server("A") as server:
        options = [*server_options(server), "--out", str(out), "--threads", "2", "--limit", "4"]
        assert run(tmp_path, repo_root, root, *options).returncode == 0
        server.faults[:] = waiting
        options[-1] = "8"
        process = subprocess.Popen(
            command(root, *options, "--resume"), cwd=repo_root, env=environment(tmp_path),
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            # A shell starts jobs in the background with Ctrl-C ignored, and the tests may be one.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
        end = time.monotonic() + 180
        while len(server.faults) > 2 and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        assert process.wait(timeout=50) == 130, process.communicate()[1]
        assert time.monotonic() - began < 20
        server.faults.clear()
        done = run(tmp_path, repo_root, root, *options, "--resume")
    assert done.returncode == 0, done.stderr
    assert len(journal_lines(out)) == 8


# ------------------------------------------------------------------ the tiny model


@pytest.mark.slow
def test_the_tiny_model_runs_killed_and_continued(tmp_path: Path, repo_root: Path) -> None:
    root, out = tmp_path / "many", tmp_path / "out"
    write_gar_bench(root, count=MANY)
    options = [
        "--model",
        "tiny",
        "--device",
        "cpu",
        "--batch-size",
        "2",
        "--max-new-tokens",
        "8",
        "--out",
        str(out),
    ]
    process = subprocess.Popen(
        command(root, *options), cwd=repo_root, env=environment(tmp_path), stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    killed_when(process, out, lines=3)
    kept = len(journal_lines(out))
    assert kept < MANY
    done = run(tmp_path, repo_root, root, *options, "--resume")
    assert done.returncode == 0, done.stderr
    ids = Counter(line["id"] for line in journal_lines(out))
    assert ids == dict.fromkeys((f"images/vqa_{n}.png" for n in range(MANY)), 1)
    whole = run(tmp_path, repo_root, root, *options[:-1], str(tmp_path / "whole"))
    assert whole.returncode == 0, whole.stderr
    assert [item.prediction for item in read_results(out / "results.json").records] == [
        item.prediction for item in read_results(tmp_path / "whole" / "results.json").records
    ]


@pytest.mark.slow
def test_real_images_are_asked_about_where_they_are_there(
    shared_dir: Path, tmp_path: Path, repo_root: Path
) -> None:
    options = ["--limit", "5", "--only-with-images"]
    with chat_server("B") as server:
        asked = run(
            tmp_path, repo_root, shared_dir, *server_options(server), *options, "--out", str(tmp_path / "s")
        )
    assert asked.returncode == 0, asked.stderr
    assert len(server.requests) == 5
    tiny = ["--model", "tiny", "--device", "cpu", "--max-new-tokens", "4", "--out", str(tmp_path / "t")]
    done = run(tmp_path, repo_root, shared_dir, *tiny, *options)
    assert done.returncode == 0, done.stderr
    assert all(item.prediction is not None for item in read_results(tmp_path / "t" / "results.json").records)
    whole = run(
        tmp_path,
        repo_root,
        shared_dir,
        *tiny[:-1],
        str(tmp_path / "w"),
        "--limit",
        "424",
        "--max-new-tokens",
        "1",
    )
    assert whole.returncode == 1
    assert "images that are not there: 380" in whole.stdout


@pytest.mark.slow
def test_a_deviation_of_the_release_is_switched_on_and_said(
    root: Path, tmp_path: Path, repo_root: Path
) -> None:
    out = tmp_path / "last_box"
    own = ["--model", "tiny", "--device", "cpu", "--limit", "2", "--max-new-tokens", "2"]
    switched = ["--out", str(out), "--release-compat", "last_mask_box=True"]
    done = run(tmp_path, repo_root, root, *own, *switched)
    assert done.returncode == 0, done.stderr
    results = json.loads((out / "results.json").read_text())
    assert "last_mask_box" in json.dumps(results["info"])
    wrong = run(tmp_path, repo_root, root, *own, "--out", str(out), "--release-compat", "last_box=True")
    assert wrong.returncode == 2
    assert "last_mask_box" in wrong.stderr
