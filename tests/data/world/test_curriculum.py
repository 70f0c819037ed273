from __future__ import annotations

from typing import Any

import pytest

from gartk.errors import ConfigError
from gartk.registry import DATASETS

WORLD = {"size": [64, 64], "split": "val"}
PARTS = {"names": {"tasks": ["caption"]}, "colours": {"tasks": ["open_color"]}}


def curriculum(*stages: dict[str, Any], parts: Any = PARTS) -> Any:
    return DATASETS.build(
        {"type": "RegionWorldCurriculum", "world": WORLD, "parts": parts, "stages": list(stages)}
    )


def test_each_stage_deals_out_its_parts_at_its_shares_from_a_place_of_its_own() -> None:
    data = curriculum(
        {"rounds": 2, "shares": {"colours": 1, "names": 2}}, {"rounds": 3, "shares": {"colours": 1}}
    )
    assert len(data) == 2 * 3 + 3
    assert [data[i].id for i in range(9)] == [
        f"val-0-{at}" for at in (0, 10**7, 1, 2, 10**7 + 1, 3, 11 * 10**7, 11 * 10**7 + 1, 11 * 10**7 + 2)
    ]
    alone = {"type": "RegionWorldDataset", **WORLD, "tasks": ["open_color"], "index_offset": 10**7}
    assert data[1].turns == DATASETS.build(alone)[0].turns


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ({"rounds": 1, "shares": {"colors": 1}}, r"stages\[0\]\.shares names 'colors'.*\n.*'colours'"),
        ({"rounds": 1}, r"stages\[0\] needs 'rounds' and 'shares', got \['rounds'\]"),
        ({"rounds": 10**7, "shares": {"names": 2, "colours": 1}}, "'names' of stage 0 would show scenes of"),
        ({"rounds": 1, "shares": {"names": 0}}, "one whole share of at least 1"),
    ],
)
def test_a_wrong_stage_is_a_config_error(stage: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        curriculum(stage)


def test_no_stage_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="is empty"):
        curriculum()
