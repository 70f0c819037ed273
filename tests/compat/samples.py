"""Samples, regions and processors for the tests of gartk.compat."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from gartk.checkpoints.release_reader import CHAT, PROMPT
from gartk.compat import ReleaseCompat
from gartk.compat.processor import ReleaseProcessor
from gartk.data.collate import collate
from gartk.data.tiling import AnyResTiler
from gartk.models.region_vlm import RegionVLM
from gartk.regions import Region
from gartk.structures import Batch, ChatFormat, PromptTokens, Sample, Turn
from tests.support.release import TOY_FIRST_SPECIAL, TOY_NUM_SPECIAL, stand_in_tokenizer

SWITCHES = [field.name for field in fields(ReleaseCompat)]
TOKENIZER = stand_in_tokenizer(first_special=TOY_FIRST_SPECIAL, num_special=TOY_NUM_SPECIAL)
TOKENS = PromptTokens(
    "<|image|>",
    [PROMPT.format(i) for i in range(5)],
    [f"<|reserved_special_token_{i + 2}|>" for i in range(5)],
)


def only(*names: str) -> ReleaseCompat:
    return ReleaseCompat(**dict.fromkeys(names, True))


def processor(compat: ReleaseCompat | None = None, **changes: Any) -> ReleaseProcessor:
    tiler = AnyResTiler(56, max_num_tiles=4)
    settings = {"tokens_per_region": 3, "compat": compat or ReleaseCompat(), **changes}
    return ReleaseProcessor(tiler, TOKENIZER, TOKENS, ChatFormat(**CHAT), **settings)


def rectangle(top: int, left: int, bottom: int, right: int, hw: tuple[int, int] = (40, 60)) -> Region:
    mask = np.zeros(hw, dtype=bool)
    mask[top:bottom, left:right] = True
    return Region.from_mask(mask)


def sample(*regions: Region, question: str = "What is it?", answer: str | None = None) -> Sample:
    turns = [Turn("user", question)] + ([Turn("assistant", answer)] if answer else [])
    return Sample(np.zeros((40, 60, 3), np.uint8), list(regions), turns)


ONE = rectangle(5, 10, 20, 30)
TWO = rectangle(10, 20, 35, 55)


def one_batch(model: RegionVLM, *samples: Sample, training: bool = False) -> Batch:
    encode = model.make_processor(training=training)
    return collate([encode(s) for s in samples], pad_id=encode.pad_id, pad_side="left")
