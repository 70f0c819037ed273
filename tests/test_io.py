"""JSON files are read with errors that name them; files are written whole or not at all."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from gartk import io
from gartk.errors import CheckpointError, DataError
from gartk.io import cache_dir, read_json, read_json_object, read_jsonl, write_atomic


def write(folder: Path, content: str | bytes, name: str = "records.json") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    "text", ["", "{", "[1,", "[NaN]", "[Infinity]", "[" * 100_000, "\ufeff{]", "1" * 5000]
)
def test_what_is_not_json_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match=r"records\.json cannot be read as JSON: \S"):
        read_json(write(tmp_path, text))
    if text:
        with pytest.raises(DataError, match=r"records\.json, line 2 is not JSON: \S"):
            read_jsonl(write(tmp_path, f"{{}}\n{text}\n"))


@pytest.mark.parametrize("read", [read_json, read_jsonl])
def test_a_missing_file_and_bytes_that_are_no_text_are_refused(tmp_path: Path, read) -> None:
    write(tmp_path, b"\xff\xfe\x00", "bytes.json")
    for name in ("nowhere.json", "bytes.json", ".", "a\0b.json"):
        with pytest.raises(DataError, match="cannot be read"):
            read(tmp_path / name)


def test_the_error_is_of_the_class_asked_for_and_says_what_to_do(tmp_path: Path) -> None:
    for read in (read_json, read_json_object, read_jsonl):
        with pytest.raises(CheckpointError, match=r"records\.json.* Delete it\.$"):
            read(write(tmp_path, "{"), error=CheckpointError, hint="Delete it.")
    with pytest.raises(CheckpointError, match=r"must hold a JSON object; got list\. Delete it\.$"):
        read_json_object(write(tmp_path, "[]"), error=CheckpointError, hint="Delete it.")


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path, "\ufeff[1]")
    assert read_json(path) == [1]
    assert read_jsonl(path) == [[1]]


def test_numbers_that_are_not_finite_are_read_where_they_are_allowed(tmp_path: Path) -> None:
    path = write(tmp_path, json.dumps([float("inf"), -float("inf")]))
    assert read_json(path, non_finite=True) == [float("inf"), -float("inf")]
    assert read_jsonl(path, non_finite=True) == [[float("inf"), -float("inf")]]


def test_lines_are_split_at_line_breaks_alone_and_blank_ones_are_passed_over(tmp_path: Path) -> None:
    assert read_jsonl(write(tmp_path, '{"a": "\u2028"}\n\n  \r\n{"a": 2}')) == [{"a": "\u2028"}, {"a": 2}]


def test_a_last_line_that_a_kill_has_cut_is_left_out_where_that_is_asked(tmp_path: Path) -> None:
    for end in (b"", b'{"b', b"3", '"\u2028'.encode()[:-1]):
        assert read_jsonl(write(tmp_path, b"1\n2\n" + end), torn_end=True) == [1, 2]
    with pytest.raises(DataError, match="line 1 is not JSON"):
        read_jsonl(write(tmp_path, b'{"a\n{"b'), torn_end=True)


def test_a_file_is_written_with_the_folders_above_it(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.txt"
    for content in ("first", b"\x00bytes", "last"):
        write_atomic(path, content)
        assert path.read_bytes() == (content if isinstance(content, bytes) else content.encode())
    assert [file.name for file in path.parent.iterdir()] == ["b.txt"]


def test_text_that_is_no_unicode_does_not_stop_a_run(tmp_path: Path) -> None:
    write_atomic(tmp_path / "a.txt", "\ud800")
    assert (tmp_path / "a.txt").read_text() == "\\ud800"


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path) -> None:
        raise OSError("no space left")

    path = write(tmp_path, "old")
    monkeypatch.setattr(io, "flush", full)
    with pytest.raises(OSError, match="no space"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_threads_that_write_one_file_do_not_mix_their_texts(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    texts = [str(i) * 100_000 for i in range(8)]
    threads = [threading.Thread(target=write_atomic, args=(path, text)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_text() in texts
    assert list(tmp_path.iterdir()) == [path]


def test_the_cache_folder_may_be_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GARTK_CACHE", str(tmp_path))
    assert cache_dir() == tmp_path
    monkeypatch.delenv("GARTK_CACHE")
    assert cache_dir() == Path.home() / ".cache" / "gartk"
