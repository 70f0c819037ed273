from __future__ import annotations

import itertools

import pytest

from gartk.engine.samplers import ShardedBatchSampler
from gartk.errors import ConfigError


def take(count: int, **kwargs: object) -> list[list[int]]:
    return list(itertools.islice(ShardedBatchSampler(**kwargs), count))  # type: ignore[arg-type]


def flat(batches: list[list[int]]) -> list[int]:
    return [index for batch in batches for index in batch]


@pytest.mark.parametrize("shuffle", [True, False])
def test_the_union_over_ranks_is_the_single_process_order(shuffle: bool) -> None:
    whole = take(9, num_samples=11, batch_size=6, shuffle=shuffle, seed=3)
    parts = [
        take(9, num_samples=11, batch_size=2, shuffle=shuffle, seed=3, rank=r, world_size=3) for r in range(3)
    ]
    assert [a + b + c for a, b, c in zip(*parts, strict=True)] == whole


def test_accumulated_micro_batches_are_the_single_batch_in_order() -> None:
    whole = take(4, num_samples=10, batch_size=6, seed=1)
    micro = take(12, num_samples=10, batch_size=2, seed=1)
    assert [flat(micro[i : i + 3]) for i in range(0, 12, 3)] == whole


@pytest.mark.parametrize("used", [0, 1, 6, 10, 11, 29])
def test_a_start_anywhere_goes_on_with_the_same_stream(used: int) -> None:
    stream = flat(take(60, num_samples=10, batch_size=1, seed=5))
    late = flat(take(20, num_samples=10, batch_size=1, seed=5, start=used))
    assert late == stream[used : used + 20]


def test_each_epoch_holds_every_sample_once_in_another_order() -> None:
    stream = flat(take(30, num_samples=10, batch_size=1, seed=5))
    epochs = [stream[i : i + 10] for i in (0, 10, 20)]
    assert all(sorted(e) == list(range(10)) for e in epochs)
    assert epochs[0] != epochs[1] != epochs[2]


def test_seed_and_epoch_do_not_stand_for_each_other() -> None:
    first = flat(take(100, num_samples=50, batch_size=1, seed=0))
    second = flat(take(100, num_samples=50, batch_size=1, seed=1))
    assert first[50:] != second[:50]


def test_an_empty_dataset_is_an_error_not_an_endless_wait() -> None:
    with pytest.raises(ConfigError, match="empty"):
        ShardedBatchSampler(0, 2)
