from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from gartk.config.settings import OptimSettings, ScheduleSettings
from gartk.engine.optim import (
    base_lr,
    build_optim_wrapper,
    build_optimizer,
    build_schedulers,
    freeze,
    param_groups,
)
from gartk.errors import ConfigError


class Parts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.vision = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4))
        self.prompt_encoder = nn.Conv2d(1, 2, 2)
        self.llm = nn.ModuleDict({"embed": nn.Embedding(5, 4), "out": nn.Linear(4, 5)})


def group_of(groups: list[dict[str, object]], name: str) -> dict[str, object]:
    return next(g for g in groups if name in g["names"])  # type: ignore[operator]


def settings(**kwargs: object) -> OptimSettings:
    return OptimSettings.from_dict({"lr": 0.1, "weight_decay": 0.5, **kwargs})


def test_only_matrices_decay_and_neither_embeddings_nor_the_prompt_do() -> None:
    groups = param_groups(Parts(), settings())
    decay = {n: g["weight_decay"] for g in groups for n in g["names"]}
    assert {n for n, d in decay.items() if d == 0.5} == {"vision.0.weight", "llm.out.weight"}
    assert {n for n, d in decay.items() if d == 0.0} == {
        "vision.0.bias", "vision.1.weight", "vision.1.bias", "prompt_encoder.weight", "prompt_encoder.bias",
        "llm.embed.weight", "llm.out.bias",
    }  # fmt: skip


def test_the_longest_prefix_sets_the_learning_rate() -> None:
    groups = param_groups(Parts(), settings(lr_mult={"vision.1": 5.0, "vision": 0.1}))
    assert group_of(groups, "vision.0.weight")["lr"] == pytest.approx(0.01)
    assert group_of(groups, "vision.1.weight")["lr"] == pytest.approx(0.5)
    assert group_of(groups, "llm.out.weight")["lr"] == 0.1
    assert groups[0]["lr_mult"] == 1.0


def test_every_trainable_parameter_is_in_one_group() -> None:
    model = Parts()
    freeze(model, ["vision"])
    names = [n for g in param_groups(model, settings()) for n in g["names"]]
    assert sorted(names) == sorted(n for n, p in model.named_parameters() if p.requires_grad)
    assert not any(n.startswith("vision") for n in names)


def test_a_part_without_parameters_may_have_a_rate_and_be_frozen() -> None:
    model = Parts()
    model.prompt_encoder = nn.Identity()  # type: ignore[assignment]
    groups = param_groups(model, settings(lr_mult={"prompt_encoder": 5.0}))
    assert {group["lr_mult"] for group in groups} == {1.0}
    assert freeze(model, ["prompt_encoder"]) == 0


def test_wrong_prefixes_types_and_arguments_are_named() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'vision'"):
        freeze(Parts(), ["vison"])
    with pytest.raises(ConfigError, match="nothing to train"):
        freeze(Parts(), ["vision", "prompt_encoder", "llm"])
    with pytest.raises(ConfigError, match="Did you mean 'vision'"):
        param_groups(Parts(), settings(lr_mult={"visio": 0.1}))
    with pytest.raises(ConfigError, match="Did you mean 'Adam'"):
        build_optimizer(Parts(), settings(type="AdamV"))
    with pytest.raises(ConfigError, match="optim.betaz is no argument of AdamW"):
        build_optimizer(Parts(), settings(betaz=1))


def rates_of(schedule: ScheduleSettings) -> tuple[list[float], list[float]]:
    """The rate of every update, and that of a part whose multiplier is one half."""
    wrapper = build_optim_wrapper(
        Parts(), settings(lr_mult={"vision": 0.5}), device=torch.device("cpu"), grad_clip=1.0
    )
    schedulers = build_schedulers(wrapper, schedule)
    rates, halves = [], []
    for _ in range(schedule.max_iters):
        rates.append(base_lr(wrapper.optimizer))
        halves.append(wrapper.optimizer.param_groups[-1]["lr"])
        wrapper.step()
        for scheduler in schedulers:
            scheduler.step()
    return rates, halves


def test_the_rate_rises_linearly_then_falls_along_a_cosine_to_its_end() -> None:
    rates, halves = rates_of(ScheduleSettings(max_iters=20, warmup_iters=4, min_lr_ratio=0.1))
    cosine = [0.1 * (0.1 + 0.9 * (1 + math.cos(math.pi * i / 15)) / 2) for i in range(16)]
    assert rates == pytest.approx([0.025, 0.05, 0.075, 0.1, *cosine])
    assert halves == pytest.approx([r / 2 for r in rates])


def test_a_restart_lifts_the_rate_and_begins_another_cosine() -> None:
    schedule = ScheduleSettings(
        max_iters=20, warmup_iters=4, min_lr_ratio=0.1, restart_iter=10, restart_ratio=0.6
    )
    rates, halves = rates_of(schedule)
    first = [0.1 * (0.1 + 0.9 * (1 + math.cos(math.pi * i / 15)) / 2) for i in range(6)]
    second = [0.01 + 0.05 * (1 + math.cos(math.pi * i / 9)) / 2 for i in range(10)]
    assert rates == pytest.approx([0.025, 0.05, 0.075, 0.1, *first, *second])
    assert halves == pytest.approx([r / 2 for r in rates])


def test_a_run_that_ends_before_the_restart_has_the_plain_cosine() -> None:
    def schedulers(**restart: int) -> list[dict[str, Any]]:
        wrapper = build_optim_wrapper(Parts(), settings(), device=torch.device("cpu"))
        schedule = ScheduleSettings(max_iters=20, warmup_iters=4, **restart)
        return [scheduler.state_dict() for scheduler in build_schedulers(wrapper, schedule)]

    assert schedulers(restart_iter=20) == schedulers()


@pytest.mark.parametrize(
    ("change", "named"), [({"restart_iter": 4}, "restart_iter"), ({"restart_ratio": 0.0}, "restart_ratio")]
)
def test_a_restart_within_the_warm_up_or_to_nothing_is_refused(change: dict[str, float], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        ScheduleSettings(**{"max_iters": 20, "warmup_iters": 4, "restart_iter": 10, **change})


def test_half_precision_is_refused_where_the_device_lacks_it() -> None:
    with pytest.raises(ConfigError, match="fp16"):
        build_optim_wrapper(Parts(), settings(), device=torch.device("cpu"), precision="fp16")


def test_bf16_computes_in_bf16_and_keeps_fp32_weights() -> None:
    model = Parts()
    wrapper = build_optim_wrapper(model, settings(), device=torch.device("cpu"), precision="bf16")
    with wrapper.optim_context(model):
        out = model.vision[0](torch.ones(2, 3))
    assert out.dtype is torch.bfloat16
    wrapper.update_params(out.float().sum())
    assert all(p.dtype is torch.float32 for p in model.parameters())
