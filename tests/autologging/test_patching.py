"""Replacing and putting back."""

from __future__ import annotations

import inspect
from functools import cached_property
from types import ModuleType
from typing import Any

import pytest

from millstream.autologging.patching import Patches


class Base:
    def __init__(self) -> None:
        self.said: list[str] = []

    def greet(self, name: str, *, loud: bool = False) -> str:
        """Greets."""
        self.said.append(f"base {name}")
        return name.upper() if loud else name

    @classmethod
    def make(cls) -> str:
        return cls.__name__

    @staticmethod
    def add(one: int, other: int) -> int:
        return one + other

    @property
    def method(self) -> Any:
        return lambda name: f"method {name}"


class Middle(Base):
    pass


class Child(Middle):
    def greet(self, name: str, *, loud: bool = False) -> str:
        self.said.append(f"child {name}")
        return super().greet(name, loud=loud)


class Available:
    """As sklearn's `available_if`."""

    def __init__(self, function: Any) -> None:
        self.function = function

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is not None and not instance.is_there:
            raise AttributeError("not there")
        return self.function if instance is None else self.function.__get__(instance)


class Sometimes:
    is_there = True

    def _act(self, value: int) -> int:
        """Acts."""
        return value + 1

    act = Available(_act)


calls: list[Any] = []


def around(original: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    calls.append(args)
    return original(*args, **kwargs)


@pytest.fixture
def patches() -> Any:
    calls.clear()
    made = Patches()
    yield made
    made.revert()


def test_a_method_is_called_once_and_keeps_its_looks(patches: Patches) -> None:
    before = inspect.signature(Base.greet)
    patches.replace(Base, "greet", around)
    instance = Middle()
    assert instance.greet("Ann", loud=True) == "ANN"
    assert instance.said == ["base Ann"]
    assert len(calls) == 1
    assert inspect.signature(Base.greet) == before
    assert (Base.greet.__name__, Base.greet.__doc__) == ("greet", "Greets.")


def test_a_chain_of_bases_is_called_as_it_was(patches: Patches) -> None:
    for cls in (Base, Middle, Child):
        patches.replace(cls, "greet", around)
    assert "greet" not in vars(Middle)
    instance = Child()
    assert instance.greet("Ann") == "Ann"
    assert instance.said == ["child Ann", "base Ann"]
    assert len(calls) == 2


def test_class_methods_static_methods_and_properties(patches: Patches) -> None:
    for name in ("make", "add", "method"):
        assert patches.replace(Base, name, around)
    assert (Middle.make(), Base.add(1, 2), Base().method("x")) == ("Middle", 3, "method x")
    assert len(calls) == 3
    assert not patches.replace(Base, "missing", around)


def test_a_descriptor_that_refuses_goes_on_refusing(patches: Patches) -> None:
    patches.replace(Sometimes, "act", around)
    instance = Sometimes()
    assert instance.act(1) == 2
    assert calls == [(instance, 1)]
    assert instance.act.__doc__ == "Acts."
    instance.is_there = False
    assert not hasattr(instance, "act")


def test_putting_back_leaves_no_trace(patches: Patches) -> None:
    before = {cls: dict(vars(cls)) for cls in (Base, Child, Sometimes)}
    held = Base.greet
    for cls, name in ((Base, "greet"), (Child, "greet"), (Base, "method"), (Base, "add"), (Sometimes, "act")):
        assert patches.replace(cls, name, around)
        assert not patches.replace(cls, name, around)
    held = Base.greet
    patches.revert()
    assert {cls: dict(vars(cls)) for cls in (Base, Child, Sometimes)} == before
    assert held(Base(), "Ann") == "Ann"  # a replacement that somebody kept calls straight through
    assert calls == []


def test_what_somebody_else_replaced_since_is_left(patches: Patches) -> None:
    original = Base.greet
    patches.replace(Base, "greet", around)
    ours = Base.greet
    try:
        Base.greet = lambda self, name: f"other {ours(self, name)}"  # type: ignore[method-assign, assignment, misc]
        patches.revert()
        assert Base().greet("Ann") == "other Ann"
        assert calls == []
    finally:
        Base.greet = original  # type: ignore[method-assign]


def test_a_function_is_replaced_where_it_is_defined_as_well(patches: Patches, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    home, public = ModuleType("home_of_it"), ModuleType("public_place")
    exec("def act(value):\n    return value + 1", vars(home))
    vars(public)["act"] = vars(home)["act"]
    monkeypatch.setitem(sys.modules, "home_of_it", home)
    patches.replace(public, "act", around)
    assert vars(public)["act"] is vars(home)["act"]
    assert vars(home)["act"](1) == 2
    patches.revert()
    assert vars(public)["act"] is vars(home)["act"]
    assert not hasattr(vars(home)["act"], "__wrapped__")


def test_a_cached_property_that_gives_a_method_is_still_cached(patches: Patches) -> None:
    class Lazy:
        @cached_property
        def act(self) -> Any:
            calls.append("made")
            return lambda value: value

    patches.replace(Lazy, "act", around)
    lazy = Lazy()
    assert lazy.act(3) == 3
    assert lazy.act(4) == 4
    assert calls.count("made") == 1
