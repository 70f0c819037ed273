"""The client of chat servers, against a real server: retries, limits, failures, secrets, the cache."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from gartk.errors import ConfigError, DataError, EndpointError
from gartk.evaluation.models.cache import ReplyCache, request_key
from gartk.evaluation.models.completions import (
    EmptyReply,
    UnreadableReply,
    read_completion,
    retry_after_s,
    without_login,
)
from gartk.evaluation.models.openai import OpenAIChatModel
from gartk.evaluation.models.threads import RateLimit, in_threads
from tests.support.chat_server import ChatServer, Fault, chat_server, pictures_of

pytest.importorskip("openai", reason="needs the extra 'eval'")
pytest.importorskip("tenacity", reason="needs the extra 'eval'")


class Reply(NamedTuple):
    """A reply with its details."""

    text: str | None
    problem: str
    finish: str
    model: str
    tries: int
    cached: bool


FAST = {"first_pause_s": 0.01, "max_pause_s": 0.2, "tries": 3}


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chat_server("B") as running:
        yield running


def client(server: ChatServer, **changes: Any) -> OpenAIChatModel:
    return OpenAIChatModel(**{"model": "stub", "base_url": server.url, **FAST, **changes})


def ask(chat: OpenAIChatModel, *parts: Any, **options: Any) -> Reply:
    said = chat.reply(parts or ("x",), **{"max_new_tokens": 1024, **options})
    return Reply(said.text, said.problem, **said.details)


def test_texts_and_pictures_arrive_in_order_and_masks_as_png(server: ChatServer) -> None:
    photo, mask = np.full((8, 6, 3), 200, np.uint8), np.zeros((8, 6), bool)
    reply = ask(client(server, seed=3), "one", photo, "two", mask, system="be brief", max_new_tokens=7)
    assert (reply.text, reply.finish, reply.model, reply.tries, reply.cached) == (
        "B",
        "stop",
        "stub-1",
        1,
        False,
    )
    (request,) = server.requests
    assert [message["role"] for message in request["messages"]] == ["system", "user"]
    kinds = [part["type"] for part in request["messages"][1]["content"]]
    assert kinds == ["text", "image_url", "text", "image_url"]
    assert [url.partition(";")[0] for url in pictures_of(request)] == ["data:image/jpeg", "data:image/png"]
    assert (request["model"], request["max_tokens"], request["temperature"], request["seed"]) == (
        "stub",
        7,
        0.0,
        3,
    )


def test_fields_that_a_model_does_not_know_can_be_left_out(server: ChatServer) -> None:
    ask(client(server, temperature=None, max_tokens_field="max_completion_tokens"), "x", max_new_tokens=9)
    (request,) = server.requests
    assert "temperature" not in request
    assert "max_tokens" not in request
    assert request["max_completion_tokens"] == 9


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=429),
        Fault(status=500),
        Fault(status=503),
        Fault("garbage"),
        Fault("hang up"),
        Fault(status=408),
    ],
    ids=str,
)
def test_a_passing_fault_is_tried_again_and_the_answer_counts(server: ChatServer, fault: Fault) -> None:
    server.faults[:] = [fault, fault]
    reply = ask(client(server), "x")
    assert (reply.text, reply.tries, len(server.requests)) == ("B", 3, 3)


def test_retry_after_is_waited_for(server: ChatServer) -> None:
    server.faults[:] = [Fault(status=429, retry_after="0.5")]
    assert ask(client(server, max_pause_s=5), "x").text == "B"
    assert server.times[1] - server.times[0] >= 0.5


def test_without_retry_after_the_pauses_grow(server: ChatServer) -> None:
    server.faults[:] = [Fault(), Fault(), Fault()]
    assert ask(client(server, tries=4, first_pause_s=0.1, max_pause_s=5), "x").text == "B"
    gaps = np.diff(server.times)
    assert 0.1 <= gaps[0] < 0.35
    assert all(later >= 0.1 * 2**k for k, later in enumerate(gaps))


def test_a_call_that_keeps_failing_is_missing_with_its_reason(server: ChatServer) -> None:
    server.faults[:] = [Fault(status=500, message="the disk is full")] * 3
    reply = ask(client(server), "x")
    assert (reply.text, reply.tries) == (None, 3)
    assert "500" in reply.problem and "the disk is full" in reply.problem


def test_a_server_that_stays_silent_is_missing_after_the_timeout(server: ChatServer) -> None:
    server.faults[:] = [Fault("late", seconds=3.0)]
    began = time.monotonic()
    reply = ask(client(server, tries=1, timeout_s=0.3), "x")
    assert reply.text is None
    assert "Timeout" in reply.problem
    assert time.monotonic() - began < 2.5


def test_a_request_that_the_server_refuses_is_not_sent_again(server: ChatServer) -> None:
    server.faults[:] = [Fault(status=400, message="too many pictures")]
    reply = ask(client(server), "x")
    assert (reply.text, reply.tries, len(server.requests)) == (None, 1, 1)
    assert "too many pictures" in reply.problem


def test_a_completion_without_text_is_missing_and_not_sent_again(server: ChatServer) -> None:
    server.faults[:] = [Fault("empty")]
    reply = ask(client(server), "x")
    assert (reply.text, reply.problem) == (None, "the reply holds no text (it ended with 'length')")
    assert len(server.requests) == 1


def test_an_empty_text_is_an_answer() -> None:
    with chat_server("") as server:
        assert ask(client(server), "x").text == ""


@pytest.mark.parametrize(("status", "says"), [(401, "refuses access"), (404, "is not there")])
def test_what_makes_every_call_fail_ends_all_at_once(server: ChatServer, status: int, says: str) -> None:
    server.faults[:] = [Fault(status=status)]
    with pytest.raises(EndpointError, match=says):
        ask(client(server), "x")
    assert len(server.requests) == 1


def test_many_failures_in_a_row_end_all_and_say_how_to_go_on(server: ChatServer) -> None:
    server.faults[:] = [Fault(status=400)] * 3
    asking = client(server, give_up_after=3)
    assert [ask(asking, "x").text for _ in range(2)] == [None, None]
    with pytest.raises(EndpointError, match="3 calls failed one after the other.*--resume --retry-missing"):
        ask(asking, "x")


def test_a_good_call_in_between_makes_the_count_start_again(server: ChatServer) -> None:
    asking = client(server, give_up_after=2)
    for _ in range(3):
        server.faults[:] = [Fault(status=400)]
        assert ask(asking, "x").text is None
        assert ask(asking, "x").text == "B"


def test_nobody_listening_is_missing_and_then_an_error() -> None:
    nobody = OpenAIChatModel("m", base_url="http://127.0.0.1:9/v1", give_up_after=2, **FAST)
    assert "APIConnectionError" in ask(nobody, "x").problem
    with pytest.raises(EndpointError, match="127.0.0.1:9"):
        ask(nobody, "x")


# ------------------------------------------------------------------ secrets


def test_the_key_is_sent_and_stands_nowhere_else(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    key = "sk-very-secret-0123456789"
    monkeypatch.setenv("MY_KEY", key)
    caplog.set_level(logging.DEBUG)
    asking = client(server, cache=tmp_path / "replies.sqlite", key_env="MY_KEY")
    server.faults[:] = [Fault(status=400, message=f"bad key {key}?")]
    reply = ask(asking, "x")
    assert ask(asking, "x").text == "B"
    assert server.headers[0]["authorization"] == f"Bearer {key}"
    assert "bad key [MY_KEY]?" in reply.problem
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    about = str(asking.about()) + repr(asking)
    for text in (about, reply.problem, caplog.text, stored.decode("latin-1")):
        assert key not in text


def test_a_hosted_server_without_a_key_is_an_error_before_any_call() -> None:
    with pytest.raises(ConfigError, match="set the environment variable OPENAI_API_KEY"):
        OpenAIChatModel("gpt")


def test_a_login_in_the_url_is_not_kept() -> None:
    assert without_login("http://me:pass@host:8000/v1?x=1") == "http://host:8000/v1?x=1"
    assert "pass" not in str(OpenAIChatModel("m", base_url="http://me:pass@h/v1").about())


# ------------------------------------------------------------------ the cache


def test_the_same_question_is_asked_once(server: ChatServer, tmp_path: Path) -> None:
    cache = tmp_path / "sub" / "replies.sqlite"
    photo = np.zeros((4, 4, 3), np.uint8)
    first = ask(client(server, cache=cache), "x", photo)
    again = ask(client(server, cache=cache), "x", photo)
    assert (again.text, again.model, again.cached, again.tries) == (first.text, first.model, True, 0)
    assert (len(server.requests), len(ReplyCache(cache))) == (1, 1)


def test_another_model_text_picture_or_option_is_another_question(server: ChatServer, tmp_path: Path) -> None:
    cache = tmp_path / "replies.sqlite"
    photo = np.zeros((4, 4, 3), np.uint8)
    asking = client(server, cache=cache)
    ask(asking, "x", photo)
    ask(asking, "y", photo)
    ask(asking, "x", photo + 255)
    ask(asking, "x", photo, max_new_tokens=5)
    ask(asking, "x", photo, system="s")
    ask(client(server, cache=cache, model="other"), "x", photo)
    ask(client(server, cache=cache, temperature=1.0), "x", photo)
    assert len(server.requests) == len(ReplyCache(cache)) == 7


def test_a_failed_call_is_not_kept(server: ChatServer, tmp_path: Path) -> None:
    cache = tmp_path / "replies.sqlite"
    server.faults[:] = [Fault(status=400)]
    assert ask(client(server, cache=cache), "x").text is None
    assert ask(client(server, cache=cache), "x").text == "B"


def test_a_file_that_is_no_cache_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.sqlite").write_text("no database, but long enough to be looked at as one" * 40)
    with pytest.raises(DataError, match="x.sqlite cannot be used as a cache"):
        ReplyCache(tmp_path / "x.sqlite")


def test_the_key_of_a_request_does_not_depend_on_the_order_of_its_fields() -> None:
    assert request_key({"a": 1, "b": "\ud800"}) == request_key({"b": "\ud800", "a": 1})
    assert request_key({"a": 1}) != request_key({"a": 2})


# ------------------------------------------------------------------ several at once


def test_calls_run_at_once_but_no_more_than_allowed(server: ChatServer) -> None:
    server.delay_s = 0.1
    asking = client(server, threads=3)
    replies = list(in_threads(lambda n: ask(asking, str(n)), range(9), threads=3))
    assert [reply.text for reply in replies] == ["B"] * 9
    assert server.at_once == 3


def test_the_rate_limit_spaces_calls(server: ChatServer) -> None:
    asking = client(server, per_minute=600)
    list(in_threads(lambda n: ask(asking, str(n)), range(4), threads=4))
    assert min(np.diff(sorted(server.times))) >= 0.08


def test_no_rate_limit_never_waits() -> None:
    began = time.monotonic()
    limit = RateLimit(None)
    for _ in range(1000):
        limit.wait()
    assert time.monotonic() - began < 1


def test_an_error_in_one_job_ends_all_and_jobs_are_taken_only_when_needed() -> None:
    taken: list[int] = []

    def jobs() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    def work(number: int) -> int:
        if number == 3:
            raise EndpointError("over")
        return number

    done: list[int] = []
    with pytest.raises(EndpointError, match="over"):
        done.extend(in_threads(work, jobs(), threads=2))
    assert len(taken) < 10


def test_close_ends_waiting_calls(server: ChatServer) -> None:
    server.faults[:] = [Fault(status=429, retry_after="30")]
    asking = client(server, max_pause_s=60, tries=5)
    began = time.monotonic()
    results = in_threads(lambda _: ask(asking, "x"), [0, 1], threads=2)
    assert next(results).text == "B"
    asking.close()
    reply = next(results)
    assert reply.text is None
    assert time.monotonic() - began < 10


# ------------------------------------------------------------------ reading


NO_COMPLETIONS = [b"", b"[]", b"{}", b"\xff", b'"x"', b"null", b'{"choices": []}', b'{"choices": [{}]}']
NO_COMPLETIONS += [b'{"choices": [{"message": "x"}]}', b'{"choices": {"0": 1}}']


@pytest.mark.parametrize("body", NO_COMPLETIONS)
def test_what_is_no_completion_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableReply, match="no chat completion"):
        read_completion(body)


def test_texts_in_parts_are_joined_and_none_is_empty() -> None:
    parts = (
        b'{"choices": [{"message": {"content": [{"type": "text", "text": "a"}, {"x": 1}, {"text": "b"}]}}]}'
    )
    assert read_completion(parts) == ("ab", "", "")
    with pytest.raises(EmptyReply):
        read_completion(b'{"choices": [{"message": {"content": null}, "finish_reason": "stop"}]}')


def test_retry_after_is_seconds_or_a_date() -> None:
    class Failed(Exception):
        def __init__(self, value: str | None) -> None:
            self.response = type(
                "Response", (), {"headers": {} if value is None else {"retry-after": value}}
            )()

    soon = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=30), usegmt=True)
    assert retry_after_s(Failed("2.5")) == 2.5
    assert 25 < (retry_after_s(Failed(soon)) or 0) <= 30
    assert retry_after_s(Failed("-3")) == 0
    assert [retry_after_s(Failed(text)) for text in ("", "soon", "nan", None)] == [None] * 4
    assert retry_after_s(ValueError()) is None


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"threads": 0}, "threads must be at least 1"), ({"timeout_s": 0}, "timeout_s must be above 0"),
     ({"model": " "}, "model is empty"), ({"max_side_px": 0}, "max_side_px")],
)  # fmt: skip
def test_options_out_of_range_are_named(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        OpenAIChatModel(**{"model": "m", "base_url": "http://127.0.0.1:9/v1", **changes})
