"""Curves and the page: what they show, and that the page needs and asks for nothing."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from gartk.errors import ConfigError
from gartk.sweep.collect import Collector, read_curve
from gartk.sweep.curves import draw_curves, mean_curve, render, thinned
from gartk.sweep.report import publish, reporter
from tests.sweep.fake_child import UPDATES
from tests.sweep.helpers import sweep_with_fakes


class Reader(HTMLParser):
    """Collects addresses, texts and the balance of tags."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.tags: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag, attrs) -> None:
        addresses = ("src", "href", "srcset", "action")
        self.addresses += [value or "" for name, value in attrs if name in addresses]
        if tag not in ("meta", "img"):
            self.tags.append(tag)

    def handle_endtag(self, tag) -> None:
        assert self.tags.pop() == tag

    def handle_data(self, data) -> None:
        self.texts.append(data)


def read_page(path: Path) -> Reader:
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    assert reader.tags == []
    return reader


@pytest.fixture
def swept(plan_of, tmp_path):
    rows = [
        {"name": "4", "title": "<b>replay</b>", "published": {"VQA": 50.6}},
        {"name": "row 8", "cfg_options": {"model.region_extractor": {"_delete_": True, "type": "NoLocal"}}},
        "bad",
    ]
    plan, out = plan_of(*rows, seeds=[0, 1], baseline="4", notes="a < b"), tmp_path / "out"
    sweep_with_fakes(plan, out)
    reporter(plan, out)()
    return plan, out


# ---- curves -----------------------------------------------------------------------------------


def test_a_long_curve_is_averaged_over_equal_stretches() -> None:
    curve = tuple((at, float(at)) for at in range(1, 1001))
    short = thinned(curve, 1000, points=10)
    assert short == tuple((100 * b, 100 * b - 49.5) for b in range(1, 11))
    assert thinned(curve[:50], 1000, points=10) == ((50, 25.5),)
    assert thinned(curve[:7], 7, points=10) == curve[:7]
    assert thinned((), 10) == ()


def test_the_mean_of_curves_ends_where_the_shortest_ends() -> None:
    assert mean_curve([((1, 4.0), (2, 2.0)), ((1, 2.0),)]) == ((1, 3.0),)
    assert mean_curve([]) == ()


def test_both_pictures_are_written_and_the_same_runs_give_the_same_bytes(swept) -> None:
    plan, out = swept
    with Image.open(out / "loss.png") as picture:
        assert min(picture.size) > 300
        assert len(picture.convert("RGB").getcolors(1 << 20) or []) > 20
    svg = (out / "loss.svg").read_bytes()
    assert svg.lstrip().startswith(b"<?xml")
    figure = draw_curves(plan, Collector(plan, out).collect(), "loss")
    assert figure is not None
    assert render(figure, "svg") == svg
    lines = figure.axes[0].get_lines()
    assert len(lines) == 2 * (2 + 1)  # two rows with losses: each seed and the mean
    assert list(lines[2].get_xdata()) == list(range(1, UPDATES + 1))
    assert not (out / "validation.svg").exists()


def test_validation_is_drawn_where_runs_wrote_any(swept) -> None:
    plan, out = swept
    file = out / "runs/4/seed0/train/validation.jsonl"
    file.write_text('{"iter": 3, "accuracy": 0.5}\n{"iter": 6, "accuracy": 0.75}\n{"iter": 7, "acc')
    assert read_curve(file, "accuracy") == ((3, 0.5), (6, 0.75))
    reporter(plan, out)()
    assert (out / "validation.png").is_file()
    assert "Validation accuracy" in "".join(read_page(out / "index.html").texts)


# ---- the page ---------------------------------------------------------------------------------


def test_the_page_asks_for_nothing(swept) -> None:
    _, out = swept
    text = (out / "index.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    assert "<script" not in text
    assert "url(" not in text
    for address in read_page(out / "index.html").addresses:
        assert address.startswith("data:image/svg+xml;base64,") or (out / address).is_file(), address
    svg = base64.b64decode(re.search(r"svg\+xml;base64,([^\"]+)", text)[1])  # type: ignore[index]
    assert svg == (out / "loss.svg").read_bytes()
    assert BytesIO(svg).readline().startswith(b"<?xml")


def test_the_page_has_tables_links_changes_and_failures(swept) -> None:
    _, out = swept
    page = read_page(out / "index.html")
    text = " ".join(page.texts)
    assert "<b>replay</b>" in text  # as text: what the sweep file says is no markup
    assert "a < b" in text
    for part in ("model.region_extractor.type", "'RoIAlignReplay'", "'NoLocal'", "4 of 6 runs finished"):
        assert part in text
    assert "row bad, seed 1: failed (exit code 3) after 0 of 6 updates" in text
    assert "RuntimeError: the extractor exploded" in text
    links = [address for address in page.addresses if not address.startswith("data:")]
    assert links == [f"runs/{row}/seed{n}/results.json" for row in ("4", "row_8") for n in (0, 1)]


def test_what_is_published_are_the_tables_and_one_curve(swept, tmp_path) -> None:
    _, out = swept
    kept = tmp_path / "docs" / "results"
    publish(out, kept)
    assert {path.name for path in kept.iterdir()} == {"table.md", "table.json", "loss.png"}
    for path in kept.iterdir():
        assert path.read_bytes() == (out / path.name).read_bytes(), path.name
    (out / "validation.png").write_bytes(b"drawn")
    publish(out, tmp_path / "validated")
    assert (tmp_path / "validated" / "validation.png").read_bytes() == b"drawn"
    assert not (tmp_path / "validated" / "loss.png").exists()


def test_damaged_results_are_a_failure_of_that_run_alone(swept) -> None:
    plan, out = swept
    (out / "runs/4/seed1/results.json").write_text("{}")
    reporter(plan, out)()
    text = (out / "table.md").read_text(encoding="utf-8")
    assert "row 4, seed 1: failed" in text
    assert "is not a results file" in text
    assert "1 of 2" in text


def test_a_column_that_does_not_exist_is_the_last_reports_error(plan_of, tmp_path) -> None:
    plan = plan_of("4", columns=[{"title": "a", "tasks": ["colour"]}])
    with pytest.raises(ConfigError, match="colour"):
        sweep_with_fakes(plan, tmp_path / "out", report=True)
    assert (tmp_path / "out/runs/4/seed0/finished.json").is_file()
