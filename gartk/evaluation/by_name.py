"""Models under test and judges from what a command line says: NAME or NAME:SOURCE, and further arguments.

NAME is a registered name ("acme.StarJudge") or its short form: without the role at its end, in small letters
("openai" for OpenAIChatModel, "replay" for ReplayJudge, "acme.star"). SOURCE is the first argument of what
is registered under the name, as text: a model, a file. A chat model serves in both roles.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from gartk.errors import ConfigError, did_you_mean
from gartk.evaluation.judges.base import JUDGES
from gartk.evaluation.judges.chat_judge import ChatJudge
from gartk.evaluation.models.base import MODELS_UNDER_TEST
from gartk.evaluation.models.chat import CHAT_MODELS
from gartk.evaluation.models.chat_under_test import ChatModelUnderTest
from gartk.plugins import failure_behind
from gartk.registry import PartRegistry

if TYPE_CHECKING:
    from gartk.evaluation.judges.base import Judge
    from gartk.evaluation.models.base import ModelUnderTest
    from gartk.evaluation.models.visual_prompts import VisualPrompt

GARTK = "GartkModelUnderTest"


def build_model_under_test(
    spec: str,
    arguments: Mapping[str, Any] | None = None,
    *,
    offer: Mapping[str, Any] | None = None,
    visual_prompt: VisualPrompt | None = None,
    system: str = "",
) -> ModelUnderTest:
    """Build a model under test: a chat model, one of MODELS_UNDER_TEST, or else a model that gartk loads.

    Args:
        spec: NAME[:SOURCE], or what ``gartk.load`` takes.
        arguments: for the constructor; one that it does not take is an error.
        offer: arguments for those constructors that take them.
        visual_prompt, system: how a chat model is shown regions, and its system message.

    Raises: ConfigError for an unknown name or argument; what the constructor raises.
    """
    named = _find(spec, CHAT_MODELS, MODELS_UNDER_TEST) or _of_gartk(spec)
    built = named.build(arguments or {}, offer or {}, "the model under test")
    if named.registry is CHAT_MODELS:
        return ChatModelUnderTest(built, visual_prompt=visual_prompt, system=system)
    if visual_prompt is not None or system:
        raise ConfigError(f"{spec} is no chat model: leave --input-type, --mark and --system out.")
    return built


def build_judge(
    spec: str, arguments: Mapping[str, Any] | None = None, *, offer: Mapping[str, Any] | None = None
) -> Judge:
    """Build a judge: a chat model, or one of JUDGES.

    Args:
        spec: NAME[:SOURCE].
        arguments, offer: as for ``build_model_under_test``.

    Raises: ConfigError for an unknown name or argument; what the constructor raises.
    """
    named = _find(spec, CHAT_MODELS, JUDGES)
    if named is None:
        _refuse(spec.partition(":")[0], "judge", JUDGES)
    built = named.build(arguments or {}, offer or {}, "the judge")
    return ChatJudge(built) if named.registry is CHAT_MODELS else built


def short_names(registry: PartRegistry[Any]) -> dict[str, str]:
    """Return the registered names of CHAT_MODELS, MODELS_UNDER_TEST or JUDGES by their short forms."""
    role = registry.base.__name__
    shorts = {key: key.removesuffix(role).lower() for key in registry.names()}
    return {short: key for key, short in shorts.items() if short and not short.endswith(".")}


@dataclass(frozen=True)
class _Named:
    registry: PartRegistry[Any]
    key: str
    source: str

    def build(self, arguments: Mapping[str, Any], offer: Mapping[str, Any], what: str) -> Any:
        given = dict(arguments)
        if self.source:
            first = next(iter(inspect.signature(self.registry.get(self.key)).parameters), None)
            if first is None:
                raise ConfigError(f"{what}: {self.key} takes no source; leave ':{self.source}' out.")
            if first in given:
                raise ConfigError(f"{what}: {first} is given twice, as {self.source!r} and {given[first]!r}.")
            given[first] = self.source
        return self.registry.build({**given, "type": self.key}, path=what, offer=offer)


def _find(spec: str, *registries: PartRegistry[Any]) -> _Named | None:
    name, _, source = spec.partition(":")
    for registry in registries:
        key = name if name in registry else short_names(registry).get(name)
        if key is not None:
            return _Named(registry, key, source)
    return None


def _of_gartk(spec: str) -> _Named:
    """A model that gartk loads, unless it is plainly a NAME:SOURCE or the name of a plugin that failed."""
    name, colon, _ = spec.partition(":")
    is_name = bool(colon) or ("/" not in spec and failure_behind(name) is not None)
    if is_name and not Path(spec).exists():
        _refuse(name, "model under test", MODELS_UNDER_TEST)
    return _Named(MODELS_UNDER_TEST, GARTK, spec)


def _refuse(name: str, role: str, registry: PartRegistry[Any]) -> NoReturn:
    if failure_behind(name) is not None:
        registry.get(name, path=role)  # raises, chained to the plugin's own error
    known = [*short_names(CHAT_MODELS), *short_names(registry), *registry.names()]
    raise ConfigError(f"There is no {role} {name!r}. {did_you_mean(name, known)}")
