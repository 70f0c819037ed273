"""The page shows every item, needs nothing else, and never lets a text become markup."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gartk.errors import DataError
from gartk.evaluation.by_name import build_judge
from gartk.evaluation.item import Item
from gartk.evaluation.pictures import in_folder
from gartk.evaluation.report.album import SIZES, Album, outlines, tag_unit
from gartk.evaluation.report.page import render_page, with_marks, write_page
from gartk.evaluation.results import Results
from gartk.regions import Region
from tests.evaluation.benches import bench, judged_by
from tests.evaluation.judges.cases import CAP_SIMPLE, DLC, FERRET, MASK, OTHER_MASK
from tests.evaluation.statistics.test_item_scores import choice, recorded

HOSTILE = (
    "<script>document.title='pwned'</script>",
    "</script><script>document.title='pwned'</script>",
    "<img src=x onerror=\"document.title='pwned'\">",
    "\"><svg onload=document.title='pwned'>",
    "'-alert(1)-' {{ 7 * 7 }} {% raw %} <!-- ]]>",
    "\x00\x1b[31m\ud800\u202e",
)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Reader(HTMLParser):
    """Collects what a page holds: its elements with attributes, and the cards' words."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    return reader


def page_of(results: Results, **options: Any) -> str:
    return render_page(results, benchmark=bench(results.benchmark), **options)


def write(results: Results, path: Path, **options: Any) -> Path:
    return write_page(results, path, benchmark=bench(results.benchmark), **options)


def results(items: list[Item], benchmark: str = "gar-vqa", **info: Any) -> Results:
    return Results(benchmark, items, {}, 0.0, info)


def hostile_items() -> list[Item]:
    made = [choice(text, text, "A", text) for text in HOSTILE]
    return [
        replace(item, question=text, extra={"choices": [f"A. {text}", "B. blue"], "problem": text})
        for item, text in zip(made, HOSTILE, strict=True)
    ]


def ask_browser(page: Path, fragment: str = "", *, folder: Path) -> str:
    """Let a headless browser run a page, and give the document as it is then."""
    options = [
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
        "--disable-background-networking", "--disable-component-update", "--virtual-time-budget=5000",
        f"--user-data-dir={folder}",
    ]  # fmt: skip
    command = [str(CHROMIUM), *options, "--dump-dom", f"{page.as_uri()}{fragment}"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


@pytest.fixture
def find(tmp_path: Path) -> Callable[[Item], Path | None]:
    (tmp_path / "images").mkdir()
    ramp = np.linspace(0, 255, 40 * 60 * 3).reshape(40, 60, 3).astype(np.uint8)
    Image.fromarray(ramp).save(tmp_path / "images" / "a.png")
    return in_folder(tmp_path)  # type: ignore[return-value]


def test_a_card_shows_image_outlines_numbers_and_verdicts(find: Callable[[Item], Path | None]) -> None:
    item = replace(
        choice("images/a.png", "color", "A", "B"),
        image="images/a.png",
        masks=(MASK, OTHER_MASK),
        question="Is <Prompt1> red?",
    )
    page = read(page_of(results([item]), find_image=find))
    (card,) = page.all("article")
    assert (card["data-task"], card["data-verdicts"], card["data-scores"]) == ("color", "wrong wrong", "0 0")
    (svg,) = page.all("svg")
    assert svg["viewbox"] == "0 0 60 40"
    assert len([p for p in page.all("path") if p["class"] == "edge"]) == 2
    assert len(page.all("text")) == 2
    text = " ".join(page.words)
    for words in ("prediction", "B", "reference", "A", "<Prompt1>", "A. red", "B. blue"):
        assert words in text


def test_the_page_asks_for_nothing_from_anywhere(find: Callable[[Item], Path | None]) -> None:
    page = page_of(results([replace(CAP_SIMPLE, image="images/a.png")], "gar-cap"), find_image=find)
    reader = read(page)
    assert [one for one in reader.elements if one[0] in ("link", "iframe", "img", "base", "form")] == []
    assert all("src" not in attributes for _, attributes in reader.elements)
    assert re.findall(r"(?:https?:)?//[\w.]+\.\w+", page.partition("<body>")[2].partition("<script")[0]) == []
    policy = next(m["content"] for m in reader.all("meta") if "http-equiv" in m)
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_no_text_of_models_or_data_becomes_markup() -> None:
    plain = read(page_of(results([choice("1", "t", "A", "A")] * 6)))
    page = page_of(results(hostile_items(), model=HOSTILE[0], **{HOSTILE[1]: 1}))
    reader = read(page)
    names = sorted({name for name, _ in reader.elements})
    assert set(names) - {name for name, _ in plain.elements} <= {"p"}
    assert len(reader.all("script")) == 2
    assert not [a for _, attributes in reader.elements for a in attributes if a.startswith("on")]
    assert "&lt;script&gt;document.title" in page
    assert "{{ 7 * 7 }}" in html.unescape(page)
    page.encode("utf-8")
    assert "\x00" not in page


def test_judges_replies_stand_with_prompt_and_reading() -> None:
    judged = judged_by(build_judge("rules"), [DLC, replace(FERRET, prediction=HOSTILE[0])])
    for item in judged:
        page = page_of(results([item], item.benchmark))
        assert f"rules_{item.benchmark}/1" in page
        assert "strict: " in page
        assert "<script>document" not in page


def test_an_item_that_nobody_scored_is_missing_and_says_why() -> None:
    item = replace(choice("1", "t", "A", None), extra={"choices": ["A. x", "B. y"], "problem": "HTTP 500"})
    page = read(page_of(results([item])))
    assert page.all("article")[0]["data-verdicts"] == "missing missing"
    assert "missing: HTTP 500" in " ".join(page.words)


def test_images_that_are_not_there_or_broken_are_said(
    tmp_path: Path, find: Callable[[Item], Path | None]
) -> None:
    (tmp_path / "images" / "b.png").write_bytes(b"nothing")
    items = [
        replace(choice("1", "t", "A", "A"), image="images/c.png"),
        replace(choice("2", "t", "A", "A"), image="images/b.png"),
        choice("3", "t", "A", "A"),
        replace(choice("4", "t", "A", "A"), image="images/a.png", masks=({"size": [1, 1], "counts": [1]},)),
    ]
    text = " ".join(read(page_of(results(items), find_image=find)).words)
    for words in ("the image is not there", "cannot be read as an image", "this item has no image", "mask 0"):
        assert words in text
    assert "3 without their image" in text


def test_withheld_scores_are_not_shown() -> None:
    page = page_of(results([choice("1", "t", "A", "A")], withheld="50.0 % is missing"))
    assert "50.0 % is missing" in page
    assert "1/1 = 100.0 %" not in page
    assert "1/1 = 100.0 %" in page_of(results([choice("1", "t", "A", "A")]))


def test_scores_that_a_run_has_stored_are_shown() -> None:
    items = [
        Item("gar-vqa", "a", task="color", reference="A", prediction="A", scores={"strict": right})
        for right in (1.0, 0.0)
    ]
    cards = read(page_of(results(items))).all("article")
    assert [card["data-verdicts"] for card in cards] == ["right", "wrong"]


def test_nothing_to_show_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no item to show"):
        write(results([]), tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


# ------------------------------------------------------------------ pictures


def test_pictures_are_made_smaller_until_they_fit_and_then_left_out(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    album = Album()
    keys = []
    for number in range(3):
        noise = rng.integers(0, 255, (900, 1200, 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / f"{number}.png")
        key, size = album.add(tmp_path / f"{number}.png")
        assert size == (1200, 900)
        keys.append(key)
    assert album.add(tmp_path / "0.png")[0] == keys[0]
    assert len(album.urls()) == 3
    whole = album.size
    album.shrink(whole // 4)
    assert (album.size <= whole // 4, album.dropped, len(album.urls())) == (True, 0, 3)
    album.shrink(10)
    assert (album.dropped, album.urls()) == (3, {})
    assert tuple(sorted(SIZES, reverse=True)) == SIZES


def test_an_outline_follows_the_mask_with_its_holes() -> None:
    mask = np.zeros((60, 80), bool)
    mask[10:50, 20:70] = True
    mask[20:30, 30:40] = False
    (one,) = outlines([Region.from_mask(mask)])
    assert one.path.count("M") == 2
    numbers = [tuple(map(int, pair.split())) for pair in re.findall(r"\d+ \d+", one.path)]
    assert {(20, 10), (69, 10), (20, 49), (69, 49)} <= set(numbers)
    assert one.colour == "#e6194b"


def test_the_tag_of_a_small_region_lies_beside_it_with_a_line_to_it() -> None:
    small, large = np.zeros((340, 420), bool), np.zeros((340, 420), bool)
    small[100:108, 100:108] = True
    large[150:300, 150:400] = True
    beside, on = outlines([Region.from_mask(small), Region.from_mask(large)])
    assert tag_unit((420, 340)) == 1
    assert beside.anchor is not None
    assert not (95 < beside.label[0] < 113 and 95 < beside.label[1] < 113)
    assert on.anchor is None


def test_marks_get_their_regions_colour_and_text_stays_text() -> None:
    assert str(with_marks("a <Prompt0> <b>")) == (
        'a <b class="mark" style="background:#e6194b;color:#fff">&lt;Prompt0&gt;</b> &lt;b&gt;'
    )
    assert "<Prompt9999>" not in with_marks("<Prompt9999>")


# ------------------------------------------------------------------ size, and a real browser


def test_a_thousand_items_with_pictures_make_a_page_in_seconds(
    find: Callable[[Item], Path | None], tmp_path: Path
) -> None:
    items = [
        replace(choice(str(n), f"t{n % 7}", "A", "AB"[n % 2]), image="images/a.png", masks=(MASK, OTHER_MASK))
        for n in range(1000)
    ]
    began = time.perf_counter()
    path = write(results(items), tmp_path / "page.html", find_image=find)
    assert time.perf_counter() - began < 60
    assert path.stat().st_size < 10_000_000


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (Debian: apt-get install chromium)")
def test_a_browser_filters_loads_pictures_and_runs_no_text(
    tmp_path: Path, find: Callable[[Item], Path | None]
) -> None:
    said = "ABA"
    items = [
        replace(choice(str(n), f"t{n % 2}", "A", said[n % 3]), image="images/a.png", masks=(MASK,))
        for n in range(12)
    ]
    path = write(results([*items, *hostile_items()]), tmp_path / "page.html", find_image=find)
    whole = ask_browser(path, folder=tmp_path / "profile")
    assert '<span id="shown">18 of 18 items</span>' in whole
    assert "<title>gar-vqa</title>" in whole
    # Pictures come with the first frames, which a busy machine may not have drawn when it is asked.
    tries = (whole if n == 0 else ask_browser(path, folder=tmp_path / "profile") for n in range(4))
    assert any(re.search(r'<image[^>]*href="data:image/jpeg', document) for document in tries)
    wrong = ask_browser(path, "#verdict=wrong&task=t1", folder=tmp_path / "profile")
    expected = sum(said[n % 3] == "B" and n % 2 == 1 for n in range(12))
    assert f'<span id="shown">{expected} of 18 items</span>' in wrong
    hidden = re.findall(r"<article[^>]*>", wrong)
    assert sum("hidden" in card for card in hidden) == 18 - expected
    lenient = ask_browser(path, "#rule=lenient&verdict=missing&find=alert(1)", folder=tmp_path / "profile")
    assert '<span id="shown">1 of 18 items</span>' in lenient


def test_the_recorded_outputs_of_gar_1b_make_a_page(shared_dir: Path, tmp_path: Path) -> None:
    items = recorded(shared_dir, "gar-vqa")
    find = in_folder(shared_dir / "data" / "gar_bench")
    page = page_of(results(items), find_image=find)
    cards = read(page).all("article")
    assert len(cards) == 424
    assert sum(str(card["data-verdicts"]).startswith("right") for card in cards) == 203
    pictures = json.loads(re.search(r'id="pictures">(.*?)</script>', page)[1])  # type: ignore[index]
    assert all(url.startswith("data:image/jpeg;base64,") for url in pictures.values())
