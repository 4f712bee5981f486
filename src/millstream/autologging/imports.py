"""Telling when a library is imported, now or later.

One finder in front of `sys.meta_path` looks at the names of modules that are imported for the first time (a look-up in a set,
0.2 µs), and for those of a watched package lets the loader report the module once its code has run. Loaders and specs stay
what they are; an error in a report is logged and never seen by who imports.
"""

from __future__ import annotations

import importlib.abc
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

logger = logging.getLogger(__name__)

Report = Callable[[ModuleType], None]

_reports: dict[str, list[Report]] = {}
"""By name of a top package."""


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] not in _reports:
            return None
        for finder in sys.meta_path:
            find = None if finder is self else getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = find(fullname, path, target) if find is not None else None
            if spec is not None:
                _report_from(spec)
                return spec
        return None


_finder = _Finder()


def _report_from(spec: ModuleSpec) -> None:
    """Let the spec's loader report the module after its code has run, once."""
    loader = spec.loader
    run = getattr(loader, "exec_module", None)
    if loader is None or run is None:
        return

    def exec_module(module: ModuleType) -> None:
        vars(loader).pop("exec_module", None)
        run(module)
        _tell(module)

    try:
        vars(loader)["exec_module"] = exec_module
    except TypeError:  # a loader that takes no attributes: its modules are not seen
        logger.debug("Imports by %s cannot be watched.", type(loader).__name__)


def _tell(module: ModuleType) -> None:
    for report in list(_reports.get(module.__name__.partition(".")[0], ())):
        try:
            report(module)
        except Exception:
            logger.warning("Autologging could not be switched on for %s.", module.__name__, exc_info=True)


def watch(packages: Sequence[str], report: Report) -> None:
    """Call `report` with every module of these packages that is imported from now on."""
    for package in packages:
        _reports.setdefault(package, []).append(report)
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)


def unwatch(report: Report) -> None:
    for package in list(_reports):
        _reports[package] = [each for each in _reports[package] if each != report]
        if not _reports[package]:
            del _reports[package]
    if not _reports and _finder in sys.meta_path:
        sys.meta_path.remove(_finder)


def loaded(packages: Sequence[str]) -> Iterator[ModuleType]:
    """The modules of these packages that are there already; one that is still being imported is left to `watch`."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in packages and isinstance(module, ModuleType) and not _is_loading(module):
            yield module


def _is_loading(module: ModuleType) -> bool:
    return bool(getattr(module.__spec__, "_initializing", False))
