from __future__ import annotations

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
        pass
    assert not site._forward_hooks


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
    assert not site._forward_hooks


@pytest.mark.parametrize("calls", [0, 2])
def test_a_site_that_is_not_called_once_is_a_config_error(calls: int) -> None:
    site = Patches()
    with (
        pytest.raises(ConfigError, match=f"called {calls} times"),
        added_to_patches(site, torch.zeros(2, 6, 5)),
    ):
        [site(X) for _ in range(calls)]


def test_the_hook_is_gone_after_an_exception_which_passes_unchanged() -> None:
    site = Patches()
    with pytest.raises(ZeroDivisionError), added_to_patches(site, torch.ones(2, 6, 5)):
        raise ZeroDivisionError
    assert not site._forward_hooks
    assert torch.equal(site(X), site.proj(X))


def test_the_state_dict_has_no_key_more_while_it_is_open() -> None:
    site = Patches()
    before = list(site.state_dict())
    with added_to_patches(site, torch.zeros(2, 6, 5)):
        assert list(site.state_dict()) == before
        site(X)
