from __future__ import annotations

import re
import sys
from types import SimpleNamespace

import pytest

from gartk.engine import log_hook


@pytest.mark.parametrize(
    ("platform", "peak", "says"),
    [("linux", 2048, "2 MB"), ("darwin", 3 * 2**20, "3 MB"), ("win32", 0, "unknown")],
)
def test_peak_memory_is_read_in_the_units_of_each_system(
    platform: str, peak: int, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_hook.torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(log_hook.sys, "platform", platform)
    usage = SimpleNamespace(getrusage=lambda _: SimpleNamespace(ru_maxrss=peak), RUSAGE_SELF=0)
    # As on Windows, where importing it fails.
    monkeypatch.setitem(sys.modules, "resource", None if platform == "win32" else usage)
    assert log_hook.peak_memory() == says


def test_peak_memory_of_this_process_is_more_than_torch_itself_takes() -> None:
    found = re.fullmatch(r"(\d+) MB", log_hook.peak_memory())
    assert found is not None
    assert int(found[1]) > 50
