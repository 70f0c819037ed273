"""Every format is opened from everything that names a checkpoint, and is written again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

import gartk
from gartk.checkpoints import FORMATS, Checkpoint
from gartk.checkpoints.checkpoint import CheckpointFormat, Content
from gartk.checkpoints.sources import SHIPPED
from gartk.checkpoints.work_dir import publish
from gartk.errors import CheckpointError, ConfigError
from gartk.models.weights import own_state
from tests.support.release import save_toy_release


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One model in a folder of each format."""
    place = tmp_path_factory.mktemp("formats")
    save_toy_release(place / "release")
    for name in FORMATS:
        if name != "release":
            Checkpoint.open(place / "release").convert(name, place / name, info={"note": name})
    return place


def as_folder(folder: Path, place: Path, patch: pytest.MonkeyPatch) -> str | Path:
    return folder


def as_relative_text(folder: Path, place: Path, patch: pytest.MonkeyPatch) -> str | Path:
    patch.chdir(folder.parent)
    return os.curdir + os.sep + folder.name


def as_work_dir(folder: Path, place: Path, patch: pytest.MonkeyPatch) -> str | Path:
    old = place / "iter_000001"
    old.mkdir()
    (old / "config.json").write_text("{}")
    shutil.copytree(folder, place / ".tmp_iter_000002")
    publish(place / ".tmp_iter_000002", place / "iter_000002")
    return place


def as_cached_hub_id(folder: Path, place: Path, patch: pytest.MonkeyPatch) -> str | Path:
    patch.setenv("GARTK_CACHE", str(place))
    shutil.copytree(folder, place / "models" / "some-org" / "some-model")
    return "some-org/some-model"


def as_downloaded_hub_id(folder: Path, place: Path, patch: pytest.MonkeyPatch) -> str | Path:
    patch.setenv("GARTK_CACHE", str(place / "empty"))
    patch.setattr("huggingface_hub.snapshot_download", lambda name, **_: {"some-org/other": folder}[name])
    return "some-org/other"


def as_shipped_name(folder: Path, place: Path, patch: pytest.MonkeyPatch) -> str | Path:
    patch.setitem(SHIPPED, "shipped", folder)
    return "shipped"


SOURCES = (
    as_folder,
    as_relative_text,
    as_work_dir,
    as_cached_hub_id,
    as_downloaded_hub_id,
    as_shipped_name,
)


@pytest.mark.parametrize("source", SOURCES, ids=lambda make: make.__name__)
@pytest.mark.parametrize("name", ["gartk", "release", "hf"])
def test_every_format_opens_from_every_source(
    stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, source: Any
) -> None:
    checkpoint = Checkpoint.open(source(stored / name, tmp_path, monkeypatch))
    assert checkpoint.format == name
    assert checkpoint.cfg["region_extractor"]["type"] == "RoIAlignReplay"
    assert name == "release" or checkpoint.info["note"] == name
    model = checkpoint.build(device="cpu")
    assert not model.training
    expected = Checkpoint.open(stored / "release").state
    own = own_state(model)
    assert own.keys() == expected.keys()
    assert all(torch.equal(own[key], value) for key, value in expected.items())


def test_the_formats_are_those_that_the_table_above_tests() -> None:
    assert list(FORMATS) == ["gartk", "release", "hf"]


def test_the_shipped_checkpoint_opens_by_name_and_is_public() -> None:
    checkpoint = gartk.Checkpoint.open("tiny")
    assert gartk.Checkpoint is Checkpoint
    assert (checkpoint.format, checkpoint.folder) == ("gartk", SHIPPED["tiny"])
    assert checkpoint.dtype == torch.float16
    assert {p.dtype for p in checkpoint.build(device="cpu").parameters()} == {torch.float32}


@pytest.mark.parametrize("name", ["gartk", "hf"])
def test_what_it_is_is_said_without_reading_weights(stored: Path, tmp_path: Path, name: str) -> None:
    folder = shutil.copytree(stored / name, tmp_path / name)
    for file in folder.glob("*.safetensors"):
        file.write_bytes(b"damaged")
    checkpoint = Checkpoint.open(folder)
    assert checkpoint.cfg["vision"]["type"] == "PerceptionLMVision"
    with pytest.raises(CheckpointError, match="is not a readable safetensors file"):
        checkpoint.build(device="cpu")


@pytest.mark.parametrize("name", ["gartk", "release", "hf"])
def test_a_model_is_saved_in_every_format_and_opens_again(stored: Path, tmp_path: Path, name: str) -> None:
    model = Checkpoint.open(stored / "gartk").build(device="cpu")
    assert Checkpoint.save(model, tmp_path / "new", format=name, info={"by": "a test"}) == []
    again = Checkpoint.open(tmp_path / "new")
    assert again.format == name
    assert name == "release" or again.info == {"by": "a test"}
    before, after = own_state(model), again.state
    assert before.keys() == after.keys()
    assert all(torch.equal(after[key], value) for key, value in before.items())


@pytest.mark.parametrize("name", ["gartk", "release", "hf"])
@pytest.mark.parametrize("dtype", ["float16", torch.bfloat16])
def test_convert_stores_weights_in_the_type_asked_for(
    stored: Path, tmp_path: Path, name: str, dtype: str | torch.dtype
) -> None:
    source = Checkpoint.open(stored / "gartk")
    source.convert(name, tmp_path / "small", dtype=dtype)
    small = Checkpoint.open(tmp_path / "small")
    wanted = torch.float16 if dtype == "float16" else dtype
    assert small.dtype == wanted
    for key, value in source.state.items():
        assert torch.equal(small.state[key], value.to(wanted)), key
    assert source.dtype == torch.float32


def test_device_and_device_map_exclude_each_other_before_anything_is_built(stored: Path) -> None:
    with pytest.raises(ConfigError, match="either device or device_map"):
        Checkpoint.open(stored / "gartk").build(device="cpu", device_map="auto")


def test_an_unknown_switch_of_the_release_is_refused_and_the_others_stay(stored: Path) -> None:
    checkpoint = Checkpoint.open(stored / "release")
    before = dict(checkpoint.cfg["release_compat"])
    model = checkpoint.build(device="cpu", release_compat={"double_bos": False})
    assert model.saved_cfg()["release_compat"] == {k: v for k, v in before.items() if k != "double_bos"}
    assert checkpoint.cfg["release_compat"] == before, "a build changes nothing for the next"
    with pytest.raises(ConfigError, match="double_bos"):
        checkpoint.build(device="cpu", release_compat={"duble_bos": False})


def test_a_format_of_ones_own_is_one_class(
    stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Renamed(CheckpointFormat):
        """gartk's own, with another mark."""

        name = "renamed"
        marked_by = "the format 'renamed-1'"

        def recognises(self, config: Mapping[str, Any]) -> bool:
            return config.get("format") == "renamed-1"

        def read(self, folder: Path) -> Checkpoint:
            return FORMATS["gartk"].read(folder)

        def write(self, content: Content, folder: Path, *, max_shard_size: str) -> list[str]:
            FORMATS["gartk"].write(content, folder, max_shard_size=max_shard_size)
            file = folder / "config.json"
            file.write_text(file.read_text().replace('"gartk-1"', '"renamed-1"'))
            return ["renamed"]

    (tmp_path / "config.json").write_text('{"format": "renamed-2"}')
    monkeypatch.setitem(FORMATS, "renamed", Renamed())
    assert Checkpoint.open(stored / "hf").convert("renamed", tmp_path / "new") == ["renamed"]
    state: dict[str, Tensor] = load_file(tmp_path / "new" / "model.safetensors")
    assert Checkpoint.open(tmp_path / "new").state.keys() == state.keys()
    with pytest.raises(CheckpointError, match="expected the format 'gartk-1'.*, or the format 'renamed-1'"):
        Checkpoint.open(tmp_path)
