"""A server on this machine that speaks OpenAI's chat protocol, for tests: answers by rule, fails on order."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

Rule = Callable[[dict[str, Any]], str]


@dataclass(frozen=True)
class Fault:
    """How one request goes wrong.

    ``status`` answers with an error (and ``retry_after``, where given), ``garbage`` with 200 and no JSON,
    ``empty`` with a completion without text; ``late`` keeps silent for ``seconds``, ``hang up`` closes
    the line.
    """

    kind: Literal["status", "garbage", "empty", "late", "hang up"] = "status"
    status: int = 500
    retry_after: str = ""
    seconds: float = 0.0
    message: str = "it went wrong"


@dataclass
class ChatServer:
    """A running server: what it was asked, and what it does next.

    ``faults`` are taken one by one, the first for the next request, before requests are answered by the
    rule. ``requests`` are the bodies of all requests, ``headers`` their headers, ``times`` when they came
    (monotonic seconds); ``at_once`` the most that were there at the same time.
    """

    rule: Rule
    faults: list[Fault] = field(default_factory=list)
    delay_s: float = 0.0
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    at_once: int = 0
    url: str = ""
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def enter(self, request: dict[str, Any], headers: dict[str, str]) -> Fault | None:
        """Note a request; give the fault that it meets."""
        with self._lock:
            self.requests.append(request)
            self.headers.append(headers)
            self.times.append(time.monotonic())
            self._now += 1
            self.at_once = max(self.at_once, self._now)
            return self.faults.pop(0) if self.faults else None

    def leave(self) -> None:
        """Note that a request is over."""
        with self._lock:
            self._now -= 1

    def texts(self) -> list[str]:
        """Give the last text of every request: the question."""
        return [texts_of(request)[-1] for request in self.requests]


def texts_of(request: dict[str, Any]) -> list[str]:
    """Give all texts of a request's last message."""
    content = request["messages"][-1]["content"]
    return [part["text"] for part in content if part["type"] == "text"]


def pictures_of(request: dict[str, Any]) -> list[str]:
    """Give the data URLs of a request's last message."""
    content = request["messages"][-1]["content"]
    return [part["image_url"]["url"] for part in content if part["type"] == "image_url"]


def completion(text: str | None, *, model: str = "stub-1", finish: str = "stop") -> dict[str, Any]:
    """Give a chat completion as a server sends it."""
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return {"id": "x", "object": "chat.completion", "created": 0, "model": model, "choices": [choice]}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    chat: ChatServer

    def do_POST(self) -> None:
        """Answer a chat completion."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        fault = self.chat.enter(body, {name.lower(): value for name, value in self.headers.items()})
        try:
            time.sleep(self.chat.delay_s)
            if not self.path.endswith("/chat/completions"):
                self._send(404, b'{"error": {"message": "no such path"}}')
            elif fault is not None:
                self._fail(fault)
            else:
                self._send(200, json.dumps(completion(self.chat.rule(body))).encode("utf-8"))
        finally:
            self.chat.leave()

    def _fail(self, fault: Fault) -> None:
        if fault.kind == "hang up":
            self.close_connection = True
            return
        if fault.kind == "late":
            time.sleep(fault.seconds)
            self.close_connection = True
            return
        if fault.kind == "garbage":
            self._send(200, b"<html>busy</html>")
        elif fault.kind == "empty":
            self._send(200, json.dumps(completion(None, finish="length")).encode("utf-8"))
        else:
            more = {"Retry-After": fault.retry_after} if fault.retry_after else {}
            self._send(fault.status, json.dumps({"error": {"message": fault.message}}).encode("utf-8"), more)

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        try:
            self.end_headers()
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):  # who asked is gone
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Stay quiet."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Be quiet about a line that whoever asked has closed."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def chat_server(
    rule: Rule | str, *, faults: Sequence[Fault] = (), delay_s: float = 0.0
) -> Iterator[ChatServer]:
    """Run a server on a free port of this machine while the block lasts.

    Args:
        rule: what it answers to a request's body, or one text for all.
        faults: what goes wrong with the first requests.
        delay_s: how long every answer takes.
    """
    server = ChatServer((lambda _: rule) if isinstance(rule, str) else rule, list(faults), delay_s)
    handler = type("Handler", (_Handler,), {"chat": server})
    http = _Server(("127.0.0.1", 0), handler)
    server.url = f"http://127.0.0.1:{http.server_address[1]}/v1"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
