"""setup.cfg, constraints.txt and what is installed agree with each other."""

from __future__ import annotations

import configparser
import importlib.metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def requirement_lines(text: str) -> list[Requirement]:
    """Read requirements, one a line, leaving out comments."""
    lines = (line.strip() for line in text.splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


@pytest.fixture(scope="module")
def setup_cfg(repo_root: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(repo_root / "setup.cfg", encoding="utf-8")
    return parser


@pytest.fixture(scope="module")
def declared(setup_cfg: configparser.ConfigParser) -> list[Requirement]:
    extras = setup_cfg["options.extras_require"].values()
    return requirement_lines("\n".join([setup_cfg["options"]["install_requires"], *extras]))


@pytest.fixture(scope="module")
def pins(repo_root: Path) -> list[Requirement]:
    return requirement_lines((repo_root / "constraints.txt").read_text(encoding="utf-8"))


def test_every_dependency_is_pinned_to_a_version_it_allows(
    declared: list[Requirement], pins: list[Requirement]
) -> None:
    pinned = {canonicalize_name(pin.name): next(iter(pin.specifier)).version for pin in pins}
    assert [r.name for r in declared if canonicalize_name(r.name) not in pinned] == []
    wrong = [str(r) for r in declared if not r.specifier.contains(pinned[canonicalize_name(r.name)])]
    assert wrong == []


def test_constraints_pin_each_package_once_and_exactly(pins: list[Requirement]) -> None:
    names = [canonicalize_name(pin.name) for pin in pins]
    assert len(names) == len(set(names))
    assert [str(p) for p in pins if [s.operator for s in p.specifier] != ["=="]] == []


def test_the_broken_torch_release_is_refused(declared: list[Requirement]) -> None:
    torch = next(r for r in declared if r.name == "torch")
    assert not torch.specifier.contains("2.13.0")
    assert torch.specifier.contains("2.14.1")


def test_the_installed_metadata_carry_the_version_of_the_source() -> None:
    import gartk

    assert importlib.metadata.version("gartk") == gartk.__version__


def test_gartk_itself_declares_no_plugin() -> None:
    points = importlib.metadata.distribution("gartk").entry_points
    assert [point.name for point in points if point.group == "gartk.plugins"] == []
