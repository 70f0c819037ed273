"""Judges give items back with replies that the scorers read, and keep what belongs to a verdict."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from gartk.errors import ConfigError, DataError, EndpointError
from gartk.evaluation.by_name import build_judge
from gartk.evaluation.item import JUDGE, Item
from gartk.evaluation.judgements import judgements_of, judges_of
from gartk.evaluation.judges.base import Judge
from gartk.evaluation.judges.chat_judge import NO_IMAGE, ChatJudge
from gartk.evaluation.models.chat import ChatModel, ChatReply
from gartk.evaluation.pictures import ImageFinder
from tests.evaluation.benches import by_judge, judged_by, report, to_judge
from tests.evaluation.judges.cases import (
    ALL,
    CAP_DETAILED,
    CAP_SIMPLE,
    DLC,
    FERRET,
    MDVP,
    VIDEO,
    write_images,
)

FOUR = "\n".join(
    f"{n}. {name}: {n}"
    for n, name in enumerate(
        (
            "Subject Correspondence",
            "Appearance Description",
            "Temporal Description",
            "Hallucination Detection",
        ),
        start=1,
    )
)
GOOD = {"gar-cap": "True", "dlc": "A", "ferret": "8 6", "mdvp": "5 4", "videorefer-d": FOUR}


class Answering(ChatModel):
    """A chat model that answers by a rule, and remembers what it was asked."""

    def __init__(
        self, *replies: str | None, name: str = "m", sees_images: bool = False, threads: int = 1
    ) -> None:
        self.name, self.sees_images, self.threads = name, sees_images, threads
        self.replies = replies
        self.asked: list[tuple[Sequence[Any], str, int]] = []

    def about(self) -> dict[str, Any]:
        return {"kind": "answering"}

    def reply(self, parts: Sequence[Any], *, system: str = "", max_new_tokens: int) -> ChatReply:
        self.asked.append((parts, system, max_new_tokens))
        text = self.replies[min(len(self.asked), len(self.replies)) - 1]
        return ChatReply(text, "" if text is not None else "TimeoutError: too slow")


def judge_of(*replies: str | None, sees_images: bool = False) -> ChatJudge:
    return ChatJudge(Answering(*replies, sees_images=sees_images))


@pytest.fixture
def find(tmp_path: Path) -> ImageFinder:
    return write_images(tmp_path)


@pytest.mark.parametrize("item", ALL, ids=lambda item: f"{item.benchmark} {item.task}")
def test_a_good_reply_scores_and_stays_with_the_record(item: Item, find: ImageFinder) -> None:
    judged = judged_by(judge_of(GOOD[item.benchmark], sees_images=True), [item], find_image=find)
    asked = [one for one in judged if JUDGE in one.replies]
    for one in asked:
        assert one.replies["m"] == one.replies[JUDGE]
        for entry in judgements_of(one):
            assert entry["judge"] == "m"
            assert entry["prompt"].endswith("/1")
            assert entry["reply"] == GOOD[item.benchmark]
            assert entry["verdict"]["tolerant"] is not None
    leaves = json.dumps(report(item.benchmark, judged))
    assert '"missing": 0' in leaves
    assert len(asked) == (2 if item is MDVP else 1)


@pytest.mark.parametrize("item", ALL, ids=lambda item: f"{item.benchmark} {item.task}")
def test_a_reply_that_did_not_come_is_missing_and_says_why(item: Item, find: ImageFinder) -> None:
    judged = judged_by(judge_of(None, sees_images=True), [item], find_image=find)
    for one in judged:
        if one.replies:
            assert set(one.replies) <= {JUDGE, "m"}
            assert set(one.replies[JUDGE]) == {None}
        assert all(entry["problem"] == "TimeoutError: too slow" for entry in judgements_of(one))
    assert not _scored(report(item.benchmark, judged)["variants"])


def _scored(scores: dict[str, Any]) -> list[dict[str, Any]]:
    leaves = [scores] if isinstance(scores.get("text"), str) else []
    if not leaves:
        return [leaf for value in scores.values() if isinstance(value, dict) for leaf in _scored(value)]
    return [leaf for leaf in leaves if leaf.get("hits") or leaf.get("value") is not None]


def test_an_old_verdict_does_not_stand_in_for_a_missing_one() -> None:
    judged_before = replace(FERRET, extra={**FERRET.extra, "tuple": [8, 6]}, replies={JUDGE: "8 6"})
    (again,) = judged_by(judge_of(None), [judged_before])
    assert report("ferret", [again])["variants"]["published"]["refer_desc"]["missing"] == 1
    record = {**DLC.extra["details_positives"][0], "pred_answer": "B", "pred_index": 1}
    (region,) = judged_by(judge_of(None), [replace(DLC, extra={**DLC.extra, "details_positives": [record]})])
    assert "pred_answer" not in region.extra["details_positives"][0]
    assert report("dlc", [region])["conflicts"] == 0


def test_an_item_without_a_prediction_is_not_asked_about() -> None:
    judge = judge_of("True")
    item = replace(CAP_SIMPLE, prediction=None)
    assert judged_by(judge, [item]) == [item]
    assert judge.chat.asked == []  # type: ignore[attr-defined]


def test_a_judge_with_eyes_does_not_judge_what_it_cannot_see() -> None:
    (item,) = judged_by(judge_of("True", sees_images=True), [CAP_SIMPLE], find_image=None)
    assert item.replies == {}
    assert judgements_of(item)[0]["problem"] == NO_IMAGE


def test_items_come_back_in_order_and_are_reported_as_they_are_done(find: ImageFinder) -> None:
    items = [replace(CAP_SIMPLE, id=str(n)) for n in range(20)]
    seen: list[str] = []
    judge = ChatJudge(Answering("True", sees_images=True, threads=4))
    judged = judged_by(judge, items, find_image=find, on_item=lambda item: seen.append(item.id))
    assert [item.id for item in judged] == [item.id for item in items]
    assert sorted(seen) == sorted(item.id for item in items)


def test_several_judges_stand_side_by_side_and_each_can_be_scored() -> None:
    (once,) = judged_by(judge_of("True"), [CAP_SIMPLE])
    other = ChatJudge(Answering("False", name="two"))
    (twice,) = judged_by(other, [once])
    assert judges_of([twice]) == ["m", "two"]
    assert (twice.replies["m"], twice.replies["two"], twice.replies[JUDGE]) == ("True", "False", "False")
    assert by_judge([twice], "m")[0].replies[JUDGE] == "True"
    silent = judged_by(judge_of(""), [CAP_SIMPLE])
    assert by_judge(silent, "m")[0].replies[JUDGE] == ""
    (replaced,) = judged_by(other, [twice])
    assert len(judgements_of(replaced)) == 2
    with pytest.raises(DataError, match="No item has a verdict of the judge 'three'"):
        by_judge([twice], "three")


def test_captions_of_mdvp_are_judged_in_both_pairings(find: ImageFinder) -> None:
    other = replace(MDVP, id="1 b", image="images/b.png", reference="A menu.", prediction=None)
    reviews = [item for item in to_judge([MDVP, other]) if item.id.startswith("review")]
    assert [item.id for item in reviews] == [
        f"review {pairing} {n}" for pairing in ("published", "fixed") for n in (1, 2)
    ]
    assert reviews[2].prediction == "<Region 1>: A blue button."
    judged = judged_by(judge_of("5 4", sees_images=True), [MDVP, other], find_image=find)
    assert sum(JUDGE in item.replies for item in judged) == 2
    # What is judged already is not paired again.
    assert len(to_judge(judged)) == len(judged)


def test_a_benchmark_without_a_judge_is_refused() -> None:
    for name in ("rules",):
        with pytest.raises(ConfigError, match="gar-vqa is scored without a judge"):
            judged_by(build_judge(name), [Item("gar-vqa", "1", prediction="A")])


def test_a_chat_judge_says_what_decides_its_verdicts() -> None:
    assert judge_of("x").about() == {"kind": "answering", "sees_images": False}
    assert isinstance(judge_of("x"), Judge)


# ------------------------------------------------------------------ a real server on loopback


@pytest.fixture
def server() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A server that says True, and keeps what it was sent; a model named "none" is not there."""
    seen: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            seen.append(body)
            found = body["model"] != "none"
            message = {"role": "assistant", "content": "True"}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            answer = {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
            data = json.dumps(answer if found else {"error": {"message": "no such model"}}).encode()
            self.send_response(200 if found else 404)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}/v1", seen
    running.shutdown()
    thread.join(timeout=10)


def test_a_server_is_asked_at_temperature_zero_with_all_pictures(
    server: tuple[str, list[dict[str, Any]]], find: ImageFinder, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openai")
    monkeypatch.setenv("OPENAI_API_KEY", "secret-key")
    url, seen = server
    judge = build_judge("openai:judge-model", {"base_url": url})
    (one, two) = judged_by(judge, [CAP_SIMPLE, CAP_DETAILED], find_image=find)
    assert one.replies["judge-model"] == two.replies[JUDGE] == "True"
    assert {(body["model"], body["temperature"]) for body in seen} == {("judge-model", 0)}
    for body in seen:
        urls = [part["image_url"]["url"] for part in body["messages"][-1]["content"] if "image_url" in part]
        assert [url.partition(";")[0] for url in urls] == [
            "data:image/jpeg", "data:image/jpeg", "data:image/png", "data:image/jpeg", "data:image/png",
        ]  # fmt: skip
    assert "secret-key" not in json.dumps([one.extra, two.extra])


def test_a_server_without_the_model_ends_the_run(server: tuple[str, list[dict[str, Any]]]) -> None:
    pytest.importorskip("openai")
    judge = build_judge("openai:none", {"base_url": server[0], "sees_images": False})
    with pytest.raises(EndpointError, match="is not there"):
        judged_by(judge, [CAP_SIMPLE, VIDEO])
