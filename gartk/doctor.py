"""What this installation has: versions, RoI backends and their parity, plugins, registered names.

``gartk doctor`` prints it; ``examine`` gives it as data.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from gartk.registry import PartRegistry

PACKAGES = (
    "gartk",
    "torch",
    "torchvision",
    "mmengine",
    "mmcv",
    "transformers",
    "timm",
    "tokenizers",
    "safetensors",
    "datasets",
    "pycocotools",
    "numpy",
    "pillow",
    "opencv-python",
    "opencv-python-headless",
)
FORWARD_TOLERANCE = 1e-5
BACKWARD_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Backend:
    """Whether a RoI backend serves an operator on a device, and if not, why."""

    op: str
    device: str
    name: str
    problem: str | None


@dataclass(frozen=True)
class Parity:
    """Largest differences of two RoI backends in result and gradient, and whether they are small."""

    device: str
    pair: str
    forward: float
    backward: float

    @property
    def holds(self) -> bool:
        """Whether both differences are rounding."""
        return self.forward <= FORWARD_TOLERANCE and self.backward <= BACKWARD_TOLERANCE


@dataclass(frozen=True)
class Plugin:
    """What became of a plugin, as text."""

    name: str
    distribution: str
    version: str
    status: str
    registered: dict[str, list[str]]
    reason: str


@dataclass(frozen=True)
class Checkup:
    """All that the doctor found."""

    environment: dict[str, str]
    packages: dict[str, str | None]
    backends: list[Backend]
    parity: list[Parity]
    plugins: list[Plugin]
    names: dict[str, dict[str, str]]
    problems: list[str]

    @property
    def is_healthy(self) -> bool:
        """Whether no plugin failed, no built-in part failed to import, and all backends agree."""
        return not self.problems

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {**asdict(self), "healthy": self.is_healthy}


def examine() -> Checkup:
    """Look at everything; a part that cannot be looked at becomes a problem, not an error."""
    problems: list[str] = []
    names = _names(problems)
    plugins = _plugins(problems)
    devices = _devices()
    backends, parity = _roi(devices, problems)
    return Checkup(_environment(devices), _packages(), backends, parity, plugins, names, problems)


def _environment(devices: list[str]) -> dict[str, str]:
    import torch

    shown = [f"cuda:{i} {torch.cuda.get_device_name(i)}" for i in range(torch.cuda.device_count())]
    variables = ("GARTK_CACHE", "HF_HOME", "GARTK_PLUGINS", "GARTK_STRICT_PLUGINS", "OMP_NUM_THREADS")
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "devices": ", ".join(shown or devices),
        "cpu cores": str(os.cpu_count()),
        "torch threads": str(torch.get_num_threads()),
        "torch cuda": str(torch.version.cuda),
        "hugging face cache": _hub_cache(),
        **{name: os.environ.get(name, "(not set)") for name in variables},
    }


def _hub_cache() -> str:
    from huggingface_hub.constants import HF_HUB_CACHE

    return str(HF_HUB_CACHE)


def _packages() -> dict[str, str | None]:
    import importlib_metadata

    found: dict[str, str | None] = {}
    for name in PACKAGES:
        try:
            found[name] = importlib_metadata.version(name)
        except Exception:  # not installed, or its files are damaged
            found[name] = None
    return found


def _devices() -> list[str]:
    import torch

    return ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def _roi(devices: list[str], problems: list[str]) -> tuple[list[Backend], list[Parity]]:
    from typing import get_args

    from gartk.ops.roi import Op, available_backends, parity_report

    backends, parity = [], []
    for device in devices:
        for op in get_args(Op):
            backends += [
                Backend(op, device, name, why) for name, why in available_backends(op, device).items()
            ]
        parity += [Parity(device, row.pair, row.forward, row.backward) for row in parity_report(device)]
    problems += [
        f"RoI backends disagree on {row.device}: {row.pair} ({row.forward:.2g}, {row.backward:.2g})."
        for row in parity
        if not row.holds
    ]
    return backends, parity


def _plugins(problems: list[str]) -> list[Plugin]:
    from gartk.plugins import absent_plugins, plugin_reports

    found = []
    for report in plugin_reports():
        registered = {registry: list(keys) for registry, keys in report.registered.items()}
        place = (report.name, report.distribution, report.version)
        found.append(Plugin(*place, report.status, registered, report.reason))
        if report.status == "failed":
            kind = "The distribution" if report.is_distribution else "Plugin"
            problems.append(f"{kind} {report.title} failed to load: {report.reason}.")
    problems += [f"GARTK_PLUGINS names {name!r}, which is not installed." for name in absent_plugins()]
    return found


def _names(problems: list[str]) -> dict[str, dict[str, str]]:
    """Every registered name with its owner, by registry; also loads the plugins."""
    from gartk.registry import registries

    return {title: _names_of(registry, problems) for title, registry in registries().items()}


def _names_of(registry: PartRegistry, problems: list[str]) -> dict[str, str]:
    try:
        return {name: registry.owner(name) for name in registry.names()}
    except Exception as error:
        problems.append(f"{registry.name} cannot be loaded: {type(error).__name__}: {error}")
        return {}


# ---- printing -------------------------------------------------------------------------------


def show(checkup: Checkup, console: Console) -> None:
    """Print a checkup as tables."""
    tables = (_environment_table, _package_table, _backend_table, _parity_table, _plugin_table, _name_table)
    for make in tables:
        console.print(make(checkup))
    for problem in checkup.problems:
        console.print(f"Problem: {problem}", style="red", markup=False)
    if checkup.is_healthy:
        console.print("No problems found.", style="green")


def table(title: str, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> RenderableType:
    """Lay rows of plain text out as a table."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    drawn = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        drawn.add_column(column, overflow="fold")
    for row in rows:
        drawn.add_row(*map(Text, row))
    return drawn


def _environment_table(checkup: Checkup) -> RenderableType:
    return table("Environment", ("what", "value"), list(checkup.environment.items()))


def _package_table(checkup: Checkup) -> RenderableType:
    rows = [(name, version or "not installed") for name, version in checkup.packages.items()]
    return table("Packages", ("package", "version"), rows)


def _backend_table(checkup: Checkup) -> RenderableType:
    rows = [(b.op, b.device, b.name, "serves" if b.problem is None else b.problem) for b in checkup.backends]
    return table("RoI backends", ("op", "device", "backend", "state"), rows)


def _parity_table(checkup: Checkup) -> RenderableType:
    rows = [
        (p.pair, p.device, f"{p.forward:.1e}", f"{p.backward:.1e}", "equal" if p.holds else "DIFFER")
        for p in checkup.parity
    ]
    return table("RoI parity, largest difference", ("pair", "device", "result", "gradient", "verdict"), rows)


def _plugin_table(checkup: Checkup) -> RenderableType:
    rows = []
    for plugin in checkup.plugins:
        keys = "; ".join(f"{registry}: {', '.join(names)}" for registry, names in plugin.registered.items())
        source = f"{plugin.distribution} {plugin.version}"
        rows.append((plugin.name, source, plugin.status, keys or plugin.reason or "(registered nothing)"))
    rows = rows or [("(none installed)", "", "", "")]
    return table("Plugins", ("plugin", "from", "status", "registered, or why not"), rows)


def _name_table(checkup: Checkup) -> RenderableType:
    rows = []
    for registry, names in checkup.names.items():
        shown = [name if owner == "gartk" else f"{name} (from {owner})" for name, owner in names.items()]
        rows.append((registry, ", ".join(shown) or "(nothing)"))
    return table("Registered names", ("registry", "names"), rows)
