from __future__ import annotations

import re

import pytest

from gartk.errors import ConfigError
from gartk.sweep.settings import parse_grid, read_sweep


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"row": []}, "row is not a known key.*Did you mean 'rows'"),
        ({"seeds": "0,1"}, "seeds must be a list of int, got '0,1'"),
        ({"seeds": [0, 0]}, "seeds must be different"),
        ({"jobs": 0}, "jobs must be at least 1, got 0"),
        ({"items": 0}, "items must be at least 1"),
        ({"resamples": 3}, "resamples must be at least 20, got 3"),
        ({"grid": {"model.x": 4}}, r"grid\['model.x'\] must be a list of values, got 4"),
        ({"grid": [4]}, "grid must be a dict"),
        ({"columns": [{"titel": "a"}]}, r"columns\[0\].titel is not a known key.*'title'"),
        ({"columns": [{"title": "a", "tasks": "color"}]}, r"columns\[0\].tasks must be a list of str"),
        ({"folder": "other"}, "folder is not a key of a sweep file"),
    ],
)
def test_an_error_names_the_file_and_the_key(write_sweep, settings, says) -> None:
    path = write_sweep("4", **settings)
    with pytest.raises(ConfigError, match=re.compile(f"{re.escape(str(path))}: .*{says}", re.DOTALL)):
        read_sweep([path])


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"name": "4", "titel": "x"}, r"rows\[1\] \(name '4'\).titel is not a known key"),
        ({"name": "4", "config": "gone.py"}, r"rows\[1\] \(name '4'\).config: there is no file 'gone.py'"),
        ({"name": "4", "cfg_options": ["a=b"]}, r"rows\[1\] \(name '4'\).cfg_options must be a dict"),
        ({"title": "x"}, r"lacks rows\[1\].name"),
    ],
)
def test_an_error_in_a_row_names_the_row(write_sweep, row, says) -> None:
    with pytest.raises(ConfigError, match=says):
        read_sweep([write_sweep("8", row)])


def test_configs_start_at_the_sweep_files_folder(write_sweep, tmp_path, monkeypatch) -> None:
    path = write_sweep("4", seeds=[3, 1], image_hw=(96, 64))
    monkeypatch.chdir("/")
    settings = read_sweep([path])
    assert settings.rows[0].config == str(tmp_path / "toy_config.py")
    assert (settings.name, settings.seeds, settings.image_hw) == ("sweep", (3, 1), (96, 64))


def test_several_configs_are_a_row_each(write_sweep, tmp_path) -> None:
    write_sweep("4")
    other = tmp_path / "other.py"
    other.write_text((tmp_path / "toy_config.py").read_text())
    settings = read_sweep([tmp_path / "toy_config.py", other])
    assert [row.name for row in settings.rows] == ["toy_config", "other"]
    assert settings.name == "toy_config+other"
    with pytest.raises(ConfigError, match="named twice"):
        read_sweep([other, other])
    with pytest.raises(ConfigError, match="is a sweep file .*stands alone"):
        read_sweep([tmp_path / "sweep.py", other])


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a.b=4,8,16", [4, 8, 16]),
        ("a.b=None,True,1e-3", [None, True, 1e-3]),
        ("a.b=union,identity", ["union", "identity"]),
        ("a.b=[1,2],[3]", [[1, 2], [3]]),
        ("a.b=4", [4]),
    ],
)
def test_a_grid_is_read_from_the_command_line(text, values) -> None:
    assert parse_grid(text) == ("a.b", values)


@pytest.mark.parametrize("text", ["a.b", "a.b=", "=4"])
def test_a_grid_without_path_or_values_is_refused(text) -> None:
    with pytest.raises(ConfigError, match="write PATH=V1,V2"):
        parse_grid(text)
