"""What one call adds behind the modules of a tower, without touching the tower's code or other calls."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from gartk.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor, nn

Change = Callable[[Any], Any]

# By the id of a module: what is made of its output, in this thread and task alone.
_CHANGES: ContextVar[Mapping[int, Change] | None] = ContextVar("gartk_changes", default=None)
_REGISTERING = threading.Lock()


def _change(module: nn.Module, _inputs: Any, output: Any) -> Any:
    change = (_CHANGES.get() or {}).get(id(module))
    return output if change is None else change(output)


@contextmanager
def changed(changes: Sequence[tuple[nn.Module, Change]]) -> Iterator[None]:
    """While open, modules give what their change makes of their output, for this thread and task only.

    The changes take the place of those of a block around this one. The hook that looks them up is put on
    a module once and stays; it holds nothing, so models can be copied and pickled as before.
    """
    with _REGISTERING:
        for module, _ in changes:
            if _change not in module._forward_hooks.values():
                module.register_forward_hook(_change)
    token = _CHANGES.set({id(module): change for module, change in changes})
    try:
        yield
    finally:
        _CHANGES.reset(token)


@contextmanager
def added_to_patches(
    site: nn.Module, embedding: Tensor | None, behind: Sequence[tuple[nn.Module, Change]] = ()
) -> Iterator[None]:
    """While open, the output of ``site`` gets ``embedding`` added, in the tower's own patch order.

    ``behind`` holds changes to the output of other modules. Only passes of this thread and task see
    either, and a block inside this one sees its own alone, also where its embedding is None.

    Shapes: embedding has as many elements as the site's output and is reshaped to it, so towers
    that give (n, N, C), (n, h, w, C) or packed (sum N, C) patches are all served.
    Raises: ConfigError if the embedding does not fit, or if the site was not called once.
    """
    if embedding is None:
        with changed(behind):
            yield
        return
    calls = 0

    def add(output: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        if embedding.numel() != output.numel():
            raise ConfigError(
                f"The prompt embedding has shape {tuple(embedding.shape)}, the patch embeddings"
                f" {tuple(output.shape)}. Do prompt encoder and backbone agree on patch_px and tiles?"
            )
        return output + embedding.reshape(output.shape).to(output.dtype)

    with changed([(site, add), *behind]):
        yield
    if calls != 1:
        raise ConfigError(f"The patch-embedding module was called {calls} times in one pass; expected once.")
