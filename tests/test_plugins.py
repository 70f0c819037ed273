"""Plugins: isolation, allow-list, strict mode, prefixes, reports, custom imports, data workers."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from gartk.custom_imports import import_custom
from gartk.errors import ConfigError, PluginError
from gartk.plugins import PluginLoader
from gartk.registry import REGION_EXTRACTORS, SEGMENTERS

ROOT = Path(__file__).resolve().parents[1]


class Thing:
    """Something to register."""


class FakePoint:
    """An entry point without an installed package behind it."""

    def __init__(self, name: str, function: Callable[[], Any], version: str = "0.2") -> None:
        self.name, self.module, self._function = name, f"{name}_module", function
        self.dist = SimpleNamespace(name=f"gartk-{name}", version=version)

    def load(self) -> Callable[[], Any]:
        return self._function


def _registers(*keys: str, then: Exception | None = None) -> Callable[[], None]:
    def register() -> None:
        for key in keys:
            SEGMENTERS.register(Thing, name=key)
        if then is not None:
            raise then

    return register


def _raises() -> None:
    raise ImportError("No module named 'einops'")


@pytest.fixture(autouse=True)
def clean_segmenters() -> Iterator[None]:
    """The tests register in SEGMENTERS; what they leave is taken out."""
    before = set(SEGMENTERS.names())
    yield
    for key in set(SEGMENTERS.names()) - before:
        SEGMENTERS.unregister(key)


def _loader(*points: FakePoint, **environ: str) -> PluginLoader:
    return PluginLoader(environ=environ, entry_points=points)


def _use(monkeypatch: pytest.MonkeyPatch, loader: PluginLoader) -> None:
    monkeypatch.setattr("gartk.plugins._LOADER", loader)


def test_the_report_says_what_each_plugin_registered_sorted_by_name() -> None:
    loader = _loader(FakePoint("b", _registers("b.Z", "b.Y")), FakePoint("a", _registers("a.X")))
    reports = loader.load()
    assert [(r.name, r.status, dict(r.registered)) for r in reports] == [
        ("a", "loaded", {"SEGMENTERS": ("a.X",)}),
        ("b", "loaded", {"SEGMENTERS": ("b.Y", "b.Z")}),
    ]
    assert (reports[0].distribution, reports[0].version, reports[0].module) == ("gartk-a", "0.2", "a_module")
    assert SEGMENTERS.owner("a.X") == "a"


def test_plugins_are_loaded_once() -> None:
    calls: list[int] = []
    loader = _loader(FakePoint("a", lambda: calls.append(1)))
    assert loader.load() is loader.load()
    assert calls == [1]


def test_a_broken_plugin_warns_once_with_its_name_and_leaves_the_others_alone() -> None:
    loader = _loader(FakePoint("star", _raises), FakePoint("zoo", _registers("zoo.X")))
    with pytest.warns(
        RuntimeWarning, match=r"Plugin 'star' \(gartk-star 0\.2\) failed to load: No module"
    ) as seen:
        reports = loader.load()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert loader.load() is reports
    assert len(seen) == 1
    assert [r.status for r in reports] == ["failed", "loaded"]
    assert isinstance(reports[0].error, ImportError)
    assert "zoo.X" in SEGMENTERS


@pytest.mark.filterwarnings("ignore:Plugin")
def test_nothing_of_a_plugin_that_fails_halfway_stays() -> None:
    (report,) = _loader(FakePoint("star", _registers("star.X", then=ValueError("half")))).load()
    assert report.status == "failed"
    assert dict(report.registered) == {}
    assert "star.X" not in SEGMENTERS


@pytest.mark.filterwarnings("ignore:Plugin")
@pytest.mark.parametrize("key", ["Thing", "gartk.Thing"])
def test_a_key_without_a_prefix_of_its_own_is_refused_with_all_of_the_plugin(key: str) -> None:
    (report,) = _loader(FakePoint("star", _registers("star.X", key))).load()
    assert isinstance(report.error, PluginError)
    assert f"registers '{key}' in SEGMENTERS" in str(report.error)
    assert "register(name='star.Thing')" in str(report.error)
    assert "star.X" not in SEGMENTERS


@pytest.mark.filterwarnings("ignore:Plugin")
def test_a_plugin_cannot_replace_a_built_in_part_or_anothers() -> None:
    built_in = REGION_EXTRACTORS.get("NoLocal")

    def replace() -> None:
        REGION_EXTRACTORS.register(Thing, name="NoLocal")

    def clash() -> None:
        SEGMENTERS.register(FakePoint, name="a.X")

    reports = _loader(
        FakePoint("a", _registers("a.X")), FakePoint("b", clash), FakePoint("c", replace)
    ).load()
    assert [r.status for r in reports] == ["loaded", "failed", "failed"]
    assert REGION_EXTRACTORS.get("NoLocal") is built_in
    assert SEGMENTERS.get("a.X") is Thing


def test_a_plugin_may_import_built_in_parts_that_register_themselves() -> None:
    def register() -> None:
        from gartk.models.extractors import NoLocal

        REGION_EXTRACTORS.unregister("NoLocal")
        REGION_EXTRACTORS.register(NoLocal)

    (report,) = _loader(FakePoint("star", register)).load()
    assert (report.status, dict(report.registered)) == ("loaded", {})
    assert REGION_EXTRACTORS.owner("NoLocal") == "gartk"


def test_the_allow_list_leaves_others_out() -> None:
    points = [FakePoint(name, _registers(f"{name}.X")) for name in "abc"]
    assert [r.status for r in _loader(*points, GARTK_PLUGINS="c, a").load()] == [
        "loaded",
        "skipped",
        "loaded",
    ]


def test_an_empty_allow_list_loads_none() -> None:
    (report,) = _loader(FakePoint("a", _raises), GARTK_PLUGINS="").load()
    assert (report.status, report.reason) == ("skipped", "GARTK_PLUGINS leaves it out")


def test_a_name_in_the_allow_list_that_is_not_installed_is_reported() -> None:
    loader = _loader(FakePoint("star", _registers()), GARTK_PLUGINS="stra")
    with pytest.warns(RuntimeWarning, match=r"not installed: 'stra'\.\n  Did you mean 'star'"):
        loader.load()
    assert loader.absent == ("stra",)
    strict = _loader(FakePoint("star", _registers()), GARTK_PLUGINS="stra", GARTK_STRICT_PLUGINS="1")
    with pytest.raises(PluginError, match="not installed: 'stra'"):
        strict.load()


def test_strict_mode_raises_each_time_chained_to_the_real_error() -> None:
    loader = _loader(FakePoint("star", _raises), GARTK_STRICT_PLUGINS="1")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            with pytest.raises(PluginError, match=r"'star' \(gartk-star 0\.2\) failed") as caught:
                loader.load()
            assert isinstance(caught.value.__cause__, ImportError)


@pytest.mark.filterwarnings("ignore:Plugin")
def test_a_config_that_asks_a_broken_plugin_gets_its_real_error(monkeypatch: pytest.MonkeyPatch) -> None:
    _use(monkeypatch, _loader(FakePoint("acme", _registers("acme.Y")), FakePoint("star", _raises)))
    with pytest.raises(
        PluginError, match=r"model\.x\.type 'star\.X' is not registered in SEGMENTERS"
    ) as caught:
        SEGMENTERS.build({"type": "star.X"}, path="model.x")
    assert isinstance(caught.value.__cause__, ImportError)
    assert "Run: gartk doctor" in str(caught.value)
    with pytest.raises(PluginError):  # no loaded plugin has this prefix: the broken one may
        SEGMENTERS.get("stellar.X")
    with pytest.raises(ConfigError, match="Plugin 'star'"):  # belongs to a plugin that works
        SEGMENTERS.get("acme.Typo")
    with pytest.raises(ConfigError, match="Plugin 'star'"):  # without prefix it is nobody's
        SEGMENTERS.get("Typo")


def test_a_type_of_a_plugin_that_is_left_out_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    _use(monkeypatch, _loader(FakePoint("star", _registers("star.X")), GARTK_PLUGINS=""))
    with pytest.raises(ConfigError, match=r"Plugin 'star' .* is installed, but GARTK_PLUGINS leaves it out"):
        SEGMENTERS.get("star.X")


# ---- custom_imports -------------------------------------------------------------------------


@pytest.fixture
def config_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr("gartk.custom_imports._IMPORTED", {})
    code = "from gartk.registry import SEGMENTERS\n\n@SEGMENTERS.register()\nclass CustomScore:\n    pass\n"
    (tmp_path / "my_score_parts.py").write_text(code)
    monkeypatch.delitem(sys.modules, "my_score_parts", raising=False)
    return tmp_path


def test_custom_imports_are_found_in_the_folder_of_the_config(config_folder: Path) -> None:
    assert "CustomScore" not in SEGMENTERS
    config = {"custom_imports": {"imports": ["my_score_parts"], "allow_failed_imports": False}}
    assert import_custom(config, config_folder) == ("my_score_parts",)
    assert SEGMENTERS.owner("CustomScore") == "my_score_parts"
    assert import_custom({}, config_folder) == ()


def test_a_custom_import_that_fails_is_an_error_unless_allowed(config_folder: Path) -> None:
    (config_folder / "broken_parts.py").write_text("import no_such_library_at_all\n")
    entry = {"imports": ["broken_parts", "my_score_parts"]}
    with pytest.raises(ConfigError, match="no_such_library_at_all") as caught:
        import_custom({"custom_imports": entry}, config_folder)
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)
    with pytest.warns(RuntimeWarning, match="broken_parts"):
        done = import_custom({"custom_imports": {**entry, "allow_failed_imports": True}}, config_folder)
    assert done == ("my_score_parts",)


def test_a_custom_import_hidden_by_another_module_of_its_name_is_an_error(config_folder: Path) -> None:
    (config_folder / "textwrap.py").write_text("")
    with pytest.raises(ConfigError, match=r"'textwrap' next to the config .* is hidden"):
        import_custom({"custom_imports": {"imports": ["textwrap"]}}, config_folder)


@pytest.mark.parametrize(
    "entry", ["my_mod", {"import": ["x"]}, {"imports": [3]}, {"imports": ["os"], "x": 1}]
)
def test_a_malformed_custom_imports_entry_is_explained(entry: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"custom_imports.*Write: custom_imports = dict\(imports"):
        import_custom({"custom_imports": entry}, tmp_path)


# ---- real packages in processes of their own ------------------------------------------------


def _install(folder: Path, name: str, code: str) -> Path:
    """Lay out an installed distribution ``gartk-{name}`` 0.2 whose plugin ``name`` is that code."""
    info = folder / f"gartk_{name}-0.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: gartk-{name}\nVersion: 0.2\n")
    (info / "entry_points.txt").write_text(f"[gartk.plugins]\n{name} = gartk_{name}:register\n")
    (folder / f"gartk_{name}.py").write_text(textwrap.dedent(code))
    return folder


def _run(arguments: list[str], *folders: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(map(str, [*folders, ROOT]))
    clean = {k: v for k, v in os.environ.items() if not k.startswith("GARTK_")}
    return subprocess.run(
        [sys.executable, *arguments],
        env={**clean, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **environ},
        capture_output=True,
        text=True,
        timeout=300,
        cwd=folders[0],
        check=False,
    )


def _spoil(folder: Path, name: str, file: str, content: bytes | None) -> None:
    """Return an installed distribution another file of metadata, or take it away."""
    path = folder / f"gartk_{name}-0.2.dist-info" / file
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)


GOOD = """
    def register():
        from gartk.registry import SEGMENTERS
        SEGMENTERS.register(Score, name="good.Score")

    class Score:
        pass
"""


def test_an_installed_plugin_that_raises_on_import_is_isolated_and_its_traceback_is_shown(
    tmp_path: Path,
) -> None:
    _install(_install(tmp_path, "star", "import no_such_library_at_all\n"), "good", GOOD)
    code = "from gartk.registry import SEGMENTERS; print(SEGMENTERS.names()); SEGMENTERS.get('star.Score')"
    done = _run(["-c", code], tmp_path)
    assert "'good.Score'" in done.stdout
    assert done.stderr.count("RuntimeWarning: Plugin 'star' (gartk-star 0.2) failed to load") == 1
    assert "in <module>\n    import no_such_library_at_all" in done.stderr  # the plugin's own line
    assert "direct cause" in done.stderr
    assert "gartk.errors.PluginError: type 'star.Score' is not registered in SEGMENTERS." in done.stderr
    assert done.returncode == 1


NOT_UTF8 = "[console_scripts]\nd\xe9part = x:y\n".encode("latin-1")
SPOILT = {
    "no METADATA": ("METADATA", None, "has no METADATA|No package metadata"),
    "METADATA not UTF-8": ("METADATA", b"Name: gartk-bad\xe9\nVersion: 0.2\n", "can't decode byte"),
    "malformed value": (
        "entry_points.txt",
        b"[gartk.plugins]\nbad = no such: value!\n",
        "Invalid object reference",
    ),
    "no value": ("entry_points.txt", b"[gartk.plugins]\nbad\n", "entry_points.txt cannot be read"),
    "not UTF-8": ("entry_points.txt", NOT_UTF8, "entry_points.txt cannot be read.*can't decode byte"),
}
LOOK = """
    import json, sys, warnings
    from gartk.plugins import absent_plugins, plugin_reports
    from gartk.registry import SEGMENTERS
    names = [name for name in SEGMENTERS.names() if "." in name]
    reports = [[r.name, r.distribution, r.status, r.reason] for r in plugin_reports()]
    print(json.dumps([names, reports, absent_plugins()]))
"""


@pytest.mark.parametrize("kind", SPOILT)
@pytest.mark.parametrize("listed", [None, "", "good"])
def test_a_distribution_with_damaged_metadata_is_reported_and_hides_no_other(
    tmp_path: Path, kind: str, listed: str | None
) -> None:
    file, content, reason = SPOILT[kind]
    _install(_install(tmp_path, "bad", "def register(): pass\n"), "good", GOOD)
    _spoil(tmp_path, "bad", file, content)
    environ = {} if listed is None else {"GARTK_PLUGINS": listed}
    done = _run(["-c", textwrap.dedent(LOOK)], tmp_path, **environ)
    assert done.returncode == 0, done.stderr
    names, reports, absent = json.loads(done.stdout)
    assert names == ([] if listed == "" else ["good.Score"])
    assert absent == []
    (bad,) = [report for report in reports if report[0] in ("bad", "gartk_bad")]
    whole = bad[0] == "gartk_bad"  # no plugin of it is known by name
    assert bad[2] == ("failed" if listed is None or whole else "skipped")
    if bad[2] == "failed":
        assert re.search(f"(?s){reason}", bad[3])
    assert done.stderr.count("failed to load") == (1 if listed is None else 0)


def test_a_plugin_whose_version_is_missing_is_loaded_all_the_same(tmp_path: Path) -> None:
    _install(tmp_path, "good", GOOD)
    _spoil(tmp_path, "good", "METADATA", b"Metadata-Version: 2.1\nName: gartk-good\n")
    done = _run(["-c", textwrap.dedent(LOOK)], tmp_path)
    assert json.loads(done.stdout)[:2] == [["good.Score"], [["good", "gartk-good", "loaded", ""]]]


def test_of_two_distributions_by_one_name_the_first_on_the_path_counts(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    _install(first, "good", GOOD)
    _install(second, "good", "raise RuntimeError('the second was loaded')\n")
    done = _run(["-c", textwrap.dedent(LOOK)], first, second)
    assert (json.loads(done.stdout)[0], done.stderr) == (["good.Score"], "")


def test_two_plugins_by_one_name_are_both_loaded_unless_their_keys_clash(tmp_path: Path) -> None:
    _install(_install(tmp_path, "good", GOOD), "other", GOOD)
    _spoil(tmp_path, "other", "entry_points.txt", b"[gartk.plugins]\ngood = gartk_other:register\n")
    done = _run(["-c", textwrap.dedent(LOOK)], tmp_path)
    _, reports, _ = json.loads(done.stdout)
    assert [report[:3] for report in reports] == [
        ["good", "gartk-good", "loaded"],
        ["good", "gartk-other", "failed"],
    ]
    assert "SEGMENTERS already has 'good.Score'" in reports[1][3]


def test_strict_mode_stops_at_a_distribution_that_cannot_be_read(tmp_path: Path) -> None:
    _install(tmp_path, "bad", "def register(): pass\n")
    _spoil(tmp_path, "bad", "entry_points.txt", NOT_UTF8)
    done = _run(["-c", textwrap.dedent(LOOK)], tmp_path, GARTK_STRICT_PLUGINS="1")
    assert "PluginError: The distribution 'gartk_bad' (gartk_bad-0.2.dist-info) failed" in done.stderr
    done = _run(["-c", textwrap.dedent(LOOK)], tmp_path, GARTK_STRICT_PLUGINS="1", GARTK_PLUGINS="")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("listed", [None, ""])
def test_every_command_goes_on_beside_a_package_whose_entry_points_are_not_utf8(
    tmp_path: Path, listed: str | None
) -> None:
    """torch, triton and others read all entry points as they are imported."""
    _install(tmp_path, "bad", "def register(): pass\n")
    _spoil(tmp_path, "bad", "entry_points.txt", NOT_UTF8)
    _install(tmp_path, "worse", "def register(): pass\n")
    _spoil(tmp_path, "worse", "METADATA", None)
    environ = {} if listed is None else {"GARTK_PLUGINS": listed}
    done = _run([str(ROOT / "tools" / "doctor.py"), "--json"], tmp_path, **environ)
    found = json.loads(done.stdout)
    status = {plugin["name"]: plugin["status"] for plugin in found["plugins"]}
    assert status == {"gartk_bad": "failed", "worse": "failed" if listed is None else "skipped"}
    assert any("The distribution 'gartk_bad'" in problem for problem in found["problems"])
    assert found["packages"]["torch"]
    assert "RoIAlignReplay" in found["names"]["REGION_EXTRACTORS"]
    image = tmp_path / "image.png"
    Image.new("RGB", (64, 64), (200, 30, 30)).save(image)
    done = _run(
        [str(ROOT / "tools" / "describe.py"), str(image), "--box", "8,8,50,50", "--json"], tmp_path, **environ
    )
    assert done.returncode == 0, done.stderr
    assert ("The distribution 'gartk_bad'" in done.stderr) == (listed is None)


def test_strict_mode_stops_a_process_at_its_first_lookup(tmp_path: Path) -> None:
    _install(tmp_path, "star", "import no_such_library_at_all\n")
    done = _run(
        ["-c", "from gartk.registry import SEGMENTERS; SEGMENTERS.names()"],
        tmp_path,
        GARTK_STRICT_PLUGINS="1",
    )
    assert done.returncode == 1
    assert "gartk.errors.PluginError: Plugin 'star'" in done.stderr


def test_importing_gartk_loads_no_plugin(tmp_path: Path) -> None:
    _install(tmp_path, "star", "print('loaded')\n")
    done = _run(["-c", "import gartk, gartk.registry, gartk.plugins"], tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


WORKER = """
    import sys
    from torch.utils.data import DataLoader, Dataset
    from gartk.custom_imports import import_custom, worker_setup
    from gartk.registry import SEGMENTERS

    class Names(Dataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return ",".join(name for name in SEGMENTERS.names() if name in ("good.Score", "CustomScore"))

    if __name__ == "__main__":
        import_custom({"custom_imports": {"imports": ["my_parts"]}}, sys.argv[1])
        options = dict(batch_size=2, num_workers=1, multiprocessing_context="spawn")
        print(list(DataLoader(Names(), worker_init_fn=worker_setup(), **options)))
"""


@pytest.mark.slow
def test_a_spawned_data_worker_knows_the_same_plugins_and_custom_imports(tmp_path: Path) -> None:
    _install(tmp_path, "good", GOOD)
    configs = tmp_path / "configs"
    configs.mkdir()
    code = "from gartk.registry import SEGMENTERS\n\n@SEGMENTERS.register()\nclass CustomScore:\n    pass\n"
    (configs / "my_parts.py").write_text(code)
    (tmp_path / "script.py").write_text(textwrap.dedent(WORKER))
    done = _run(["script.py", str(configs)], tmp_path)
    assert done.stdout.strip() == "[['CustomScore,good.Score', 'CustomScore,good.Score']]", done.stderr


# ---- the example package --------------------------------------------------------------------


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """plugins/gartk_masked_pool, installed by pip into a folder of its own."""
    source = tmp_path_factory.mktemp("source") / "gartk_masked_pool"
    shutil.copytree(
        ROOT / "plugins" / "gartk_masked_pool", source, ignore=shutil.ignore_patterns("__pycache__")
    )
    target = tmp_path_factory.mktemp("installed")
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--target", str(target)]
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", *options, str(source)]
    subprocess.run(command, check=True, timeout=300)
    return target


@pytest.mark.slow
def test_the_example_package_is_registered_once_pip_has_installed_it(example: Path) -> None:
    done = _run(["-m", "gartk", "doctor", "--json"], example)
    found = json.loads(done.stdout)
    (plugin,) = found["plugins"]
    assert plugin["registered"] == {"REGION_EXTRACTORS": ["masked_pool.MaskedReplay"]}
    assert (plugin["name"], plugin["distribution"], plugin["version"], plugin["status"]) == (
        "masked_pool",
        "gartk-masked-pool",
        "0.1.0",
        "loaded",
    )
    assert found["names"]["REGION_EXTRACTORS"]["masked_pool.MaskedReplay"] == "masked_pool"
    assert done.returncode == 0, found["problems"]


TWO_STEPS = [
    "schedule.max_iters=2",
    "schedule.warmup_iters=1",
    "train_data.batch_size=2",
    "tensorboard=False",
]


def _train(config: Path, work_dir: Path, options: list[str], *folders: Path) -> list[float]:
    """Train two steps in a process of its own and give the losses."""
    script = ["-m", "gartk", "train", str(config), "--out", str(work_dir)]
    done = _run([*script, "--cfg-options", *TWO_STEPS, *options], *folders)
    assert done.returncode == 0, done.stderr
    lines = (work_dir / "losses.jsonl").read_text().splitlines()
    return [float(json.loads(line)["loss"]) for line in lines]


@pytest.mark.slow
def test_the_example_package_trains_two_steps_by_config_name_only(example: Path, tmp_path: Path) -> None:
    config = ROOT / "configs" / "tiny" / "ablation_roi_replay.py"
    losses = _train(config, tmp_path, ["model.region_extractor.type=masked_pool.MaskedReplay"], example)
    assert len(losses) == 2
    assert all(math.isfinite(loss) for loss in losses)
    saved = (tmp_path / "iter_000002" / "config.json").read_text()
    assert '"masked_pool.MaskedReplay"' in saved


EXTRACTOR_BESIDE_A_CONFIG = """
    from gartk.models.extractors import RoIAlignReplay
    from gartk.registry import REGION_EXTRACTORS

    @REGION_EXTRACTORS.register()
    class LouderReplay(RoIAlignReplay):
        def __init__(self, output_size=4, *, gain=2.0):
            super().__init__(output_size)
            self.gain = gain

        def forward(self, maps, regions):
            return self.gain * super().forward(maps, regions)
"""


@pytest.mark.slow
def test_a_part_beside_its_config_trains_two_steps_through_custom_imports(tmp_path: Path) -> None:
    (tmp_path / "louder.py").write_text(textwrap.dedent(EXTRACTOR_BESIDE_A_CONFIG))
    config = tmp_path / "louder_config.py"
    base = ROOT / "configs" / "tiny" / "ablation_roi_replay.py"
    config.write_text(
        f"_base_ = [{str(base)!r}]\n"
        "custom_imports = dict(imports=['louder'])\n"
        "model = dict(region_extractor=dict(type='LouderReplay', gain=3.0))\n"
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    losses = _train(config, tmp_path / "run", [], elsewhere)
    assert len(losses) == 2
    assert all(math.isfinite(loss) for loss in losses)
