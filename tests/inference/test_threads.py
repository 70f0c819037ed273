"""One loaded model asked from several threads and tasks, on every base: each gets its own answers."""

from __future__ import annotations

import asyncio
import copy
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest
from typing import Any

import pytest
import torch

import gartk
from gartk.data.collate import collate
from gartk.inference.api import RegionAssistant
from gartk.models.region_vlm import RegionVLM
from gartk.registry import MODELS
from gartk.structures import Sample
from gartk.testing.toy import toy_llm, toy_model, toy_sample
from tests.inference.conftest import enliven
from tests.models.test_bases import BASES

THREADS = 4
SIZES = [(56, 56), (40, 130), (120, 50), (57, 61), (90, 90)]
EXTRACTORS = {
    "replay": {"type": "RoIAlignReplay", "output_size": 2},
    "gated": {"type": "GatedCrossAttentionCrop"},
}


@pytest.fixture(scope="module", params=BASES, ids=lambda base: base.__name__)
def config(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    config: dict[str, Any] = request.param(tmp_path_factory.mktemp(request.param.__name__))
    return config


def assistant_of(config: dict[str, Any], extractor: str) -> RegionAssistant:
    torch.manual_seed(0)
    return RegionAssistant(enliven(MODELS.build({**config, "region_extractor": EXTRACTORS[extractor]})))


def questions(count: int) -> list[Sample]:
    return [toy_sample(SIZES[i % 5], 1 + i % 3, seed=i // 2, answered=False) for i in range(count)]


def reply(assistant: RegionAssistant, number: int, sample: Sample) -> Any:
    """Ask in one of the ways that there are, by turns."""
    asked = (sample.image, sample.regions, f"What is <Prompt{number % len(sample.regions)}>?")
    if number % 4 == 0:
        return [answer.text for answer in assistant.describe(*asked[:2], max_new_tokens=4)]
    if number % 4 == 1:
        return "".join(assistant.stream(*asked, max_new_tokens=5))
    if number % 4 == 2:
        return assistant.ask(*asked, max_new_tokens=5, temperature=1.5, seed=number).text
    return assistant.ask(*asked, max_new_tokens=5)


def assert_as_alone(assistant: RegionAssistant, count: int) -> None:
    """Ask ``count`` questions in every thread, each in another order, and compare with asking one by one."""
    asked = questions(count)
    alone = [reply(assistant, number, sample) for number, sample in enumerate(asked)]
    assert len({str(one) for one in alone}) > count // 2, "answers must differ for this to mean anything"
    meet = threading.Barrier(THREADS)

    def work(first: int) -> list[Any]:
        meet.wait(60)
        order = [(first * 3 + i) % count for i in range(count)]
        return [(number, reply(assistant, number, asked[number])) for number in order]

    with ThreadPoolExecutor(THREADS) as pool:
        found = [one for answers in pool.map(work, range(THREADS)) for one in answers]
    assert len(found) == THREADS * count
    assert [number for number, answer in found if answer != alone[number]] == []


@pytest.mark.parametrize("extractor", EXTRACTORS)
def test_four_threads_get_the_answers_that_each_gets_alone(config: dict[str, Any], extractor: str) -> None:
    assert_as_alone(assistant_of(config, extractor), count=6)


@pytest.mark.slow
@pytest.mark.parametrize("extractor", EXTRACTORS)
def test_four_threads_with_48_questions_each_get_the_answers_of_each_alone(
    config: dict[str, Any], extractor: str
) -> None:
    assert_as_alone(assistant_of(config, extractor), count=48)


def test_tasks_get_the_answers_that_each_gets_alone(lively: RegionVLM) -> None:
    assistant, asked = RegionAssistant(lively), questions(8)

    async def ask_all() -> list[Any]:
        return await asyncio.gather(
            *(asyncio.to_thread(reply, assistant, number, one) for number, one in enumerate(asked))
        )

    assert asyncio.run(ask_all()) == [reply(assistant, number, one) for number, one in enumerate(asked)]


def test_streams_read_by_turns_keep_their_own_prompts(lively: RegionVLM) -> None:
    assistant = RegionAssistant(lively)
    asked = [(one.image, one.regions, "What is <Prompt0>?") for one in questions(4)]
    streams = [assistant.stream(*one, max_new_tokens=8) for one in asked]
    pieces = zip_longest(*streams, fillvalue="")
    texts = ["".join(own) for own in zip(*pieces, strict=True)]
    assert texts == [assistant.ask(*one, max_new_tokens=8).text for one in asked]
    assert len(set(texts)) == len(texts)


def dropping() -> RegionVLM:
    """A model that answers otherwise in training mode."""
    decoder = {**toy_llm()["config"], "attention_dropout": 0.5}
    torch.manual_seed(0)
    model: RegionVLM = enliven(MODELS.build(toy_model(llm=toy_llm(config=decoder))))
    return model


def test_a_model_that_trains_is_asked_in_evaluation_mode_and_trains_on() -> None:
    model = dropping()
    asked = questions(8)
    alone = [reply(RegionAssistant(model), number, one) for number, one in enumerate(asked)]
    model.train()
    modes, stop = [], threading.Event()

    def train() -> int:
        processor = model.make_processor(training=True)
        batch = collate([processor(toy_sample(num_regions=2))], pad_id=processor.pad_id, pad_side="right")
        losses = set()
        while not stop.is_set() or len(losses) < 5:
            modes.append(all(module.training for module in model.modules()))
            loss = model.loss(batch)["loss"]
            loss.backward()
            losses.add(float(loss.detach()))
        return len(losses)

    with ThreadPoolExecutor(THREADS) as pool:
        training = pool.submit(train)
        found = list(pool.map(lambda n: reply(RegionAssistant(model), n, asked[n]), range(len(asked))))
        stop.set()
        assert training.result() >= 5, "dropout must draw anew in every step"
    assert found == alone
    assert all(modes)
    assert all(module.training for module in model.modules())


def test_what_is_asked_while_a_model_trains_is_answered_with_its_weights_of_now() -> None:
    model = dropping().train()
    assistant, sample = RegionAssistant(model), questions(1)[0]
    before = reply(assistant, 3, sample)
    with torch.no_grad():
        for parameter in model.llm.lm.parameters():
            parameter.neg_()
    assert reply(assistant, 3, sample) != before
    assert reply(assistant, 3, sample) == reply(RegionAssistant(copy.deepcopy(model).eval()), 3, sample)


def test_seeded_calls_draw_from_generators_of_their_own(lively: RegionVLM) -> None:
    assistant, sample = RegionAssistant(lively), questions(1)[0]

    def draw(seed: int | None) -> str:
        return assistant.ask(
            sample.image, sample.regions, "Why?", max_new_tokens=6, temperature=1.5, seed=seed
        ).text

    alone = [draw(seed) for seed in range(8)]
    assert len(set(alone)) > 4
    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(draw, [*range(8), None, None, *range(8)]))
    assert found[:8] == found[10:] == alone


def test_a_long_text_changes_no_later_answer() -> None:
    """Positions that stretch with the text must not be remembered from one call to the next."""
    stretched = {"rope_type": "dynamic", "factor": 8.0, "rope_theta": 10000.0}
    decoder = {**toy_llm()["config"], "max_position_embeddings": 64, "rope_parameters": stretched}
    torch.manual_seed(0)
    model = enliven(MODELS.build(toy_model(llm=toy_llm(config=decoder))))
    assistant = RegionAssistant(model)
    short, long = ([one.image, one.regions, "What is <Prompt0>?"] for one in questions(2))
    long[2] *= 20
    longer = [*short[:2], "What is <Prompt0>?" * 5]

    def ask(one: Sequence[Any]) -> str:
        return assistant.ask(*one, max_new_tokens=6).text

    alone = [RegionAssistant(copy.deepcopy(model)).ask(*one, max_new_tokens=6).text for one in (longer, long)]
    assert [ask(longer), ask(long), ask(longer)] == [*alone, alone[0]]
    with ThreadPoolExecutor(THREADS) as pool:
        assert list(pool.map(ask, [longer, long] * 6)) == alone * 6


def test_two_loads_of_different_types_at_once_are_both_right() -> None:
    sample = questions(1)[0]

    def types(model: RegionAssistant) -> set[torch.dtype]:
        return {parameter.dtype for parameter in model.model.parameters()}

    def load(dtype: str) -> tuple[set[torch.dtype], str]:
        model = gartk.load("tiny", dtype=dtype)
        answer = model.ask(sample.image, sample.regions, "Describe <Prompt0>.", max_new_tokens=8)
        return types(model), answer.text

    wanted = ["float32", "bfloat16", "float16"]
    alone = [load(dtype) for dtype in wanted]
    assert [one for one, _ in alone] == [{getattr(torch, dtype)} for dtype in wanted]
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(load, wanted * 2)) == alone * 2
    assert torch.get_default_dtype() == torch.float32


def test_a_question_is_answered_alike_while_another_model_is_being_built(lively: RegionVLM) -> None:
    assistant, asked = RegionAssistant(lively), questions(6)
    alone = [reply(assistant, number, one) for number, one in enumerate(asked)]
    stop = threading.Event()

    def build() -> int:
        count = 0
        while not stop.is_set():
            MODELS.build(toy_model(dtype="float16"))
            count += 1
        return count

    with ThreadPoolExecutor(2) as pool:
        building = pool.submit(build)
        found = [reply(assistant, number, one) for number, one in enumerate(asked)]
        stop.set()
        assert building.result() > 0
    assert found == alone
