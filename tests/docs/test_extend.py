"""The pages of docs/extend show what stands in gartk-acme, and ask a newcomer for few files and names."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.docs.run_page import blocks

KINDS = ("extractor", "prompt", "base", "dataset", "benchmark", "judge", "model_under_test")
MAX_FILES, MAX_NAMES = 6, 14
STEPS = ["Subclass", "Register", "Name it", "Check", r"Train|Run"]


def page_of(root: Path, kind: str) -> Path:
    return root / "docs" / "extend" / f"{kind}.md"


def excerpts(page: Path) -> list[tuple[str, str]]:
    """Return the excerpts of a page: the file's name below the package, and the text."""
    found = []
    for block in blocks(page):
        head, _, text = block.text.partition("\n")
        if block.language == "python" and head.startswith("# "):
            found.append((head.removeprefix("# "), text))
    return found


def listed(page: Path, what: str) -> list[str]:
    """Return the names that a page counts at its end."""
    found = re.search(
        rf"^{what} \((\d+)\): (.*?)\.$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    assert found is not None, what
    names = re.findall(r"`([^`]+)`", found[2])
    assert len(names) == int(found[1])
    return names


@pytest.mark.parametrize("kind", [*KINDS, "README"])
def test_the_excerpts_are_what_stands_in_the_files(kind: str, repo_root: Path) -> None:
    package = repo_root / "plugins" / "gartk_acme"
    shown = excerpts(page_of(repo_root, kind))
    assert shown
    for name, text in shown:
        assert text in (package / name).read_text(encoding="utf-8"), f"{kind}.md shows {name} differently"


@pytest.mark.parametrize("kind", KINDS)
def test_every_page_has_the_same_five_steps(kind: str, repo_root: Path) -> None:
    text = page_of(repo_root, kind).read_text(encoding="utf-8")
    steps = re.findall(r"^\*\*(\d)\. (.+?)\*\*", text, re.MULTILINE)
    assert [int(number) for number, _ in steps] == [1, 2, 3, 4, 5]
    assert all(re.match(wanted, title) for wanted, (_, title) in zip(STEPS, steps, strict=True)), steps


@pytest.mark.parametrize("kind", KINDS)
def test_a_newcomer_opens_few_files(kind: str, repo_root: Path) -> None:
    files = listed(page_of(repo_root, kind), "Files")
    assert len(files) <= MAX_FILES
    package = repo_root / "plugins" / "gartk_acme"
    assert [name for name in files if not ((repo_root / name).is_file() or (package / name).is_file())] == []
    first, *_ = excerpts(page_of(repo_root, kind))
    assert {first[0], "gartk_acme/__init__.py", "pyproject.toml"} <= set(files)


@pytest.mark.parametrize("kind", KINDS)
def test_a_newcomer_learns_few_names_and_the_page_counts_them_all(kind: str, repo_root: Path) -> None:
    page = page_of(repo_root, kind)
    names = listed(page, "Names")
    assert len(names) <= MAX_NAMES
    (file, code), *others = excerpts(page)
    source = ast.parse((repo_root / "plugins" / "gartk_acme" / file).read_text(encoding="utf-8"))
    imported = {
        alias.name
        for node in source.body
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("gartk.")
        for alias in node.names
    }
    (shown,) = ast.parse(code).body
    assert isinstance(shown, ast.ClassDef)
    used = {node.id for node in ast.walk(shown) if isinstance(node, ast.Name)} & imported
    used |= {
        node.name for node in shown.body if isinstance(node, ast.FunctionDef) and node.name != "__init__"
    }
    for node in shown.body:
        if isinstance(node, ast.Assign):
            used |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    text = "".join(text for _, text in others)
    used |= set(re.findall(r"\b([A-Z_]+)\.register\(", text)) | set(re.findall(r"\b(check_\w+)\(", text))
    assert used - set(names) == set()
