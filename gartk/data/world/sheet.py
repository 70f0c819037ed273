"""The contact sheet: samples with their regions outlined and numbered, and the text below."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from gartk.regions.masks import interior_point
from gartk.structures import Sample

# Outlines of regions 0, 1, ... (repeating): told apart on every background of the world.
OUTLINE_RGB = (
    (255, 255, 255), (20, 20, 20), (255, 220, 0), (0, 255, 255), (255, 0, 255), (0, 255, 0), (255, 120, 0),
)  # fmt: skip
PAGE_RGB = (250, 250, 250)
TEXT_RGB = (20, 20, 20)
GAP_PX = 8
FONT_PX = 11
LINE_PX = 14


def draw_regions(image: NDArray[np.uint8], masks: Sequence[NDArray[np.bool_]]) -> NDArray[np.uint8]:
    """Outline masks on a copy of an image and write their numbers inside.

    Shapes: image (H, W, 3); masks each (H, W); returns (H, W, 3).
    """
    canvas = np.ascontiguousarray(image).copy()
    for number, mask in enumerate(masks):
        contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        rgb = OUTLINE_RGB[number % len(OUTLINE_RGB)]
        halo = (0, 0, 0) if sum(rgb) > 380 else (255, 255, 255)
        cv2.drawContours(canvas, contours, -1, halo, 3)
        cv2.drawContours(canvas, contours, -1, rgb, 1)
    picture = Image.fromarray(canvas)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(FONT_PX + 2)
    for number, mask in enumerate(masks):
        x, y = interior_point(mask)
        left, top, right, bottom = draw.textbbox((x, y), str(number), font=font, anchor="mm")
        draw.rectangle((left - 2, top - 2, right + 2, bottom + 2), fill=(0, 0, 0))
        draw.text((x, y), str(number), fill=(255, 255, 255), font=font, anchor="mm")
    return np.asarray(picture)


def _lines(sample: Sample, width_px: int) -> list[str]:
    columns = max(16, int(width_px / (0.55 * FONT_PX)))
    lines = []
    for turn in sample.turns:
        mark = "Q: " if turn.role == "user" else "A: "
        for i, line in enumerate(turn.text.split("\n")):
            lines += textwrap.wrap((mark if i == 0 else "   ") + line, columns, drop_whitespace=False) or [""]
    return lines


def _panel(sample: Sample, width_px: int) -> Image.Image:
    """One sample: its picture at ``width_px`` and its conversation."""
    image = np.asarray(sample.image)
    height_px = round(image.shape[0] * width_px / image.shape[1])
    lines = _lines(sample, width_px)
    panel = Image.new("RGB", (width_px, height_px + 6 + LINE_PX * len(lines)), PAGE_RGB)
    drawn = Image.fromarray(draw_regions(image, [pair.region.mask for pair in sample.pairs()]))
    panel.paste(drawn.resize((width_px, height_px), Image.Resampling.LANCZOS), (0, 0))
    draw = ImageDraw.Draw(panel)
    font = ImageFont.load_default(FONT_PX)
    for i, line in enumerate(lines):
        draw.text((2, height_px + 4 + LINE_PX * i), line, fill=TEXT_RGB, font=font)
    return panel


def contact_sheet(samples: Sequence[Sample], *, columns: int = 5, width_px: int = 260) -> Image.Image:
    """Lay samples out in rows.

    Units: width_px of one sample on the sheet.
    """
    panels = [_panel(sample, width_px) for sample in samples]
    rows = [panels[i : i + columns] for i in range(0, len(panels), columns)]
    heights = [max(panel.height for panel in row) for row in rows]
    wide = min(columns, max(1, len(panels)))
    size = (GAP_PX + wide * (width_px + GAP_PX), GAP_PX + sum(h + GAP_PX for h in heights))
    page = Image.new("RGB", size, PAGE_RGB)
    top = GAP_PX
    for row, height in zip(rows, heights, strict=True):
        for i, panel in enumerate(row):
            page.paste(panel, (GAP_PX + i * (width_px + GAP_PX), top))
        top += height + GAP_PX
    return page


def png_bytes(image: Image.Image | NDArray[np.uint8]) -> bytes:
    """The image as a PNG file; the same pixels give the same bytes."""
    buffer = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(
        buffer, format="PNG", compress_level=2
    )
    return buffer.getvalue()
