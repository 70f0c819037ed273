"""The command line as a whole: help, version, completion, JSON, exit statuses, the doors in ``tools/``."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from gartk import __version__
from gartk.cli.main import COMMANDS, build_parser, main

Gartk = Callable[..., tuple[int, str, str]]
HEAVY = ("torch", "numpy", "transformers", "mmengine", "PIL", "rich", "cv2", "scipy", "shtab")
DOORS = {"install_mmcv": "mmcv"}


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
    lines = capsys.readouterr().out.splitlines()
    for command in COMMANDS:
        (line,) = [line for line in lines if line.startswith(f"    {command} ")]
        assert line.rstrip().endswith(".")


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
    assert all(command in script for command in COMMANDS)
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
    parsers = next(a for a in build_parser()._actions if a.dest == "command").choices
    flags = {option for action in parsers[command]._actions for option in action.option_strings}
    assert "--json" in flags
    assert not flags & {"--checkpoint", "--config-file", "--output", "--outdir", "--gpu"}


@pytest.mark.parametrize("path", sorted(Path("tools").glob("*.py")), ids=lambda path: path.stem)
def test_the_tools_are_doors_to_commands(path: Path) -> None:
    command = DOORS.get(path.stem, path.stem)
    if command not in COMMANDS:
        pytest.skip(f"{path} is no command of an installation")
    done = subprocess.run(
        [sys.executable, str(path), "--help"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: gartk {command}")


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
