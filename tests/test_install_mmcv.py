"""The decisions of the mmcv installer, without building anything."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from gartk.cli.main import main
from gartk.ops import mmcv_build
from gartk.ops.mmcv_build import BuildError, BuildPlan

SETUP_PY = """
if parse_version(torch.__version__) <= parse_version('1.12.1'):
    extra_compile_args['cxx'] = ['-std=c++14']
else:
    extra_compile_args['cxx'] = ['-std=c++17']
windows = ['/std:c++17']
extra_compile_args['nvcc'] += ['-std=c++17']
"""


def plan(**changes: str) -> BuildPlan:
    fields = {
        "torch_version": "2.14.1+cu130",
        "python_tag": "cp311",
        "platform": "linux_x86_64",
        "device": "cpu",
        **changes,
    }
    return BuildPlan(**fields)  # type: ignore[arg-type]


def test_the_standard_is_replaced_everywhere_and_the_old_branch_kept() -> None:
    patched = mmcv_build.patch_setup_py(SETUP_PY, "c++20")
    assert "c++17" not in patched
    assert patched.count("-std=c++20") == 2 and "/std:c++20" in patched and "-std=c++14" in patched


def test_a_setup_py_without_the_standard_is_refused() -> None:
    with pytest.raises(BuildError, match="does not ask for c\\+\\+17"):
        mmcv_build.patch_setup_py("setup(name='other')", "c++20")


@pytest.mark.parametrize(
    ("version", "standard"),
    [
        ("2.13.0", "c++17"),
        ("2.9.1+cpu", "c++17"),
        ("2.14.1+cu130", "c++20"),
        ("2.14.0a0+git1", "c++20"),
        ("3.0", "c++20"),
    ],
)
def test_cxx20_from_torch_2_14_on(version: str, standard: str) -> None:
    assert plan(torch_version=version).cxx_standard == standard


@pytest.mark.parametrize(
    ("has_nvcc", "has_gpu", "force", "device"),
    [
        (True, True, "", "cuda"),
        (True, False, "", "cpu"),
        (True, False, "1", "cuda"),
        (True, True, "0", "cpu"),
        (False, True, "", "cpu"),
        (False, False, "0", "cpu"),
    ],
)
def test_cuda_needs_nvcc_and_a_gpu_or_force(has_nvcc: bool, has_gpu: bool, force: str, device: str) -> None:
    env = {"FORCE_CUDA": force} if force else {}
    assert mmcv_build.choose_device(has_nvcc=has_nvcc, has_gpu=has_gpu, env=env) == device


def test_force_cuda_without_nvcc_is_an_error() -> None:
    with pytest.raises(BuildError, match="nvcc was not found"):
        mmcv_build.choose_device(has_nvcc=False, has_gpu=True, env={"FORCE_CUDA": "1"})


def test_every_part_of_a_plan_changes_the_key() -> None:
    plans = [
        plan(),
        plan(torch_version="2.14.1+cpu"),
        plan(python_tag="cp312"),
        plan(platform="linux_aarch64"),
        plan(device="cuda", cuda_archs="9.0"),
        plan(device="cuda", cuda_archs="8.0;9.0+PTX"),
    ]
    keys = [p.key for p in plans]
    assert keys[0] == "torch-2.14.1+cu130-cp311-linux_x86_64-cpu"
    assert len(set(keys)) == len(keys)
    assert not any(set(key) & set("/; ") for key in keys)


def test_only_the_wheel_of_the_same_plan_is_taken_from_the_cache(tmp_path: Path) -> None:
    folder = tmp_path / "wheels" / plan().key
    folder.mkdir(parents=True)
    (folder / "mmcv-2.2.0-cp311-cp311-linux_x86_64.whl.part").touch()
    (folder / "mmcv-2.1.0-cp311-cp311-linux_x86_64.whl").touch()
    assert mmcv_build.find_wheel(plan(), tmp_path) is None
    wheel = folder / "mmcv-2.2.0-cp311-cp311-linux_x86_64.whl"
    wheel.touch()
    assert mmcv_build.find_wheel(plan(), tmp_path) == wheel
    assert mmcv_build.find_wheel(plan(python_tag="cp312"), tmp_path) is None


def test_build_tools_that_are_missing_or_too_new_are_asked_for() -> None:
    asked = mmcv_build.missing_build_tools
    assert asked({"setuptools": "80.9.0", "wheel": "0.45", "ninja": "1.13"}) == []
    assert asked({"setuptools": "81.0.0", "wheel": "0.45", "ninja": None}) == ["setuptools<81", "ninja"]
    assert asked({}) == ["setuptools<81", "wheel", "ninja"]


def test_the_cache_follows_the_environment(tmp_path: Path) -> None:
    assert mmcv_build.cache_root({"GARTK_CACHE": str(tmp_path)}) == tmp_path
    assert mmcv_build.cache_root({}) == Path.home() / ".cache" / "gartk"


def test_a_source_with_another_checksum_is_refused(tmp_path: Path) -> None:
    sdist = tmp_path / "sdists" / "mmcv-2.2.0.tar.gz"
    sdist.parent.mkdir()
    with tarfile.open(sdist, "w:gz"):
        pass
    with pytest.raises(BuildError, match="sha256"):
        mmcv_build._fetch_sdist(tmp_path, {}, tmp_path / "log")


def test_a_rival_distribution_of_the_same_files_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mmcv_build, "_installed_version", lambda name: "2.2" if name == "mmcv-lite" else None)
    with pytest.raises(BuildError, match="uninstall mmcv-lite"):
        mmcv_build.install_wheel(tmp_path / "mmcv-2.2.0-cp311-cp311-linux_x86_64.whl")


def test_from_cache_only_never_builds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GARTK_CACHE", str(tmp_path))
    monkeypatch.setattr(mmcv_build, "make_plan", plan)
    monkeypatch.setattr(mmcv_build, "check_installed", lambda device: "mmcv is not installed")
    monkeypatch.setattr(mmcv_build, "build_wheel", lambda *a, **k: pytest.fail("it built"))
    assert main(["mmcv", "--from-cache-only"]) == 3
    assert "No wheel for torch-2.14.1" in capsys.readouterr().out


def test_an_mmcv_that_works_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mmcv_build, "make_plan", plan)
    monkeypatch.setattr(mmcv_build, "check_installed", lambda device: None)
    monkeypatch.setattr(mmcv_build, "install_wheel", lambda wheel: pytest.fail("it installed"))
    assert main(["mmcv"]) == 0
    assert main(["mmcv", "--check"]) == 0


def test_the_check_tells_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(mmcv_build, "make_plan", plan)
    monkeypatch.setattr(mmcv_build, "_installed_version", lambda name: "2.2.0")
    monkeypatch.setattr(mmcv_build, "CHECK_CODE", "raise RuntimeError('undefined symbol')")
    assert main(["mmcv", "--check"]) == 1
    assert "operators do not run: RuntimeError: undefined symbol" in capsys.readouterr().out
