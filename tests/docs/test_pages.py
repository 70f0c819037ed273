"""Pages lead where they say, and what is generated stays small."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

MAX_GENERATED_BYTES = 300_000
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^(`{3,}).*?^\1\s*$", re.MULTILINE | re.DOTALL)


def tracked(root: Path, *patterns: str) -> list[Path]:
    """Return the files of the repository that match, those not yet committed too."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("needs a checkout with git")
    files = [root / name for name in sorted(set(listed.stdout.splitlines()))]
    return [file for file in files if file.is_file()]


def links(page: Path) -> Iterator[str]:
    """Return the links of a Markdown page, those in code left out."""
    text = re.sub(r"`[^`\n]*`", "", _FENCE.sub("", page.read_text(encoding="utf-8")))
    return (match[1] for match in _LINK.finditer(text))


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to a page's headings."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ +(.+?) *$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_link_between_pages_leads_somewhere(repo_root: Path) -> None:
    pages = tracked(repo_root, "*.md")
    assert len(pages) > 10
    broken = []
    for page in pages:
        for link in links(page):
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            if re.match(r"[a-z]+:", link):
                continue
            if not target.exists() or (anchor and anchor not in anchors(target)):
                broken.append(f"{page.relative_to(repo_root)}: {link}")
    assert broken == []


def test_generated_results_in_the_repository_are_small(repo_root: Path) -> None:
    files = tracked(repo_root, "docs/results", "docs/*.png", "docs/*.html", "docs/*.svg")
    sizes = {file.relative_to(repo_root).as_posix(): file.stat().st_size for file in files}
    assert sum(sizes.values()) <= MAX_GENERATED_BYTES, sizes
    assert [name for name in sizes if name.endswith((".html", ".svg", ".csv"))] == []


def test_pictures_that_are_kept_are_shown(repo_root: Path) -> None:
    shown = {
        (page.parent / link).resolve()
        for page in tracked(repo_root, "*.md")
        for link in links(page)
        if link.endswith(".png")
    }
    assert [file for file in tracked(repo_root, "docs/*.png") if file.resolve() not in shown] == []


def exists(root: Path, dotted: str) -> bool:
    """Whether a dotted name is a module of gartk, or something that one defines or imports."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        module = root.joinpath(*parts[:length])
        file = next((f for f in (module.with_suffix(".py"), module / "__init__.py") if f.is_file()), None)
        if file is not None:
            rest = parts[length:]
            text = file.read_text(encoding="utf-8")
            return not rest or re.search(rf"\b{rest[0]}\b", text) is not None
    return False


_PATH = re.compile(r"(?<![\w/.])(?:gartk|tools|configs|tests|bench)/[\w/]+\.(?:py|md)")
_DOTTED = re.compile(r"(?<![\w/.])gartk(?:\.[A-Za-z_]\w*)+")


def test_files_and_modules_that_pages_name_are_there(repo_root: Path) -> None:
    wrong = []
    for page in tracked(repo_root, "*.md"):
        if page.name == "CHANGELOG.md":  # it speaks of what was
            continue
        text = _FENCE.sub("", page.read_text(encoding="utf-8"))
        quoted = " ".join(re.findall(r"`([^`\n]+)`", text))
        paths = {path for path in _PATH.findall(quoted) if not (page.parent / path).exists()}
        missing = [path for path in paths if not (repo_root / path).exists()]
        missing += [name for name in set(_DOTTED.findall(quoted)) if not exists(repo_root, name)]
        wrong += [f"{page.relative_to(repo_root)}: {name}" for name in missing]
    assert wrong == []
