"""The contract of language models."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from gartk.models.llms.base import LLMS, LanguageModel
from gartk.structures import Batch, RegionBatch
from gartk.testing.checks import (
    PartSpec,
    build_module,
    check_rebuilt,
    require,
    require_close,
    require_finite,
    require_same,
    require_shape,
)

_NEW = 4
_LENGTHS = (5, 9, 7)


def check_llm(spec: PartSpec, *, seed: int = 0, tolerance: float = 1e-4) -> None:
    """Check everything that the model relies on in a language model. Give it a config of toy size.

    Promises: every prompt and placeholder is one token, no two alike, and has an embedding and a
    logit; shapes are true; a token sees nothing after it; padding on either side changes nothing; the
    gradient reaches the embeddings; ``generate`` is the greedy continuation of left-padded rows;
    ``decode`` keeps ``<Prompt i>`` and drops markup; it comes back from a checkpoint without its source.

    Raises: ContractViolation naming the promise that is broken.
    """
    llm = build_module(LLMS, spec, seed=seed)
    _check_tokens(llm)
    text = sorted(set(range(len(llm.tokenizer))) - {llm.image_id, *llm.region_ids})
    places = torch.randint(0, len(text), (max(_LENGTHS),), generator=torch.Generator().manual_seed(seed))
    ids = torch.tensor(text)[places]
    whole = _text_batch([ids])
    embeddings = llm.embed(whole.input_ids).detach()
    require_shape(embeddings, (1, len(ids), llm.hidden_size), "Embeddings (B, L, hidden_size)")
    logits = _logits(llm, whole)
    require_finite(logits, "The logits")
    changed = _text_batch([torch.cat([ids[:-1], ids[:1]])])
    moved = _logits(llm, changed)
    require_close(moved[:, :-1], logits[:, :-1], "A token sees nothing after it.", tolerance=tolerance)
    rows = [ids[:length] for length in _LENGTHS]
    _check_padding(llm, rows, logits, tolerance)
    _check_generate(llm, rows)
    wanted = embeddings.clone().requires_grad_()
    hidden = llm.hidden(wanted, whole.attention_mask, llm.positions(whole))
    llm.head(hidden)[:, -1].square().sum().backward()
    reached = wanted.grad is not None and bool((wanted.grad.abs().amax(-1) > 0).all())
    require(reached, "The gradient reaches every embedding.")
    check_rebuilt(LLMS, spec, lambda part: _logits(part, whole), seed=seed, keep=_keep_tokenizer)


def _keep_tokenizer(llm: LanguageModel, folder: Path) -> dict[str, str]:
    """Save the tokenizer, which a checkpoint holds beside the weights; give the argument that names it."""
    llm.tokenizer.save_pretrained(folder)
    return {"tokenizer": str(folder)}


def _check_tokens(llm: LanguageModel) -> None:
    encode = llm.tokenizer.encode
    names = [llm.tokens.image, *llm.tokens.prompts, *llm.tokens.regions]
    pieces = [encode(name, add_special_tokens=False) for name in names]
    split = [name for name, ids in zip(names, pieces, strict=True) if len(ids) != 1]
    require(not split, "Every prompt and placeholder is one token.", ", ".join(split[:3]))
    flat = [ids[0] for ids in pieces]
    require(len(set(flat)) == len(flat), "No two prompts or placeholders are the same token.")
    count = len(llm.tokens.prompts)
    require(llm.image_id == flat[0], "image_id is the id of tokens.image.", str(llm.image_id))
    require(list(llm.region_ids) == flat[1 + count :], "region_ids are the ids of tokens.regions.")
    require(max(flat) < _rows(llm), "Every token has a logit.", f"id {max(flat)} of {_rows(llm)}")
    text = f"{llm.tokens.prompts[0]} is left of {llm.tokens.prompts[-1]}"
    ids = encode(text + llm.chat.after["assistant"], add_special_tokens=False)
    require(
        ids[-1] == llm.end_id or llm.end_id in ids, "end_id closes the assistant's message.", str(llm.end_id)
    )
    spoken = llm.decode(torch.tensor([llm.image_id, *ids]))
    require(spoken == text, "decode keeps <Prompt i> and drops markup.", repr(spoken))


def _rows(llm: LanguageModel) -> int:
    hidden = torch.zeros(1, 1, llm.hidden_size)
    with torch.no_grad():
        return int(llm.head(hidden).shape[-1])


def _text_batch(rows: list[Tensor], side: Literal["left", "right"] = "right") -> Batch:
    """Pad rows of ids into a batch of text without images; padding is never a token that counts."""
    length = max(len(row) for row in rows)
    ids, mask = (torch.zeros(len(rows), length, dtype=torch.int64) for _ in range(2))
    for number, row in enumerate(rows):
        start = length - len(row) if side == "left" else 0
        ids[number, start : start + len(row)] = row
        mask[number, start : start + len(row)] = 1
    none = torch.zeros(0, dtype=torch.int64)
    regions = RegionBatch(torch.zeros(0, 4), none, none, [], [])
    return Batch([], [], regions, ids, torch.full_like(ids, -100), mask)


def _logits(llm: LanguageModel, batch: Batch) -> Tensor:
    with torch.no_grad():
        hidden = llm.hidden(llm.embed(batch.input_ids), batch.attention_mask, llm.positions(batch))
        logits: Tensor = llm.head(hidden)
    return logits


def _check_padding(llm: LanguageModel, rows: list[Tensor], logits: Tensor, tolerance: float) -> None:
    sides: tuple[Literal["left", "right"], ...] = ("left", "right")
    for side in sides:
        batch = _text_batch(rows, side)
        padded = _logits(llm, batch)
        for number, row in enumerate(rows):
            own = padded[number][batch.attention_mask[number].bool()]
            require_close(
                own, logits[0, : len(row)], f"Padding on the {side} changes nothing.", tolerance=tolerance
            )


def _check_generate(llm: LanguageModel, rows: list[Tensor]) -> None:
    batch = _text_batch(rows, "left")
    with torch.no_grad():
        embeddings = llm.embed(batch.input_ids)
    new = llm.generate(embeddings, batch.attention_mask, llm.positions(batch), max_new_tokens=_NEW)
    require(
        new.shape[0] == len(rows) and new.shape[1] <= _NEW, "generate gives new ids only.", str(new.shape)
    )
    for number, row in enumerate(rows):
        greedy: list[int] = []
        while len(greedy) < _NEW and llm.end_id not in greedy:
            text = torch.cat([row, torch.tensor(greedy, dtype=torch.int64)])
            greedy.append(int(_logits(llm, _text_batch([text]))[0, -1].argmax()))
        same = torch.tensor(greedy)
        require_same(
            new[number, : len(greedy)].cpu(), same, "generate is the greedy continuation of each row."
        )
