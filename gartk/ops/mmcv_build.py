"""Builds mmcv with its compiled operators for the torch that is installed.

mmcv 2.2.0 is published as source only, and that source needs help with today's tools: its
setup.py imports ``pkg_resources`` (gone from setuptools 81 on) and asks for C++17 where the
headers of torch 2.14 need C++20. Build tools that are missing or too new are put in a temporary
folder that only the build sees; the environment of the user keeps its own. The finished wheel is
cached by torch version, Python and device. ``gartk mmcv`` is the command.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gartk.errors import GartkError

MMCV_VERSION = "2.2.0"
SDIST_SHA256 = "ac479247e808d8802f89eadf04d4118de86bdfe81361ec5aed0cc1bf731c67c9"
BUILD_TOOLS = ("setuptools<81", "wheel", "ninja")
CXX20_FROM_TORCH = (2, 14)
MEMORY_PER_JOB = 2.5e9
# Import name of each dependency and the distribution that brings it where it is missing.
NEEDED = {
    "addict": "addict",
    "cv2": "opencv-python-headless",
    "mmengine": "mmengine",
    "numpy": "numpy",
    "packaging": "packaging",
    "PIL": "pillow",
    "yaml": "pyyaml",
    "yapf": "yapf",
}
RIVALS = ("mmcv-lite", "mmcv-full", "onedl-mmcv")

CHECK_CODE = """
import sys, torch
from mmcv.ops.roi_align import roi_align
device = sys.argv[1]
ramp = torch.arange(8.0, device=device).expand(1, 1, 8, 8).contiguous()
box = torch.tensor([[0.0, 2.0, 2.0, 6.0, 6.0]], device=device)
got = roi_align(ramp, box, (2, 2), 1.0, 2, "avg", True).flatten().tolist()
assert got == [2.5, 4.5, 2.5, 4.5], f"RoIAlign of a ramp gave {got}"
"""

Device = Literal["cpu", "cuda"]


class BuildError(GartkError):
    """mmcv could not be built, installed or run."""


@dataclass(frozen=True)
class BuildPlan:
    """What to build, and for what: a wheel fits one such plan only."""

    torch_version: str
    python_tag: str
    platform: str
    device: Device
    cuda_archs: str = ""

    @property
    def key(self) -> str:
        """Name of the cache folder of this plan's wheel."""
        parts = [f"torch-{self.torch_version}", f"{self.python_tag}-{self.platform}", self.device]
        if self.device == "cuda":
            parts.append("sm" + "".join(c if c.isalnum() else "_" for c in self.cuda_archs))
        return "-".join(parts)

    @property
    def cxx_standard(self) -> str:
        """C++ standard that this torch's headers need."""
        release = self.torch_version.split("+")[0].split(".")[:2]
        return "c++20" if tuple(int(part) for part in release) >= CXX20_FROM_TORCH else "c++17"


def choose_device(*, has_nvcc: bool, has_gpu: bool, env: Mapping[str, str]) -> Device:
    """CUDA needs its compiler, and a GPU to build for unless FORCE_CUDA=1; FORCE_CUDA=0 forbids it.

    Raises: BuildError if FORCE_CUDA=1 asks for what cannot be built.
    """
    force = env.get("FORCE_CUDA", "")
    if force == "1" and not has_nvcc:
        raise BuildError("FORCE_CUDA=1 is set but nvcc was not found. Put it on PATH or set CUDA_HOME.")
    if force == "0" or not has_nvcc:
        return "cpu"
    return "cuda" if has_gpu or force == "1" else "cpu"


def patch_setup_py(text: str, standard: str) -> str:
    """Ask for another C++ standard in mmcv's setup.py.

    Raises: BuildError if the text does not name the standard that is to be replaced.
    """
    if "std=c++17" not in text:
        raise BuildError(f"mmcv's setup.py does not ask for c++17; this is not the source of {MMCV_VERSION}.")
    return text.replace("std=c++17", f"std={standard}").replace("std:c++17", f"std:{standard}")


def make_plan(env: Mapping[str, str] = os.environ) -> BuildPlan:
    """Look at this Python, its torch and the machine.

    Raises: BuildError without torch, or where FORCE_CUDA asks for what is not there.
    """
    if importlib.util.find_spec("torch") is None:
        raise BuildError(f"torch is not installed for {sys.executable}; mmcv is built against it.")
    import torch
    from torch.utils.cpp_extension import CUDA_HOME

    has_nvcc = torch.version.cuda is not None and Path(CUDA_HOME or "/", "bin", "nvcc").exists()
    device = choose_device(has_nvcc=has_nvcc, has_gpu=torch.cuda.is_available(), env=env)
    archs = ""
    if device == "cuda":
        archs = env.get("TORCH_CUDA_ARCH_LIST", "")
        if not archs and torch.cuda.is_available():
            archs = "{}.{}".format(*torch.cuda.get_device_capability())
        if not archs:
            raise BuildError("FORCE_CUDA=1 without a GPU needs TORCH_CUDA_ARCH_LIST, for example 9.0.")
    tag = f"cp{sys.version_info.major}{sys.version_info.minor}"
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    return BuildPlan(str(torch.__version__), tag, platform, device, archs)


def cache_root(env: Mapping[str, str] = os.environ) -> Path:
    """Folder of everything gartk keeps between runs: GARTK_CACHE, else ~/.cache/gartk."""
    return Path(env.get("GARTK_CACHE") or Path.home() / ".cache" / "gartk").expanduser()


def find_wheel(plan: BuildPlan, root: Path) -> Path | None:
    """Path of the cached wheel of this plan, if there is one."""
    found = sorted((root / "wheels" / plan.key).glob(f"mmcv-{MMCV_VERSION}-*.whl"))
    return found[0] if found else None


def missing_build_tools(versions: Mapping[str, str | None]) -> list[str]:
    """Requirements of the build that these installed versions do not meet."""
    missing = []
    for requirement in BUILD_TOOLS:
        name, _, below = requirement.partition("<")
        version = versions.get(name)
        if version is None or (below and int(version.split(".")[0]) >= int(below)):
            missing.append(requirement)
    return missing


def default_jobs() -> int:
    """Compilers to run at once: one per core, and not more than the memory holds."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return cores
    return max(1, min(cores, int(memory / MEMORY_PER_JOB)))


def build_wheel(plan: BuildPlan, root: Path, *, jobs: int, say: Callable[[str], None] = print) -> Path:
    """Download, patch and compile mmcv; return the wheel in the cache.

    Raises: BuildError naming the step that failed and its log.
    """
    if not any(shutil.which(name) for name in (os.environ.get("CXX") or "c++", "g++", "clang++")):
        raise BuildError("no C++ compiler was found. Install one (Debian: apt-get install g++) or set CXX.")
    folder = root / "wheels" / plan.key
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "build.log"
    with tempfile.TemporaryDirectory(prefix="gartk-mmcv-") as name:
        work = Path(name)
        env = _build_environment(plan, work, jobs, log)
        source = _unpack(_fetch_sdist(root, env, log), work)
        setup = source / "setup.py"
        setup.write_text(patch_setup_py(setup.read_text("utf-8"), plan.cxx_standard), "utf-8")
        say(f"Compiling mmcv {MMCV_VERSION} for {plan.key} with {jobs} jobs; log: {log}")
        command = [*_pip("wheel"), "-v", "--no-deps", "--no-build-isolation", "-w", str(work), str(source)]
        _run_with_progress(command, env, log, source, say)
        made = next(work.glob(f"mmcv-{MMCV_VERSION}-*.whl"), None)
        if made is None:
            raise BuildError(f"the build of mmcv ended without a wheel; see {log}.")
        part = folder / f"{made.name}.part"
        shutil.copyfile(made, part)
        return part.replace(folder / made.name)


def _pip(command: str) -> list[str]:
    if importlib.util.find_spec("pip") is None:
        raise BuildError(f"pip is not installed for {sys.executable}. Run: python -m ensurepip")
    return [sys.executable, "-m", "pip", command, "--disable-pip-version-check"]


def _installed_version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _build_environment(plan: BuildPlan, work: Path, jobs: int, log: Path) -> dict[str, str]:
    """Environment of the build, with the tools that it lacks in a folder of their own."""
    env = dict(os.environ, MMCV_WITH_OPS="1", MAX_JOBS=str(jobs), OMP_NUM_THREADS="1")
    env["FORCE_CUDA"] = "1" if plan.device == "cuda" else "0"
    # CFLAGS replaces Python's own flags, -O3 among them; debug symbols would make the wheel 32 MB.
    flags = env.get("CFLAGS") or sysconfig.get_config_var("CFLAGS") or "-O2"
    env["CFLAGS"] = f"{flags} -g0"
    if plan.device == "cuda":
        env["TORCH_CUDA_ARCH_LIST"] = plan.cuda_archs
    else:
        env["CUDA_VISIBLE_DEVICES"] = ""
    # The console scripts of this Python, ninja among them, also when its venv is not activated.
    paths = [str(Path(sys.executable).parent), env.get("PATH", "")]
    missing = missing_build_tools({n: _installed_version(n) for n in ("setuptools", "wheel", "ninja")})
    if missing:
        tools = work / "tools"
        _run([*_pip("install"), "--target", str(tools), *missing], env, log, "installing the build tools")
        env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(tools), env.get("PYTHONPATH", "")]))
        paths.insert(0, str(tools / "bin"))
    env["PATH"] = os.pathsep.join(filter(None, paths))
    return env


def _fetch_sdist(root: Path, env: Mapping[str, str], log: Path) -> Path:
    """Take the source from the cache or the package index, and compare its checksum."""
    folder = root / "sdists"
    folder.mkdir(parents=True, exist_ok=True)
    sdist = folder / f"mmcv-{MMCV_VERSION}.tar.gz"
    if not sdist.exists():
        wanted = ["--no-deps", "--no-build-isolation", "--no-binary", "mmcv", f"mmcv=={MMCV_VERSION}"]
        _run([*_pip("download"), "-d", str(folder), *wanted], env, log, "downloading mmcv's source")
    got = hashlib.sha256(sdist.read_bytes()).hexdigest()
    if got != SDIST_SHA256:
        raise BuildError(f"{sdist} has sha256 {got}, expected {SDIST_SHA256}. Delete it and run again.")
    return sdist


def _unpack(sdist: Path, work: Path) -> Path:
    with tarfile.open(sdist) as archive:
        if hasattr(tarfile, "data_filter"):
            archive.extractall(work, filter="data")
        else:  # an early patch release of Python 3.10; the checksum has been compared
            archive.extractall(work)
    return work / f"mmcv-{MMCV_VERSION}"


def _run(command: list[str], env: Mapping[str, str], log: Path, what: str) -> None:
    with log.open("a", encoding="utf-8") as out:
        done = subprocess.run(command, env=dict(env), stdout=out, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        raise BuildError(f"{what} failed; the end of {log}:\n{_tail(log)}")


def _run_with_progress(
    command: list[str], env: Mapping[str, str], log: Path, source: Path, say: Callable[[str], None]
) -> None:
    """Run the compiler and say now and then how many of its files are done."""
    total = len(list((source / "mmcv/ops/csrc/pytorch").glob("*.cpp")))
    total += len(list((source / "mmcv/ops/csrc/pytorch/cpu").glob("*.cpp")))
    if env["FORCE_CUDA"] == "1":
        total += sum(
            1 for p in (source / "mmcv/ops/csrc/pytorch/cuda").iterdir() if p.suffix in (".cu", ".cpp")
        )
    start = last = time.monotonic()
    with log.open("a", encoding="utf-8") as out:
        # A session of its own, so that an interruption here ends the compilers as well.
        child = subprocess.Popen(
            command, env=dict(env), stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            while child.poll() is None:
                time.sleep(0.5)
                if time.monotonic() - last >= 30:
                    last = time.monotonic()
                    done = sum(1 for _ in source.glob("build/**/*.o"))
                    say(f"  {done} of {total} files compiled after {last - start:.0f} s")
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGTERM)
                child.wait()
    if child.returncode != 0:
        raise BuildError(f"compiling mmcv failed; the end of {log}:\n{_tail(log)}")


def _tail(log: Path, lines: int = 25) -> str:
    return "\n".join("  " + line for line in log.read_text("utf-8", "replace").splitlines()[-lines:])


def install_wheel(wheel: Path) -> None:
    """Install the wheel and the pure dependencies that are missing, and nothing else.

    Raises: BuildError if another distribution of the same files is installed, or pip fails.
    """
    rivals = [name for name in RIVALS if _installed_version(name)]
    if rivals:
        raise BuildError(
            f"{rivals[0]} is installed and brings the same files as mmcv. "
            f"Run: {sys.executable} -m pip uninstall {rivals[0]}"
        )
    log = wheel.parent / "install.log"
    log.unlink(missing_ok=True)
    command = [*_pip("install"), "--no-deps", "--force-reinstall", str(wheel)]
    _run(command, os.environ, log, "installing the wheel")
    importlib.invalidate_caches()
    missing = [dist for module, dist in NEEDED.items() if importlib.util.find_spec(module) is None]
    if missing:
        _run([*_pip("install"), *missing], os.environ, log, "installing mmcv's dependencies")


def check_installed(device: Device = "cpu") -> str | None:
    """Run mmcv's RoIAlign in a fresh Python; None if it gives the right numbers, else why not."""
    version = _installed_version("mmcv")
    if version is None:
        return "mmcv is not installed"
    command = [sys.executable, "-c", CHECK_CODE, device]
    env = dict(os.environ, OMP_NUM_THREADS="1")
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return None
    last = done.stderr.strip().splitlines()[-1:] or ["no message"]
    return f"mmcv {version} is installed but its operators do not run: {last[0]}"
