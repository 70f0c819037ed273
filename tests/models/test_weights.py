"""Weights of parts: files as the hub has them, and PerceptionLM folders as transformers itself saves them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import PerceptionLMForConditionalGeneration

from gartk.checkpoints import Checkpoint
from gartk.errors import CheckpointError
from gartk.models.region_vlm import RegionVLM
from gartk.models.weights import load_prefixed, read_config, resolve_pretrained, weight_files
from gartk.registry import MODELS
from gartk.structures import Batch
from gartk.testing.toy import toy_llm, toy_model, toy_sample
from tests.support.toy_bases import save_toy_perception_lm

Build = Callable[..., RegionVLM]
MakeBatch = Callable[..., Batch]
PREFIXES = ("model.part.", "part.")


def part(width: int = 3) -> nn.Linear:
    return nn.Linear(2, width)


def state(prefix: str = "part.", width: int = 3) -> dict[str, torch.Tensor]:
    return {
        f"{prefix}weight": torch.arange(2.0 * width).reshape(width, 2),
        f"{prefix}bias": torch.ones(width),
    }


def save_sharded(folder: Path) -> None:
    for number, (key, value) in enumerate(state().items(), 1):
        save_file({key: value}, folder / f"model-0000{number}-of-00002.safetensors")
    names = {key: f"model-0000{number}-of-00002.safetensors" for number, key in enumerate(state(), 1)}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))


def test_weights_are_read_through_the_index_of_a_sharded_checkpoint(tmp_path: Path) -> None:
    save_sharded(tmp_path)
    save_file({"part.weight": torch.zeros(9)}, tmp_path / "adapter.safetensors")  # not in the index
    module = part()
    load_prefixed(module, str(tmp_path), PREFIXES)
    assert torch.equal(module.weight, state()["part.weight"])
    assert torch.equal(module.bias, torch.ones(3))


def test_the_first_prefix_that_occurs_is_taken(tmp_path: Path) -> None:
    save_file(
        {**state("model.part."), **{f"part.{k}": torch.zeros(1) for k in "ab"}},
        tmp_path / "model.safetensors",
    )
    module = part()
    load_prefixed(module, str(tmp_path), PREFIXES)
    assert torch.equal(module.weight, state()["part.weight"])


def test_weights_are_cast_to_the_modules_dtype(tmp_path: Path) -> None:
    save_file({key: value.half() for key, value in state().items()}, tmp_path / "model.safetensors")
    module = part()
    load_prefixed(module, str(tmp_path), PREFIXES)
    assert module.weight.dtype == torch.float32
    assert torch.equal(module.weight, state()["part.weight"])


def test_other_layouts_of_the_same_weights_beside_the_file_are_left_alone(tmp_path: Path) -> None:
    save_file(state(), tmp_path / "model.safetensors")
    save_file(state("part.layers."), tmp_path / "consolidated.safetensors")
    assert weight_files(tmp_path) == [tmp_path / "model.safetensors"]


def test_a_missing_shard_is_a_checkpoint_error_that_names_it(tmp_path: Path) -> None:
    save_sharded(tmp_path)
    (tmp_path / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"lacks model-00002-of-00002\.safetensors"):
        weight_files(tmp_path)


@pytest.mark.parametrize("text", ["{}", '{"weight_map": [1]}', "[]", "{"])
def test_an_index_without_a_map_is_a_checkpoint_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"model\.safetensors\.index\.json"):
        weight_files(tmp_path)


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    torch.save(state(), tmp_path / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="lacks safetensors weights. Only safetensors are read"):
        load_prefixed(part(), str(tmp_path), PREFIXES)


@pytest.mark.parametrize(
    ("tensors", "text"),
    [
        ({"part.weight": torch.zeros(3, 2)}, r"missing: bias \(1\)"),
        ({**state(), "part.extra": torch.zeros(1)}, r"unexpected: extra \(1\)"),
        (state(width=4), r"of another shape: bias: \(4,\) in the file, \(3,\) in the model"),
        ({"other.weight": torch.zeros(1)}, r"no weights under any of model\.part\., part\."),
    ],
)
def test_weights_that_do_not_fit_are_a_checkpoint_error_that_names_them(
    tmp_path: Path, tensors: dict[str, torch.Tensor], text: str
) -> None:
    save_file(tensors, tmp_path / "model.safetensors")
    module = part()
    before = module.weight.clone()
    with pytest.raises(CheckpointError, match=text):
        load_prefixed(module, str(tmp_path), PREFIXES)
    assert torch.equal(module.weight, before), "nothing is loaded by halves"


@pytest.mark.parametrize("damage", ["cut", "header", "empty"])
def test_a_corrupted_file_is_a_checkpoint_error_that_names_it(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "model.safetensors"
    save_file(state(), file)
    data = file.read_bytes()
    file.write_bytes({"cut": data[:-5], "header": b"\xff" * 20 + data[20:], "empty": b""}[damage])
    with pytest.raises(CheckpointError, match=r"model\.safetensors is not a readable safetensors file"):
        load_prefixed(part(), str(tmp_path), PREFIXES)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty GARTK_CACHE and an empty, offline cache of the hub."""
    monkeypatch.setenv("GARTK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return tmp_path / "cache"


def test_an_absent_checkpoint_says_what_to_get_and_where_to_put_it(cache: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        resolve_pretrained("some-org/some-model")
    text = str(caught.value)
    assert "Download some-org/some-model (config.json, *.safetensors, tokenizer files)" in text
    assert str(cache / "models" / "some-org" / "some-model") in text
    assert "--cfg-options" in text
    assert "model.vision.pretrained=" in text


def test_a_checkpoint_is_found_in_gartks_cache_and_a_local_folder_comes_first(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = cache / "models" / "some-org" / "some-model"
    folder.mkdir(parents=True)
    assert resolve_pretrained("some-org/some-model") == folder
    monkeypatch.chdir(tmp_path)
    (tmp_path / "some-org" / "some-model").mkdir(parents=True)
    assert resolve_pretrained("some-org/some-model") == Path("some-org/some-model")


@pytest.mark.parametrize("name", ["{}/absent", "./absent", "~/absent-checkpoint-folder"])
def test_a_path_that_is_no_folder_is_not_looked_for_on_the_hub(cache: Path, name: str) -> None:
    with pytest.raises(CheckpointError, match="There is no folder .*absent"):
        resolve_pretrained(name.format(cache))


def test_json_that_cannot_be_read_is_a_checkpoint_error_that_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    with pytest.raises(CheckpointError, match=r"config\.json does not exist"):
        read_config(file)
    for content, text in (
        (b"{", "cannot be read as JSON"),
        (b"\xff", "cannot be read"),
        (b"[1]", "got list"),
    ):
        file.write_bytes(content)
        with pytest.raises(CheckpointError, match=rf"config\.json .*{text}"):
            read_config(file)


# ------------------------------------------- PerceptionLM as transformers saves it

Toy = tuple[Path, PerceptionLMForConditionalGeneration]


@pytest.fixture(scope="module", params=["tied", "untied", "sharded"])
def toy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Toy:
    folder = tmp_path_factory.mktemp(request.param)
    size = "100KB" if request.param == "sharded" else "1GB"
    return folder, save_toy_perception_lm(folder, tied=request.param != "untied", max_shard_size=size)


def from_folder(folder: Path) -> RegionVLM:
    source = str(folder)
    llm = {**toy_llm(), "pretrained": source, "config": None, "tokenizer": None}
    config = toy_model(
        vision={"type": "PerceptionLMVision", "pretrained": source, "max_num_tiles": 4},
        connector={"type": "PerceptionLMConnector", "pretrained": source},
        llm=llm,
    )
    model: RegionVLM = MODELS.build(config)
    return model.eval()


@torch.no_grad()
def test_image_features_and_logits_are_those_of_transformers(toy: Toy, make_batch: MakeBatch) -> None:
    folder, theirs = toy
    assert (folder / "model.safetensors").is_file() == ("sharded" not in folder.name)
    ours = from_folder(folder)
    batch = make_batch(ours, [toy_sample((60, 170), 0, turns=[("What is this?", "a room")])])
    wanted = theirs.model.get_image_features(batch.pixels[0][None], return_dict=True).pooler_output
    features = ours.encode_images(batch)[0].tokens
    assert float((features - wanted.flatten(0, 1)).abs().max()) < 1e-5
    logits = theirs(input_ids=batch.input_ids, pixel_values=batch.pixels[0][None]).logits
    assert float((ours(batch)[..., : logits.shape[-1]] - logits).abs().max()) < 1e-5
    assert float(logits.std()) > 0.05, "the logits must differ for this to mean anything"


def test_a_model_from_a_base_is_saved_without_pointing_at_it(
    toy: Toy, make_batch: MakeBatch, tmp_path: Path
) -> None:
    model = from_folder(toy[0])
    Checkpoint.save(model, tmp_path)
    assert str(toy[0]) not in (tmp_path / "config.json").read_text()
    twin = Checkpoint.open(tmp_path).build(device="cpu")
    batch = make_batch(model, [toy_sample((56, 112), 2)])
    with torch.no_grad():
        assert torch.equal(twin(batch), model(batch))


@pytest.mark.parametrize("flags", [(True, False), (False, True)])
def test_whether_the_head_is_tied_is_read_from_the_weights(tmp_path: Path, flags: tuple[bool, bool]) -> None:
    """Configs of multimodal models state the flag twice, and the two need not agree."""
    for tied in (True, False):
        folder = tmp_path / str(tied)
        theirs = save_toy_perception_lm(folder, tied=tied)
        config = json.loads((folder / "config.json").read_text())
        config["tie_word_embeddings"], config["text_config"]["tie_word_embeddings"] = flags
        (folder / "config.json").write_text(json.dumps(config))
        lm = from_folder(folder).llm.lm
        assert torch.equal(lm.get_output_embeddings().weight, theirs.lm_head.weight)
        assert (lm.get_output_embeddings().weight is lm.get_input_embeddings().weight) is tied


def test_a_tied_head_that_is_stored_twice_stays_tied(tmp_path: Path) -> None:
    save_toy_perception_lm(tmp_path, tied=True)
    file = tmp_path / "model.safetensors"
    tensors = load_file(file)
    tensors["lm_head.weight"] = tensors["model.language_model.embed_tokens.weight"].clone()
    save_file(tensors, file, metadata={"format": "pt"})
    lm = from_folder(tmp_path).llm.lm
    assert lm.get_output_embeddings().weight is lm.get_input_embeddings().weight


def test_a_bf16_checkpoint_is_held_in_fp32(tmp_path: Path) -> None:
    save_toy_perception_lm(tmp_path, dtype=torch.bfloat16)
    assert {p.dtype for p in from_folder(tmp_path).parameters()} == {torch.float32}


def test_a_folder_that_is_no_perception_lm_is_a_checkpoint_error(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(CheckpointError, match="is no PerceptionLM"):
        from_folder(tmp_path)
