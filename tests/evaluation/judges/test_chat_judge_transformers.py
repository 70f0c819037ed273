"""A model of transformers judges through its own chat template, with pictures where it sees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gartk.errors import CheckpointError
from gartk.evaluation.by_name import build_judge
from gartk.evaluation.judges.base import judgements_of
from tests.evaluation.benches import judged_by
from tests.evaluation.judges.cases import CAP_SIMPLE, DLC, FERRET, write_images
from tests.support.toy_qwen import save_toy_qwen2_5_vl, toy_qwen_tokenizer

TEXTS = {"sees_images": False, "device": "cpu"}
TEXT_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SEEING_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% for p in m['content'] %}{% if p['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ p['text'] }}{% endif %}{% endfor %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture(scope="module")
def text_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    folder = tmp_path_factory.mktemp("text")
    tokenizer = toy_qwen_tokenizer()
    tokenizer.chat_template = TEXT_TEMPLATE
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=32, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=4096,
    )  # fmt: skip
    Qwen2ForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def seeing_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import Qwen2_5_VLProcessor, Qwen2VLImageProcessor, Qwen2VLVideoProcessor

    folder = tmp_path_factory.mktemp("seeing")
    save_toy_qwen2_5_vl(folder)
    tokenizer = toy_qwen_tokenizer()
    processor: Any = Qwen2_5_VLProcessor(
        image_processor=Qwen2VLImageProcessor(min_pixels=28 * 28, max_pixels=4 * 28 * 28),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(),
        chat_template=SEEING_TEMPLATE,
    )
    processor.save_pretrained(folder)
    return folder


def test_a_text_model_is_asked_every_question_in_its_own_markup(text_model: Path) -> None:
    judge = build_judge(f"transformers:{text_model}", {"name": "toy", **TEXTS})
    region, review = judged_by(judge, [DLC, FERRET])
    assert len(judgements_of(region)) == 3
    for item in (region, review):
        assert all(isinstance(entry["reply"], str) for entry in judgements_of(item))
    assert [entry["prompt"] for entry in judgements_of(region)] == ["dlc_text/1"] * 3
    # Greedy decoding says the same again.
    assert judged_by(judge, [DLC])[0].replies == region.replies


def test_a_seeing_model_is_shown_the_pictures(
    seeing_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge: Any = build_judge(f"transformers:{seeing_model}", {"device": "cpu"})
    counts: list[int] = []
    generate = judge.chat._model.generate

    def counting(**inputs: Any) -> Any:
        counts.append(len(inputs["image_grid_thw"]))
        return generate(**inputs)

    monkeypatch.setattr(judge.chat._model, "generate", counting)
    (item,) = judged_by(judge, [CAP_SIMPLE], find_image=write_images(tmp_path))
    assert counts == [5]
    (entry,) = judgements_of(item)
    assert entry["prompt"] == "gar_cap_simple/1"
    assert isinstance(entry["reply"], str)


def test_a_failure_of_the_model_is_a_missing_verdict(
    text_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge: Any = build_judge(f"transformers:{text_model}", TEXTS)

    def fail(**inputs: Any) -> Any:
        raise RuntimeError("out of\nmemory")

    monkeypatch.setattr(judge.chat._model, "generate", fail)
    (item,) = judged_by(judge, [FERRET])
    assert judgements_of(item)[0]["problem"] == "RuntimeError: out of memory"
    assert item.replies == {}


def test_what_is_no_chat_model_is_refused(text_model: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be loaded as a model of texts"):
        build_judge(f"transformers:{tmp_path}", TEXTS)
    (tmp_path / "copy").mkdir()
    for file in text_model.iterdir():
        if file.name != "chat_template.jinja":
            (tmp_path / "copy" / file.name).write_bytes(file.read_bytes())
    with pytest.raises(CheckpointError, match="has no chat template"):
        build_judge(f"transformers:{tmp_path / 'copy'}", TEXTS)
