"""The named deviations of the authors' release; see ``gartk.compat`` for what each one does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from gartk.errors import ConfigError, did_you_mean


@dataclass(frozen=True)
class ReleaseCompat:
    """Which deviations of the authors' release a model keeps, all off unless said otherwise.

    Attributes: ``double_scaled_roi`` divides boxes by the pixels of a cell before the extractor reads
    them; ``inclusive_box`` leaves a box's last row and column of pixels out; ``last_mask_box`` gives
    every region of a sample the box of the last one; ``id_map_bicubic`` resizes all masks as one picture
    of ids; ``double_bos`` starts an inference prompt with two begin tokens; ``release_wording`` calls a
    single region ``<Prompt1>`` and words the introduction as the release does.
    """

    double_scaled_roi: bool = False
    inclusive_box: bool = False
    last_mask_box: bool = False
    id_map_bicubic: bool = False
    double_bos: bool = False
    release_wording: bool = False

    @classmethod
    def from_cfg(
        cls, cfg: Mapping[str, Any] | ReleaseCompat | None, *, path: str = "release_compat"
    ) -> ReleaseCompat:
        """Read switches from a config; None is all off.

        Raises: ConfigError for an unknown name (with near matches) or a value that is not a bool.
        """
        return cfg if isinstance(cfg, ReleaseCompat) else cls().changed(cfg or {}, path=path)

    def changed(self, cfg: Mapping[str, Any], *, path: str = "release_compat") -> ReleaseCompat:
        """Give a copy with single switches set otherwise.

        Raises: ConfigError as ``from_cfg``.
        """
        if not isinstance(cfg, Mapping):
            raise ConfigError(
                f"{path} must be a dict of switches, e.g. dict(double_scaled_roi=True); got {cfg!r}."
            )
        known = [field.name for field in fields(self)]
        for name, value in cfg.items():
            if name not in known:
                raise ConfigError(
                    f"{path} has no switch {name!r}.\n  {did_you_mean(str(name), known)}"
                    " See gartk.compat for what they do."
                )
            if not isinstance(value, bool):
                raise ConfigError(f"{path}.{name} must be True or False; got {value!r}.")
        return replace(self, **cfg)

    def on(self) -> dict[str, bool]:
        """The switches that are on, as a config."""
        return {field.name: True for field in fields(self) if getattr(self, field.name)}


# How the published weights were trained and are asked. That the boxes of several regions were mixed up
# when the release was evaluated (last_mask_box) is no property of the weights.
AS_RELEASED = ReleaseCompat(
    double_scaled_roi=True, inclusive_box=True, id_map_bicubic=True, double_bos=True, release_wording=True
)
