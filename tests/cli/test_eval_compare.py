"""``gartk eval agreement`` and ``stability`` print what the statistics say, from files alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gartk.cli.main import main

CAPTION = {"answer": "<Prompt0> is on <Prompt1>.", "model_output": "<Prompt0> is on <Prompt1>."}
CHOICE = {"choices": ["A. x", "B. y"], "answer": "A"}


def captions(path: Path, verdicts: str) -> str:
    records = [
        {**CAPTION, "image": f"images/{n}.png", "eval_result": "True" if v == "T" else "False"}
        for n, v in enumerate(verdicts)
    ]
    path.write_text(json.dumps(records), encoding="utf-8")
    return str(path)


def letters(path: Path, said: str) -> str:
    records = [
        {**CHOICE, "image": f"{n}.png", "type": "color", "model_output": letter}
        for n, letter in enumerate(said)
    ]
    path.write_text(json.dumps(records), encoding="utf-8")
    return str(path)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    status = main(["eval", *arguments])
    said = capsys.readouterr()
    return status, said.out + said.err


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    status, text = run(capsys, *arguments, "--json")
    assert status == 0
    return json.loads(text)


def test_judges_are_compared_on_verdicts_and_on_the_order_of_models(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    files = {
        (judge, model): captions(tmp_path / f"{judge}{model}.json", verdicts)
        for judge, model, verdicts in (
            ("j1", "good", "TTTF"), ("j1", "bad", "TFFF"), ("j2", "good", "TTFF"), ("j2", "bad", "FFFF"),
        )
    }  # fmt: skip
    options = [word for (judge, model), file in files.items() for word in ("--judged", judge, model, file)]
    found = as_json(capsys, "agreement", "gar-cap", *options)
    assert [(row["model"], row["same"], row["both"]) for row in found["verdicts"]] == [
        ("good", 3, 4),
        ("bad", 3, 4),
    ]
    assert found["scores"] == {"j1": {"good": 75.0, "bad": 25.0}, "j2": {"good": 50.0, "bad": 0.0}}
    assert found["ranks"]["j2"] == {"good": 1, "bad": 2}
    assert found["order"][0]["kendall"] == pytest.approx(1.0)
    status, table = run(capsys, "agreement", "gar-cap", *options)
    assert status == 0
    assert "3/4 = 75.0 %" in table
    assert "Kendall 1.00" in table


def test_the_judge_by_rules_needs_no_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = captions(tmp_path / "a.json", "TTF")
    found = as_json(capsys, "agreement", "gar-cap", "--judged", "j", "m", file, "--with-rules")
    assert found["scores"]["rules"] == {"m": 100.0}
    assert found["verdicts"][0]["same"] == 2


def test_models_are_drawn_together(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    one, two = letters(tmp_path / "1.json", "AAAAAAAB"), letters(tmp_path / "2.json", "ABBBBBBB")
    options = ["--records", "one", one, "--records", "two", two, "--parts", "2", "--draws", "50"]
    (found,) = as_json(capsys, "stability", "gar-vqa", *options)["parts"]
    assert (found["items"], found["draws"]) == (4, 50)
    assert found["models"]["one"]["full"] == 87.5
    assert found["ahead"] == {"one > two": 1.0}
    status, table = run(capsys, "stability", "gar-vqa", *options)
    assert status == 0
    assert "one > two in 100.00 % of draws" in table


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["agreement", "gar-cpa", "--judged", "j", "m", "x.json"], "no benchmark 'gar-cpa'. Did you mean"),
        (["agreement", "gar-cap", "--judged", "j", "m"], "--judged JUDGE MODEL FILE...: 'j m' is too short"),
        (["agreement", "gar-cap", "--judged", "j", "m", "nowhere.json"], "nowhere.json cannot be read"),
        (["stability", "gar-vqa", "--records", "m", "x.json", "--records", "m", "x.json"], "cannot be read"),
    ],
)
def test_what_cannot_be_compared_is_said(
    capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    status, text = run(capsys, *arguments)
    assert status == 2
    assert says in text
