"""A toy model and data set with everything a real one has that can break a resume: dropout, tied weights."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gartk.data.base import RegionDataset
from gartk.models.region_vlm import RegionVLM
from gartk.registry import DATASETS, MODELS
from gartk.structures import Batch, EncodedSample, Sample, TileGrid, Turn

GRID = TileGrid(image_hw=(4, 4), rows=1, cols=1, tile_hw=(4, 4), patch_px=2, thumbnail="none")
WIDTH = 16


class ToyProcessor:
    """Encodes the number in a toy sample's id."""

    pad_id = 0

    def __call__(self, sample: Sample) -> EncodedSample:
        generator = torch.Generator().manual_seed(int(sample.id))
        length = 3 + int(sample.id) % 3
        ids = torch.randint(1, 20, (length,), generator=generator)
        return EncodedSample(
            pixels=[torch.randn(1, 3, 4, 4, generator=generator)],
            grids=[GRID],
            input_ids=ids,
            labels=ids.clone(),
            region_masks=[torch.zeros(0, 1, 4, 4, dtype=torch.bool)],
            boxes_norm=torch.zeros(0, 4),
            points=[],
            image_index=torch.zeros(0, dtype=torch.long),
            prompt_index=torch.zeros(0, dtype=torch.long),
            id=sample.id,
        )


@DATASETS.register(name="toy.Numbers")
class Numbers(RegionDataset):
    """Sample i is the number i; reading it may take a while, fail, or kill the process."""

    def __init__(self, *, size: int = 37, fail_at: int | None = None, seconds: float = 0.0) -> None:
        self.size = size
        self.fail_at = fail_at
        self.seconds = seconds

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> Sample:
        from gartk.errors import DataError

        if index == self.fail_at:
            raise DataError("this record is broken on purpose")
        time.sleep(self.seconds)
        turns = [Turn("user", "which?"), Turn("assistant", str(index))]
        return Sample(images=None, regions=[], turns=turns, id=str(index))  # type: ignore[arg-type]


class ToyTokenizer:
    """No text, and nothing to save."""

    def save_pretrained(self, folder: Path) -> None:
        """Do nothing."""


class ToyDecoder(nn.Module):
    """What the engine asks a language model for."""

    tokenizer = ToyTokenizer()

    def output_weight(self) -> None:
        """Return no head."""


@MODELS.register(name="toy.Model")
class ToyModel(RegionVLM):
    """Predicts tokens from the image; the output matrix is the embedding (tied). It has no parts."""

    def __init__(self, *, dropout: float = 0.3, die_at: int = -1, nan_at: int = -1) -> None:
        nn.Module.__init__(self)
        self.llm = ToyDecoder()
        self.vision = nn.Sequential(nn.Flatten(), nn.Linear(48, WIDTH), nn.LayerNorm(WIDTH))
        self.embed = nn.Embedding(20, WIDTH)
        self.head = nn.Linear(WIDTH, 20, bias=False)
        self.head.weight = self.embed.weight
        self.dropout = nn.Dropout(dropout)
        self.calls, self.die_at, self.nan_at = 0, die_at, nan_at

    def saved_cfg(self) -> dict[str, Any]:
        return {"type": "toy.Model", "llm": {}}

    def make_processor(self, *, training: bool = False) -> ToyProcessor:
        return ToyProcessor()

    def loss(self, batch: Batch) -> dict[str, torch.Tensor]:
        if self.calls == self.die_at:
            os.kill(os.getpid(), 9)
        self.calls += 1
        seen = self.dropout(self.vision(torch.cat(batch.pixels)))
        states = self.embed(batch.input_ids) + seen[:, None]
        logits = self.head(self.dropout(states))[:, :-1]
        labels = batch.labels[:, 1:]
        tokens = nn.functional.cross_entropy(logits.transpose(1, 2).float(), labels, reduction="none")
        kept = (labels != -100).float()
        loss = ((tokens * kept).sum(1) / kept.sum(1)).mean()
        if self.calls - 1 == self.nan_at:
            loss = loss * float("nan")
        return {"loss": loss, "num_tokens": kept.sum(1).mean()}
