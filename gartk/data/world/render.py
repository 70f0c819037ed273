"""Painting a scene: background, objects, links, mirrors and screens, with an exact id map.

Everything is computed with numpy in the window around a thing. The id map is the ground truth of the
masks: a pixel belongs to whatever was painted there last, where the outline covers its centre.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gartk.data.world.attributes import RGB, Look
from gartk.data.world.shapes import REACH, SDF, Plane, pattern

# How much darker a pattern's dark parts are, and how much whiter its light parts.
PATTERN_SHADE = np.float32(0.76)
PATTERN_LIGHT = np.float32(0.8)
OUTLINE_PX = 1.6
LINK_RGB = ((40, 32, 28), (235, 225, 205))
FRAME_RGB = {"mirror": (228, 230, 236), "screen": (22, 22, 26)}
SHEEN_RGB = (236, 246, 252)
PANEL_RGB = {"mirror": (176, 206, 222), "screen": (52, 60, 96)}


@dataclass(frozen=True)
class Pose:
    """Where and how a shape is drawn.

    Units: cx, cy, radius in pixels; angle in radians; squash and shear deform a shadow; ``flip`` mirrors
    left and right.
    """

    cx: float
    cy: float
    radius: float
    angle: float = 0.0
    flip: bool = False
    squash: float = 1.0
    shear: float = 0.0


@dataclass
class Patch:
    """A window of the canvas with the local coordinates and the signed distance (pixels) in it."""

    window: tuple[slice, slice]
    u: Plane
    v: Plane
    distance: Plane


def window_of(
    left: float, top: float, right: float, bottom: float, hw: tuple[int, int]
) -> tuple[slice, slice]:
    """The rows and columns of an image that a box in pixels touches."""
    rows = slice(max(0, math.floor(top)), max(0, min(hw[0], math.ceil(bottom))))
    cols = slice(max(0, math.floor(left)), max(0, min(hw[1], math.ceil(right))))
    return rows, cols


def _centres(window: tuple[slice, slice], cx: float, cy: float) -> tuple[Plane, Plane]:
    rows, cols = window
    x = (np.arange(cols.start, cols.stop, dtype=np.float32) + np.float32(0.5 - cx))[None, :]
    y = (np.arange(rows.start, rows.stop, dtype=np.float32) + np.float32(0.5 - cy))[:, None]
    return x, y


def outline(shape: str, pose: Pose, hw: tuple[int, int], window: tuple[slice, slice] | None = None) -> Patch:
    """Compute the signed distance of a shape, in its own window unless another is given."""
    reach = REACH * pose.radius + 2
    if window is None:
        wide = reach * (1 + abs(pose.shear) * pose.squash)
        tall = reach * pose.squash
        window = window_of(pose.cx - wide, pose.cy - tall, pose.cx + wide, pose.cy + tall, hw)
    x, y = _centres(window, pose.cx, pose.cy)
    if pose.squash != 1.0 or pose.shear:
        x = x + y * np.float32(pose.shear)
        y = y / np.float32(pose.squash)
    if pose.flip:
        x = -x
    cos = np.float32(math.cos(pose.angle) / pose.radius)
    sin = np.float32(math.sin(pose.angle) / pose.radius)
    u, v = x * cos + y * sin, y * cos - x * sin
    distance = SDF[shape](u, v) * np.float32(pose.radius * min(pose.squash, 1.0))
    return Patch(window=window, u=u, v=v, distance=distance)


def _lighter(white: Plane | None, more: Plane) -> Plane:
    """The larger of two amounts of white at each place."""
    return more if white is None else np.maximum(white, more)


def _shade(look: Look, pose: Pose, patch: Patch, noise: Plane) -> tuple[Plane, Plane | None, Plane | None]:
    """How a surface looks: a factor on the colour, an amount of white, an opacity (None: nothing, opaque)."""
    distance = patch.distance
    factor = np.ones_like(distance)
    white: Plane | None = None
    opacity: Plane | None = None
    dark, light = pattern(look.texture, patch.u, patch.v)
    if dark is not None:
        factor -= dark * PATTERN_SHADE
    if light is not None:
        white = light * PATTERN_LIGHT
    if look.material == "glass":
        x, y = _centres(patch.window, pose.cx - 0.32 * pose.radius, pose.cy - 0.36 * pose.radius)
        rim = np.clip((distance + np.float32(0.11 * pose.radius + 1)) * np.float32(0.7), 0, 1)
        spot = np.float32(1.5) - np.sqrt(x * x + y * y) / np.float32(0.13 * pose.radius)
        shine = np.maximum(rim * np.float32(0.85), np.clip(spot, 0, np.float32(0.95)))
        white = _lighter(white, shine)
        opacity = np.maximum(white, np.float32(0.55))
        return factor, white, opacity
    if look.material == "metal":
        x, y = _centres(patch.window, pose.cx, pose.cy)
        along = (x + y * np.float32(1.3)) * np.float32(0.62 / pose.radius)
        factor *= np.float32(0.72) - np.float32(0.34) * np.sin(along * np.float32(2.6))
        across = (along + np.float32(0.3)) * np.float32(4.4)
        streak = np.float32(0.9) * np.exp(-across * across)
        white = _lighter(white, streak)
    elif look.material == "wool":
        factor *= np.float32(0.95) + np.float32(0.62) * noise[patch.window]
        fringe = np.clip(distance / np.float32(0.22 * pose.radius) + 1, 0, 1) * np.float32(0.6)
        return factor, _lighter(white, fringe), opacity
    factor[distance > -max(OUTLINE_PX, 0.07 * pose.radius)] *= np.float32(0.3)
    return factor, white, opacity


class Canvas:
    """An image under construction with the id map of what is visible where.

    Shapes: image (H, W, 3) float32; noise (H, W) float32 in -1..1; ids (H, W) uint8, 0 is background.
    """

    def __init__(self, rng: np.random.Generator, hw: tuple[int, int]) -> None:
        self.hw = hw
        self.noise: Plane = rng.integers(0, 256, size=hw, dtype=np.uint8).astype(np.float32)
        self.noise *= np.float32(2 / 255)
        self.noise -= 1
        tone = rng.uniform(112, 188) + rng.uniform(-14, 14, size=3)
        soft = (tone + rng.uniform(-16, 16, size=(3, 3, 1)) + rng.uniform(-5, 5, size=(3, 3, 3))).astype(
            np.float32
        )
        stretched = cv2.resize(soft, (hw[1], hw[0]), interpolation=cv2.INTER_LINEAR)
        self.image: NDArray[np.float32] = np.asarray(stretched, dtype=np.float32)
        self.image += (self.noise * np.float32(5))[..., None]
        self.ids: NDArray[np.uint8] = np.zeros(hw, dtype=np.uint8)

    def _blend(self, window: tuple[slice, slice], color: NDArray[np.float32], alpha: Plane) -> None:
        under = self.image[window]
        under += (color - under) * alpha[..., None]

    def paint(self, look: Look, shape: str, pose: Pose, ident: int) -> None:
        """Paint an object; ``shape`` may name the thin ring of a container or an arrow."""
        patch = outline(shape, pose, self.hw)
        factor, white, opacity = _shade(look, pose, patch, self.noise)
        color = np.asarray(RGB[look.color], dtype=np.float32) * factor[..., None]
        if white is not None:
            color += (255 - color) * white[..., None]
        alpha = np.clip(np.float32(0.5) - patch.distance, 0, 1)
        self._blend(patch.window, color, alpha if opacity is None else alpha * opacity)
        self.ids[patch.window][patch.distance <= 0] = ident

    def shadow(self, shape: str, pose: Pose, ident: int) -> None:
        """Darken the background in the form of a shape."""
        patch = outline(shape, pose, self.hw)
        alpha = np.clip(np.float32(0.5) - patch.distance, 0, 1) * np.float32(0.72)
        self._blend(patch.window, np.full(3, 18, dtype=np.float32), alpha)
        self.ids[patch.window][patch.distance <= 0] = ident

    def link(self, start: tuple[float, float], end: tuple[float, float], width: float) -> None:
        """Draw a cord between two points, to be painted over by the things it joins."""
        pad = width
        window = window_of(
            min(start[0], end[0]) - pad, min(start[1], end[1]) - pad,
            max(start[0], end[0]) + pad, max(start[1], end[1]) + pad, self.hw,
        )  # fmt: skip
        x, y = _centres(window, *start)
        dx, dy = end[0] - start[0], end[1] - start[1]
        along = np.clip((x * np.float32(dx) + y * np.float32(dy)) / np.float32(dx * dx + dy * dy), 0, 1)
        across, down = x - along * np.float32(dx), y - along * np.float32(dy)
        distance = np.sqrt(across * across + down * down)
        for rgb, half in zip(LINK_RGB, (width / 2, width / 5), strict=True):
            alpha = np.clip(np.float32(half + 0.5) - distance, 0, 1)
            self._blend(window, np.asarray(rgb, dtype=np.float32), alpha)

    def panel(self, kind: str, box_px: tuple[int, int, int, int], ident: int) -> None:
        """Put up an empty mirror or screen with its frame."""
        x0, y0, x1, y1 = box_px
        frame = frame_px(box_px)
        self.image[y0:y1, x0:x1] = FRAME_RGB[kind]
        inner = self.image[y0 + frame : y1 - frame, x0 + frame : x1 - frame]
        inner[:] = PANEL_RGB[kind]
        self.ids[y0:y1, x0:x1] = ident

    def finish_panel(self, kind: str, box_px: tuple[int, int, int, int]) -> None:
        """Lay the sheen of a mirror or the lines of a screen over what it shows."""
        x0, y0, x1, y1 = box_px
        frame = frame_px(box_px)
        window = (slice(y0 + frame, y1 - frame), slice(x0 + frame, x1 - frame))
        inner = self.image[window]
        if kind == "screen":
            inner[::3] *= np.float32(0.45)
            return
        x, y = _centres(window, x0, y0)
        streaks = np.sin((x + y) * np.float32(2 * math.pi / max(16.0, 0.55 * min(x1 - x0, y1 - y0))))
        sheen = np.float32(0.22) + np.float32(0.3) * (streaks > np.float32(0.55))
        inner += (np.asarray(SHEEN_RGB, dtype=np.float32) - inner) * sheen[..., None]

    def to_uint8(self) -> NDArray[np.uint8]:
        """The finished picture, (H, W, 3) uint8."""
        return np.clip(self.image, 0, 255).astype(np.uint8)


def frame_px(box_px: tuple[int, int, int, int]) -> int:
    """How wide the frame of a mirror or screen is."""
    return max(2, round(0.055 * min(box_px[2] - box_px[0], box_px[3] - box_px[1])))
