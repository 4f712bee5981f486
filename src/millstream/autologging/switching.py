"""Switching libraries on and off: `switch` for one, `autolog` for all that are there or come later."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from msgspec.structs import replace

from millstream.autologging import imports, sessions
from millstream.autologging.libraries import LIBRARIES, Library, Settings
from millstream.autologging.patching import Patches
from millstream.autologging.training import Recording
from millstream.errors import InvalidValue, MissingLibrary

logger = logging.getLogger("millstream.autologging")


class _Switched:
    """A library that is on: what it was patched with, and how to go on patching what is imported of it later."""

    def __init__(self, library: Library, settings: Settings) -> None:
        self.library = library
        self.recording = Recording(library, settings)
        self.patches = Patches()
        self._is_refused: bool | None = None

    def start(self) -> None:
        imports.watch(self.library.packages, self.install)
        for module in imports.loaded(self.library.packages):
            self.install(module)

    def install(self, module: ModuleType) -> None:
        if self._is_refused is None and "." not in module.__name__:
            self._is_refused = not self._fits(getattr(module, "__version__", None))
        if not self._is_refused:
            self.library.module().install(self.patches, self.recording, module)
        elif self.patches.is_on:
            self.patches.revert()

    def _fits(self, version: str | None) -> bool:
        """Whether a version is to be recorded; says so if it is not."""
        from packaging.specifiers import SpecifierSet
        from packaging.version import InvalidVersion

        tested = self.library.tested_versions()
        try:
            if version is None or SpecifierSet(tested).contains(version, prereleases=True):
                return True
        except InvalidVersion:
            return True
        refused = self.recording.settings.disable_for_unsupported_versions
        self.recording.remark(
            "%s %s is not among the versions that autologging is made for (%s)%s.",
            self.library.flavor,
            version,
            tested,
            ": nothing is recorded" if refused else "; it is recorded all the same",
        )
        return not refused

    def stop(self) -> None:
        imports.unwatch(self.install)
        self.patches.revert()


_lock = threading.RLock()
_switched: dict[str, _Switched] = {}
_chosen: set[str] = set()
"""Flavors that were switched one by one; `autolog` leaves them alone."""
_threads = Patches()


def switch(flavor: str, **settings: Any) -> None:
    """Record what one library trains from now on, or with `disable=True` no longer.

    Calling it again begins anew with the new settings. Nothing is imported: a library that is not imported yet is patched as
    soon as it is.

    Args:
        flavor: a name of `LIBRARIES`.
        settings: see `Settings` and the library's row.
    Raises:
        MissingLibrary: it is not installed. TypeError: it has no such setting. InvalidValue: a setting's value is wrong.
    """
    library = _library(flavor)
    wanted = library.settings(settings)
    if not wanted.disable and not library.is_installed():
        raise MissingLibrary(library.packages[0], f"Autologging of {flavor!r}")
    with _lock:
        _chosen.add(flavor)
        _apply(library, wanted)


def autolog(
    log_input_examples: bool = False,
    log_model_signatures: bool = True,
    log_models: bool = True,
    log_datasets: bool = True,
    log_traces: bool = True,
    disable: bool = False,
    exclusive: bool = False,
    disable_for_unsupported_versions: bool = False,
    silent: bool = False,
    extra_tags: Mapping[str, str] | None = None,
    exclude_flavors: Sequence[str] | None = None,
) -> None:
    """Record what all libraries train that are installed, those that are imported later too.

    A library whose own `autolog` was called keeps what that said.

    Args:
        log_traces: taken and ignored; there are no traces.
        extra_tags: of the runs that recording starts.
        exclude_flavors: libraries to leave as they are.
        disable: switch off what this function switched on.

    The others are those of `millstream.autologging.libraries.Settings`.
    """
    given = {
        "log_input_examples": log_input_examples,
        "log_model_signatures": log_model_signatures,
        "log_models": log_models,
        "log_datasets": log_datasets,
        "disable": disable,
        "exclusive": exclusive,
        "disable_for_unsupported_versions": disable_for_unsupported_versions,
        "silent": silent,
        "extra_tags": extra_tags,
    }
    excluded = set(exclude_flavors or ())
    with _lock:
        for flavor, library in LIBRARIES.items():
            if flavor in excluded or flavor in _chosen:
                continue
            try:
                _apply(library, library.settings(library.known(given)))
            except (InvalidValue, TypeError):
                raise
            except Exception as error:
                if not silent:
                    logger.warning("Autologging of %s could not be switched on: %s", flavor, error)


def _library(flavor: str) -> Library:
    library = LIBRARIES.get(flavor)
    if library is None:
        raise InvalidValue(f"{flavor!r} has no autologging. {', '.join(LIBRARIES)} have.")
    return library


def _apply(library: Library, settings: Settings) -> None:
    before = _switched.pop(library.flavor, None)
    if before is not None:
        before.stop()
    if not settings.disable:
        switched = _switched[library.flavor] = _Switched(library, settings)
        switched.start()
    _follow_threads()


def _follow_threads() -> None:
    """Hand sessions on to threads while anything is switched on."""
    global _threads
    if not _switched:
        _threads.revert()
        _threads = Patches()
    elif not _threads.has(threading.Thread, "start"):
        _threads.wrap(threading.Thread, "start", sessions.inherit_in_threads)


def settings_of(flavor: str) -> Settings:
    """The settings in force; of a library that is off, the defaults with `disable=True`."""
    switched = _switched.get(_library(flavor).flavor)
    if switched is None:
        return replace(LIBRARIES[flavor].settings({}), disable=True)
    return switched.recording.settings


def autologging_is_disabled(flavor: str | None = None) -> bool:
    """Whether a training would not be recorded by itself here: the flavor is off (or all are, if none is named), or this is
    inside of `disable_autologging` or of a training that is recorded."""
    is_off = not _switched if flavor is None else flavor not in _switched
    return is_off or sessions.current() is not None
