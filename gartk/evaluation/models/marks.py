"""Marks for models that take no masks: outlines, boxes and crosses of regions, each with colour and label.

Everything is drawn by supervision; only where labels go is decided here (``gartk.inference.overlay``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from gartk.errors import ConfigError, did_you_mean
from gartk.inference.overlay import place_labels, region_colour
from gartk.regions.masks import interior_point, tight_box

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gartk.regions import Region

    Picture = NDArray[np.uint8]

Colour = tuple[int, int, int]
Mark = Literal["outline", "box", "cross"]
Label = Literal["number", "prompt", "none"]
Centre = Literal["inside", "box"]

# Colours that have a common name and stay apart on photos, in the order of the regions.
PALETTE: tuple[tuple[str, Colour], ...] = (
    ("red", (230, 25, 45)),
    ("green", (60, 180, 75)),
    ("blue", (0, 110, 255)),
    ("yellow", (255, 225, 25)),
    ("magenta", (240, 50, 230)),
    ("cyan", (0, 225, 225)),
    ("orange", (255, 150, 0)),
    ("purple", (145, 40, 200)),
    ("white", (255, 255, 255)),
)
BLACK, WHITE = (0, 0, 0), (255, 255, 255)
_LINE_SHARE, _TEXT_SHARE, _CROSS_SHARE = 1 / 180, 1 / 30, 1 / 25
_LINE_MIN_PX, _TEXT_MIN_PX, _CROSS_MIN_PX = 3, 14, 9


@dataclass(frozen=True)
class MarkStyle:
    """How regions are marked on an image.

    Args:
        mark: ``outline`` (outer contours), ``box`` (first to last pixel), ``cross`` (at the centre).
        palette: the colours by region, each with the name that a question calls it by. Further regions
            get computed colours, which are named by their hexadecimal number.
        line_px: width of the lines; None grows with the image.
        rim_px: a black rim on both sides of each line, which keeps it visible on its own colour.
        label: ``number`` (0, 1, ...), ``prompt`` (<Prompt0>, ...) or ``none``.
        label_px: height of the label's letters; None grows with the image.
        centre: where a cross is put: ``inside`` takes the mask's centre of gravity, or the mask's
            pixel nearest to it where that lies outside; ``box`` the middle of its box.
        cross_px: length of each arm of a cross; None grows with the image.

    Raises: ConfigError for an unknown name or a number out of range.
    """

    mark: Mark = "outline"
    palette: Sequence[tuple[str, Colour]] = PALETTE
    line_px: int | None = None
    rim_px: int = 1
    label: Label = "number"
    label_px: int | None = None
    centre: Centre = "inside"
    cross_px: int | None = None

    def __post_init__(self) -> None:
        for name, known in (("mark", Mark), ("label", Label), ("centre", Centre)):
            value, names = getattr(self, name), get_args(known)
            if value not in names:
                raise ConfigError(f"MarkStyle.{name} must be one of {', '.join(names)}; got {value!r}.")
        for name in ("line_px", "label_px", "cross_px"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ConfigError(f"MarkStyle.{name} must be at least 1; got {getattr(self, name)}.")
        if self.rim_px < 0:
            raise ConfigError(f"MarkStyle.rim_px must be 0 or above; got {self.rim_px}.")

    def colour(self, number: int) -> tuple[str, Colour]:
        """Return the name and the colour of a region."""
        if number < len(self.palette):
            return self.palette[number]
        computed = region_colour(number)
        return "#{:02x}{:02x}{:02x}".format(*computed), computed

    def label_text(self, number: int) -> str:
        """Return the text of a region's label, "" for none."""
        return {"number": str(number), "prompt": f"<Prompt{number}>", "none": ""}[self.label]


def mark_style(options: Mapping[str, Any]) -> MarkStyle:
    """Build a style from what a command line gives; ``palette`` is then a list of names of the usual colours.

    Raises: ConfigError for an unknown option or colour.
    """
    known = [one.name for one in fields(MarkStyle) if one.name != "mark"]
    for key in options:
        if key not in known:
            raise ConfigError(f"Marks have no option {key!r}. {did_you_mean(key, known)}")
    if "palette" not in options:
        return MarkStyle(**options)
    given = options["palette"]
    colours = dict(PALETTE)
    names = [str(name) for name in (given if isinstance(given, (list, tuple)) else [given])]
    for name in names:
        if name not in colours:
            raise ConfigError(f"Marks have no colour {name!r}. {did_you_mean(name, colours)}")
    return MarkStyle(**{**options, "palette": tuple((name, colours[name]) for name in names)})


def draw_marks(image: Picture, regions: Sequence[Region], style: MarkStyle) -> Picture:
    """Mark regions on a copy of an image; region i gets the i-th colour and the label i.

    Large regions are marked first, so that those inside them stay visible; labels come last, inside the
    image and off each other where there is room.

    Shapes: image (H, W, 3) RGB; returns the same.
    """
    scene = np.ascontiguousarray(image[..., ::-1])
    line_px = _grown(style.line_px, _LINE_SHARE, _LINE_MIN_PX, image)
    arm_px = _grown(style.cross_px, _CROSS_SHARE, _CROSS_MIN_PX, image)
    for number in sorted(range(len(regions)), key=lambda i: (-regions[i].area_px, i)):
        colour = style.colour(number)[1]
        widths = [(line_px + 2 * style.rim_px, BLACK)] * bool(style.rim_px) + [(line_px, colour)]
        for width, ink in widths:
            scene = _draw_mark(scene, regions[number].mask, style, width, ink, arm_px)
    if style.label != "none":
        scene = _draw_labels(scene, regions, style, arm_px)
    return np.ascontiguousarray(scene[..., ::-1])


def _supervision() -> Any:
    try:
        import supervision
    except ImportError as error:
        raise ConfigError("Marks need the package supervision: pip install 'gartk[eval]'.") from error
    return supervision


def _grown(given: int | None, share: float, least: int, image: Picture) -> int:
    return max(least, round(max(image.shape[:2]) * share)) if given is None else given


def _draw_mark(
    scene: Picture, mask: NDArray[np.bool_], style: MarkStyle, width: int, ink: Colour, arm_px: int
) -> Picture:
    if style.mark == "cross":
        return _draw_cross(scene, centre_of(mask, style.centre), width, ink, arm_px)
    return (_draw_outline if style.mark == "outline" else _draw_box)(scene, mask, width, ink)


def _draw_outline(scene: Picture, mask: NDArray[np.bool_], width: int, ink: Colour) -> Picture:
    """Draw the outer contours; supervision's own contours are those of holes too."""
    import cv2

    sv = _supervision()
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    for contour in contours:
        polygon = contour.reshape(-1, 2).astype(np.int64)
        scene = sv.draw_polygon(scene, polygon, color=sv.Color(*ink), thickness=_thickness(width))
    return scene


def _draw_box(scene: Picture, mask: NDArray[np.bool_], width: int, ink: Colour) -> Picture:
    sv = _supervision()
    x0, y0, x1, y1 = tight_box(mask)
    rect = sv.Rect(x=x0, y=y0, width=x1 - 1 - x0, height=y1 - 1 - y0)
    return sv.draw_rectangle(scene, rect, color=sv.Color(*ink), thickness=_thickness(width))


@cache
def _thickness(width_px: int) -> int:
    """Return the thickness that draws lines of at most ``width_px``: versions of OpenCV differ in it."""
    sv = _supervision()
    for thickness in range(width_px, 1, -1):
        canvas = np.zeros((4 * width_px + 9, 9, 3), np.uint8)
        middle = canvas.shape[0] // 2
        drawn = sv.draw_line(
            canvas, sv.Point(-9, middle), sv.Point(18, middle), sv.Color(255, 255, 255), thickness
        )
        if int((drawn[:, 4, 0] > 0).sum()) <= width_px:
            return thickness
    return 1


def _draw_cross(scene: Picture, at: tuple[int, int], width: int, ink: Colour, arm_px: int) -> Picture:
    sv = _supervision()
    x, y = at
    reach = arm_px + (width - 1) // 2 if ink == BLACK else arm_px
    thick = _thickness(width)
    for start, end in (((x - reach, y), (x + reach, y)), ((x, y - reach), (x, y + reach))):
        scene = sv.draw_line(scene, sv.Point(*start), sv.Point(*end), color=sv.Color(*ink), thickness=thick)
    return scene


def centre_of(mask: NDArray[np.bool_], rule: Centre) -> tuple[int, int]:
    """Return the pixel (x, y) that stands for a mask; see ``MarkStyle.centre``.

    Raises: RegionError if the mask is empty.
    """
    x0, y0, x1, y1 = tight_box(mask)
    if rule == "box":
        return (x0 + x1 - 1) // 2, (y0 + y1 - 1) // 2
    rows, columns = np.nonzero(mask)
    nearest = np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2)
    return int(columns[nearest]), int(rows[nearest])


# ------------------------------------------------------------------ labels


def ink_on(colour: Colour) -> Colour:
    """Return black or white, whichever has the higher contrast on a colour."""
    return max((BLACK, WHITE), key=lambda ink: contrast(ink, colour))


def contrast(one: Colour, other: Colour) -> float:
    """Return the contrast of two colours, 1 to 21. Source: WCAG 2, contrast ratio."""
    bright, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def _luminance(colour: Colour) -> float:
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (c / 255 for c in colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@dataclass(frozen=True)
class _Letters:
    """How large letters are drawn. Units: ``scale`` of OpenCV's font, the rest pixels."""

    scale: float
    stroke_px: int
    pad_px: int

    @classmethod
    def of(cls, height_px: int) -> _Letters:
        import cv2

        (_, at_one), _ = cv2.getTextSize("0", cv2.FONT_HERSHEY_SIMPLEX, 1.0, 1)
        return cls(height_px / at_one, max(1, round(height_px / 10)), max(2, height_px // 4))

    def size(self, text: str) -> tuple[int, int]:
        """Width and height of a label with this text."""
        import cv2

        (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, self.scale, self.stroke_px)
        return width + 2 * self.pad_px, height + below + 2 * self.pad_px


def _draw_labels(scene: Picture, regions: Sequence[Region], style: MarkStyle, arm_px: int) -> Picture:
    letters = _Letters.of(_grown(style.label_px, _TEXT_SHARE, _TEXT_MIN_PX, scene))
    texts = [style.label_text(number) for number in range(len(regions))]
    rects = label_rects(
        [letters.size(text) for text in texts], regions, style, (scene.shape[1], scene.shape[0]), arm_px
    )
    for number, (text, rect) in enumerate(zip(texts, rects, strict=True)):
        scene = _draw_label(scene, text, rect, style.colour(number)[1], letters)
    return scene


def label_rects(
    sizes: Sequence[tuple[int, int]],
    regions: Sequence[Region],
    style: MarkStyle,
    image_wh: tuple[int, int],
    arm_px: int,
) -> list[tuple[int, int, int, int]]:
    """Choose where labels go: in large regions, beside small ones and beside crosses.

    Shapes: sizes (width, height); returns (x0, y0, x1, y1), maximum exclusive.
    """
    if style.mark != "cross":
        boxes = [tight_box(region.mask) for region in regions]
        return place_labels(sizes, [interior_point(region.mask) for region in regions], boxes, image_wh)
    centres = [centre_of(region.mask, style.centre) for region in regions]
    crosses = [(x - arm_px, y - arm_px, x + arm_px + 1, y + arm_px + 1) for x, y in centres]
    return place_labels(sizes, centres, crosses, image_wh, keep_clear=crosses)


def _draw_label(scene: Picture, text: str, rect: Sequence[int], colour: Colour, letters: _Letters) -> Picture:
    sv = _supervision()
    x0, y0, x1, y1 = rect
    ink = sv.Color(*ink_on(colour))
    whole = sv.Rect(x=x0, y=y0, width=x1 - x0 - 1, height=y1 - y0 - 1)
    scene = sv.draw_filled_rectangle(scene, whole, color=sv.Color(*colour))
    scene = sv.draw_rectangle(scene, whole, color=ink, thickness=1)
    return sv.draw_text(
        scene,
        text,
        sv.Point((x0 + x1) // 2, (y0 + y1) // 2),
        text_color=ink,
        text_scale=letters.scale,
        text_thickness=letters.stroke_px,
    )
