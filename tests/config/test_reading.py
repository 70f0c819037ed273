from __future__ import annotations

from pathlib import Path

import pytest

from gartk.config import TrainSettings, load_config
from gartk.errors import ConfigError

CONFIG = """
model = dict(type='M', region_extractor=None, vision=dict(type='V', depth=2))
train_data = dict(dataset=dict(type='D'), batch_size=2)
optim = dict(type='AdamW', lr=1e-3, weight_decay=0.1)
schedule = dict(max_iters=10)
extra = dict(path='${GARTK_TEST_DIR:/fallback}/x', nested=[dict(path='${GARTK_TEST_DIR:y}')])
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "some_config.py"
    path.write_text(CONFIG)
    return path


def test_options_reach_settings_parts_and_keys_left_to_their_default(config: Path) -> None:
    options = {
        "optim.lr": 0.5,
        "model.region_extractor.type": "acme.Star",
        "model.vision.depth": 7,
        "grad_clip": None,
        "train_data.num_workers": 1,
    }
    cfg = load_config(config, options)
    assert cfg.optim.lr == 0.5
    assert cfg.model.region_extractor == {"type": "acme.Star"}
    assert cfg.model.vision == {"type": "V", "depth": 7}
    settings = TrainSettings.from_cfg(cfg)
    assert settings.grad_clip is None
    assert settings.train_data.num_workers == 1
    assert settings.optim.args == {"weight_decay": 0.1}


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("shedule.max_iters", "schedule"),
        ("schedule.max_iter", "max_iters"),
        ("accumulat", "accumulate"),
        ("train_data.batchsize", "batch_size"),
        ("extra.pth", "path"),
    ],
)
def test_an_option_that_is_a_typo_is_refused_with_the_near_match(config: Path, path: str, near: str) -> None:
    with pytest.raises(ConfigError, match=f"Did you mean '{near}'"):
        load_config(config, {path: 1})


def test_options_that_replace_a_part_do_so_for_every_config_they_are_given_to(config: Path) -> None:
    options = {"model.vision": {"_delete_": True, "type": "W"}}
    for _ in range(2):
        assert load_config(config, options).model.vision == {"type": "W"}


def test_an_option_below_a_number_is_refused(config: Path) -> None:
    with pytest.raises(ConfigError, match="schedule.max_iters is 10 and has no keys below it"):
        load_config(config, {"schedule.max_iters.x": 1})


def test_keys_of_other_tools_may_be_allowed(config: Path) -> None:
    assert load_config(config, {"extra.more": 3}, extra_keys=["extra.more"]).extra.more == 3


def test_environment_variables_are_expanded_everywhere(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_config(config).extra.path == "/fallback/x"
    monkeypatch.setenv("GARTK_TEST_DIR", "/data")
    cfg = load_config(config)
    assert cfg.extra.path == "/data/x"
    assert cfg.extra.nested[0].path == "/data"


def test_a_missing_variable_without_fallback_names_the_key(config: Path) -> None:
    with pytest.raises(ConfigError, match="extra.path needs the environment variable GARTK_NOT_SET"):
        load_config(config, {"extra.path": "${GARTK_NOT_SET}"})


def test_missing_and_broken_files_are_config_errors(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no config file"):
        load_config(tmp_path / "none.py")
    broken = tmp_path / "broken.py"
    broken.write_text("a = (")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(broken)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optim": {}}, "optim.lr is missing"),
        ({"schedule": {"max_iters": 10, "warmup": 2}}, "schedule.warmup is not a known key"),
        ({"schedule": {"max_iters": 10, "warmup_iters": 10}}, "warmup_iters must lie in 0..9"),
        ({"precision": "fp8"}, "precision must be one of"),
        ({"acumulate": 2}, "Did you mean 'accumulate'"),
        ({"grad_clip": 0}, "grad_clip must be above 0"),
        ({"train_data": {"batch_size": 2}}, "lacks train_data.dataset"),
    ],
)
def test_wrong_settings_are_named(config: Path, change: dict[str, object], message: str) -> None:
    cfg = {**load_config(config)._cfg_dict, **change}
    with pytest.raises(ConfigError, match=message):
        TrainSettings.from_cfg(cfg)
