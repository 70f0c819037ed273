"""Importing gartk is cheap, its public names resolve, and its imports go one way."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import gartk

# Lowest first. A module may import modules of lower layers and of its own unit, never a neighbour
# in its layer. Units are separated by commas; a unit of several modules names them with spaces.
# "x.__init__" is the file of package x alone. Imports under TYPE_CHECKING may point upwards.
LAYERS = (
    "errors",
    "structures",
    "geometry, registration, signatures, io",
    "plugins",
    "custom_imports, registry",
    "config, tilers",
    "regions.images",
    "regions.masks",
    "regions.segmenters",
    "regions.formats",
    "regions.region",
    "regions.__init__",
    "ops",
    "data, models.vision models.prompts models.extractors models.connectors models.llms models.weights"
    " models.building models.placement models.part",
    "models.splice",
    "models.region_vlm",
    "models.__init__",
    "checkpoints",
    "engine, inference",
    "compat",
    "evaluation.__init__, evaluation.item, evaluation.rates, evaluation.tables, evaluation.video,"
    " evaluation.encoder, evaluation.benchmarks.files",
    "evaluation.judgements, evaluation.pictures, evaluation.results, evaluation.journal,"
    " evaluation.benchmarks.rows",
    "evaluation.benchmarks.base",
    "evaluation.benchmarks.multiple_choice, evaluation.benchmarks.judged_captions,"
    " evaluation.benchmarks.open_class, evaluation.benchmarks.region_world, evaluation.missing",
    "evaluation.benchmarks.dlc_bench, evaluation.benchmarks.ferret_bench, evaluation.benchmarks.gar_bench,"
    " evaluation.benchmarks.mdvp_bench, evaluation.benchmarks.video_refer, evaluation.benchmarks.vision",
    "evaluation.benchmarks.__init__",
    "evaluation.statistics.__init__, evaluation.statistics.item_scores",
    "evaluation.statistics.bootstrap",
    "evaluation.statistics.paired, evaluation.statistics.stability, evaluation.statistics.agreement,"
    " evaluation.models",
    "evaluation.score, evaluation.judges, evaluation.report.__init__, evaluation.report.album",
    "evaluation.report.page, evaluation.by_name, evaluation.asking, evaluation.test_data",
    "evaluation.report.files, evaluation.run, evaluation.validation",
    "hf",
    "doctor model_cost, testing",
    "sweep",
    "__init__",
    "cli",
    "__main__",
)
MMCV_HOME = "ops.roi"
OUTSIDE = {"bench", "configs", "gartk_lmms_eval", "gartk_masked_pool", "plugins", "tests", "tools"}


@dataclass(frozen=True)
class Place:
    """Where a module stands: the number of its layer, and its unit in it."""

    layer: int
    unit: str


PLACES = {
    module: Place(number, unit.strip())
    for number, layer in enumerate(LAYERS)
    for unit in layer.split(",")
    for module in unit.split()
}


def place_of(module: str, *, is_package: bool) -> Place | None:
    """Find a module's place; ``module`` is relative to gartk, "" for gartk itself."""
    if is_package:
        init = f"{module}.__init__".lstrip(".")
        if init in PLACES:
            return PLACES[init]
    while module:
        if module in PLACES:
            return PLACES[module]
        module = module.rpartition(".")[0]
    return None


@dataclass(frozen=True)
class Found:
    """One import: the line, the module as named, and for ``from m import a`` the name a."""

    line: int
    module: str
    name: str | None
    typing_only: bool


def imports_of(tree: ast.AST, package: str, *, typing_only: bool = False) -> Iterator[Found]:
    """Return every import below a node, inside functions too, and import_module of a constant."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (Found(node.lineno, alias.name, None, typing_only) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                base = package.split(".")[: len(package.split(".")) - node.level + 1]
                module = ".".join([*base, module]).rstrip(".")
            yield from (Found(node.lineno, module, alias.name, typing_only) for alias in node.names)
        elif isinstance(node, ast.Call) and _is_import_call(node.func) and node.args:
            argument = node.args[0]
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                yield Found(node.lineno, argument.value, None, typing_only)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            guarded = ast.Module(body=node.body, type_ignores=[])
            yield from imports_of(guarded, package, typing_only=True)
            rest = ast.Module(body=node.orelse, type_ignores=[])
            yield from imports_of(rest, package, typing_only=typing_only)
        else:
            yield from imports_of(node, package, typing_only=typing_only)


def _is_import_call(function: ast.expr) -> bool:
    return ast.unparse(function).rpartition(".")[2] in {"import_module", "__import__"}


def violations(root: Path) -> list[str]:
    """List the imports in ``root/gartk`` that the table does not allow."""
    problems: list[str] = []
    for path in sorted((root / "gartk").rglob("*.py")):
        is_package = path.name == "__init__.py"
        dotted = path.relative_to(root).with_suffix("").parts
        module = ".".join(dotted[:-1] if is_package else dotted)
        package = module if is_package else module.rpartition(".")[0]
        own = module.partition(".")[2]
        place = place_of(own, is_package=is_package)
        if place is None:
            problems.append(f"{path.relative_to(root)} has no place in LAYERS; add it")
            continue
        for found in imports_of(ast.parse(path.read_text(encoding="utf-8")), package):
            reason = _why_wrong(root, own, place, found)
            if reason:
                problems.append(f"{path.relative_to(root)}:{found.line} {reason}")
    return problems


def _why_wrong(root: Path, own: str, place: Place, found: Found) -> str | None:
    top = found.module.partition(".")[0]
    if top in OUTSIDE:
        return f"imports {found.module}, which lies outside the package"
    if top == "mmcv":
        return None if own == MMCV_HOME else f"imports {found.module}; only gartk/ops/roi.py may"
    if top != "gartk":
        return None
    target = found.module.partition(".")[2]
    inner = ".".join(filter(None, (target, found.name)))
    if found.name and _exists(root, inner):
        target = inner
    if not target and found.name == "__version__":
        return None
    folder = root.joinpath("gartk", *filter(None, target.split(".")))
    other = place_of(target, is_package=folder.is_dir())
    named = ".".join(filter(None, ("gartk", target)))
    if other is None:
        return f"imports {named}, which has no place in LAYERS"
    if other == place or other.layer < place.layer:
        return None
    if other.layer == place.layer:
        return f"imports {named}: '{place.unit}' and '{other.unit}' may not know each other"
    return None if found.typing_only else f"imports {named}, which stands above it"


def import_graph(root: Path) -> dict[str, set[str]]:
    """Return what every file of ``root/gartk`` imports of the others, those under TYPE_CHECKING too."""
    packages: dict[str, str] = {}
    trees: dict[str, ast.Module] = {}
    for path in sorted((root / "gartk").rglob("*.py")):
        dotted = path.relative_to(root).with_suffix("").parts
        is_package = dotted[-1] == "__init__"
        module = ".".join(dotted[:-1] if is_package else dotted)
        packages[module] = module if is_package else module.rpartition(".")[0]
        trees[module] = ast.parse(path.read_text(encoding="utf-8"))
    graph: dict[str, set[str]] = {}
    for module, tree in trees.items():
        named = imports_of(tree, packages[module])
        found = {f"{f.module}.{f.name}" if f"{f.module}.{f.name}" in trees else f.module for f in named}
        graph[module] = (found & set(trees)) - {module}
    return graph


def circle(root: Path) -> list[str]:
    """Return the files of one import circle, in order, or [] where there is none."""
    try:
        list(TopologicalSorter(import_graph(root)).static_order())
    except CycleError as error:
        return list(error.args[1])
    return []


def _exists(root: Path, module: str) -> bool:
    path = root.joinpath("gartk", *module.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def plant(root: Path, files: dict[str, str]) -> Path:
    """Write a small gartk with some files in it."""
    for name in (
        "__init__",
        "data/tiling",
        "models/__init__",
        "models/splice",
        "ops/roi",
        "regions/__init__",
    ):
        files.setdefault(f"gartk/{name}.py", "")
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


# ------------------------------------------------------------------ the package itself


def test_imports_go_one_way(repo_root: Path) -> None:
    assert violations(repo_root) == []


def test_no_files_import_each_other_in_a_circle(repo_root: Path) -> None:
    assert circle(repo_root) == []


@pytest.mark.parametrize(
    "back",
    [
        "from gartk.data import tiling",
        "def f():\n    from gartk.data.tiling import x",
        "if TYPE_CHECKING:\n    from gartk.data.tiling import x",
        "from . import tiling",
    ],
)
def test_a_planted_circle_is_found_inside_one_folder(tmp_path: Path, back: str) -> None:
    files = {"gartk/data/tiling.py": "from gartk.data import bad", "gartk/data/bad.py": back}
    files["gartk/data/__init__.py"] = ""
    found = circle(plant(tmp_path, files))
    assert set(found) == {"gartk.data.tiling", "gartk.data.bad"}


def test_the_table_names_only_what_exists(repo_root: Path) -> None:
    names = [name.removesuffix("__init__").rstrip(".") for name in PLACES]
    assert [name for name in names if name and not _exists(repo_root, name)] == []


@pytest.mark.parametrize(
    ("path", "text", "says"),
    [
        ("data/bad", "from gartk.models.splice import x", "stands above"),
        ("data/bad", "from gartk.models.llms import x", "may not know each other"),
        ("models/llms/bad", "def f():\n    import gartk.data.tiling", "may not know each other"),
        (
            "models/llms/bad",
            "if TYPE_CHECKING:\n    from gartk.data import tiling",
            "may not know each other",
        ),
        ("models/llms/bad", "from ..splice import x", "stands above"),
        ("models/llms/bad", "from gartk.models import splice", "stands above"),
        ("geometry", "if TYPE_CHECKING:\n    pass\nelse:\n    import gartk.regions", "stands above"),
        ("geometry", "import importlib\nimportlib.import_module('gartk.regions')", "stands above"),
        ("geometry", "from gartk import Region", "stands above"),
        ("geometry", "from gartk.plugins import load_plugins", "stands above"),
        ("engine/bad", "from mmcv.ops import roi_align", "only gartk/ops/roi.py"),
        ("engine/bad", "try:\n    import mmcv\nexcept ImportError:\n    pass", "only gartk/ops/roi.py"),
        ("engine/bad", "from tools.train import main", "outside the package"),
        ("engine/bad", "import gartk.somewhere", "no place in LAYERS"),
        ("somewhere", "", "no place in LAYERS"),
    ],
)
def test_a_planted_violation_is_found(tmp_path: Path, path: str, text: str, says: str) -> None:
    found = violations(plant(tmp_path, {f"gartk/{path}.py": text}))
    assert len(found) == 1
    assert f"gartk/{path}.py" in found[0]
    assert says in found[0]


def test_what_the_table_allows_passes(tmp_path: Path) -> None:
    files = {
        "gartk/structures.py": "if TYPE_CHECKING:\n    from gartk.regions import Region",
        "gartk/registry.py": "def f():\n    from gartk.plugins import load_plugins",
        "gartk/ops/roi.py": "def f():\n    from mmcv.ops.roi_align import roi_align",
        "gartk/models/llms/good.py": "import torch\nfrom gartk.models.vision import base\nfrom . import base",
        "gartk/models/region_vlm.py": "from gartk.models.splice import x\nfrom gartk.data.tiling import y",
        "gartk/engine/good.py": "from gartk import __version__\nfrom gartk.models import RegionVLM",
        "gartk/__init__.py": "import gartk.engine.good",
    }
    assert violations(plant(tmp_path, files)) == []


# ------------------------------------------------------------------ import gartk

PROBE = """
import json, sys, time
before = set(sys.modules)
start = time.perf_counter()
import gartk
seconds = time.perf_counter() - start
print(json.dumps([seconds, gartk.__file__, sorted({m.partition(".")[0] for m in set(sys.modules) - before}),
                  sorted(m for m in sys.modules if m.startswith("gartk."))]))
"""


def test_importing_gartk_is_fast_and_loads_no_heavy_library(repo_root: Path) -> None:
    heavy = {
        "torch",
        "torchvision",
        "mmengine",
        "mmcv",
        "transformers",
        "timm",
        "numpy",
        "PIL",
        "cv2",
        "rich",
    }
    times = []
    for _ in range(5):
        command = [sys.executable, "-c", PROBE]
        run = subprocess.run(command, cwd=repo_root, capture_output=True, text=True, check=True, timeout=60)
        seconds, file, tops, submodules = json.loads(run.stdout)
        assert Path(file).is_relative_to(repo_root)
        assert heavy & set(tops) == set()
        assert submodules == []
        times.append(seconds)
    assert min(times) < 0.3, f"import gartk took {min(times):.3f} s"


def test_every_public_name_is_the_one_its_module_defines() -> None:
    for name in gartk.__all__:
        if name == "__version__":
            continue
        module, attribute = gartk._LAZY[name]
        assert getattr(gartk, name) is getattr(importlib.import_module(module), attribute), name
    assert set(gartk.__all__) <= set(dir(gartk))


def test_type_checkers_see_the_same_public_names() -> None:
    tree = ast.parse(Path(gartk.__file__).read_text(encoding="utf-8"))
    block = next(n for n in tree.body if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING")
    seen = {
        alias.asname or alias.name: (node.module, alias.name)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == gartk._LAZY
    assert sorted(gartk.__all__) == sorted([*gartk._LAZY, "__version__"])


def test_an_unknown_name_says_what_there_is() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'Regoin'.*Region"):
        _ = gartk.Regoin
