"""The command line: finds the subcommand, runs it, and turns its outcome or error into an exit status."""

from __future__ import annotations

import argparse
import gc
import json
import re
import sys
import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from importlib import import_module
from typing import Any, TextIO

from gartk import __version__
from gartk.cli.report import Report
from gartk.errors import exit_code
from gartk.plugins import tolerate_unreadable_distributions

COMMANDS = (
    *("describe", "train", "test", "eval run", "eval score", "eval agreement", "eval stability", "eval list"),
    *("convert", "doctor", "sweep", "world", "demo", "mmcv"),
)
GROUPS = {"eval": "Evaluate models on benchmarks; score, compare."}
_NAMES_FILES = re.compile("FILE|DIR|FOLDER|CONFIG|MODEL|model|image")
SHELLS = ("bash", "zsh", "tcsh")
EPILOG = """Exit status: 0, 2 for an error of yours, 130 after Ctrl-C; a command's own are in its --help.
Completion of commands and flags: gartk --completion bash > ~/.local/share/bash-completion/completions/gartk
(zsh: gartk --completion zsh > a file _gartk in a folder of $fpath)."""


class _Completion(argparse.Action):
    """Prints a shell's completion script."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: Any = None
    ) -> None:
        import shtab

        _complete_files(parser, shtab.FILE)
        print(shtab.complete(parser, shell=values))
        parser.exit()


def _complete_files(parser: argparse.ArgumentParser, files: Any) -> None:
    """Mark the arguments that name files or folders, so that shells complete them."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _complete_files(command, files)
        elif _NAMES_FILES.search(f"{action.metavar} {action.dest}"):
            action.complete = files  # type: ignore[attr-defined]


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of all subcommands."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="gartk",
        formatter_class=raw,
        epilog=EPILOG,
        description="Train, evaluate and ask multimodal language models about regions of an image.",
    )
    parser.add_argument("--version", action="version", version=f"gartk {__version__}")
    parser.add_argument(
        "--completion", action=_Completion, choices=SHELLS, help="print a completion script and stop"
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    groups = {}
    for path in COMMANDS:
        module = import_module(f"gartk.cli.{path.replace(' ', '.')}")
        group, _, name = path.rpartition(" ")
        if group and group not in groups:
            opened = commands.add_parser(group, help=GROUPS[group], description=GROUPS[group])
            groups[group] = opened.add_subparsers(dest="subcommand", metavar="COMMAND", required=True)
        about = (module.__doc__ or "").strip()
        command = groups.get(group, commands).add_parser(
            name, help=about.partition("\n")[0], description=about, formatter_class=raw
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run, parser=command)
        command.add_argument("--json", action="store_true", help="print one JSON object; all else to stderr")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status.

    The status is 0, 2 for an error of the user's, 130 after Ctrl-C, or the command's own.
    """
    args = build_parser().parse_args(_with_run(sys.argv[1:] if argv is None else argv))
    codes: list[int] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("default", UserWarning)
        warnings.filterwarnings("default", message="(Plugin|The distribution|GARTK_PLUGINS|custom_imports)")
        warnings.showwarning = _show_warning
        code = exit_code(lambda: codes.append(_run(args)))
    if code == 130 and "resume" in args:
        sys.stderr.write("Stopped. Go on with the same command and --resume.\n")
    return code or codes[0]


def _with_run(argv: Sequence[str]) -> list[str]:
    """Return the command line with ``eval run`` where it says ``eval BENCH``."""
    words = list(argv)
    known = [path.partition(" ")[2] for path in COMMANDS if path.startswith("eval ")]
    if words[:1] == ["eval"] and len(words) > 1 and words[1] not in known and not words[1].startswith("-"):
        words.insert(1, "run")
    return words


def program() -> int:
    """Run the command line of this process; return the exit status."""
    code = main()
    gc.freeze()  # as it ends, the interpreter would go through every object once more, for a second
    return code


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    sys.stderr.write(f"warning: {message}\n")


def _run(args: argparse.Namespace) -> int:
    """Run the chosen command and print its report."""
    tolerate_unreadable_distributions()
    report: Report | None
    if args.json:
        with redirect_stdout(sys.stderr):
            report = args.run(args)
        if report is not None:
            print(json.dumps(report.data, indent=1))
    else:
        report = args.run(args)
        if report is not None:
            report.show()
    return 0 if report is None else report.code
