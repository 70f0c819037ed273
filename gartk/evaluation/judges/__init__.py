"""The judges that configs and tools can name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gartk.errors import ConfigError, did_you_mean
from gartk.evaluation.judges.base import Judge
from gartk.evaluation.judges.local import TransformersJudge
from gartk.evaluation.judges.openai_compatible import OpenAIJudge
from gartk.evaluation.judges.replay import ReplayJudge
from gartk.evaluation.judges.rules import RulesJudge
from gartk.registry import JUDGES

__all__ = [
    "SHORT_NAMES",
    "Judge",
    "OpenAIJudge",
    "ReplayJudge",
    "RulesJudge",
    "TransformersJudge",
    "build_judge",
]

# What a command line may write for a registered name.
SHORT_NAMES: Mapping[str, str] = {
    "openai": "OpenAIJudge",
    "transformers": "TransformersJudge",
    "replay": "ReplayJudge",
    "rules": "RulesJudge",
}


def build_judge(name: str, /, **arguments: Any) -> Judge:
    """Build a judge by its short or registered name.

    Raises: ConfigError if the name is unknown, or the judge does not take the arguments.
    """
    key = SHORT_NAMES.get(name, name)
    if key not in JUDGES:
        raise ConfigError(
            f"There is no judge {name!r}. {did_you_mean(name, [*SHORT_NAMES, *JUDGES.names()])}"
        )
    built = JUDGES.build({"type": key, **arguments}, path="judge")
    if not isinstance(built, Judge):
        raise ConfigError(f"judge {name!r} is no judge: it needs a name and judge(items).")
    return built
