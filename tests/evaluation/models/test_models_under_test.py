"""Models under test answer every item they can see, and say why they have no answer for the others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from gartk.errors import CheckpointError, ConfigError
from gartk.evaluation.benchmarks.gar_bench import GARVQABenchmark
from gartk.evaluation.by_name import build_model_under_test
from gartk.evaluation.item import Item
from gartk.evaluation.models.base import Answer
from gartk.evaluation.models.chat_under_test import ChatModelUnderTest
from gartk.evaluation.models.gartk_model import GartkModelUnderTest
from gartk.evaluation.models.item_view import ViewReader
from gartk.evaluation.models.marks import MarkStyle, mark_style
from gartk.evaluation.models.transformers import TransformersChatModel
from gartk.evaluation.models.visual_prompts import VisualPrompt
from gartk.inference.api import RegionAssistant
from gartk.registry import MODELS
from gartk.testing.benchmark_files import draw_image, rle
from gartk.testing.toy import toy_model
from tests.evaluation.benches import with_prompt
from tests.support.chat_server import chat_server, pictures_of
from tests.support.gar_bench import write_gar_bench
from tests.support.toy_chat_model import save_toy_chat_model


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("root")
    write_gar_bench(folder, count=5, regions=2)
    return folder


@pytest.fixture(scope="module")
def items(root: Path) -> list[Item]:
    return GARVQABenchmark().load(root)


@pytest.fixture(scope="module")
def find(root: Path) -> Any:
    return GARVQABenchmark().find_image(root)


@pytest.fixture(scope="module")
def assistant() -> RegionAssistant:
    torch.manual_seed(0)
    model = MODELS.build(toy_model())
    with torch.no_grad():
        for parameter in model.llm.lm.parameters():
            if parameter.ndim == 2:
                parameter.normal_(std=0.3)
    return RegionAssistant(model.eval(), origin="toy")


@pytest.fixture(scope="module")
def chat_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("chat")
    save_toy_chat_model(folder)
    return str(folder)


def texts(answers: list[Answer]) -> list[str | None]:
    return [answer.text for answer in answers]


# ------------------------------------------------------------------ gartk


def test_a_gartk_model_answers_as_ask_does_whatever_the_batch(
    assistant: RegionAssistant, items: list[Item], find: Any
) -> None:
    alone = list(
        GartkModelUnderTest(assistant, batch_size=1).answers(items, find_image=find, max_new_tokens=5)
    )
    batched = list(
        GartkModelUnderTest(assistant, batch_size=3).answers(items, find_image=find, max_new_tokens=5)
    )
    assert texts(alone) == texts(batched)
    assert [answer.item for answer in batched] == items
    direct = assistant.ask(
        str(find(items[2])), list(items[2].masks), items[2].extra["prompt"], max_new_tokens=5
    )
    assert batched[2].text == direct.text
    assert batched[2].details["num_new_tokens"] == direct.num_new_tokens
    assert all(answer.seconds > 0 for answer in batched)


def test_an_item_with_more_regions_than_prompts_is_missing_with_its_reason(
    assistant: RegionAssistant, items: list[Item], find: Any
) -> None:
    limit = assistant.max_regions
    crowded = replace(items[1], masks=tuple(items[1].masks[0] for _ in range(limit + 1)))
    answers = {
        a.item.id: a
        for a in GartkModelUnderTest(assistant).answers(
            [items[0], crowded], find_image=find, max_new_tokens=3
        )
    }
    assert answers[items[0].id].text is not None
    assert answers[crowded.id].text is None
    assert (
        answers[crowded.id].problem == f"it has {limit + 1} regions, and this model has prompts for {limit}"
    )


def test_an_item_that_cannot_be_encoded_does_not_take_its_batch_with_it(
    assistant: RegionAssistant, items: list[Item], find: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gartk.data.processor import RegionProcessor
    from gartk.errors import DataError

    encode = RegionProcessor.__call__

    def failing(self: Any, sample: Any) -> Any:
        if sample.id == items[1].id:
            raise DataError("too long")
        return encode(self, sample)

    monkeypatch.setattr(RegionProcessor, "__call__", failing)
    answers = {
        a.item.id: a
        for a in GartkModelUnderTest(assistant).answers(items[:3], find_image=find, max_new_tokens=3)
    }
    assert [answers[item.id].text is None for item in items[:3]] == [False, True, False]
    assert "too long" in answers[items[1].id].problem


def test_a_question_without_regions_is_asked_too(
    assistant: RegionAssistant, find: Any, items: list[Item]
) -> None:
    bare = replace(items[0], benchmark="realworldqa", masks=(), extra={}, question="What is it?")
    (answer,) = GartkModelUnderTest(assistant).answers([with_prompt(bare)], find_image=find, max_new_tokens=3)
    assert answer.text is not None


def test_what_a_gartk_model_is_stands_in_its_description(assistant: RegionAssistant, find: Any) -> None:
    about = GartkModelUnderTest(assistant, name="tiny").about()
    assert (about["kind"], about["model"], about["dtype"], about["compat"]) == (
        "gartk",
        "tiny",
        "float32",
        [],
    )
    assert about["parameters"] == sum(p.numel() for p in assistant.model.parameters())


# ------------------------------------------------------------------ transformers


def test_a_transformers_model_answers_by_its_own_template(
    chat_folder: str, items: list[Item], find: Any
) -> None:
    model = ChatModelUnderTest(TransformersChatModel(chat_folder, device="cpu"))
    answers = list(model.answers(items[:2], find_image=find, max_new_tokens=4))
    again = list(
        ChatModelUnderTest(TransformersChatModel(chat_folder, device="cpu")).answers(
            items[:2], find_image=find, max_new_tokens=4
        )
    )
    assert texts(answers) == texts(again)
    assert all(isinstance(answer.text, str) for answer in answers)
    assert all(answer.details["num_new_tokens"] <= 4 for answer in answers)
    # The whole image and two crops of each of two regions, in the order of the question.
    parts = model.visual_prompt.parts(ViewReader(find).read(items[0]))
    inputs = model.chat._processor.apply_chat_template(  # type: ignore[attr-defined]
        [{"role": "user", "content": model.chat._content(parts)}],  # type: ignore[attr-defined]
        tokenize=True, return_dict=True, return_tensors="pt",
    )  # fmt: skip
    assert len(inputs["image_grid_thw"]) == 5


def test_what_a_transformers_model_fails_on_is_missing_and_the_rest_goes_on(
    chat_folder: str, items: list[Item], find: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = TransformersChatModel(chat_folder, device="cpu")
    generate = chat._generate
    seen: list[int] = []

    def failing(messages: Any, max_new_tokens: int) -> Any:
        seen.append(len(messages[0]["content"]))
        if len(seen) == 1:
            raise RuntimeError("out of\nmemory")
        return generate(messages, max_new_tokens)

    monkeypatch.setattr(chat, "_generate", failing)
    model = ChatModelUnderTest(chat, visual_prompt=VisualPrompt(3))
    absent = replace(items[2], image="images/none.png")
    first, second, third = model.answers([*items[:2], absent], find_image=find, max_new_tokens=2)
    assert (first.text, first.problem) == (None, "RuntimeError: out of memory")
    assert second.text is not None
    assert third.problem == "the image images/none.png is not there"
    assert seen == [2, 2]


def test_what_is_no_chat_model_is_refused(chat_folder: str, tmp_path: Path, find: Any) -> None:
    with pytest.raises(CheckpointError, match="cannot be loaded as an image-text-to-text model"):
        TransformersChatModel(str(tmp_path / "nowhere"))
    for file in Path(chat_folder).iterdir():
        if file.name != "chat_template.jinja":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(CheckpointError, match="has no chat template"):
        TransformersChatModel(str(tmp_path))


# ------------------------------------------------------------------ servers


def test_a_server_gets_pictures_and_question_and_its_answers_belong_to_their_items(
    items: list[Item], find: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openai", reason="needs the extra 'eval'")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    broken = replace(items[3], image="images/none.png")
    with chat_server(lambda request: str(len(pictures_of(request)[0]))) as server:
        arguments = {"base_url": server.url, "threads": 3}
        model = build_model_under_test("openai:stub", arguments, system="be brief")
        answers = {
            a.item.id: a for a in model.answers([*items[:3], broken], find_image=find, max_new_tokens=9)
        }
    assert set(answers) == {item.id for item in (*items[:3], broken)}
    assert answers[broken.id].problem == "the image images/none.png is not there"
    assert len(server.requests) == 3
    for request in server.requests:
        assert request["max_tokens"] == 9
        assert len(pictures_of(request)) == 5
        assert request["messages"][0] == {"role": "system", "content": "be brief"}
    about = model.about()
    assert (about["kind"], about["model"], about["input_type"], about["base_url"]) == (
        "openai",
        "stub",
        1,
        server.url,
    )


# ------------------------------------------------------------------ marks


def test_marks_are_styled_by_names() -> None:
    style = mark_style({"palette": ["blue", "red"], "line_px": 4, "centre": "box"})
    assert [name for name, _ in style.palette] == ["blue", "red"]
    assert (style.line_px, style.centre) == (4, "box")
    assert mark_style({}) == MarkStyle()
    assert mark_style({"palette": "cyan"}).colour(0)[0] == "cyan"
    for options, says in (
        ({"width": 3}, "no option 'width'"),
        ({"palette": "pnk"}, "no colour 'pnk'.*Known: blue"),
    ):
        with pytest.raises(ConfigError, match=says):
            mark_style(options)


def test_a_thin_mask_is_seen_by_every_kind(tmp_path: Path, assistant: RegionAssistant) -> None:
    draw_image(tmp_path / "a.png", [])
    thin = with_prompt(Item("dlc", "1", image="a.png", masks=(rle((40, 30, 41, 31)),)))
    (answer,) = GartkModelUnderTest(assistant).answers(
        [thin], find_image=lambda _: tmp_path / "a.png", max_new_tokens=2
    )
    assert answer.text is not None
