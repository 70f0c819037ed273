"""Hooks of the site's build (mkdocs.yml): pages of the API, pages beside docs/, docstrings in sections."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import griffe
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
# Pages of the repository that lie outside docs/ and are part of the site.
BESIDE = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "configs/README.md",
    *(str(page.relative_to(ROOT)) for page in sorted(ROOT.glob("plugins/*/README.md"))),
)
_SECTION = re.compile(r"^(Shapes|Units|Raises|Source|Returns|Usage): (?=\S)", re.MULTILINE)
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


class Sections(griffe.Extension):
    """Make a paragraph of each section that stands in one line: ``Raises: ConfigError if ...``."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rewrite the docstring of an object before it is read."""
        if obj.docstring is not None:
            obj.docstring.value = _SECTION.sub(r"\n**\1:** ", obj.docstring.value)


# ---- pages ------------------------------------------------------------------------------------


def modules() -> dict[str, list[str]]:
    """Return the public modules of gartk by the page they are on: one for each folder or file at the top."""
    found: dict[str, list[str]] = {}
    for file in sorted((ROOT / "gartk").rglob("*.py")):
        parts = file.relative_to(ROOT).with_suffix("").parts
        names = parts[:-1] if parts[-1] == "__init__" else parts
        if not any(name.startswith("_") for name in names):
            found.setdefault(".".join(names[:2]), []).append(".".join(names))
    return found


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages of the API into the navigation."""
    for entry in config.nav or []:
        if "API" in entry:
            entry["API"] = [{name: f"api/{name}.md"} for name in modules()]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the API, and those that lie beside docs/."""
    for name, members in modules().items():
        content = f"# {name}\n\n" + "\n".join(f"::: {member}\n" for member in members)
        files.append(File.generated(config, f"api/{name}.md", content=content))
    for page in BESIDE:
        files.append(File.generated(config, f"repository/{page}", abs_src_path=str(ROOT / page)))
    return files


# ---- links ------------------------------------------------------------------------------------


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links to other pages of the site, and leave the text alone of those to files of the repository."""
    here = page.file.src_uri
    source = here.removeprefix("repository/") if here.startswith("repository/") else f"docs/{here}"

    def replaced(match: re.Match[str]) -> str:
        picture, text, link = match.groups()
        path, _, anchor = link.partition("#")
        if ":" in link or not path:
            return match[0]
        target = os.path.normpath(os.path.join(os.path.dirname(source), path))
        if target in BESIDE:
            target = f"repository/{target}"
        elif target.startswith("docs/") and (ROOT / target).is_file():
            target = target.removeprefix("docs/")
        else:
            return text
        relative = os.path.relpath(target, os.path.dirname(here) or ".")
        return f"{picture}[{text}]({relative}{'#' + anchor if anchor else ''})"

    return _LINK.sub(replaced, markdown)
