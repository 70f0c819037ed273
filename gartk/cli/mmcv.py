"""Build and install mmcv with its compiled operators.

    gartk mmcv                    install; build first unless the cache has it
    gartk mmcv --check            only say whether it is installed and works
    gartk mmcv --from-cache-only  never compile

It is built for the installed torch, and its wheel kept in
${GARTK_CACHE:-~/.cache/gartk}/wheels/<torch, Python, device>/. CUDA operators are built where nvcc and
a GPU are, or with FORCE_CUDA=1 and TORCH_CUDA_ARCH_LIST set; FORCE_CUDA=0 builds for the CPU only.
setuptools, wheel and ninja of your environment stay as they are: what the build needs otherwise goes to
a temporary folder. Everything in gartk also works without mmcv.

Exit status: 1 if mmcv does not work (--check), 3 if there is no wheel (--from-cache-only).
"""

from __future__ import annotations

import argparse
import time
from typing import Any

from gartk.cli.report import Report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add("--check", action="store_true", help="only say whether mmcv is installed and works")
    add("--wheel-only", action="store_true", help="put the wheel into the cache, install nothing")
    add("--force", action="store_true", help="build even if it is cached or installed")
    add("--from-cache-only", action="store_true", help="fail instead of compiling")
    add("--jobs", type=int, metavar="N", help="compilers at once (default: cores and memory)")


def run(args: argparse.Namespace) -> Report:
    """Check, build or install."""
    if args.force and args.from_cache_only:
        args.parser.error("--force builds anew and --from-cache-only never builds; choose one")
    if args.jobs is not None and args.jobs < 1:
        args.parser.error(f"--jobs must be 1 or more, got {args.jobs}")
    from gartk.ops import mmcv_build

    plan, root = mmcv_build.make_plan(), mmcv_build.cache_root()
    works = f"mmcv {mmcv_build.MMCV_VERSION} is installed and its RoIAlign works on {plan.device}."
    reason = mmcv_build.check_installed(plan.device)
    if args.check:
        return _report(reason or works, code=1 if reason else 0)
    if not args.force and not args.wheel_only and reason is None:
        return _report(f"{works} --force builds it again.")
    wheel = None if args.force else mmcv_build.find_wheel(plan, root)
    if wheel is None:
        if args.from_cache_only:
            return _report(f"No wheel for {plan.key} in {root / 'wheels'}.", code=3)
        start = time.monotonic()
        wheel = mmcv_build.build_wheel(plan, root, jobs=args.jobs or mmcv_build.default_jobs())
        print(f"Built in {time.monotonic() - start:.0f} s.")
    if args.wheel_only:
        return _report(f"Wheel: {wheel}", wheel=str(wheel))
    mmcv_build.install_wheel(wheel)
    reason = mmcv_build.check_installed(plan.device)
    if reason:
        raise mmcv_build.BuildError(reason)
    return _report(works, wheel=str(wheel))


def _report(text: str, *, code: int = 0, **data: Any) -> Report:
    return Report({"works": code == 0, "says": text, **data}, lambda: print(text), code)
