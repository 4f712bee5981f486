"""What loading a model imports, seen from within: the child process of `inference`.

It reads a request as JSON from its standard input and writes the answer, as JSON, to the file that the request names; its
own output is free for what the model's code prints.

Every import is recorded with who asked for it, because libraries import many others that merely happen to be there: pandas
imports pyarrow and numexpr, scikit-learn pandas, LightGBM matplotlib. What a library cannot do without, it declares, so it
comes along anyway. What counts is therefore what the model's own code imports, what reads its files (we, and unpicklers for
the classes that a pickle names), and the few backends that libraries choose by a setting instead of declaring them.
"""

from __future__ import annotations

import builtins
import contextlib
import importlib
import json
import linecache
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

from msgspec import Struct

Import = tuple[str, str, int]
"""Top-level name of what was imported; file and line of who imported it ("" where there is no file)."""

_UNPICKLERS = frozenset({"joblib", "skops", "cloudpickle", "dill", "torch"})
"""Distributions that import what the file of a model names."""

_BACKENDS = {"keras": frozenset({"tensorflow", "tensorflow-cpu", "torch", "jax"}), "transformers": frozenset({"torch"})}
"""What a distribution needs one of, and does not declare."""


class Request(Struct, frozen=True):
    """What the child is asked."""

    model_root: str
    flavor: str
    path: list[str]
    """The parent's `sys.path`: the model's code may import what lies beside the program that trained it."""
    answer: str
    runs_example: bool = False


class Captured(Struct, frozen=True):
    """What was seen.

    Attributes:
        needed: canonical names of the distributions that count.
        direct: those of them that the model's own code imports.
        loaded: all distributions that were imported from.
        local_files: files of modules that belong to no distribution, the model's own `code` folder left out.
    """

    needed: list[str]
    direct: list[str]
    loaded: list[str]
    local_files: list[str]


class Recorder:
    """Notes who imports what while it is entered."""

    def __init__(self) -> None:
        self.seen: set[Import] = set()

    def __enter__(self) -> Recorder:
        self._import, self._import_module = builtins.__import__, importlib.import_module
        builtins.__import__ = self._record_import
        importlib.import_module = self._record_import_module
        return self

    def __exit__(self, *_: object) -> None:
        builtins.__import__, importlib.import_module = self._import, self._import_module

    def _record_import(
        self,
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        module = self._import(name, globals, locals, fromlist, level)
        if level == 0:
            self._note(name, 1)
        return module

    def _record_import_module(self, name: str, package: str | None = None) -> ModuleType:
        module = self._import_module(name, package)
        if not name.startswith("."):
            self._note(name, 1)
        return module

    def _note(self, name: str, depth: int) -> None:
        frame: FrameType | None = sys._getframe(depth + 1)
        while frame is not None and "__name__" not in frame.f_globals:  # text that somebody executes
            frame = frame.f_back
        if frame is None or frame.f_code.co_filename.startswith("<frozen "):  # Python's own, for a compiled module
            return
        self.seen.add((name.partition(".")[0], str(frame.f_globals.get("__file__") or ""), frame.f_lineno))


def summarise(seen: set[Import], model_code: Path) -> Captured:
    """From single imports to distributions."""
    from millstream.environments.installed import distributions_of

    names = (
        {name for name, _, _ in seen}
        - set(sys.stdlib_module_names)
        - {"millstream", "mlflow", "__main__", "__mp_main__"}
    )
    files: dict[str, list[str]] = {name: [] for name in names}
    for module_name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if (top := module_name.partition(".")[0]) in files and isinstance(file, str):
            files[top].append(file)
    importers = {file for _, file, _ in seen if file}
    owner = distributions_of({file for found in files.values() for file in found} | importers)
    owners = {name: {owner[file] for file in files[name] if file in owner} for name in names}
    needed: set[str] = set()
    direct: set[str] = set()
    for name, importer, line in seen:
        if name not in names:
            continue
        by = owner.get(importer)
        if by is None and _is_own_code(importer):
            direct |= owners[name]
        if _names_what_is_loaded(by, importer, line):
            needed |= owners[name]
    for name, importer, _ in seen:
        by = owner.get(importer)
        if by in needed and by in _BACKENDS:
            needed |= owners.get(name, set()) & _BACKENDS[by]
    local = {file for name in names for file in files[name] if file not in owner and _is_own_code(file)}
    return Captured(
        needed=sorted(needed),
        direct=sorted(direct),
        loaded=sorted(set(owner.values())),
        local_files=sorted(file for file in local if not Path(file).is_relative_to(model_code)),
    )


def _names_what_is_loaded(by: str | None, importer: str, line: int) -> bool:
    """Whether an importer, a file of the distribution `by`, imports for the model and not for itself."""
    if _is_ours(importer):
        return True
    if by is None:
        return _is_own_code(importer) or os.path.basename(importer) == "pickle.py"
    is_statement = linecache.getline(importer, line).lstrip().startswith(("import ", "from "))
    return by in _UNPICKLERS and not is_statement


def _is_own_code(file: str) -> bool:
    """Whether code that belongs to no distribution is the user's, not Python's own and not ours."""
    is_pythons = file.startswith(os.path.dirname(os.__file__) + os.sep) and "-packages" + os.sep not in file
    return not is_pythons and not _is_ours(file)


def _is_ours(file: str) -> bool:
    import millstream

    return file.startswith(os.path.dirname(millstream.__file__) + os.sep)


def load(model_root: Path, flavor: str, runs_example: bool) -> None:
    """Load the model as its users will; with `runs_example`, let a Python function predict its own input example."""
    from millstream.models.loading import load_any
    from millstream.models.pyfunc import PyFuncModel
    from millstream.models.trust import Trust

    model = load_any(model_root, flavor, Trust(True))
    if runs_example and isinstance(model, PyFuncModel) and model.input_example is not None:
        with contextlib.suppress(Exception):  # the example may not fit; what was imported until then counts
            model.predict(model.input_example)


def main() -> None:
    request = json.loads(sys.stdin.read())
    run(Request(**request), load)


def run(request: Request, act: Callable[[Path, str, bool], None]) -> None:
    sys.path[:] = request.path
    with Recorder() as recorder:
        act(Path(request.model_root), request.flavor, request.runs_example)
    captured = summarise(recorder.seen, Path(request.model_root) / "code")
    answer: dict[str, Any] = {name: getattr(captured, name) for name in Captured.__struct_fields__}
    Path(request.answer).write_text(json.dumps(answer), encoding="utf-8")
