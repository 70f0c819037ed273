"""What docs/judges.md says about files and names is so."""

from __future__ import annotations

from pathlib import Path

from gartk.evaluation.by_name import short_names
from gartk.registry import CHAT_MODELS, JUDGES


def test_the_page_names_every_judge_and_its_picture_is_there(repo_root: Path) -> None:
    text = (repo_root / "docs" / "judges.md").read_text(encoding="utf-8")
    assert [
        name for name in (*short_names(CHAT_MODELS), *short_names(JUDGES)) if f"| `{name}" not in text
    ] == []
    picture = repo_root / "docs" / "evaluation_page.png"
    assert "(evaluation_page.png)" in text
    assert 10_000 < picture.stat().st_size <= 400_000
