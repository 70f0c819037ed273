"""The command line as a whole: help, version, completion, JSON, exit statuses, the doors in ``tools/``."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from gartk import __version__
from gartk.cli.main import COMMANDS, GROUPS, build_parser, main

Gartk = Callable[..., tuple[int, str, str]]
HEAVY = ("torch", "numpy", "transformers", "mmengine", "PIL", "rich", "cv2", "scipy", "shtab")
FOR_DEVELOPERS = ("ablation_table", "build_tiny_tokenizer", "compare")
DOORS = {"install_mmcv": "mmcv", "eval": "eval run"}


def fresh(*argv: str) -> subprocess.CompletedProcess[str]:
    """Run gartk in a process of its own, and list the heavy packages that it imported on stderr."""
    code = (
        "import atexit, sys\n"
        f"atexit.register(lambda: sys.stderr.write(' '.join(n for n in {HEAVY} if n in sys.modules)))\n"
        "from gartk.cli.main import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *argv], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_imports_nothing_heavy_and_answers_at_once(command: str) -> None:
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        done = fresh(*command.split(), "--help")
        seconds.append(time.perf_counter() - began)
        assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: gartk {command}".rstrip())
    assert min(seconds) < 0.5


def test_the_help_lists_every_command_with_a_line_about_it(gartk: Gartk, capsys) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    with pytest.raises(SystemExit):
        main(["eval", "--help"])
    shown = capsys.readouterr().out
    for command in [*GROUPS, *COMMANDS]:
        assert re.search(rf"^    {command.split()[-1]}\s+\S.*\.$", shown, re.MULTILINE)


def test_the_version_is_that_of_the_package(capsys) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"gartk {__version__}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_a_completion_script_knows_commands_and_flags(shell: str, capsys) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--completion", shell])
    assert caught.value.code == 0
    script = capsys.readouterr().out
    assert all(word in script for command in COMMANDS for word in command.split())
    assert "max-new-tokens" in script


def test_bash_completes_commands_flags_and_files(tmp_path: Path) -> None:
    script = tmp_path / "gartk.bash"
    script.write_text(fresh("--completion", "bash").stdout, encoding="utf-8")
    (tmp_path / "a_config.py").touch()

    def complete(*words: str) -> set[str]:
        line = " ".join(f"'{word}'" for word in words)
        code = f"source {script}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _shtab_gartk; "
        code += 'printf "%s\\n" "${COMPREPLY[@]}"'
        done = subprocess.run(
            ["bash", "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
        )
        return set(done.stdout.split())

    assert {"describe", "doctor", "demo"} <= complete("gartk", "d")
    assert "--resume" in complete("gartk", "train", "--re")
    assert "a_config.py" in complete("gartk", "train", "a_c")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_json_and_one_meaning_for_each_flag(command: str) -> None:
    parser = build_parser()
    for word in command.split():
        parser = next(a for a in parser._actions if a.dest in ("command", "subcommand")).choices[word]
    flags = {option for action in parser._actions for option in action.option_strings}
    assert "--json" in flags
    assert not flags & {"--checkpoint", "--config-file", "--output", "--outdir", "--gpu"}


@pytest.mark.parametrize("path", sorted(Path("tools").glob("*.py")), ids=lambda path: path.stem)
def test_the_tools_are_doors_to_commands(path: Path) -> None:
    command = DOORS.get(path.stem, path.stem)
    if command not in COMMANDS:
        assert path.stem in FOR_DEVELOPERS
        return
    done = subprocess.run(
        [sys.executable, str(path), "--help"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: gartk {command}")


def test_the_word_run_may_be_left_out_of_an_evaluation(gartk: Gartk) -> None:
    for argv in (("eval", "gar-vqaa"), ("eval", "run", "gar-vqaa")):
        code, _, err = gartk(*argv, "--records", "x.json")
        assert code == 2
        assert "Did you mean 'gar-vqa'" in err


def test_with_json_nothing_else_goes_to_stdout(gartk: Gartk, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    code, out, _ = gartk("world", "--sheet", sheet, "--num", "1", "--size", "64x64", "--json")
    assert code == 0
    assert json.loads(out) == {"samples": 1, "out": None, "sheet": str(sheet)}


def test_training_reports_where_its_checkpoint_is(gartk: Gartk, tmp_path: Path, repo_root: Path) -> None:
    config = repo_root / "tests" / "engine" / "toy_config.py"
    options = ("--cfg-options", "schedule.max_iters=7", "--seed", "3", "--json")
    code, out, err = gartk("train", config, "--out", tmp_path / "run", *options)
    assert code == 0, err
    assert json.loads(out) == {
        "out": str(tmp_path / "run"),
        "checkpoint": str(tmp_path / "run" / "iter_000007"),
        "updates": 7,
    }
    assert "seed 3" in err
    code, out, _ = gartk("train", config, "--work-dir", tmp_path / "run", "--resume", *options[:-1])
    assert code == 0
    assert "7 updates; the newest checkpoint is" in out


def test_errors_and_interrupts_have_their_exit_status(gartk: Gartk, monkeypatch) -> None:
    code, out, err = gartk("doctor", "--model", "absent.py")
    assert (code, out) == (2, "")
    assert err.startswith("ConfigError: There is no config file 'absent.py'")

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("gartk.config.reading.load_config", stopped)
    code, _, err = gartk("train", "tiny/demo")
    assert code == 130
    assert err == "Stopped. Go on with the same command and --resume.\n"


def test_a_command_leaves_the_filters_for_warnings_as_they_were(gartk: Gartk) -> None:
    before = list(warnings.filters)
    gartk("doctor", "--model", "absent.py")
    assert warnings.filters == before
