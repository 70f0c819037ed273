"""The configs that gartk brings along, found by name from anywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from gartk.config.reading import find_config, load_config, shipped_configs
from gartk.errors import ConfigError


@pytest.mark.parametrize("name", ["tiny/demo", "tiny/demo.py", "configs/tiny/demo.py"])
def test_a_config_is_found_by_its_name_wherever_one_is(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repo_root: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_config(name) == repo_root / "configs" / "tiny" / "demo.py"
    assert load_config(name).schedule.max_iters == 1000


def test_a_file_of_the_users_comes_before_one_of_gartks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ablation_crop.py").write_text("x = 1\n", encoding="utf-8")
    assert load_config("ablation_crop.py").x == 1
    assert "model" in load_config("ablation_crop")


def test_every_config_of_the_checkout_is_shipped(repo_root: Path) -> None:
    folder = repo_root / "configs"
    assert set(shipped_configs().values()) == set(folder.rglob("*.py"))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("tiny/ablation_roi_replya", "did you mean tiny/ablation_roi_replay"),
        ("zzz.py", "such as tiny/ablation_roi_replay"),
        ("tiny", "no config file 'tiny'"),
    ],
)
def test_a_config_that_is_nowhere_is_named_with_near_matches(
    name: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=says):
        find_config(name)
