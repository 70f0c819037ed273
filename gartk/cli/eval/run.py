"""Put a model to a benchmark.

    gartk eval run gar-vqa --model work_dirs/replay --intervals
    gartk eval run gar-cap --model openai:my-model --base-url http://127.0.0.1:8000/v1 --judge openai:gpt-4o
    gartk eval run gar-vqa --records gar_1b_vqa.json              recorded outputs; no model is asked

BENCH   a name of gartk eval list: gar-vqa, gar-cap, dlc, ferret, mmstar ..., or a plugin's benchmark
MODEL   a checkpoint, work dir, config or "tiny" of gartk; transformers:NAME, an image-text-to-text model by
        folder or hub id; openai:NAME, a model on a server that speaks OpenAI's protocol; or a plugin's
        NAME[:SOURCE]
JUDGE   openai:NAME, transformers:NAME, replay:FILE[,FILE], rules, or a plugin's NAME[:SOURCE]

The benchmarks' files lie in the folder that GARTK_DATA or --data names. Keys of servers come from the
environment alone. With --records and --judge another judge judges the recorded outputs. docs/evaluation.md
says what is in the folder that a run leaves. The word "run" may be left out: gartk eval gar-vqa ...

Exit status: 1 if the score is withheld since too much is missing.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gartk.cli.arguments import Options
from gartk.cli.report import Report

if TYPE_CHECKING:
    from rich.console import Console

    from gartk.evaluation.asking import Progress
    from gartk.evaluation.judges.base import Judge
    from gartk.evaluation.models.base import ModelUnderTest
    from gartk.evaluation.run import FinishedRun, RunSettings

WITHHELD = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add("benchmark", metavar="BENCH", help="its name: see gartk eval list")
    add("--model", help="the model under test")
    text = "score these recorded outputs; no model is asked"
    add("--records", "--replay", nargs="+", metavar="FILE", help=text)
    add("--annotations", nargs="+", metavar="FILE", help="with --records: items of these count as missing")
    add("--judge", help="who judges, where the benchmark has a judge")
    for flags in (("--model-arg", "--endpoint"), ("--judge-arg",)):
        role = flags[0][2:].partition("-")[0]
        text = f"arguments of the {role}, e.g. temperature=None max_tokens_field=max_completion_tokens"
        add(*flags, nargs="+", action=Options, default={}, metavar="NAME=VALUE", help=text)
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


def _add_model_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("models on this machine").add_argument
    add("--device", help="auto, cpu, cuda or cuda:1 (default: auto)")
    add("--dtype", help="float32, bfloat16 or float16 (default: as stored)")
    add("--batch-size", type=int, metavar="N", help="for models of gartk (8)")
    compat = "deviations of the authors' release, on or off: last_mask_box=True double_scaled_roi=False ..."
    add("--release-compat", nargs="+", action=Options, metavar="NAME=BOOL", help=compat)
    add = parser.add_argument_group("models that take no masks").add_argument
    types = "1 whole image and crops, 2 outlines, 3 boxes, 4 crosses (1)"
    add("--input-type", type=int, choices=[1, 2, 3, 4], help=types)
    marks = "palette=red,blue line_px rim_px label=number|prompt|none label_px centre=inside|box cross_px"
    add("--mark", nargs="+", action=Options, default={}, metavar="KEY=VALUE", help=marks)
    add("--max-side-px", type=int, metavar="N", help="scale larger pictures down")


def _add_server_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("servers (openai:NAME)").add_argument
    key = "the environment variable that holds the key (OPENAI_API_KEY)"
    add("--base-url", metavar="URL", help="the model's server (default: OPENAI_BASE_URL, else OpenAI's)")
    add("--key-env", metavar="NAME", help=key)
    add("--judge-base-url", metavar="URL", help="the judge's server")
    add("--judge-key-env", metavar="NAME", help=key)
    add("--judge-texts-only", action="store_true", help="show the judge no pictures")
    add("--threads", type=int, metavar="N", help="calls at once (4)")
    add("--per-minute", type=float, metavar="N", help="calls a minute, at most")
    add("--tries", type=int, metavar="N", help="tries of a call (6)")
    add("--timeout-s", type=float, metavar="S", help="how long a server may be silent (120)")
    add("--system", default="", metavar="TEXT", help="a system message for the model")
    add("--cache", metavar="FILE", help="file of replies (default: in gartk's cache)")
    add("--no-cache", action="store_true", help="ask servers every time")


def run(args: argparse.Namespace) -> Report:
    """Run the benchmark, save and report."""
    if bool(args.model) == bool(args.records):
        args.parser.error("give either --model or --records")
    for role in ("model", "judge"):
        if getattr(args, f"{role}_arg") and not getattr(args, role):
            args.parser.error(f"--{role}-arg is for a --{role}, and none is given")
    from rich.console import Console

    from gartk.evaluation import run as runs

    settings = settings_of(args)
    judge = (lambda: judge_of(args)) if args.judge else None
    with progress(Console()) as watcher:
        if args.records:
            done = runs.run_replay(
                settings, args.records, annotations=args.annotations, judge=judge, progress=watcher
            )
        else:
            done = runs.run_model(settings, lambda: model_of(args), judge, progress=watcher)
    return report(done, settings.folder)


# ------------------------------------------------------------------ what the command line means


def settings_of(args: argparse.Namespace) -> RunSettings:
    """Return the settings of the run."""
    from gartk.evaluation.run import RunSettings, Selection

    return RunSettings(
        benchmark=args.benchmark,
        folder=Path(args.out) if args.out else default_folder(args),
        data=args.data,
        selection=Selection(args.limit, args.only_with_images, args.circular),
        max_new_tokens=args.max_new_tokens,
        resume=args.resume,
        retry_missing=args.retry_missing,
        max_missing=args.max_missing,
        resamples=args.intervals,
        arguments={} if args.encoder is None else {"encoder": args.encoder},
    )


def default_folder(args: argparse.Namespace) -> Path:
    """Return the folder of a run, named by its benchmark and model."""
    name = args.model or f"replay-{Path(args.records[0]).stem}"
    slug = "".join(char if char.isalnum() or char in "-._" else "-" for char in name).strip("-.")
    return Path("runs") / "eval" / args.benchmark / (slug or "model")


def model_of(args: argparse.Namespace) -> ModelUnderTest:
    """Build the model under test."""
    from gartk.evaluation.by_name import build_model_under_test
    from gartk.evaluation.models.marks import mark_style
    from gartk.evaluation.models.visual_prompts import VisualPrompt

    flags = ("base_url", "key_env", "max_side_px", "batch_size", "release_compat")
    shown = args.input_type is not None or args.mark
    return build_model_under_test(
        args.model,
        {**given(args, flags), **args.model_arg},
        offer=offered(args),
        visual_prompt=VisualPrompt(args.input_type or 1, mark_style(args.mark)) if shown else None,
        system=args.system,
    )


def judge_of(args: argparse.Namespace) -> Judge:
    """Build the judge."""
    from gartk.evaluation.by_name import build_judge

    flags = given(args, ("judge_base_url", "judge_key_env"))
    arguments = {name.removeprefix("judge_"): value for name, value in flags.items()}
    if args.judge_texts_only:
        arguments["sees_images"] = False
    return build_judge(args.judge, {**arguments, **args.judge_arg}, offer=offered(args))


def given(args: argparse.Namespace, names: Sequence[str]) -> dict[str, Any]:
    """Return the flags that the command line gives."""
    return {name: value for name in names if (value := getattr(args, name)) is not None}


def offered(args: argparse.Namespace) -> dict[str, Any]:
    """Return what models and judges get if they take it."""
    from gartk.evaluation.models.cache import default_cache

    flags = ("threads", "per_minute", "tries", "timeout_s", "device", "dtype")
    cache = None if args.no_cache else args.cache or default_cache()
    return {**given(args, flags), "cache": cache}


# ------------------------------------------------------------------ what is shown


@contextmanager
def progress(console: Console) -> Iterator[Progress]:
    """Show how far the run is, and how much is missing."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from gartk.evaluation import asking

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

        yield asking.Progress(started, advanced)


def report(done: FinishedRun, folder: Path) -> Report:
    """Save the results and say what they are."""
    from gartk.evaluation.missing import Missing
    from gartk.evaluation.report.files import save
    from gartk.evaluation.tables import print_report

    results, info = done.results, done.results.info
    paths = save(results, done.benchmark, folder, find_image=done.find_image)
    sizes = {"records": len(results.records), "published_records": done.benchmark.size}
    shown = {"benchmark": results.benchmark, **sizes, **results.summary}
    lines = [*info.get("notes", ()), *Missing.from_json(info["missing"]).lines()]
    lines += [info["subset"]] if info.get("subset") else []
    lines += ["written: " + ", ".join(map(str, paths))]
    lines += [info["withheld"]] if info.get("withheld") else []

    def show() -> None:
        from rich.console import Console

        if results.summary:
            print_report(shown, done.benchmark.tables(shown), done.benchmark.remarks(shown))
        Console().print("\n".join(lines), soft_wrap=True, markup=False, highlight=False)

    data = {**shown, "out": str(folder), "files": [str(path) for path in paths], "info": info}
    return Report(data, show, code=WITHHELD if info.get("withheld") else 0)
