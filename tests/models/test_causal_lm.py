from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import AddedToken
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from gartk.errors import CheckpointError, ConfigError
from gartk.models.llms.causal_lm import CausalLM, add_prompt_tokens, count_tokens, load_tokenizer
from gartk.registry import LLMS
from gartk.structures import PromptTokens
from gartk.testing.toy import toy_llm


def make_llm(**changes: Any) -> CausalLM:
    torch.manual_seed(0)
    llm: CausalLM = LLMS.build(toy_llm(**changes))
    return llm.eval()


def save_llama(
    folder: Path, *, rows: int, tied: bool = True, dtype: torch.dtype = torch.float32
) -> LlamaForCausalLM:
    """Save a plain toy Llama with the shipped tokenizer."""
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=rows,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        tie_word_embeddings=tied,
    )
    model = LlamaForCausalLM(config).to(dtype).eval()
    model.save_pretrained(folder)
    load_tokenizer("tiny").save_pretrained(folder)
    return model


def rows_of(llm: CausalLM) -> tuple[int, int]:
    lm = llm.lm
    return lm.get_input_embeddings().weight.shape[0], lm.get_output_embeddings().weight.shape[0]


def is_tied(llm: CausalLM) -> bool:
    return llm.lm.get_input_embeddings().weight is llm.lm.get_output_embeddings().weight


def test_prompts_and_placeholders_are_added_as_single_tokens() -> None:
    llm = make_llm(num_prompts=3)
    names = ["<|image|>", "<Prompt0>", "<Prompt2>", "<|region_pad_0|>", "<|region_pad_2|>"]
    ids = [llm.tokenizer.encode(name, add_special_tokens=False) for name in names]
    assert [len(i) for i in ids] == [1] * 5
    assert llm.image_id == ids[0][0]
    assert (llm.region_ids[0], llm.region_ids[2]) == (ids[3][0], ids[4][0])
    assert rows_of(llm) == (len(llm.tokenizer),) * 2


def test_tokens_that_exist_are_used_and_not_added_again() -> None:
    tokenizer = load_tokenizer("tiny")
    before = len(tokenizer)
    tokens = PromptTokens("<|image|>", ["<Prompt0>", "<Prompt1>"], ["<|eot_id|>", "<|region_pad_1|>"])
    assert add_prompt_tokens(tokenizer, tokens) == 3
    assert len(tokenizer) == before + 3
    assert add_prompt_tokens(tokenizer, tokens) == 0


def test_reserved_tokens_serve_as_placeholders_from_their_offset() -> None:
    llm = make_llm(region="<|reserved_special_token_{}|>", region_offset=2, num_prompts=2)
    assert llm.tokens.regions == ["<|reserved_special_token_2|>", "<|reserved_special_token_3|>"]


@pytest.mark.parametrize("tied", [True, False])
def test_a_padded_vocabulary_is_never_shrunk(tmp_path: Path, tied: bool) -> None:
    saved = save_llama(tmp_path, rows=len(load_tokenizer("tiny")) + 200, tied=tied)
    llm = make_llm(pretrained=str(tmp_path), config=None, tokenizer=None)
    assert rows_of(llm) == (saved.config.vocab_size,) * 2
    assert torch.equal(llm.lm.get_input_embeddings().weight, saved.get_input_embeddings().weight)
    assert is_tied(llm) is tied


@pytest.mark.parametrize("tied", [True, False])
def test_a_full_vocabulary_grows_and_keeps_its_rows_and_its_tie(tmp_path: Path, tied: bool) -> None:
    size = len(load_tokenizer("tiny"))
    saved = save_llama(tmp_path, rows=size, tied=tied)
    llm = make_llm(pretrained=str(tmp_path), config=None, tokenizer=None)
    assert rows_of(llm) == (len(llm.tokenizer),) * 2
    assert len(llm.tokenizer) > size
    assert torch.equal(llm.lm.get_input_embeddings().weight[:size], saved.get_input_embeddings().weight)
    assert torch.equal(llm.lm.get_output_embeddings().weight[:size], saved.get_output_embeddings().weight)
    assert is_tied(llm) is tied


@pytest.mark.parametrize("tied", [True, False])
def test_a_plain_language_model_is_loaded_whole(tmp_path: Path, tied: bool) -> None:
    saved = save_llama(tmp_path, rows=900, tied=tied)
    llm = make_llm(pretrained=str(tmp_path), config=None, tokenizer=None)
    ids = torch.randint(0, 600, (1, 7))
    with torch.no_grad():
        ours = llm.head(llm.hidden(llm.embed(ids), torch.ones_like(ids), torch.arange(7)[None]))
        torch.testing.assert_close(ours, saved(ids).logits, rtol=0, atol=1e-6)


def test_weights_of_a_bf16_checkpoint_are_held_in_fp32(tmp_path: Path) -> None:
    saved = save_llama(tmp_path, rows=900, dtype=torch.bfloat16)
    llm = make_llm(pretrained=str(tmp_path), config=None, tokenizer=None)
    assert {parameter.dtype for parameter in llm.parameters()} == {torch.float32}
    assert torch.equal(llm.lm.get_input_embeddings().weight, saved.get_input_embeddings().weight.float())


def test_decoding_keeps_prompts_and_drops_markup() -> None:
    llm = make_llm()
    text = "<Prompt0> is left of <Prompt7>"
    ids = llm.tokenizer.encode(f"<|image|><|region_pad_0|>{text}<|eot_id|>", add_special_tokens=False)
    assert llm.decode(torch.tensor(ids)) == text


def test_decoding_keeps_prompts_that_a_checkpoint_holds_as_special_tokens(tmp_path: Path) -> None:
    tokenizer = load_tokenizer("tiny")
    tokenizer.add_tokens([AddedToken(f"<Prompt{i}>", special=True) for i in range(2)], special_tokens=True)
    tokenizer.save_pretrained(tmp_path)
    llm = make_llm(tokenizer=str(tmp_path), num_prompts=2)
    ids = llm.tokenizer.encode("<Prompt1> is red<|eot_id|>", add_special_tokens=False)
    assert llm.decode(torch.tensor(ids)) == "<Prompt1> is red"


def greedy(llm: CausalLM, row: Tensor, steps: int) -> list[int]:
    """Greedy decoding of one unpadded row (L, D), without cache."""
    out: list[int] = []
    for _ in range(steps):
        mask = torch.ones(1, len(row), dtype=torch.int64)
        logits = llm.head(llm.hidden(row[None], mask, count_tokens(mask)))[0, -1]
        out.append(int(logits.argmax()))
        if out[-1] == llm.end_id:
            break
        row = torch.cat([row, llm.embed(torch.tensor([out[-1]]))])
    return out


@torch.no_grad()
def test_left_padded_generation_is_greedy_decoding_of_each_row_without_cache() -> None:
    llm = make_llm()
    for parameter in llm.parameters():  # a fresh model repeats one token; this one does not
        parameter.mul_(3.0)
    lengths = [4, 11, 7]
    rows = [torch.randn(length, 48, generator=torch.Generator().manual_seed(length)) for length in lengths]
    embeddings, mask = torch.zeros(3, 11, 48), torch.zeros(3, 11, dtype=torch.int64)
    for i, row in enumerate(rows):
        embeddings[i, 11 - len(row) :] = row
        mask[i, 11 - len(row) :] = 1
    new = llm.generate(embeddings, mask, count_tokens(mask), max_new_tokens=6)
    wanted = [greedy(llm, row, 6) for row in rows]
    assert [row[: len(w)].tolist() for row, w in zip(new, wanted, strict=True)] == wanted
    assert len({tuple(w) for w in wanted}) == 3, "the rows must differ for this to mean anything"


@torch.no_grad()
def test_generation_stops_at_the_end_token() -> None:
    llm = make_llm()
    mask = torch.ones(1, 5, dtype=torch.int64)
    inputs = (torch.randn(1, 5, 48), mask, count_tokens(mask))
    llm.end_id = int(llm.generate(*inputs, max_new_tokens=1)[0, 0])
    assert llm.generate(*inputs, max_new_tokens=5).shape == (1, 1)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"config": None}, "either 'pretrained' or 'config'"),
        ({"pretrained": "some/where"}, "either 'pretrained' or 'config'"),
        ({"tokenizer": None}, "needs a 'tokenizer'"),
        ({"chat": {"start": "", "before": {}, "after": {}, "sart": ""}}, "sart"),
    ],
)
def test_arguments_that_contradict_are_config_errors(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        make_llm(**changes)


def test_chat_markup_that_closes_no_answer_is_a_config_error() -> None:
    chat = toy_llm()["chat"]
    with pytest.raises(ConfigError, match="must close the answer"):
        make_llm(chat={**chat, "after": {"user": "", "assistant": ""}})


def test_a_folder_without_tokenizer_is_a_checkpoint_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds no tokenizer"):
        load_tokenizer(str(tmp_path))
