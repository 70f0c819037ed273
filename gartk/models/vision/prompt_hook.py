"""Adding a prompt embedding to a tower's patch embeddings without touching its code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from gartk.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor, nn


@contextmanager
def added_to_patches(site: nn.Module, embedding: Tensor | None) -> Iterator[None]:
    """While open, the output of ``site`` gets ``embedding`` added, in the tower's own patch order.

    Shapes: embedding has as many elements as the site's output and is reshaped to it, so towers
    that give (n, N, C), (n, h, w, C) or packed (sum N, C) patches are all served.
    Raises: ConfigError if the embedding does not fit, or if the site was not called once.
    """
    if embedding is None:
        yield
        return
    calls = 0

    def add(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        if embedding.numel() != output.numel():
            raise ConfigError(
                f"The prompt embedding has shape {tuple(embedding.shape)}, the patch embeddings"
                f" {tuple(output.shape)}. Do prompt encoder and backbone agree on patch_px and tiles?"
            )
        return output + embedding.reshape(output.shape).to(output.dtype)

    handle = site.register_forward_hook(add)
    try:
        yield
    finally:
        handle.remove()
    if calls != 1:
        raise ConfigError(f"The patch-embedding module was called {calls} times in one pass; expected once.")
