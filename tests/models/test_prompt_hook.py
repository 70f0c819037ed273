from __future__ import annotations

import asyncio
import copy
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor, nn

from gartk.errors import ConfigError
from gartk.models.vision.prompt_hook import added_to_patches


class Patches(nn.Module):
    """Patch embeddings of 2x3 patches, as (n, N, C), (n, h, w, C) or packed (n * N, C)."""

    def __init__(self, layout: str = "NLC") -> None:
        super().__init__()
        self.layout = layout
        self.proj = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        out = self.proj(x)
        if self.layout == "NHWC":
            return out.unflatten(1, (2, 3))
        return out.flatten(0, 1) if self.layout == "packed" else out


X = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("layout", ["NLC", "NHWC", "packed"])
def test_the_embedding_is_added_patch_by_patch_in_every_layout(layout: str) -> None:
    site = Patches(layout)
    embedding = torch.randn(2, 6, 5)
    with added_to_patches(site, embedding):
        out = site(X)
    assert torch.equal(out.reshape(2, 6, 5), site.proj(X) + embedding)
    assert out.shape == site(X).shape


@pytest.mark.parametrize("layout", ["NLC", "NHWC", "packed"])
def test_a_zero_embedding_changes_no_bit(layout: str) -> None:
    site = Patches(layout)
    with added_to_patches(site, torch.zeros(2, 6, 5)):
        out = site(X)
    assert torch.equal(out, site(X))


def test_none_adds_nothing_and_asks_for_no_call() -> None:
    site = Patches()
    with added_to_patches(site, None):
        assert torch.equal(site(X), site.proj(X))
        site(X)


def test_the_output_keeps_its_dtype() -> None:
    site = Patches().bfloat16()
    with added_to_patches(site, torch.ones(2, 6, 5)):
        assert site(X.bfloat16()).dtype == torch.bfloat16


def test_the_gradient_reaches_the_embedding() -> None:
    site = Patches()
    embedding = torch.zeros(2, 6, 5, requires_grad=True)
    with added_to_patches(site, embedding):
        site(X).square().sum().backward()
    assert embedding.grad is not None
    assert bool((embedding.grad != 0).all())


def test_an_embedding_of_another_size_is_a_config_error() -> None:
    site = Patches()
    with (
        pytest.raises(
            ConfigError, match=r"embedding has shape \(2, 5, 5\), the patch embeddings \(2, 6, 5\)"
        ),
        added_to_patches(site, torch.zeros(2, 5, 5)),
    ):
        site(X)
    assert torch.equal(site(X), site.proj(X))


@pytest.mark.parametrize("calls", [0, 2])
def test_a_site_that_is_not_called_once_is_a_config_error(calls: int) -> None:
    site = Patches()
    with (
        pytest.raises(ConfigError, match=f"called {calls} times"),
        added_to_patches(site, torch.zeros(2, 6, 5)),
    ):
        [site(X) for _ in range(calls)]


def test_nothing_is_added_after_an_exception_which_passes_unchanged() -> None:
    site = Patches()
    with pytest.raises(ZeroDivisionError), added_to_patches(site, torch.ones(2, 6, 5)):
        raise ZeroDivisionError
    assert torch.equal(site(X), site.proj(X))


def test_the_state_dict_has_no_key_more_while_it_is_open() -> None:
    site = Patches()
    before = list(site.state_dict())
    with added_to_patches(site, torch.zeros(2, 6, 5)):
        assert list(site.state_dict()) == before
        site(X)


def test_a_pass_inside_another_sees_its_own_prompt_or_none() -> None:
    site = Patches()
    outer, inner = torch.full((2, 6, 5), 3.0), torch.full((2, 6, 5), 7.0)
    with added_to_patches(site, outer):
        with added_to_patches(site, None):
            assert torch.equal(site(X), site.proj(X))
        with added_to_patches(site, inner):
            assert torch.equal(site(X), site.proj(X) + inner)
        assert torch.equal(site(X), site.proj(X) + outer)


def test_threads_that_meet_in_one_site_each_see_their_own_prompt() -> None:
    site, meet = Patches(), threading.Barrier(5)

    def run(number: int) -> bool:
        wanted = site.proj(X) + number
        embedding = torch.full((2, 6, 5), float(number)) if number else None
        with added_to_patches(site, embedding):
            meet.wait(30)
            out = site(X)
            meet.wait(30)
        return torch.equal(out, wanted)

    with ThreadPoolExecutor(5) as pool:
        assert list(pool.map(run, range(5))) == [True] * 5
    assert len(site._forward_hooks) == 1


def test_tasks_that_take_turns_each_see_their_own_prompt() -> None:
    site = Patches()

    async def run(number: int) -> bool:
        with added_to_patches(site, torch.full((2, 6, 5), float(number))):
            await asyncio.sleep(0)
            out = site(X)
            await asyncio.sleep(0)
        return torch.equal(out, site.proj(X) + number)

    async def all_of_them() -> list[bool]:
        return await asyncio.gather(*map(run, range(4)))

    assert asyncio.run(all_of_them()) == [True] * 4


def test_a_copied_or_pickled_site_has_prompts_of_its_own() -> None:
    site = Patches()
    with added_to_patches(site, torch.ones(2, 6, 5)):
        site(X)
    for twin in (copy.deepcopy(site), pickle.loads(pickle.dumps(site))):
        with added_to_patches(site, torch.ones(2, 6, 5)):
            site(X)
            assert torch.equal(twin(X), site.proj(X))
        with added_to_patches(twin, torch.ones(2, 6, 5)):
            assert torch.equal(twin(X), site.proj(X) + 1)


def test_changes_behind_other_modules_come_with_the_prompt() -> None:
    site, layer = Patches(), nn.Linear(5, 5)
    with added_to_patches(site, torch.ones(2, 6, 5), [(layer, lambda out: out * 2)]):
        found = layer(site(X))
    torch.testing.assert_close(found, 2 * layer(site.proj(X) + 1))
    with added_to_patches(site, None, [(layer, lambda out: out * 2)]):
        assert torch.equal(layer(X.repeat(1, 1, 2)[..., :5]), 2 * layer.forward(X.repeat(1, 1, 2)[..., :5]))
