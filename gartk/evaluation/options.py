"""What a command line names in few words, built: the style of marks, the model under test, the judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gartk.errors import ConfigError, did_you_mean
from gartk.evaluation.drawing import PALETTE, MarkStyle
from gartk.evaluation.judges import build_judge
from gartk.evaluation.testees.visual_prompts import VisualPrompt

if TYPE_CHECKING:
    from gartk.evaluation.judges.base import Judge
    from gartk.evaluation.pictures import ImageFinder
    from gartk.evaluation.testees.base import Testee

OPENAI, TRANSFORMERS, REPLAY = "openai", "transformers", "replay"


@dataclass(frozen=True)
class Calls:
    """How models are loaded or called; each kind takes what concerns it.

    Args:
        endpoint: options of ``Endpoint``, without the model's name.
        cache: the file of replies of servers; None for none.
        device, dtype: of models on this machine; None for the dtype that they are stored in.
    """

    endpoint: Mapping[str, Any] = field(default_factory=dict)
    cache: Path | None = None
    device: str = "auto"
    dtype: str | None = None


def mark_style(options: Mapping[str, Any]) -> MarkStyle:
    """Build the style of marks; ``palette`` is a list of names of the usual colours.

    Raises: ConfigError for an unknown option or colour.
    """
    known = [one.name for one in fields(MarkStyle) if one.name != "mark"]
    for key in options:
        if key not in known:
            raise ConfigError(f"Marks have no option {key!r}. {did_you_mean(key, known)}")
    if "palette" not in options:
        return MarkStyle(**options)
    given = options["palette"]
    colours = dict(PALETTE)
    names = [str(name) for name in (given if isinstance(given, (list, tuple)) else [given])]
    for name in names:
        if name not in colours:
            raise ConfigError(f"Marks have no colour {name!r}. {did_you_mean(name, colours)}")
    return MarkStyle(**{**options, "palette": tuple((name, colours[name]) for name in names)})


def model_from(
    spec: str,
    find_image: ImageFinder,
    calls: Calls,
    *,
    visual_prompt: VisualPrompt | None = None,
    max_side_px: int | None = None,
    batch_size: int = 8,
    system: str = "",
    release_compat: Mapping[str, bool] | None = None,
) -> Testee:
    """Build a model under test: ``openai:NAME``, ``transformers:NAME``, or one of gartk (all else).

    ``visual_prompt`` and ``max_side_px`` are for models that take no masks, ``system`` for servers;
    ``release_compat`` switches deviations of the authors' release (``last_mask_box`` is the one of their
    evaluation) on or off for a model of gartk.

    Raises: CheckpointError, ConfigError.
    """
    kind, _, name = spec.partition(":")
    if release_compat and kind in (OPENAI, TRANSFORMERS):
        raise ConfigError(f"release_compat is for models of gartk; {spec!r} takes no masks.")
    shown = visual_prompt or VisualPrompt()
    if kind == OPENAI:
        from gartk.evaluation.testees.cache import ReplyCache
        from gartk.evaluation.testees.endpoint import ChatClient, Endpoint
        from gartk.evaluation.testees.openai_model import OpenAITestee

        endpoint = Endpoint(**{"max_side_px": max_side_px, **calls.endpoint, "model": name})
        client = ChatClient(endpoint, ReplyCache(calls.cache) if calls.cache else None)
        return OpenAITestee(client, find_image, visual_prompt=shown, system=system)
    if kind == TRANSFORMERS:
        from gartk.evaluation.testees.transformers_model import TransformersTestee

        where = {"device": calls.device, "dtype": calls.dtype or "auto"}
        return TransformersTestee(name, find_image, visual_prompt=shown, max_side_px=max_side_px, **where)
    from gartk.evaluation.testees.gartk_model import GartkTestee
    from gartk.inference.api import load

    assistant = load(spec, device=calls.device, dtype=calls.dtype, release_compat=release_compat)
    return GartkTestee(assistant, find_image, name=spec, batch_size=batch_size)


def judge_from(spec: str, calls: Calls, *, sees_images: bool = True) -> Judge:
    """Build a judge: ``openai:NAME``, ``transformers:NAME``, ``replay:FILE[,FILE]``, or a judge's name.

    Raises: ConfigError.
    """
    kind, _, name = spec.partition(":")
    if kind == OPENAI:
        called = {"cache": calls.cache, **calls.endpoint}
        return build_judge(kind, model=name, sees_images=sees_images, **called)
    if kind == TRANSFORMERS:
        where = {"device": calls.device, "dtype": calls.dtype or "auto"}
        return build_judge(kind, model=name, sees_images=sees_images, **where)
    if kind == REPLAY:
        return build_judge(kind, files=[file for file in name.split(",") if file])
    return build_judge(spec)
