"""What every test runs under: one thread, no network, fixed seeds; and where the data lie."""

from __future__ import annotations

import importlib.util
import os
import random
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch and OpenCV load
os.environ.update(
    HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TOKENIZERS_PARALLELISM="false"
)

import numpy as np
import pytest

SEED = 20240229


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what this machine cannot run, and say why."""
    needs = {"gpu": _no_gpu, "mmcv": _no_mmcv}
    for name, why_not in needs.items():
        marked = [item for item in items if item.get_closest_marker(name)]
        reason = why_not() if marked else None
        if reason:
            for item in marked:
                item.add_marker(pytest.mark.skip(reason=reason))


def _no_gpu() -> str | None:
    import torch

    return None if torch.cuda.is_available() else "needs a CUDA device"


def _no_mmcv() -> str | None:
    """Look for the compiled operators without loading them."""
    if importlib.util.find_spec("mmcv") and importlib.util.find_spec("mmcv._ext"):
        return None
    return "needs mmcv with its operators; run: make mmcv"


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    import torch

    random.seed(SEED)
    np.random.seed(SEED)  # noqa: NPY002 - for libraries that still draw from the global state
    torch.manual_seed(SEED)


@pytest.fixture(scope="session")
def repo_root() -> Path:
    """The checkout that these tests belong to."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_dir(repo_root: Path) -> Path:
    """The folder with real photos and benchmark files (``data/gar_bench/...``), or a skip."""
    folder = Path(os.environ.get("GARTK_DATA") or repo_root.parent / "shared")
    if not (folder / "data").is_dir():
        pytest.skip(f"no folder 'data' in {folder}; let GARTK_DATA name the folder that holds it")
    return folder
