"""Qwen2.5-VL's decoder: its generation, its vocabulary and its checkpoints."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from gartk.errors import CheckpointError, ConfigError
from gartk.models.llms import CausalLM, Qwen2_5_VLDecoder
from gartk.registry import LLMS
from tests.support.toy_bases import save_toy_perception_lm
from tests.support.toy_qwen import from_qwen_folder, save_toy_qwen2_5_vl, toy_qwen_llm, toy_qwen_tokenizer


def make_llm(**changes: Any) -> Qwen2_5_VLDecoder:
    torch.manual_seed(0)
    llm: Qwen2_5_VLDecoder = LLMS.build(toy_qwen_llm(**changes))
    return llm.eval()


def from_folder(folder: Path, **changes: Any) -> Qwen2_5_VLDecoder:
    llm: Qwen2_5_VLDecoder = LLMS.build({**from_qwen_folder(folder)["llm"], **changes})
    return llm.eval()


def padded(rows: list[Tensor], positions: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Rows (L, D) and their positions (3, L) side by side, padded on the left."""
    length = max(len(row) for row in rows)
    embeddings = torch.zeros(len(rows), length, rows[0].shape[1])
    mask = torch.zeros(len(rows), length, dtype=torch.int64)
    places = torch.zeros(3, len(rows), length, dtype=positions[0].dtype)
    for number, row in enumerate(rows):
        embeddings[number, length - len(row) :] = row
        mask[number, length - len(row) :] = 1
        places[:, number, length - len(row) :] = positions[number]
    return embeddings, mask, places


def greedy(llm: Qwen2_5_VLDecoder, row: Tensor, positions: Tensor, steps: int) -> list[int]:
    """Greedy decoding of one unpadded row (L, D) at positions (3, L), without cache."""
    out: list[int] = []
    for _ in range(steps):
        mask = torch.ones(1, len(row), dtype=torch.int64)
        logits = llm.head(llm.hidden(row[None], mask, positions[:, None]))[0, -1]
        out.append(int(logits.argmax()))
        if out[-1] == llm.end_id:
            break
        row = torch.cat([row, llm.embed(torch.tensor([out[-1]]))])
        positions = torch.cat([positions, positions[:, -1:] + 1], 1)
    return out


def spatial(length: int, dtype: torch.dtype) -> Tensor:
    """Positions (3, L) of a 3x3 image after two tokens, then text; with halves where they may be."""
    text = torch.cat([torch.arange(2), torch.full((9,), 2), torch.arange(5, length - 6)])
    found = text.repeat(3, 1).to(dtype)
    rows, cols = torch.meshgrid(torch.arange(3), torch.arange(3), indexing="ij")
    found[1:, 2:11] += torch.stack([rows.flatten(), cols.flatten()]).to(dtype)
    if dtype.is_floating_point:
        found[1:, 2:11] += 0.5
    return found


@pytest.mark.parametrize("dtype", [torch.int64, torch.float32])
@torch.no_grad()
def test_left_padded_generation_is_greedy_decoding_of_each_row_without_cache(dtype: torch.dtype) -> None:
    llm = make_llm()
    for parameter in llm.parameters():  # a fresh model repeats one token; this one does not
        parameter.mul_(3.0)
    lengths = [13, 20, 16]
    rows = [torch.randn(length, 48, generator=torch.Generator().manual_seed(length)) for length in lengths]
    positions = [spatial(length, dtype) for length in lengths]
    inputs = padded(rows, positions)
    before = llm.hidden(*inputs)
    new = llm.generate(*inputs, max_new_tokens=6)
    wanted = [greedy(llm, row, own, 6) for row, own in zip(rows, positions, strict=True)]
    assert [row[: len(w)].tolist() for row, w in zip(new, wanted, strict=True)] == wanted
    assert len({tuple(w) for w in wanted}) == 3, "the rows must differ for this to mean anything"
    assert torch.equal(llm.hidden(*inputs), before), "generation leaves nothing behind"
    flat = [torch.arange(length).expand(3, -1) for length in lengths]
    assert not torch.equal(llm.hidden(*padded(rows, flat)), before), "positions must count for this"


def test_the_decoder_has_no_vision_tower_and_names_weights_as_other_language_models() -> None:
    names = make_llm().state_dict().keys()
    assert [name for name in names if "visual" in name or "merger" in name] == []
    assert {name.split(".")[1] for name in names} == {"model", "lm_head"}


def test_it_takes_every_argument_of_a_causal_lm() -> None:
    own, base = (set(inspect.signature(part).parameters) for part in (Qwen2_5_VLDecoder, CausalLM))
    assert own - base == {"position_policy"}
    assert base - own == set()


def test_gradient_checkpointing_changes_no_gradient() -> None:
    gradients = []
    for checkpointing in (False, True):
        llm = make_llm(gradient_checkpointing=checkpointing).train()
        assert llm.lm.model.gradient_checkpointing is checkpointing
        inputs = padded(
            [torch.randn(13, 48, generator=torch.Generator().manual_seed(1))], [spatial(13, torch.int64)]
        )
        embeddings = inputs[0].requires_grad_()
        llm.hidden(*inputs).square().mean().backward()
        gradients.append(embeddings.grad)
    torch.testing.assert_close(gradients[0], gradients[1])


def test_adapters_and_prompt_embeddings_alone_learn_with_lora() -> None:
    llm = make_llm(lora={"r": 2, "target_modules": ["q_proj", "v_proj"]})
    learning = {name.rpartition(".layers.")[2] for name, p in llm.named_parameters() if p.requires_grad}
    assert len([name for name in learning if "lora_" in name]) == 2 * 2 * 2
    assert all("lora_" in name or "trainable_tokens" in name for name in learning)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"position_policy": "virtual"}, r"position_policy 'virtual' is unknown(.|\n)*virtual_image"),
        ({"position_polcy": "source"}, "'position_polcy'"),
        ({"config": {"model_type": "llama"}}, "got model_type 'llama'"),
        ({"config": None}, "either 'pretrained' or 'config'"),
    ],
)
def test_arguments_that_cannot_be_used_are_config_errors(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        make_llm(**changes)


# ------------------------------------------------------------------ its checkpoints


def is_tied(llm: CausalLM) -> bool:
    return llm.lm.get_input_embeddings().weight is llm.lm.get_output_embeddings().weight


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("flat", [True, False])
def test_hidden_states_and_logits_are_those_of_transformers(tmp_path: Path, tied: bool, flat: bool) -> None:
    theirs = save_toy_qwen2_5_vl(tmp_path, tied=tied, flat_config=flat)
    llm = from_folder(tmp_path)
    assert is_tied(llm) is tied
    embeddings, mask, positions = padded([torch.randn(13, 48)], [spatial(13, torch.int64)])
    with torch.no_grad():
        ours = llm.head(llm.hidden(embeddings, mask, positions))
        wanted = theirs(inputs_embeds=embeddings, attention_mask=mask, position_ids=positions).logits
    assert float((ours - wanted).abs().max()) < 1e-6
    assert float(wanted.std()) > 0.05, "the logits must differ for this to mean anything"


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("spare", [0, 300])
def test_the_vocabulary_only_grows_and_keeps_its_rows_and_its_tie(
    tmp_path: Path, tied: bool, spare: int
) -> None:
    size = len(toy_qwen_tokenizer())
    theirs = save_toy_qwen2_5_vl(tmp_path, tied=tied, vocab_size=size + spare)
    llm = from_folder(tmp_path)
    rows = llm.lm.get_input_embeddings().weight, llm.lm.get_output_embeddings().weight
    assert {len(own) for own in rows} == {max(size + spare, len(llm.tokenizer))}
    assert torch.equal(rows[0][: size + spare], theirs.get_input_embeddings().weight)
    assert torch.equal(rows[1][: size + spare], theirs.lm_head.weight)
    assert is_tied(llm) is tied


def test_a_tied_head_that_is_stored_twice_stays_tied(tmp_path: Path) -> None:
    save_toy_qwen2_5_vl(tmp_path, tied=True)
    tensors = load_file(tmp_path / "model.safetensors")
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].clone()
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    assert is_tied(from_folder(tmp_path))


def test_weights_of_a_bf16_checkpoint_are_held_in_fp32(tmp_path: Path) -> None:
    save_toy_qwen2_5_vl(tmp_path, dtype=torch.bfloat16)
    assert {parameter.dtype for parameter in from_folder(tmp_path).parameters()} == {torch.float32}


def test_answers_end_with_qwen_s_end_of_message(tmp_path: Path) -> None:
    save_toy_qwen2_5_vl(tmp_path)
    llm = from_folder(tmp_path)
    assert llm.tokenizer.convert_ids_to_tokens(llm.end_id) == "<|im_end|>"
    assert (llm.tokens.image, llm.tokens.image_wrap) == (
        "<|image_pad|>",
        ("<|vision_start|>", "<|vision_end|>"),
    )
    assert llm.image_id == llm.tokenizer.get_vocab()["<|image_pad|>"]


def test_a_checkpoint_of_another_model_is_a_checkpoint_error(tmp_path: Path) -> None:
    save_toy_perception_lm(tmp_path)
    with pytest.raises(CheckpointError, match="is no Qwen2.5-VL: model_type is 'perception_lm'"):
        from_folder(tmp_path)
