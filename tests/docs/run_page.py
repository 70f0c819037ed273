"""Run the code blocks of pages in their order: ``python run_page.py PAGE...``, in an empty folder.

- ``bash`` blocks: each line is a command; ``python tools/x.py``, ``python -m module`` and ``gartk`` run in
  this process. ``RULES`` says which lines are left out, and why, and which are cut short.
- ``python`` blocks run in one namespace; one that begins with ``# file: NAME`` is written to that file,
  and one that begins with another comment is an excerpt of a file, which ``test_extend.py`` compares.
- A ``text`` block after commands of its section has to appear in what they printed.
"""

from __future__ import annotations

import configparser
import contextlib
import importlib
import io
import re
import runpy
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# file: (\S+)\n")


@dataclass(frozen=True)
class Rule:
    """What is done with the commands that match: left out for a reason, or run with more arguments."""

    pattern: str
    skip: str = ""
    more: str = ""


SHORT_TRAINING = "schedule.max_iters={} schedule.warmup_iters=1 train_data.batch_size=2 checkpoint.interval=1"
RULES = (
    Rule(r"^make (demo|test)\b", skip="sets up an environment, then runs for minutes; .ci/run has both"),
    Rule(r"^pip install\b", skip="needs a package index; .ci/run installs the same"),
    Rule(r"^gartk mmcv", skip="compiles for ten minutes; .ci/run does"),
    Rule(r"train.* --resume", more=f"--cfg-options {SHORT_TRAINING.format(3)}"),
    Rule(r"train.* --cfg-options", more=SHORT_TRAINING.format(2)),
    Rule(r"train\b", more=f"--cfg-options {SHORT_TRAINING.format(2)}"),
    Rule(r"^(python tools/test\.py|gartk test)\b", more="--items 1"),
    Rule(r"^(python tools/eval\.py|gartk eval)\b.* --model", more="--data . --max-new-tokens 4"),
)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    text: str
    line: int
    section: int


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        line, section = text.count("\n", 0, match.start()) + 2, text.count("\n## ", 0, match.start())
        found.append(Block(match[1], match[2], line, section))
    return found


def commands(block: Block) -> list[str]:
    """Return the commands of a bash block, comments and blank lines left out."""
    lines = (line.split("  #")[0].strip() for line in block.text.replace("\\\n", " ").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def rule_of(command: str) -> Rule:
    """Return the first rule that a command matches."""
    return next((rule for rule in RULES if re.search(rule.pattern, command)), Rule(""))


def run_command(command: str) -> None:
    """Run a command in this process.

    Raises: RuntimeError if it ends with an error, or is none that this file can run.
    """
    words = [*shlex.split(command), *shlex.split(rule_of(command).more)]
    before = sys.argv
    try:
        if words[:2] == ["python", "-m"]:
            sys.argv = words[2:]
            runpy.run_module(words[2], run_name="__main__", alter_sys=True)
        elif words[0] == "python":
            sys.argv = words[1:]
            runpy.run_path(str(ROOT / words[1]), run_name="__main__")
        elif words[0] == "gartk":
            sys.argv = words
            sys.exit(console_command("gartk")())
        else:
            raise RuntimeError(f"no way to run {words[0]!r}")
    except SystemExit as end:
        if end.code not in (None, 0):
            raise RuntimeError(f"exit status {end.code}: {command}") from end
    finally:
        sys.argv = before


def console_command(name: str):
    """Return the function of a command that setup.cfg installs."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = setup["options.entry_points"]["console_scripts"].splitlines()
    points = {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in lines)}
    module, _, function = points[name].partition(":")
    return getattr(importlib.import_module(module), function)


def run_page(page: Path) -> None:
    """Run all blocks of a page.

    Raises: RuntimeError naming the line that failed.
    """
    namespace: dict[str, object] = {"__name__": page.stem}
    printed, previous = "", ("", 0)
    for block in blocks(page):
        where = f"{page.name}:{block.line}"
        out = io.StringIO()
        try:
            with contextlib.redirect_stdout(out):
                if block.language == "bash":
                    for command in commands(block):
                        if not rule_of(command).skip:
                            run_command(command)
                elif block.language == "python":
                    file = _FILE.match(block.text)
                    if file:
                        Path(file[1]).write_text(block.text[file.end() :], encoding="utf-8")
                    elif not block.text.startswith("# "):
                        exec(compile(block.text, where, "exec"), namespace)
        except BaseException as error:
            raise RuntimeError(f"{where} failed: {error}\n{out.getvalue()[-2000:]}") from error
        is_output = block.language == "text" and previous == ("bash", block.section)
        if is_output and block.text.strip() not in printed:
            raise RuntimeError(f"{where}: the block before it printed something else:\n{printed[-2000:]}")
        printed, previous = out.getvalue(), (block.language, block.section)


if __name__ == "__main__":
    sys.path.insert(0, "")
    for page in sys.argv[1:]:
        run_page(Path(page))
