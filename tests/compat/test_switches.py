"""Every deviation of the authors' release is one named switch, off by default, saved and changed by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import gartk
import gartk.compat
from gartk.checkpoints import Checkpoint
from gartk.compat import AS_RELEASED, ReleaseCompat, ReleaseRegionVLM
from gartk.compat.processor import ReleaseProcessor
from gartk.errors import ConfigError
from gartk.models.region_vlm import RegionVLM
from gartk.registry import MODELS
from gartk.testing.toy import toy_model, toy_sample
from tests.compat.samples import SWITCHES, one_batch, only


def test_all_switches_are_off_by_default() -> None:
    assert ReleaseCompat().on() == {}
    model = MODELS.build(toy_model())
    assert type(model) is RegionVLM
    assert ReleaseCompat.of(model) == ReleaseCompat()


def test_a_config_with_switches_builds_the_model_that_keeps_them_and_so_does_its_checkpoint() -> None:
    model = MODELS.build(toy_model(release_compat={"double_bos": True, "inclusive_box": False}))
    assert type(model) is ReleaseRegionVLM
    saved = model.saved_cfg()
    assert (saved["type"], saved["release_compat"]) == ("ReleaseRegionVLM", {"double_bos": True})
    assert ReleaseCompat.of(model) == only("double_bos")
    assert type(model.make_processor()) is ReleaseProcessor


def test_without_any_switch_on_ids_tensors_and_logits_are_those_of_a_plain_model() -> None:
    torch.manual_seed(0)
    plain: RegionVLM = MODELS.build(toy_model())
    torch.manual_seed(0)
    off: RegionVLM = MODELS.build(toy_model(release_compat={}))
    samples = [toy_sample((70, 112), n, seed=n) for n in (1, 3)]
    one, other = (one_batch(model, *samples) for model in (plain, off))
    for name in ("input_ids", "labels", "attention_mask"):
        assert torch.equal(getattr(one, name), getattr(other, name)), name
    assert torch.equal(one.regions.boxes_norm, other.regions.boxes_norm)
    assert all(torch.equal(a, b) for a, b in zip(one.regions.masks, other.regions.masks, strict=True))
    with torch.no_grad():
        assert torch.equal(plain(one), off(other))


def test_the_released_weights_have_all_switches_on_but_the_evaluations_mix_up_of_boxes() -> None:
    assert set(SWITCHES) - set(AS_RELEASED.on()) == {"last_mask_box"}


def test_every_switch_is_documented_with_what_was_measured() -> None:
    text = gartk.compat.__doc__ or ""
    assert [name for name in SWITCHES if f"``{name}``" not in text] == []


def test_an_unknown_switch_is_a_config_error_with_near_matches() -> None:
    with pytest.raises(
        ConfigError, match=r"model\.release_compat has no switch 'id_map_bicubik'(.|\n)*'id_map_bicubic'"
    ):
        MODELS.build(toy_model(release_compat={"id_map_bicubik": True}))


@pytest.mark.parametrize("value", [1, "yes", None])
def test_a_switch_that_is_no_bool_is_a_config_error(value: Any) -> None:
    with pytest.raises(ConfigError, match="double_bos must be True or False"):
        ReleaseCompat.from_cfg({"double_bos": value})


def test_switches_that_are_no_dict_are_a_config_error() -> None:
    with pytest.raises(ConfigError, match="must be a dict of switches"):
        ReleaseCompat.from_cfg(["double_bos"])  # type: ignore[arg-type]


@pytest.mark.parametrize("name", SWITCHES)
def test_every_switch_is_saved_with_a_checkpoint_and_can_be_changed_when_loading(
    tmp_path: Path, name: str
) -> None:
    model: RegionVLM = MODELS.build(toy_model(release_compat={name: True}))
    Checkpoint.save(model, tmp_path)
    assert Checkpoint.open(tmp_path).build(device="cpu").release_compat == only(name)
    assert gartk.load(tmp_path, device="cpu").model.release_compat == only(name)
    off = gartk.load(tmp_path, device="cpu", release_compat={name: False}).model
    assert off.release_compat == ReleaseCompat()


@pytest.mark.parametrize("switches", [None, {"double_bos": True, "last_mask_box": True}])
def test_a_checkpoint_of_a_plain_model_with_or_without_switches_is_loaded_with_others(
    tmp_path: Path, switches: dict[str, bool] | None
) -> None:
    """What older checkpoints say: the type is RegionVLM whatever is switched on."""
    Checkpoint.save(MODELS.build(toy_model()), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["model"]["type"] == "RegionVLM"
    if switches is not None:
        config["model"]["release_compat"] = switches
        (tmp_path / "config.json").write_text(json.dumps(config))
    assert ReleaseCompat.of(Checkpoint.open(tmp_path).build(device="cpu")) == only(*(switches or {}))
    changed = {"double_scaled_roi": True, "last_mask_box": False}
    loaded = gartk.load(tmp_path, device="cpu", release_compat=changed).model
    assert type(loaded) is ReleaseRegionVLM
    assert loaded.release_compat == only("double_scaled_roi", *(["double_bos"] if switches else []))


def test_an_unknown_switch_when_loading_is_a_config_error(tmp_path: Path) -> None:
    Checkpoint.save(MODELS.build(toy_model()), tmp_path)
    with pytest.raises(ConfigError, match=r"model\.release_compat has no switch 'double_boss'"):
        gartk.load(tmp_path, device="cpu", release_compat={"double_boss": True})


def test_a_config_file_can_be_loaded_with_switches(tmp_path: Path) -> None:
    config = tmp_path / "toy.py"
    config.write_text(f"model = {toy_model(release_compat={'double_bos': True})!r}\n", encoding="utf-8")
    with pytest.warns(UserWarning, match="random"):
        loaded = gartk.load(config, device="cpu", release_compat={"inclusive_box": True})
    assert loaded.model.release_compat == only("double_bos", "inclusive_box")


def test_the_public_names_of_the_package_are_there_and_an_unknown_one_says_what_there_is() -> None:
    assert [name for name in gartk.compat.__all__ if not hasattr(gartk.compat, name)] == []
    with pytest.raises(AttributeError, match="it has AS_RELEASED"):
        _ = gartk.compat.extend_prompt
