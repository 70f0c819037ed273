"""Number types, attention, checkpointing, LoRA and placement of parts, by config."""

from __future__ import annotations

import copy
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from gartk.checkpoints import Checkpoint
from gartk.errors import ConfigError
from gartk.inference.loading import load_any
from gartk.models.building import blank_weights, merge_lora, new_weights_as, number_type
from gartk.models.placement import is_placed
from gartk.registry import MODELS
from gartk.testing.toy import toy_llm, toy_model, toy_sample, toy_vision
from tests.models.conftest import Build, MakeBatch

LORA: dict[str, Any] = {"r": 2, "lora_alpha": 4}
LLM_LORA = {**LORA, "target_modules": ["q_proj", "v_proj"]}
VISION_LORA = {**LORA, "target_modules": ["qkv"]}


def trained(model: nn.Module) -> set[str]:
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def test_weights_of_every_part_get_the_models_number_type(build: Build) -> None:
    assert {p.dtype for p in build(dtype="bfloat16").parameters()} == {torch.bfloat16}
    assert torch.get_default_dtype() == torch.float32
    with pytest.raises(ConfigError, match="dtype must be one of float32, bfloat16, float16; got 'fp8'"):
        build(dtype="fp8")


def test_an_error_while_building_gives_torchs_number_type_back() -> None:
    with pytest.raises(ZeroDivisionError), new_weights_as(number_type("float16")):
        _ = 1 / 0
    assert torch.get_default_dtype() == torch.float32


def test_blank_weights_are_not_drawn() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    with blank_weights():
        nn.Linear(4, 4)
    assert torch.equal(torch.get_rng_state(), before)
    nn.Linear(4, 4)
    assert not torch.equal(torch.get_rng_state(), before)


def test_blank_weights_of_transformers_and_timm_are_not_drawn_either() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    with blank_weights():
        MODELS.build(toy_model())
        nn.init.trunc_normal_(torch.empty(50), std=0.02)
        nn.init.trunc_normal_(torch.empty(50), mean=3.0, a=2.5, b=2.8)
    assert torch.equal(torch.get_rng_state(), before)


def test_blank_weights_and_number_types_belong_to_one_thread() -> None:
    """While one thread builds blank half-size weights, another builds as ever."""
    building, seen = threading.Event(), threading.Event()

    def build_blank() -> dict[str, torch.dtype]:
        with new_weights_as(torch.bfloat16), blank_weights():
            building.set()
            assert seen.wait(30)
            layer = nn.Linear(3, 3)
            made = [torch.tensor([1.0]), torch.full((2,), 0.5), torch.arange(0.0, 1.0, 0.5), torch.empty(2)]
            whole = [torch.tensor([1]), torch.full((2,), 1), torch.arange(3), torch.tensor(np.zeros(2))]
            assert {t.dtype for t in [layer.weight, *made]} == {torch.bfloat16}
            assert [t.dtype for t in whole] == [torch.int64] * 3 + [torch.float64]
            return {name: p.dtype for name, p in MODELS.build(toy_model(dtype="float16")).named_parameters()}

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(build_blank)
        assert building.wait(30)
        torch.manual_seed(0)
        layer = nn.Linear(300, 3)
        seen.set()
        assert set(future.result().values()) == {torch.float16}
    assert layer.weight.dtype == torch.get_default_dtype() == torch.float32
    assert float(layer.weight.detach().std()) > 0.01


def test_attention_is_chosen_by_config_and_changes_no_result(build: Build, make_batch: MakeBatch) -> None:
    logits = {}
    for attention in ("sdpa", "eager"):
        model = build(vision=toy_vision(attention=attention), llm=toy_llm(attention=attention))
        fused = {block.attn.fused_attn for block in model.vision.blocks()}
        assert fused == {attention == "sdpa"}
        assert model.llm.lm.config._attn_implementation == attention
        with torch.no_grad():
            logits[attention] = model(make_batch(model, [toy_sample((56, 112), 2)]))
    torch.testing.assert_close(logits["sdpa"], logits["eager"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("part", ["vision", "llm"])
def test_unknown_or_missing_attention_is_a_config_error(build: Build, part: str) -> None:
    toy = {"vision": toy_vision, "llm": toy_llm}[part]
    with pytest.raises(ConfigError, match=f"model.{part}.attention 'sdp' is unknown.\n  Did you mean 'sdpa'"):
        build(**{part: toy(attention="sdp")})
    with pytest.raises(ConfigError, match=r"flash-attn is not installed|does not exist for timm"):
        build(**{part: toy(attention="flash_attention_2")})


def test_activation_checkpointing_of_both_towers_gives_the_same_gradients(
    build: Build, make_batch: MakeBatch
) -> None:
    gradients = []
    for on in (False, True):
        model = build(
            vision=toy_vision(gradient_checkpointing=on), llm=toy_llm(gradient_checkpointing=on)
        ).train()
        assert model.vision.recomputes is on
        assert model.llm.lm.is_gradient_checkpointing is on
        model.loss(make_batch(model, [toy_sample((56, 112), 2)]))["loss"].backward()
        gradients.append({name: p.grad for name, p in model.named_parameters()})
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, rtol=1e-4, atol=1e-6, msg=name)


def test_lora_trains_adapters_and_prompt_tokens_only_and_starts_as_the_identity(
    build: Build, make_batch: MakeBatch
) -> None:
    model = build(llm=toy_llm(lora=LLM_LORA), vision=toy_vision(lora=VISION_LORA))
    learning = trained(model.llm) | trained(model.vision)
    assert learning
    assert all("lora_" in name or "trainable_tokens" in name for name in learning), learning
    assert any("trainable_tokens" in name for name in learning), "new prompt tokens have to be learned"
    assert trained(model.prompt_encoder) == {"conv.weight"}
    batch = make_batch(model, [toy_sample((56, 112), 2)])
    plain = copy.deepcopy(model)
    merge_lora(plain)
    with torch.no_grad():
        torch.testing.assert_close(model(batch), plain(batch))
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        model.loss(batch)["loss"].backward()
        optimizer.step()
    moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert {name for name in moved if name.startswith(("llm.", "vision."))} <= {
        f"{part}.{name}" for part in ("llm", "vision") for name in trained(getattr(model, part))
    }
    assert any(name.startswith("llm.") and "lora_B" in name for name in moved)
    assert any(name.startswith("vision.") and "lora_B" in name for name in moved)


def test_a_model_with_lora_is_saved_loaded_and_merged_with_equal_logits(
    build: Build, make_batch: MakeBatch, tmp_path: Path
) -> None:
    model = build(llm=toy_llm(lora=LLM_LORA), vision=toy_vision(lora=VISION_LORA))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name or "trainable_tokens_delta" in name:
                parameter.add_(torch.randn(parameter.shape) * 0.3)
    batch = make_batch(model, [toy_sample((56, 112), 2)])
    Checkpoint.save(model, tmp_path)
    twin = Checkpoint.open(tmp_path).build(device="cpu")
    with torch.no_grad():
        wanted = model(batch)
        assert torch.equal(twin(batch), wanted)
        count = merge_lora(twin)
        assert count >= 2 * 2 + 2
        torch.testing.assert_close(twin(batch), wanted, rtol=1e-4, atol=1e-5)
    plain = build()
    assert set(twin.state_dict()) == set(plain.state_dict())
    assert merge_lora(twin) == 0


def test_lora_settings_that_fit_nothing_are_config_errors(build: Build) -> None:
    with pytest.raises(ConfigError, match=r"model\.llm\.lora cannot be used: .*nowhere"):
        build(llm=toy_llm(lora={**LORA, "target_modules": ["nowhere"]}))
    with pytest.raises(ConfigError, match=r"model\.vision\.lora cannot be used: .*rank"):
        build(vision=toy_vision(lora={"rank": 3}))


def test_a_device_map_spreads_a_model_and_answers_stay_the_same(
    build: Build, make_batch: MakeBatch, tmp_path: Path
) -> None:
    plain = build()
    Checkpoint.save(plain, tmp_path)
    placed, _ = load_any(tmp_path, device_map={"vision": "cpu", "": "cpu"})
    assert is_placed(placed)
    assert not is_placed(plain)
    batch = make_batch(plain, [toy_sample((56, 112), 2)], training=False)
    assert placed.generate(batch, max_new_tokens=3) == plain.generate(batch, max_new_tokens=3)
    automatic, _ = load_any(tmp_path, device_map="auto")
    assert automatic.generate(batch, max_new_tokens=3) == plain.generate(batch, max_new_tokens=3)


def test_device_maps_that_cannot_be_are_config_errors(build: Build, tmp_path: Path) -> None:
    Checkpoint.save(build(), tmp_path)
    with pytest.raises(ConfigError, match="either device or device_map"):
        load_any(tmp_path, device="cpu", device_map="auto")
    with pytest.raises(ConfigError, match="device_map .* cannot be used"):
        load_any(tmp_path, device_map={"vision": "cpu"})
