"""The named deviations of the authors' release; see ``gartk.compat`` for what each one does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from gartk.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from gartk.models.region_vlm import RegionVLM


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
        """Return the switches of a config; None is all off.

        Raises: ConfigError for an unknown name (with near matches) or a value that is not a bool.
        """
        if isinstance(cfg, ReleaseCompat):
            return cfg
        given = {} if cfg is None else cfg
        if not isinstance(given, Mapping):
            raise ConfigError(
                f"{path} must be a dict of switches, e.g. dict(double_scaled_roi=True); got {cfg!r}."
            )
        known = [field.name for field in fields(cls)]
        for name, value in given.items():
            if name not in known:
                raise ConfigError(
                    f"{path} has no switch {name!r}.\n  {did_you_mean(str(name), known)}"
                    " See gartk.compat for what they do."
                )
            if not isinstance(value, bool):
                raise ConfigError(f"{path}.{name} must be True or False; got {value!r}.")
        return cls(**given)

    @classmethod
    def of(cls, model: RegionVLM) -> ReleaseCompat:
        """Return the switches of a model; one without any has all off."""
        return cls.from_cfg(model.saved_cfg().get("release_compat"))

    def on(self) -> dict[str, bool]:
        """Return the switches that are on, as a config."""
        return {field.name: True for field in fields(self) if getattr(self, field.name)}
