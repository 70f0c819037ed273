"""Muon for the weight matrices inside a network, AdamW for everything else, as one optimiser."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from mmengine.registry import OPTIMIZERS

from gartk.errors import ConfigError

MATRICES = "matrices"


@OPTIMIZERS.register_module()
class MuonAdamW(torch.optim.Optimizer):
    """torch's Muon and AdamW behind one list of groups, so that schedules and checkpoints see one.

    Groups with ``matrices=True`` (``param_groups`` marks them: two-dimensional weights that are neither
    embeddings nor the output head) go to Muon with the rate ``matrix_lr``, the others to AdamW with ``lr``;
    a group's ``lr_mult`` counts for both. Small networks that are trained from scratch need far fewer
    updates with it than with AdamW alone.

    Raises: ConfigError where torch has no Muon (before 2.9).
    Source: torch.optim.Muon; K. Jordan, Muon, 2024.
    """

    marks_matrices = True

    def __init__(
        self,
        params: Sequence[dict[str, Any]],
        lr: float = 1e-3,
        *,
        matrix_lr: float = 0.02,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        if not hasattr(torch.optim, "Muon"):
            raise ConfigError(f"optim.type 'MuonAdamW' needs torch 2.9 or newer; got {torch.__version__}.")
        own = [group for group in params if group.get(MATRICES)]
        rest = [group for group in params if not group.get(MATRICES)]
        for group in own:
            group["lr"] = matrix_lr * group.get("lr_mult", 1.0)
        # Either kind may be absent, but torch's constructors refuse an empty list.
        self._parts: list[torch.optim.Optimizer] = []
        if rest:
            adamw = torch.optim.AdamW(rest, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)
            self._parts.append(adamw)
        if own:
            muon = torch.optim.Muon(own, lr=matrix_lr, momentum=momentum, weight_decay=weight_decay)
            self._parts.append(muon)
        super().__init__([group for part in self._parts for group in part.param_groups], {"lr": lr})
        self._share()

    def _share(self) -> None:
        """Let both parts work on this optimiser's groups and state."""
        matrices = [group for group in self.param_groups if group.get(MATRICES)]
        rest = [group for group in self.param_groups if not group.get(MATRICES)]
        for part in self._parts:
            part.param_groups = rest if isinstance(part, torch.optim.AdamW) else matrices
            part.state = self.state

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        super().__setstate__(dict(state))
        self._share()

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update all parameters that have a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for part in self._parts:
            part.step()
        return loss
