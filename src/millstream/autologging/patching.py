"""Replacing functions, methods and properties of other people's libraries, so that it can be taken back completely.

A replacement keeps name, signature, text and place of the original, so `inspect` sees the original and pickles by reference
find it. A method is replaced in the class that defines it, not in those that inherit it: a call up the chain of bases is then
one call of one replacement after another, as it was with the originals.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

Around = Callable[[Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]
"""What is called instead, with the original and its arguments; it calls the original exactly once."""

_MISSING = object()


class Patches:
    """The replacements of one library."""

    def __init__(self) -> None:
        self.is_on = True
        self._undo: list[tuple[Any, str, Any, Any]] = []

    def replace(self, owner: Any, name: str, around: Around) -> bool:
        """Let `around` stand for a function, method, property or other descriptor.

        Args:
            owner: the module, or the class that defines `name` itself.
        Returns:
            Whether there was something to replace that is not replaced already.
        """
        original = vars(owner).get(name, _MISSING)
        if original is _MISSING or self.has(owner, name):
            return False
        self._put(owner, name, original, self._replacement(original, around))
        if isinstance(owner, ModuleType):
            self._replace_at_home(owner, name, original)
        return True

    def wrap(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        """Put `make(original)` in the place of an attribute, whatever it is."""
        original = vars(owner)[name]
        self._put(owner, name, original, make(original))

    def has(self, owner: Any, name: str) -> bool:
        """Whether the attribute is a replacement of these patches now."""
        present = vars(owner).get(name)
        return any(
            place is owner and key == name and new is present and new is not None for place, key, _, new in self._undo
        )

    def revert(self) -> None:
        """Put the originals back. What somebody else has replaced since then stays, and calls straight through."""
        self.is_on = False
        for owner, name, original, replacement in reversed(self._undo):
            if vars(owner).get(name) is replacement:
                setattr(owner, name, original)
        self._undo.clear()

    def _put(self, owner: Any, name: str, original: Any, replacement: Any) -> None:
        setattr(owner, name, replacement)
        self._undo.append((owner, name, original, replacement))

    def _replace_at_home(self, owner: ModuleType, name: str, original: Any) -> None:
        """Replace a function in the module that defines it as well: pickles look for it there."""
        home = sys.modules.get(getattr(original, "__module__", None) or "")
        if home is not None and home is not owner and vars(home).get(name) is original:
            self._put(home, name, original, vars(owner)[name])

    def _replacement(self, original: Any, around: Around) -> Any:
        if isinstance(original, FunctionType) or not hasattr(type(original), "__get__"):
            return self._function(original, around)
        if isinstance(original, staticmethod | classmethod):
            return type(original)(self._function(original.__func__, around))
        if isinstance(original, property):
            getter = None if original.fget is None else self._getter(original.fget, around)
            return property(getter, original.fset, original.fdel, original.__doc__)
        return _Descriptor(original, self, around)

    def _function(self, original: Callable[..., Any], around: Around) -> Callable[..., Any]:
        @functools.wraps(original)
        def replacement(*args: Any, **kwargs: Any) -> Any:
            if not self.is_on:
                return original(*args, **kwargs)
            return around(original, args, kwargs)

        return replacement

    def _getter(self, getter: Callable[[Any], Any], around: Around) -> Callable[[Any], Any]:
        @functools.wraps(getter)
        def replacement(instance: Any) -> Any:
            return self.bound(getter(instance), instance, around)

        return replacement

    def bound(self, method: Any, instance: Any, around: Around) -> Any:
        """A method that a property or descriptor gave; `around` sees the instance as its first argument."""
        if not callable(method):
            return method

        @functools.wraps(method)
        def replacement(*args: Any, **kwargs: Any) -> Any:
            if not self.is_on:
                return method(*args, **kwargs)
            return around(lambda _, *args, **kwargs: method(*args, **kwargs), (instance, *args), kwargs)

        return replacement


class _Descriptor:
    """Stands for a descriptor that gives methods (sklearn's `available_if`); what it refuses stays refused."""

    def __init__(self, original: Any, patches: Patches, around: Around) -> None:
        self._original = original
        self._patches = patches
        self._around = around
        self.__doc__ = getattr(original, "__doc__", None)
        self.__name__ = getattr(original, "__name__", None)
        self.__wrapped__ = original

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        method = self._original.__get__(instance, owner)
        if instance is None or not self._patches.is_on:
            return method
        return self._patches.bound(method, instance, self._around)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_Descriptor__") or name in ("_original", "__setstate__"):
            raise AttributeError(name)
        return getattr(self._original, name)
