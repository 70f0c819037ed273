"""The order in which training samples are read: infinite, sharded, and resumable at any point."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from gartk.errors import ConfigError


class ShardedBatchSampler:
    """Endless batches of indices whose union over ranks is the single-process order.

    The global order is one stream: each epoch is a shuffle that depends on (seed, epoch) only, or
    0, 1, 2... without shuffling. A micro step takes ``batch_size * world_size`` indices of the stream and
    rank r reads the r-th part of them. ``start`` skips samples that were already used, at the cost
    of at most one shuffle. A batch may reach over the end of an epoch; nothing is dropped or repeated.
    """

    def __init__(
        self,
        num_samples: int,
        batch_size: int,
        *,
        seed: int = 0,
        shuffle: bool = True,
        rank: int = 0,
        world_size: int = 1,
        start: int = 0,
    ) -> None:
        if num_samples < 1:
            raise ConfigError("train_data.dataset is empty: there is nothing to train on.")
        if batch_size < 1:
            raise ConfigError(f"train_data.batch_size must be at least 1, got {batch_size}.")
        if not 0 <= rank < world_size:
            raise ConfigError(f"rank must lie in 0..{world_size - 1}, got {rank}.")
        self.num_samples = num_samples
        self.batch_size = batch_size
        self.seed = seed
        self.shuffle = shuffle
        self.rank = rank
        self.world_size = world_size
        self.start = start
        self._cached: tuple[int, torch.Tensor] | None = None

    def state_dict(self) -> dict[str, int | bool]:
        """Return what fixes the order of samples (not the position in it)."""
        return {"num_samples": self.num_samples, "seed": self.seed, "shuffle": self.shuffle}

    def index_at(self, position: int) -> int:
        """Return the dataset index at a position of the global stream."""
        epoch, offset = divmod(position, self.num_samples)
        if not self.shuffle:
            return offset
        if self._cached is None or self._cached[0] != epoch:
            generator = torch.Generator().manual_seed(_mix(self.seed, epoch))
            self._cached = (epoch, torch.randperm(self.num_samples, generator=generator))
        return int(self._cached[1][offset])

    def __iter__(self) -> Iterator[list[int]]:
        position = self.start + self.rank * self.batch_size
        while True:
            yield [self.index_at(position + i) for i in range(self.batch_size)]
            position += self.batch_size * self.world_size


def _mix(seed: int, epoch: int) -> int:
    """Mix seed and epoch into one 63-bit seed, so that (1, 2) and (2, 1) shuffle differently."""
    value = (seed * 0x9E3779B97F4A7C15 + epoch * 0xBF58476D1CE4E5B9 + 0x94D049BB133111EB) & (2**64 - 1)
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & (2**64 - 1)
    return (value ^ (value >> 31)) & (2**63 - 1)
