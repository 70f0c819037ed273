"""A loaded toy release for the tests of gartk.compat."""

from __future__ import annotations

import pytest

import gartk
import gartk.compat
from gartk.inference.api import RegionAssistant
from tests.support.release import save_toy_release


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> RegionAssistant:
    folder = tmp_path_factory.mktemp("release")
    save_toy_release(folder)
    return gartk.load(folder, device="cpu")
