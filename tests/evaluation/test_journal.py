"""The journal loses nothing that was written, and never mixes two runs."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from gartk.errors import DataError
from gartk.evaluation.item import Item
from gartk.evaluation.journal import Journal

ABOUT = {"benchmark": "b", "model": {"name": "m", "temperature": 0.0}}
ONE, TWO = Item("b", "1", "t"), Item("b", "2", "t")


def journal(path: Path, *, resume: bool = False, about: dict[str, object] = ABOUT) -> Journal:
    return Journal(path / "journal.jsonl", about=about, resume=resume)


def test_what_was_added_is_there_again_and_the_last_entry_counts(tmp_path: Path) -> None:
    with journal(tmp_path / "sub") as written:
        written.add("answer", ONE, prediction="a")
        written.add("answer", TWO, prediction="\ud800 ü \n")
        written.add("answer", ONE, prediction=None, problem="why")
        written.add("reply", ONE, part="judge", reply="True")
    with journal(tmp_path / "sub", resume=True) as read:
        assert read.get("answer", ONE) == {
            "kind": "answer", "task": "t", "id": "1", "prediction": None, "problem": "why"
        }  # fmt: skip
        two = read.get("answer", TWO)
        assert two is not None and two["prediction"] == "\ud800 ü \n"
        assert read.get("reply", ONE) is None
        assert (read.get("reply", ONE, part="judge") or {})["reply"] == "True"
        assert (read.count("answer"), read.count("reply"), read.count("x"), read.torn) == (2, 1, 0, 0)


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_a_torn_last_line_is_cut_off_and_said_and_what_follows_is_whole(tmp_path: Path, cut: int) -> None:
    with journal(tmp_path) as written:
        written.add("answer", ONE, prediction="a")
        written.add("answer", TWO, prediction="b" * 40)
    path = tmp_path / "journal.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])
    with journal(tmp_path, resume=True) as read:
        assert read.torn > 0
        assert read.get("answer", ONE) is not None
        assert read.get("answer", TWO) is None
        read.add("answer", TWO, prediction="c")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line.get("prediction") for line in lines] == [None, "a", "c"]
    with journal(tmp_path, resume=True) as again:
        assert again.torn == 0


def test_a_torn_first_line_starts_anew(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").write_bytes(b'{"format": "gartk-jour')
    with journal(tmp_path, resume=True) as read:
        assert (read.torn, read.count("answer")) == (22, 0)
    with journal(tmp_path, resume=True) as read:
        assert read.torn == 0


def test_answers_of_an_earlier_run_are_not_written_over(tmp_path: Path) -> None:
    with journal(tmp_path):
        pass
    with journal(tmp_path, about={"other": 1}) as empty:  # nothing but a head is no run
        empty.add("answer", ONE, prediction="a")
    with pytest.raises(DataError, match="holds the answers of an earlier run.*--resume"):
        journal(tmp_path)


def test_another_run_cannot_be_continued(tmp_path: Path) -> None:
    with journal(tmp_path) as written:
        written.add("answer", ONE, prediction="a")
    with pytest.raises(DataError, match="another run: model was .*'temperature': 0.0.* and is .*1.0"):
        journal(tmp_path, resume=True, about={**ABOUT, "model": {"name": "m", "temperature": 1.0}})
    with pytest.raises(DataError, match="another run: more was None"):
        journal(tmp_path, resume=True, about={**ABOUT, "more": [1]})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"x": 1}\n', "is not a journal"),
        ("[1]\n", "line 1 is no entry"),
        ('{"format": "gartk-journal-1", "about": {}}\nnot json\n{}\n', "line 2 is not JSON"),
        (
            '{"format": "gartk-journal-1", "about": {}}\n{"kind": "answer", "id": 3}\n',
            "line 2: kind, task, id",
        ),
        ('{"format": "gartk-journal-1", "about": {}}\n"x"\n', "line 2 is no entry"),
    ],
)
def test_a_broken_journal_names_its_line(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "journal.jsonl").write_text(text)
    with pytest.raises(DataError, match=says):
        journal(tmp_path, resume=True, about={})


def test_two_processes_cannot_write_to_one_journal(tmp_path: Path) -> None:
    with journal(tmp_path), pytest.raises(DataError, match="another process is writing"):
        journal(tmp_path, resume=True)
    journal(tmp_path, resume=True).close()


def test_threads_write_whole_lines(tmp_path: Path) -> None:
    with journal(tmp_path) as written:

        def write(start: int) -> None:
            for number in range(start, start + 50):
                written.add("answer", Item("b", str(number)), prediction="x" * 500)

        threads = [threading.Thread(target=write, args=(50 * k,)) for k in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with journal(tmp_path, resume=True) as read:
        assert read.count("answer") == 200


def test_a_killed_process_loses_nothing_that_was_added(tmp_path: Path, repo_root: Path) -> None:
    code = (
        "import sys, time\n"
        "from gartk.evaluation.journal import Journal\n"
        "from gartk.evaluation.item import Item\n"
        f"with Journal({str(tmp_path / 'journal.jsonl')!r}, about={ABOUT!r}) as journal:\n"
        "    for number in range(100000):\n"
        "        journal.add('answer', Item('b', str(number)), prediction='x' * 2000)\n"
        "        sys.stdout.write(f'{number}\\n'); sys.stdout.flush()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=repo_root, stdout=subprocess.PIPE, text=True)
    stream = process.stdout
    assert stream is not None
    assert stream.readline() == "0\n"
    time.sleep(0.2)
    process.kill()
    told = [0, *(int(line) for line in stream.read().split("\n")[:-1])]
    process.wait()
    with journal(tmp_path, resume=True) as read:
        assert all(read.get("answer", Item("b", str(number))) for number in told)
        assert len(told) <= read.count("answer") <= len(told) + 1
