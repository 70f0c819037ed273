"""A curriculum of RegionWorld: kinds of samples whose shares change from stage to stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from gartk.data.base import DATASETS
from gartk.data.mixing import ConcatDataset
from gartk.errors import ConfigError, did_you_mean

# Where in RegionWorld a part of a stage begins.
STAGE_STRIDE, PART_STRIDE = 10**8, 10**7


@DATASETS.register()
class RegionWorldCurriculum(ConcatDataset):
    """Stages one after the other, each of which deals out its parts at its own shares.

    Read it in order (``train_data.shuffle=False``). No scene comes twice: part ``p`` of stage ``s`` starts
    at index ``s * 10**8 + p * 10**7`` of RegionWorld.

    Args:
        world: arguments of RegionWorldDataset that all parts share.
        parts: by name, the arguments of RegionWorldDataset that make each kind of sample.
        stages: for each stage ``rounds``, and ``shares``: how many samples each part gives of a round,
            by its name; a part that is not named gives none.

    Raises: ConfigError for a stage without rounds or shares, a part that is not there, or stages so long
        that two parts would show the same scenes.
    """

    def __init__(
        self,
        *,
        world: Mapping[str, Any],
        parts: Mapping[str, Mapping[str, Any]],
        stages: Sequence[Mapping[str, Any]],
    ) -> None:
        cfgs, spans = [], []
        for number, stage in enumerate(stages):
            rounds, shares = _read_stage(number, stage, parts)
            datasets = []
            for place, (name, part) in enumerate(parts.items()):
                if name in shares:
                    length, start = rounds * shares[name], number * STAGE_STRIDE + place * PART_STRIDE
                    datasets.append(
                        {
                            "type": "RegionWorldDataset",
                            **world,
                            **part,
                            "length": length,
                            "index_offset": start,
                        }
                    )
                    spans.append((start, start + length, f"{name!r} of stage {number}"))
            in_order = [shares[name] for name in parts if name in shares]
            cfgs.append({"type": "InterleavedDataset", "datasets": datasets, "shares": in_order})
        for (_, end, one), (start, _, other) in pairwise(sorted(spans)):
            if end > start:
                raise ConfigError(
                    f"RegionWorldCurriculum: {one} would show scenes of {other}. Give it fewer rounds, or"
                    " move one of them to another place in parts."
                )
        super().__init__(cfgs)


def _read_stage(
    number: int, stage: Mapping[str, Any], parts: Mapping[str, Any]
) -> tuple[int, Mapping[str, int]]:
    """Return the rounds of a stage and the shares of its parts."""
    if set(stage) != {"rounds", "shares"}:
        raise ConfigError(
            f"RegionWorldCurriculum.stages[{number}] needs 'rounds' and 'shares', got {sorted(stage)}."
        )
    for name in stage["shares"]:
        if name not in parts:
            raise ConfigError(
                f"RegionWorldCurriculum.stages[{number}].shares names {name!r}, which is no part."
                f"\n  {did_you_mean(name, parts)}"
            )
    return stage["rounds"], stage["shares"]
