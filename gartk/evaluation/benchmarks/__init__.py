"""The benchmarks that configs and tools can name."""

from gartk.evaluation.benchmarks.dlc_bench import DLCBenchmark
from gartk.evaluation.benchmarks.ferret_bench import FerretBenchmark
from gartk.evaluation.benchmarks.gar_bench import GARCapBenchmark, GARVQABenchmark
from gartk.evaluation.benchmarks.general import (
    MMStarBenchmark,
    MMVPBenchmark,
    RealWorldQABenchmark,
    VStarBenchmark,
)
from gartk.evaluation.benchmarks.mdvp_bench import MDVPBenchmark
from gartk.evaluation.benchmarks.open_class import LVISBenchmark, PACOBenchmark
from gartk.evaluation.benchmarks.published import PublishedBenchmark, build_published
from gartk.evaluation.benchmarks.region_world import RegionWorldBenchmark
from gartk.evaluation.benchmarks.video_refer import VideoReferDBenchmark, VideoReferQBenchmark

__all__ = [
    "DLCBenchmark",
    "FerretBenchmark",
    "GARCapBenchmark",
    "GARVQABenchmark",
    "LVISBenchmark",
    "MDVPBenchmark",
    "MMStarBenchmark",
    "MMVPBenchmark",
    "PACOBenchmark",
    "PublishedBenchmark",
    "RealWorldQABenchmark",
    "RegionWorldBenchmark",
    "VStarBenchmark",
    "VideoReferDBenchmark",
    "VideoReferQBenchmark",
    "build_published",
]
