"""The benchmarks that configs and tools can name, one file each."""

from gartk.evaluation.benchmarks import (
    dlc_bench,
    ferret_bench,
    gar_bench,
    mdvp_bench,
    open_class,
    region_world,
    video_refer,
    vision,
)

__all__ = [
    "dlc_bench",
    "ferret_bench",
    "gar_bench",
    "mdvp_bench",
    "open_class",
    "region_world",
    "video_refer",
    "vision",
]
