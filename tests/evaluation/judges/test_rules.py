"""The judge by rules does what its documentation says, the same every time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gartk.errors import ConfigError
from gartk.evaluation.benchmarks.judged_captions import words_of
from gartk.evaluation.item import JUDGE
from gartk.evaluation.judges.rules import RulesJudge
from tests.evaluation.benches import judged_by
from tests.evaluation.judges.cases import CAP_DETAILED, CAP_SIMPLE, DLC, FERRET, VIDEO


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ("<Prompt0> is on <Prompt1>.", "True"),
        ("the <prompt0> is on the <PROMPT1>", "True"),
        ("<Prompt1> is on <Prompt0>.", "False"),
        ("<Prompt0> is on top of <Prompt1>.", "False"),
        ("", "False"),
    ],
)
def test_a_simple_caption_must_have_the_words_in_order(said: str, verdict: str) -> None:
    (item,) = judged_by(RulesJudge(), [replace(CAP_SIMPLE, prediction=said)])
    assert item.replies[JUDGE] == verdict


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ("A person stands beside skateboards.", "True"),
        ("A person with a skateboard.", "False"),
        ("A man beside a skateboard.", "False"),
    ],
)
def test_a_detailed_caption_must_have_all_three_words(said: str, verdict: str) -> None:
    (item,) = judged_by(RulesJudge(), [replace(CAP_DETAILED, prediction=said)])
    assert item.replies[JUDGE] == verdict


@pytest.mark.parametrize(
    ("said", "letters"),
    [
        ("A grey bird with wings.", "ABA"),
        ("A bird near boats.", "AAB"),
        ("A red kite.", "BAA"),
    ],
)
def test_a_region_is_judged_by_what_is_mentioned(said: str, letters: str) -> None:
    (item,) = judged_by(RulesJudge(), [replace(DLC, prediction=said)])
    assert "".join(reply[0] for reply in item.replies[JUDGE]) == letters  # type: ignore[index]


def test_an_answer_is_rated_by_common_words() -> None:
    (same,) = judged_by(RulesJudge(), [replace(FERRET, prediction=FERRET.reference)])
    (none,) = judged_by(RulesJudge(), [replace(FERRET, prediction="Nothing else")])
    assert str(same.replies[JUDGE]).startswith("10 10\n")
    assert str(none.replies[JUDGE]).startswith("10 1\n")


def test_the_four_dimensions_of_a_video_are_refused() -> None:
    with pytest.raises(ConfigError, match="has no rule for videorefer-d"):
        judged_by(RulesJudge(), [VIDEO])


def test_words_lose_fillers_and_endings() -> None:
    assert words_of("The birds are standing in bodies.") == ["bird", "stand", "body"]
