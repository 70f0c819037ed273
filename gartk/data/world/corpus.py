"""The texts of RegionWorld, from which a tokenizer can be trained offline."""

from __future__ import annotations

from gartk.data.world.dataset import RegionWorldDataset
from gartk.data.world.tasks.catalogue import TASKS


def world_corpus(n: int, seed: int = 0) -> list[str]:
    """At least ``n`` user and assistant texts of the train split, all tasks equally often."""
    tasks = list(TASKS)
    data = RegionWorldDataset("train", length=max(1, n), seed=seed, size=(64, 64), tasks=tasks, balanced=True)
    texts: list[str] = []
    for index in range(len(data)):
        if len(texts) >= n:
            break
        texts.extend(turn.text for turn in data[index].turns)
    return texts
