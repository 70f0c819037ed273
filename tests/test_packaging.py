"""setup.cfg, constraints.txt and what is installed agree with each other."""

from __future__ import annotations

import configparser
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
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


@pytest.fixture(scope="module")
def site(repo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which a wheel of this checkout was installed, and nothing else."""
    source, site = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    for name in ("gartk", "configs"):
        shutil.copytree(repo_root / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(repo_root / name, source)
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--target", str(site)]
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", *options, str(source)]
    subprocess.run(command, check=True, timeout=300)
    return site


def installed(site: Path, folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    """Run the installed gartk in a folder that has nothing of the checkout."""
    env = {**os.environ, "PYTHONPATH": str(site), "GARTK_DATA": str(folder), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "gartk", *argv],
        cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def test_the_wheel_has_the_command_and_every_config(site: Path, repo_root: Path) -> None:
    (info,) = site.glob("gartk-*.dist-info")
    assert "gartk = gartk.cli.main:program" in (info / "entry_points.txt").read_text(encoding="utf-8")
    folder = repo_root / "configs"
    expected = {path.relative_to(folder).as_posix() for path in folder.rglob("*.py")}
    shipped = site / "gartk" / "configs"
    assert {path.relative_to(shipped).as_posix() for path in shipped.rglob("*.py")} == expected
    assert {path.name for path in site.iterdir()} == {"gartk", info.name, "bin"}


@pytest.mark.slow
def test_the_wheel_alone_examines_describes_counts_and_trains(site: Path, tmp_path: Path) -> None:
    doctor = installed(site, tmp_path, "doctor", "--json")
    assert json.loads(doctor.stdout)["problems"] == []
    counted = installed(site, tmp_path, "doctor", "--model", "ablation_roi_replay", "--json")
    assert json.loads(counted.stdout)["parameters"] > 1e9
    assert installed(site, tmp_path, "world", "--sheet", "sheet.png", "--num", "1").returncode == 0
    said = installed(site, tmp_path, "describe", "sheet.png", "--box", "5,5,60,60", "--json")
    assert json.loads(said.stdout)["model"] == str(site / "gartk" / "assets" / "tiny")
    demo = installed(site, tmp_path, "demo", "--iters", "2", "--items", "1", "--json")
    assert demo.returncode == 0, demo.stderr
    assert json.loads(demo.stdout)["descriptions"]["total"] == 12
    assert (tmp_path / "demo" / "scene_0.png").is_file()


def test_gartk_itself_declares_no_plugin() -> None:
    points = importlib.metadata.distribution("gartk").entry_points
    assert [point.name for point in points if point.group == "gartk.plugins"] == []
