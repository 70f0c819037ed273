"""Registries: keys, lazy built-ins, building from configs, and errors that help."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

from gartk.errors import ConfigError, RegionError
from gartk.registry import PartRegistry, registries
from gartk.signatures import declares


@pytest.fixture
def registry() -> PartRegistry[Square]:
    return PartRegistry("SHAPES", base=f"{__name__}:Square")


class Square:
    """Something to build."""

    def __init__(self, side: int, *, colour: str = "red", dim: int = 0) -> None:
        if side < 0:
            raise ValueError("side is negative")
        self.side, self.colour, self.dim = side, colour, dim


def test_a_class_is_registered_under_its_own_name(registry: PartRegistry[Square]) -> None:
    assert registry.register()(Square) is Square
    assert registry.names() == ["Square"]
    assert registry.get("Square") is Square
    assert "Square" in registry
    assert "Circle" not in registry


def test_a_class_is_registered_under_a_given_name(registry: PartRegistry[Square]) -> None:
    registry.register(name="acme.Star")(Square)
    registry.register(Square, name="acme.Other")
    assert registry.names() == ["acme.Other", "acme.Star"]


def test_mmengines_spelling_registers_too(registry: PartRegistry[Square]) -> None:
    registry.register_module(module=Square)
    registry.register_module(name=["acme.A", "acme.B"])(Square)
    registry.register_module("acme.C")(Square)
    assert registry.names() == ["Square", "acme.A", "acme.B", "acme.C"]


def test_the_same_object_may_be_registered_again_and_another_may_not(registry: PartRegistry[Square]) -> None:
    registry.register(Square)
    registry.register(Square)

    class Other:
        pass

    with pytest.raises(ConfigError, match=r"SHAPES already has 'Square': it is .*Square, so .*Other cannot"):
        registry.register(Other, name="Square")
    assert registry.get("Square") is Square


@pytest.mark.parametrize("key", ["", "a b", "acme.", ".Star", "1x", 3])
def test_a_malformed_key_is_refused(registry: PartRegistry[Square], key: Any) -> None:
    with pytest.raises(ConfigError, match="A key is a Python name"):
        registry.register(Square, name=key)


def test_a_name_without_a_class_is_refused(registry: PartRegistry[Square]) -> None:
    with pytest.raises(ConfigError, match=r"neither a class nor a function"):
        registry.register("acme.Star")  # type: ignore[call-overload]


def test_an_unknown_type_names_the_place_the_near_match_and_what_is_known(
    registry: PartRegistry[Square],
) -> None:
    registry.register(Square)
    registry.register(Square, name="acme.Star")
    with pytest.raises(ConfigError) as caught:
        registry.build({"type": "Sqare"}, path="model.shape")
    assert str(caught.value).splitlines()[:2] == [
        "model.shape.type 'Sqare' is not registered in SHAPES.",
        "  Did you mean 'Square'? Known: Square, acme.Star.",
    ]


def test_an_unknown_type_that_another_registry_has_is_pointed_to() -> None:
    from gartk.registry import SEGMENTERS, TILERS

    assert "GrabCutSegmenter" in SEGMENTERS
    with pytest.raises(ConfigError, match=r"It is registered in SEGMENTERS\."):
        TILERS.get("GrabCutSegmenter")


def test_no_scope_or_parent_of_mmengine_is_searched(registry: PartRegistry[Square]) -> None:
    import mmengine.model  # registers its own parts
    from mmengine.registry import MODELS

    assert MODELS.get("BaseDataPreprocessor") is mmengine.model.BaseDataPreprocessor
    for name in ("BaseDataPreprocessor", "mmengine.BaseDataPreprocessor"):
        with pytest.raises(ConfigError, match="not registered"):
            registry.get(name)


def test_build_takes_a_name_a_class_and_an_mmengine_config(registry: PartRegistry[Square]) -> None:
    registry.register(Square)
    config = Config({"shape": {"type": "Square", "side": 2}})
    assert registry.build({"type": "Square", "side": 2}).side == 2
    assert registry.build({"type": Square, "side": 3}).side == 3
    assert registry.build(config.shape, colour="blue").colour == "blue"
    assert dict(config.shape) == {"type": "Square", "side": 2}


class Framed(Square):
    """A square that takes one argument more."""

    def __init__(self, *, frame: int, **rest: Any) -> None:
        super().__init__(**rest)
        self.frame = frame


def test_a_subclass_with_an_option_is_built_where_a_config_has_that_argument(
    registry: PartRegistry[Square],
) -> None:
    registry.register(Square)
    registry.register(option="frame")(Framed)
    assert type(registry.build({"type": "Square", "side": 1})) is Square
    framed = registry.build({"type": "Square", "side": 1, "frame": 2})
    assert (type(framed), framed.side, framed.frame) == (Framed, 1, 2)
    assert type(registry.build({"type": Square, "side": 1, "frame": 2})) is Framed
    assert type(registry.build({"type": "Framed", "side": 1, "frame": 2})) is Framed
    registry.unregister("Framed")
    with pytest.raises(ConfigError, match="does not take: 'frame'"):
        registry.build({"type": "Square", "side": 1, "frame": 2})


def test_an_option_of_one_class_is_none_of_another(registry: PartRegistry[Square]) -> None:
    class Circle(Square):
        def __init__(self, radius: int) -> None:
            super().__init__(radius)

    registry.register(Circle)
    registry.register(option="frame")(Framed)
    with pytest.raises(ConfigError, match="Circle does not take: 'frame'"):
        registry.build({"type": "Circle", "radius": 1, "frame": 2})


def test_what_the_config_states_wins_and_offers_go_only_to_who_declares_them(
    registry: PartRegistry[Square],
) -> None:
    registry.register(Square)
    built = registry.build(
        {"type": "Square", "side": 1, "colour": "red"}, colour="blue", offer={"dim": 7, "no": 1}
    )
    assert (built.colour, built.dim) == ("red", 7)
    assert registry.build({"type": "Square", "side": 1, "dim": 3}, offer={"dim": 7}).dim == 3
    assert declares(Square, "dim")
    assert not declares(Square, "no")


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"side": 1}, r"model.shape has no 'type'.*\n  Known: Square"),
        ({"type": 3}, r"model.shape.type is 3; it has to be a name in SHAPES or a class"),
        (
            {"type": "Square", "side": 1, "color": "x"},
            r"'color'.\n  Did you mean 'colour'\? Accepted: colour, dim, side",
        ),
        ({"type": "Square"}, r"model.shape lacks an argument that Square needs: 'side'"),
        ("Square", r"Write dict\(type='...', ...\)"),
        (None, r"model.shape is None"),
    ],
)
def test_a_wrong_config_is_explained(registry: PartRegistry[Square], config: Any, text: str) -> None:
    registry.register(Square)
    with pytest.raises(ConfigError, match=text):
        registry.build(config, path="model.shape")


def test_a_value_that_the_constructor_refuses_keeps_its_own_traceback(registry: PartRegistry[Square]) -> None:
    registry.register(Square)
    with pytest.raises(ConfigError, match="Square refused its arguments: side is negative") as caught:
        registry.build({"type": "Square", "side": -1}, path="model.shape")
    cause = caught.value.__cause__
    assert isinstance(cause, ValueError)
    assert cause.__traceback__ is not None
    frames = []
    step = cause.__traceback__
    while step is not None:
        frames.append(step.tb_frame.f_code.co_qualname if sys.version_info >= (3, 11) else "Square.__init__")
        step = step.tb_next
    assert "Square.__init__" in frames


def test_a_class_that_does_not_derive_from_the_base_is_refused_before_it_is_built(
    registry: PartRegistry[Square],
) -> None:
    def explode(self: object) -> None:
        raise AssertionError("built")

    other = type("Other", (), {"__init__": explode})
    with pytest.raises(
        ConfigError, match=r"model\.shape: .*Other is no Square; what SHAPES builds derives from it"
    ):
        registry.build({"type": other}, path="model.shape")


def test_a_function_may_build_a_part_and_nothing_else(registry: PartRegistry[Square]) -> None:
    registry.register(lambda side: Square(side), name="acme.square")
    assert registry.build({"type": "acme.square", "side": 2}).side == 2
    registry.register(lambda: {"side": 2}, name="acme.nothing")
    with pytest.raises(ConfigError, match=r"gave a dict, no Square; what SHAPES builds derives from it"):
        registry.build({"type": "acme.nothing"})


def test_a_class_that_lacks_a_method_of_the_base_is_told_which() -> None:
    from gartk.models.connectors import Connector

    class Half(Connector):
        """A connector without forward."""

    with pytest.raises(
        ConfigError, match=r"Half lacks forward, as gartk\.models\.connectors\.base:Connector"
    ):
        registries()["CONNECTORS"].build({"type": Half, "pool": 2})


def test_every_registry_has_a_base_that_its_own_parts_derive_from() -> None:
    for registry in registries().values():
        for name in registry.names():
            part = registry.get(name)
            assert not isinstance(part, type) or issubclass(part, registry.base), name


def test_an_error_of_gartks_own_passes_through_build(registry: PartRegistry[Square]) -> None:
    def broken() -> None:
        raise RegionError("empty mask")

    with pytest.raises(RegionError, match="empty mask"):
        registry.build({"type": broken})


def _package(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    (folder / "lazy_parts.py").write_text(text)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "lazy_parts", raising=False)


def test_built_in_modules_are_imported_at_the_first_lookup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _package(tmp_path, monkeypatch, "LOADED = True\n")
    registry = PartRegistry("LAZY", base="builtins:object", locations=["lazy_parts"])
    assert "lazy_parts" not in sys.modules
    assert registry.names() == []
    assert "lazy_parts" in sys.modules


def test_a_module_that_does_not_exist_registers_nothing() -> None:
    assert PartRegistry("LAZY", base="builtins:object", locations=["gartk.no_such.module"]).names() == []


def test_an_import_error_inside_a_module_surfaces_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _package(tmp_path, monkeypatch, "import no_such_library_at_all\n")
    registry = PartRegistry("LAZY", base="builtins:object", locations=["lazy_parts"])
    for _ in range(2):
        with pytest.raises(ModuleNotFoundError, match="no_such_library_at_all"):
            registry.names()


def test_every_registry_loads_and_its_own_parts_carry_no_prefix() -> None:
    for name, registry in registries().items():
        assert registry.name == name
        for key in registry.names():
            assert ("." not in key) == (registry.owner(key) == "gartk")
