"""Options of the command line are read as they are written."""

from __future__ import annotations

import argparse
from typing import Any

import pytest

from gartk.cli.arguments import add_cfg_options, read_value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("2.5", 2.5),
        ("True", True),
        ("None", None),
        ("", ""),
        ("adamw", "adamw"),
        ("my folder/one two", "my folder/one two"),
        ("a {} box", "a {} box"),
        ("Be brief, and say A.", "Be brief, and say A."),
        ("'3'", "3"),
        ('"a, b"', "a, b"),
        ("1,2", [1, 2]),
        ("1, 2", [1, 2]),
        ("a,b", ["a", "b"]),
        ("(1, 2.0)", (1, 2.0)),
        ("[a, b]", ["a", "b"]),
        ("['my folder', 'b']", ["my folder", "b"]),
        ("[(1, 2), [a]]", [(1, 2), ["a"]]),
        ("C:/x=y", "C:/x=y"),
    ],
)
def test_a_value_is_what_was_written(text: str, value: Any) -> None:
    read = read_value(text)
    assert read == value
    assert type(read) is type(value)


def test_options_add_up_and_one_without_a_value_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    add_cfg_options(parser)
    given = ["--cfg-options", "a.b=1", "c=x y", "--cfg-options", "a.b=2", "d=k=v"]
    assert parser.parse_args(given).cfg_options == {"a.b": 2, "c": "x y", "d": "k=v"}
    with pytest.raises(SystemExit):
        parser.parse_args(["--cfg-options", "seed"])
    assert "'seed' is not KEY=VALUE" in capsys.readouterr().err
