"""From a config's dataset to batches: each item depends on its index alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from gartk.config.settings import DataSettings
from gartk.data.base import RegionDataset
from gartk.engine.dist import rank_and_world
from gartk.engine.samplers import ShardedBatchSampler
from gartk.errors import GartkError


class EncodedDataset(Dataset):
    """A dataset of Samples seen through a model's processor: index -> EncodedSample."""

    def __init__(self, dataset: RegionDataset, processor: Callable[[Any], Any]) -> None:
        self.dataset = dataset
        self.processor = processor

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        """Encode one sample. Raises: whatever the dataset or processor raised, its index added."""
        try:
            return self.processor(self.dataset[index])
        except GartkError as error:
            raise type(error)(f"item {index} of {type(self.dataset).__name__}: {error}") from error


@dataclass(frozen=True)
class _WorkerStart:
    """Sets a data worker up: one thread, and the same plugins and custom imports as here."""

    load_parts: Callable[[int], None]

    def __call__(self, worker_id: int) -> None:
        torch.set_num_threads(1)
        self.load_parts(worker_id)


def build_train_dataloader(
    settings: DataSettings, processor: Any, *, seed: int, device: torch.device
) -> DataLoader:
    """Build the endless loader of this rank's part of every batch.

    ``processor`` turns a Sample into an EncodedSample and has ``pad_id``.
    """
    from gartk.custom_imports import worker_setup
    from gartk.data.base import DATASETS
    from gartk.data.collate import collate

    dataset = EncodedDataset(DATASETS.build(settings.dataset, path="train_data.dataset"), processor)
    rank, world_size = rank_and_world()
    sampler = ShardedBatchSampler(
        len(dataset),
        settings.batch_size,
        seed=seed,
        shuffle=settings.shuffle,
        rank=rank,
        world_size=world_size,
    )
    workers = settings.num_workers
    join: Callable[[Sequence[Any]], Any] = partial(collate, pad_side="right", pad_id=processor.pad_id)
    return DataLoader(
        dataset,
        batch_sampler=sampler,
        collate_fn=join,
        num_workers=workers,
        prefetch_factor=settings.prefetch_factor if workers else None,
        worker_init_fn=_WorkerStart(worker_setup()) if workers else None,
        pin_memory=device.type == "cuda",
        # Without its own generator the loader draws a seed from the global one, and so changes dropout.
        generator=torch.Generator().manual_seed(seed),
    )
