from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from gartk.config.settings import OptimSettings
from gartk.engine.muon import MuonAdamW
from gartk.engine.optim import build_optimizer, param_groups
from gartk.errors import ConfigError
from gartk.registry import MODELS
from gartk.testing.toy import toy_model


def settings(**changes: object) -> OptimSettings:
    given = {"type": "MuonAdamW", "lr": 1e-2, "matrix_lr": 0.05, "weight_decay": 0.1, **changes}
    return OptimSettings.from_dict(given)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Embedding(7, 4), nn.Linear(4, 6), nn.LayerNorm(6), nn.Linear(6, 2, bias=False))


def walk(model: nn.Module, optimizers: list[torch.optim.Optimizer], steps: int, start: int = 0) -> None:
    for number in range(start, start + steps):
        ids = torch.randint(0, 7, (5, 3), generator=torch.Generator().manual_seed(number))
        for optimizer in optimizers:
            optimizer.zero_grad()
        model(ids).square().mean().backward()
        for optimizer in optimizers:
            optimizer.step()


def test_matrices_are_inner_weights_neither_embeddings_nor_head_nor_prompts() -> None:
    torch.manual_seed(0)
    model = MODELS.build(toy_model(llm={**toy_model()["llm"], "config": {
        **toy_model()["llm"]["config"], "tie_word_embeddings": False}}))  # fmt: skip
    groups = param_groups(model, settings(), mark_matrices=True)
    matrices = {name for group in groups if group["matrices"] for name in group["names"]}
    rest = {name for group in groups if not group["matrices"] for name in group["names"]}
    assert "llm.lm.model.layers.0.self_attn.q_proj.weight" in matrices
    assert "vision.tower.timm_model.blocks.0.attn.qkv.weight" in matrices
    assert "connector.projector.linear_1.weight" in matrices
    assert {
        "llm.lm.model.embed_tokens.weight",
        "llm.lm.lm_head.weight",
        "prompt_encoder.conv.weight",
        "vision.tower.timm_model.pos_embed",
        "vision.tower.timm_model.patch_embed.proj.weight",
    } <= rest
    assert matrices | rest == {name for name, _ in model.named_parameters()}
    assert not any("matrices" in group for group in param_groups(model, settings()))


def test_it_is_muon_on_the_matrices_and_adamw_on_the_rest() -> None:
    model, twin = network(), network()
    optimizer = build_optimizer(model, settings(lr_mult={"3": 0.5}))
    embedding, first, norm, last = twin
    muon = torch.optim.Muon(
        [{"params": [first.weight]}, {"params": [last.weight], "lr": 0.025}], lr=0.05, weight_decay=0.1
    )
    plain = [embedding.weight, first.bias, norm.weight, norm.bias]
    adamw = torch.optim.AdamW(plain, lr=1e-2, weight_decay=0.0)
    walk(model, [optimizer], 4)
    walk(twin, [muon, adamw], 4)
    for (name, ours), theirs in zip(model.named_parameters(), twin.parameters(), strict=True):
        assert torch.equal(ours, theirs), name


def test_the_saved_state_goes_on_exactly() -> None:
    whole, half = network(), network()
    long, short = build_optimizer(whole, settings()), build_optimizer(half, settings())
    walk(whole, [long], 6)
    walk(half, [short], 3)
    later = copy.deepcopy(half)
    resumed = build_optimizer(later, settings())
    resumed.load_state_dict(short.state_dict())
    walk(later, [resumed], 3, start=3)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), later.parameters(), strict=True))
    assert {id(g) for part in resumed._parts for g in part.param_groups} == {
        id(g) for g in resumed.param_groups
    }


def test_a_schedule_changes_the_rate_of_both_kinds() -> None:
    model = network()
    optimizer = build_optimizer(model, settings())
    before = [p.detach().clone() for p in model.parameters()]
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    walk(model, [optimizer], 2)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_either_kind_of_parameter_may_be_absent() -> None:
    only = nn.Sequential(nn.Linear(3, 3, bias=False))
    build_optimizer(only, settings())
    only[0].weight.requires_grad_(False)
    none = nn.Sequential(nn.LayerNorm(3))
    build_optimizer(none, settings())


def test_a_torch_without_muon_is_a_config_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.optim, "Muon")
    with pytest.raises(ConfigError, match=r"'MuonAdamW' needs torch 2\.9"):
        MuonAdamW([{"params": [nn.Parameter(torch.zeros(2, 2))], "matrices": True}])


def test_training_with_it_resumes_to_the_last_digit(run, tmp_path: Path) -> None:
    options = {"optim.type": "MuonAdamW", "optim.matrix_lr": 0.01, "schedule.max_iters": 16}
    short = {**options, "checkpoint.interval": 8}
    whole = run("whole", short)
    (tmp_path / "whole" / "latest").write_text("iter_000008\n")
    again = run("whole", short, resume=True)
    assert again == whole
