"""A model can be given more prompts than it was trained with."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch

import gartk
import gartk.compat
from gartk.checkpoints import Checkpoint
from gartk.compat import extend_prompts
from gartk.errors import ConfigError, RegionError
from gartk.inference.api import RegionAssistant
from gartk.models.region_vlm import RegionVLM
from gartk.registry import MODELS
from gartk.testing.toy import toy_model, toy_sample
from tests.compat.samples import one_batch
from tests.support.release import save_toy_release


def test_more_regions_than_prompts_is_an_error_that_names_the_way_out(released: RegionAssistant) -> None:
    one = toy_sample((56, 56), 7)
    with pytest.raises(RegionError, match=r"gartk\.compat\.extend_prompts\(model, 2\)"):
        released.ask(one.image, one.regions, "Which?")
    with pytest.raises(RegionError, match=r"7 regions .*for 5.*extend_prompts\(model, 2\)"):
        released.model.make_processor()(one)


@pytest.mark.parametrize("tied", [True, False])
def test_new_prompts_are_the_mean_of_the_known_ones_and_the_report_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, tied: bool
) -> None:
    save_toy_release(tmp_path, tied=tied)
    model = gartk.load(tmp_path, device="cpu").model
    matrices = [model.llm.lm.get_input_embeddings().weight, model.llm.lm.get_output_embeddings().weight]
    before = [matrix.detach().clone() for matrix in matrices]
    with caplog.at_level(logging.WARNING, logger="gartk"):
        report = extend_prompts(model, 3)
    assert report.prompts == ("<Prompt5>", "<Prompt6>", "<Prompt7>")
    assert report.regions == tuple(f"<|reserved_special_token_{i}|>" for i in (7, 8, 9))
    assert (report.num_known, report.rows_before, report.rows_after) == (5, 322, 325)
    assert "untrained" in str(report)
    assert str(report) in caplog.text
    known = model.llm.tokenizer.convert_tokens_to_ids([f"<Prompt{i}>" for i in range(5)])
    new = model.llm.tokenizer.convert_tokens_to_ids(list(report.prompts))
    now = [model.llm.lm.get_input_embeddings().weight, model.llm.lm.get_output_embeddings().weight]
    assert (now[0] is now[1]) is tied
    for old, matrix in zip(before, now, strict=True):
        assert torch.equal(matrix[: len(old)], old), "what was known stays as it was"
        torch.testing.assert_close(matrix[new], old[known].mean(0).expand(3, -1))


def test_an_extended_model_answers_about_more_regions_and_is_saved_so(tmp_path: Path) -> None:
    save_toy_release(tmp_path / "release")
    assistant = gartk.load(tmp_path / "release", device="cpu")
    extend_prompts(assistant, 4)
    one = toy_sample((56, 112), 9)
    question = "Is <Prompt8> left of <Prompt0>?"
    said = assistant.ask(one.image, one.regions, question, max_new_tokens=3)
    Checkpoint.save(assistant.model, tmp_path / "gartk")
    twin = gartk.load(tmp_path / "gartk", device="cpu")
    assert twin.max_regions == 9
    assert twin.ask(one.image, one.regions, question, max_new_tokens=3) == said
    extend_prompts(twin.model, 1)
    assert twin.max_regions == 10


def test_where_no_reserved_token_is_left_placeholders_are_added() -> None:
    model: RegionVLM = MODELS.build(toy_model())
    report = extend_prompts(model, 2)
    assert report.regions == ("<|region_pad_8|>", "<|region_pad_9|>")
    assert report.rows_after == report.rows_before + 4
    with torch.no_grad():
        model(one_batch(model, toy_sample((56, 56), 10, answered=False)))


@pytest.mark.parametrize("count", [0, -1])
def test_extending_by_nothing_is_a_config_error(count: int) -> None:
    with pytest.raises(ConfigError, match=f"asked for {count} beside 8"):
        extend_prompts(MODELS.build(toy_model()), count)
