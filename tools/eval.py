"""Evaluate: python tools/eval.py BENCH --model MODEL [--judge JUDGE] [--limit N] [--resume] [--out DIR].

BENCH   gar-vqa, gar-cap, gar-cap-simple, gar-cap-detailed, dlc, ferret, mdvp, lvis, paco, videorefer-d,
        videorefer-q, vstar, mmvp, realworldqa, mmstar, or a plugin's registered benchmark
MODEL   a checkpoint, work dir, config or "tiny" of gartk; transformers:NAME, an image-text-to-text model by
        folder or hub id; openai:NAME, a model on a server that speaks OpenAI's protocol
JUDGE   openai:NAME, transformers:NAME, replay:FILE[,FILE], rules, or a plugin's registered judge

The benchmarks' files lie in the folder that GARTK_DATA or --data names. Keys of servers come from the
environment alone. --replay FILE... scores recorded outputs in place of asking a model; with --judge
another judge judges them. docs/evaluation.md tells what is in the folder that a run leaves.

Exit status: 0, 1 if the score is withheld since too much is missing, 2 for an error, 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gartk.errors import exit_code

if TYPE_CHECKING:
    from rich.console import Console

    from gartk.evaluation.hub import Watcher
    from gartk.evaluation.judges.base import Judge
    from gartk.evaluation.options import Calls
    from gartk.evaluation.pictures import ImageFinder
    from gartk.evaluation.running import Finished, Order
    from gartk.evaluation.testees.base import Testee

WITHHELD = 1
CALLED = ("threads", "per_minute", "tries", "timeout_s")


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("benchmark", metavar="BENCH")
    add("--model", help="the model under test")
    add("--replay", nargs="+", metavar="FILE", help="score these recorded outputs; no model is asked")
    add("--annotations", nargs="+", metavar="FILE", help="with --replay: items of these count as missing")
    add("--judge", help="who judges, where the benchmark has a judge")
    add("--data", metavar="DIR", help="folder with the benchmarks' folders (default: GARTK_DATA)")
    add("--out", metavar="DIR", help="folder of the run (default: runs/eval/BENCH/MODEL)")
    add("--limit", type=int, metavar="N", help="only the first N items")
    add("--only-with-images", action="store_true", help="leave out items whose image is not there")
    add("--resume", action="store_true", help="continue the run in the folder")
    add("--retry-missing", action="store_true", help="with --resume: ask again what is missing")
    add("--max-missing", type=float, metavar="P", help="withhold the score above P %% missing (2)")
    add("--max-new-tokens", type=int, metavar="N", help="default: the benchmark's")
    add("--circular", action="store_true", help="ask every rotation of the options")
    add("--intervals", type=int, nargs="?", const=1000, metavar="N", help="bootstrap intervals (1000)")
    add("--encoder", metavar="NAME", help="lvis, paco: sentence encoder of Sem-Sim, or 'none'")
    _add_model_options(parser)
    _add_server_options(parser)
    args = parser.parse_args(argv)
    if bool(args.model) == bool(args.replay):
        parser.error("give either --model or --replay")
    return args


def _add_model_options(parser: argparse.ArgumentParser) -> None:
    from mmengine.config import DictAction

    add = parser.add_argument_group("models on this machine").add_argument
    add("--device", default="auto", help="auto, cpu or cuda (default: auto)")
    add("--dtype", help="float32, bfloat16 or float16 (default: as stored)")
    add("--batch-size", type=int, default=8, metavar="N", help="for models of gartk (8)")
    compat = "deviations of the authors' release, on or off: last_mask_box=True double_scaled_roi=False ..."
    add("--release-compat", nargs="+", action=DictAction, metavar="NAME=BOOL", help=compat)
    add = parser.add_argument_group("models that take no masks").add_argument
    types = "1 whole image and crops, 2 outlines, 3 boxes, 4 crosses (1)"
    add("--input-type", type=int, default=1, choices=[1, 2, 3, 4], help=types)
    marks = "palette=red,blue line_px rim_px label=number|prompt|none label_px centre=inside|box cross_px"
    add("--mark", nargs="+", action=DictAction, default={}, metavar="KEY=VALUE", help=marks)
    add("--max-side-px", type=int, metavar="N", help="scale larger pictures down")


def _add_server_options(parser: argparse.ArgumentParser) -> None:
    from mmengine.config import DictAction

    add = parser.add_argument_group("servers (openai:NAME)").add_argument
    key = "the environment variable that holds the key (OPENAI_API_KEY)"
    add("--base-url", metavar="URL", help="the model's server (default: OPENAI_BASE_URL, else OpenAI's)")
    add("--key-env", default="OPENAI_API_KEY", metavar="NAME", help=key)
    add("--judge-base-url", metavar="URL", help="the judge's server")
    add("--judge-key-env", default="OPENAI_API_KEY", metavar="NAME", help=key)
    add("--judge-texts-only", action="store_true", help="show the judge no pictures")
    add("--threads", type=int, default=4, metavar="N", help="calls at once (4)")
    add("--per-minute", type=float, metavar="N", help="calls a minute, at most")
    add("--tries", type=int, default=6, metavar="N", help="tries of a call (6)")
    add("--timeout-s", type=float, default=120.0, metavar="S", help="how long a server may be silent (120)")
    more = "more of the model's endpoint: temperature, max_tokens_field, picture_format, max_pause_s ..."
    add("--endpoint", nargs="+", action=DictAction, default={}, metavar="KEY=VALUE", help=more)
    add("--system", default="", metavar="TEXT", help="a system message for the model")
    add("--cache", metavar="FILE", help="file of replies (default: in gartk's cache)")
    add("--no-cache", action="store_true", help="ask servers every time")


# ------------------------------------------------------------------ what the command line means


def order_from(args: argparse.Namespace) -> Order:
    """Say what is run."""
    from gartk.evaluation.hub import Choice
    from gartk.evaluation.running import Order

    return Order(
        benchmark=args.benchmark,
        folder=Path(args.out) if args.out else default_folder(args),
        data=args.data,
        choice=Choice(args.limit, args.only_with_images, args.circular),
        max_new_tokens=args.max_new_tokens,
        resume=args.resume,
        retry_missing=args.retry_missing,
        max_missing=args.max_missing,
        resamples=args.intervals,
        arguments={} if args.encoder is None else {"encoder": args.encoder},
    )


def default_folder(args: argparse.Namespace) -> Path:
    """Name the folder of a run by its benchmark and model."""
    name = args.model or f"replay-{Path(args.replay[0]).stem}"
    slug = "".join(char if char.isalnum() or char in "-._" else "-" for char in name).strip("-.")
    return Path("runs") / "eval" / args.benchmark / (slug or "model")


def calls_from(args: argparse.Namespace, **endpoint: Any) -> Calls:
    """Say how models are loaded and called."""
    from gartk.evaluation.options import Calls
    from gartk.evaluation.testees.cache import default_cache

    cache = Path(args.cache) if args.cache else default_cache()
    called = {name: getattr(args, name) for name in CALLED}
    return Calls({**called, **endpoint}, None if args.no_cache else cache, args.device, args.dtype)


def model_of(args: argparse.Namespace, find_image: ImageFinder) -> Testee:
    """Build the model under test."""
    from gartk.evaluation.options import mark_style, model_from
    from gartk.evaluation.testees.visual_prompts import VisualPrompt

    return model_from(
        args.model,
        find_image,
        calls_from(args, base_url=args.base_url, key_env=args.key_env, **args.endpoint),
        visual_prompt=VisualPrompt(args.input_type, mark_style(args.mark)),
        max_side_px=args.max_side_px,
        batch_size=args.batch_size,
        system=args.system,
        release_compat=args.release_compat,
    )


def judge_of(args: argparse.Namespace) -> Judge:
    """Build the judge."""
    from gartk.evaluation.options import judge_from

    calls = calls_from(args, base_url=args.judge_base_url, key_env=args.judge_key_env)
    return judge_from(args.judge, calls, sees_images=not args.judge_texts_only)


# ------------------------------------------------------------------ running


def run(args: argparse.Namespace) -> int:
    """Run and report; give the exit status."""
    from rich.console import Console

    from gartk.evaluation import running

    console = Console()
    order = order_from(args)
    judge = (lambda: judge_of(args)) if args.judge else None
    with progress(console) as watcher:
        if args.replay:
            done = running.run_replay(
                order, args.replay, annotations=args.annotations, judge=judge, watcher=watcher
            )
        else:
            done = running.run_model(order, lambda find: model_of(args, find), judge, watcher=watcher)
    return report(done, order.folder, console)


@contextmanager
def progress(console: Console) -> Iterator[Watcher]:
    """Show how far the run is, and how much is missing."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from gartk.evaluation.hub import Watcher

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    missing: dict[int, int] = {}
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:

        def started(name: str, total: int, done: int) -> None:
            missing[bars.add_task(name, total=total, completed=done)] = 0

        def advanced(said: bool) -> None:
            task = bars.tasks[-1]
            missing[task.id] += not said
            name = task.description.partition(",")[0]
            count = missing[task.id]
            bars.update(task.id, advance=1, description=f"{name}, {count} missing" if count else name)

        yield Watcher(started, advanced)


def report(done: Finished, folder: Path, console: Console) -> int:
    """Save and print; give the exit status."""
    from gartk.evaluation import hub
    from gartk.evaluation.outcome import Missing
    from gartk.evaluation.tables import print_report

    results, info = done.results, done.results.info
    paths = hub.save(results, done.benchmark, folder, find_image=done.find_image)
    lines = [*info.get("notes", ()), *Missing.from_json(info["missing"]).lines()]
    lines += [info["subset"]] if info.get("subset") else []
    if results.summary:
        sizes = {"records": len(results.records), "published_records": done.benchmark.size}
        shown = {"benchmark": results.benchmark, **sizes, **results.summary}
        print_report(shown, done.benchmark.tables(shown), done.benchmark.remarks(shown))
    lines += ["written: " + ", ".join(map(str, paths))]
    lines += [info["withheld"]] if info.get("withheld") else []
    console.print("\n".join(lines), soft_wrap=True, markup=False, highlight=False)
    return WITHHELD if info.get("withheld") else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Evaluate; gives the exit status."""
    args = parse_args(argv)
    warnings.simplefilter("default", UserWarning)
    status = [0]

    def work() -> None:
        status[0] = run(args)

    return exit_code(work) or status[0]


if __name__ == "__main__":
    sys.exit(main())
