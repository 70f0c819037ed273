"""Build mmcv with its compiled operators for the installed torch, cache the wheel, install it.

    python tools/install_mmcv.py                    install; build first unless the cache has it
    python tools/install_mmcv.py --check            only say whether it is installed and works
    python tools/install_mmcv.py --from-cache-only  never compile

The wheel lies in ${GARTK_CACHE:-~/.cache/gartk}/wheels/<torch, Python, device>/. CUDA operators
are built where nvcc and a GPU are, or with FORCE_CUDA=1 and TORCH_CUDA_ARCH_LIST set; FORCE_CUDA=0
builds for the CPU only. setuptools, wheel and ninja of your environment stay as they are: what the
build needs otherwise goes to a temporary folder. Everything in gartk also works without mmcv.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # works from a checkout, too

from gartk.errors import GartkError
from gartk.ops import mmcv_build


def main(argv: list[str] | None = None) -> int:
    """Run the command; 0 if mmcv works afterwards (with --wheel-only: if there is a wheel)."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--check", action="store_true", help="only say whether mmcv is installed and works")
    parser.add_argument(
        "--wheel-only", action="store_true", help="put the wheel into the cache, install nothing"
    )
    parser.add_argument("--force", action="store_true", help="build even if it is cached or installed")
    parser.add_argument("--from-cache-only", action="store_true", help="fail instead of compiling")
    parser.add_argument(
        "--jobs", type=int, default=None, help="compilers at once (default: cores and memory)"
    )
    args = parser.parse_args(argv)
    if args.force and args.from_cache_only:
        parser.error("--force builds anew and --from-cache-only never builds; choose one")
    if args.jobs is not None and args.jobs < 1:
        parser.error(f"--jobs must be 1 or more, got {args.jobs}")
    try:
        return _check() if args.check else _install(args)
    except GartkError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1


def _check() -> int:
    device = mmcv_build.make_plan().device
    reason = mmcv_build.check_installed(device)
    print(reason or f"mmcv {mmcv_build.MMCV_VERSION} is installed and its RoIAlign works on {device}.")
    return 1 if reason else 0


def _install(args: argparse.Namespace) -> int:
    plan, root = mmcv_build.make_plan(), mmcv_build.cache_root()
    if not args.force and not args.wheel_only and mmcv_build.check_installed(plan.device) is None:
        print(f"mmcv is installed and works on {plan.device}; --force builds it again.")
        return 0
    wheel = None if args.force else mmcv_build.find_wheel(plan, root)
    if wheel is None:
        if args.from_cache_only:
            print(f"No wheel for {plan.key} in {root / 'wheels'}.", file=sys.stderr)
            return 3
        start = time.monotonic()
        wheel = mmcv_build.build_wheel(plan, root, jobs=args.jobs or mmcv_build.default_jobs())
        print(f"Built in {time.monotonic() - start:.0f} s.")
    print(f"Wheel: {wheel}")
    if args.wheel_only:
        return 0
    mmcv_build.install_wheel(wheel)
    reason = mmcv_build.check_installed(plan.device)
    if reason:
        raise mmcv_build.BuildError(reason)
    print(f"mmcv {mmcv_build.MMCV_VERSION} is installed and its RoIAlign works on {plan.device}.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
