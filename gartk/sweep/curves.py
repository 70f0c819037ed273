"""Learning curves of a sweep as PNG and SVG."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from gartk.sweep.collect import Curve, RunData

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from gartk.sweep.plan import Plan

POINTS = 120
_SIZE_INCHES = (8.0, 4.5)
_PALETTE = 48
Kind = Literal["loss", "validation"]


def thinned(curve: Curve, last: int, points: int = POINTS) -> Curve:
    """Average a curve over equal stretches of updates, as many as there may be points up to ``last``."""
    if not curve or last <= points:
        return curve
    at, values = (np.array(column, dtype=float) for column in zip(*curve, strict=True))
    bins = np.minimum((at - 1) * points // last, points - 1).astype(int)
    ends = [(int(at[bins == b].max()), float(values[bins == b].mean())) for b in np.unique(bins)]
    return tuple(ends)


def mean_curve(curves: Sequence[Curve]) -> Curve:
    """Average curves where all of them have a point."""
    by_update = [dict(curve) for curve in curves if curve]
    if not by_update:
        return ()
    common = sorted(set(by_update[0]).intersection(*by_update[1:]))
    return tuple((at, float(np.mean([curve[at] for curve in by_update]))) for at in common)


def draw_curves(plan: Plan, data: Mapping[str, Sequence[RunData]], kind: Kind) -> Figure | None:
    """Draw a line for each row, the mean over its seeds, with the seeds in the background.

    Gives None if no run has written such a curve.
    """
    from matplotlib.figure import Figure

    curves = {
        name: [c for run in runs if (c := thinned(getattr(run, kind), run.run.updates))]
        for name, runs in data.items()
    }
    if not any(curves.values()):
        return None
    figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
    axes = figure.add_subplot()
    for number, row in enumerate(plan.rows):
        colour = f"C{number % 10}"
        style = "-" if number < 10 else "--"
        for curve in curves[row.name] if len(curves[row.name]) > 1 else []:
            axes.plot(*zip(*curve, strict=True), color=colour, linewidth=0.7, alpha=0.3, linestyle=style)
        mean = mean_curve(curves[row.name])
        if mean:
            label = f"{row.name}  {row.title}".strip()
            axes.plot(*zip(*mean, strict=True), color=colour, linewidth=1.6, linestyle=style, label=label)
    axes.set_xlabel("updates")
    axes.set_ylabel("training loss" if kind == "loss" else "validation, share right")
    if kind == "loss" and all(value > 0 for runs in curves.values() for curve in runs for _, value in curve):
        axes.set_yscale("log")
    axes.grid(visible=True, which="both", alpha=0.25)
    axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return figure


def render(figure: Figure, kind: Literal["png", "svg"]) -> bytes:
    """Render a figure; the same figure gives the same bytes. A PNG has a palette: a quarter of the size."""
    import matplotlib
    from PIL import Image

    file = io.BytesIO()
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    with matplotlib.rc_context({"svg.hashsalt": "gartk", "svg.fonttype": "path"}):
        figure.savefig(file, format=kind, dpi=120, metadata=metadata)
    if kind == "png":
        picture = Image.open(file).convert("RGB").quantize(_PALETTE, Image.Quantize.MAXCOVERAGE)
        file = io.BytesIO()
        picture.save(file, "PNG", optimize=True)
    return file.getvalue()
