"""`code/` in a model: Python files of its author's, copied along when it is saved and importable when it is loaded.

MLflow puts the folder at the front of the import path for good, and modules that are imported already win: the second of two
models with a module `features` silently gets the first one's. Here each load imports its own:

- while a model loads, its `code/` is at the front, and modules that came from another model's `code/` are set aside;
- afterwards the folder stands at the end of the import path, so it hides nothing from the program;
- a module that the program itself has imported stays, as with MLflow, with a warning if the model's differs.

An `import` inside of a function, which runs later, finds the module of the model that was loaded last.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from millstream import settings
from millstream.errors import EnvironmentFailed, InvalidValue, LocalFileNotFound
from millstream.models.locations import inside
from millstream.models.trust import Trust

logger = logging.getLogger("millstream")

CODE = "code"
_IGNORED = shutil.ignore_patterns("__pycache__", "*.pyc", ".git")


def copy(code_paths: Sequence[str | os.PathLike[str]] | None, root: Path) -> str | None:
    """Copy files and folders below `code/` of a model, each under its own name; what MLmodel names as `code`.

    Raises:
        InvalidValue: two have the same name, or the model is being saved inside of one of them.
    """
    if not code_paths:
        return None
    if isinstance(code_paths, str | os.PathLike):
        raise InvalidValue(f"code_paths must be a list: code_paths=[{os.fspath(code_paths)!r}].")
    target = root / CODE
    for each in code_paths:
        source = Path(os.path.abspath(each))
        copied = target / source.name
        if not source.exists():
            raise LocalFileNotFound(os.fspath(each))
        if copied.exists():
            raise InvalidValue(f"code_paths has two entries named {source.name!r}. Put them into one package.")
        if root.resolve().is_relative_to(source.resolve()):
            raise InvalidValue(f"The model cannot be saved inside of {str(source)!r}, which is one of its code_paths.")
        target.mkdir(exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copied, ignore=_IGNORED)
        else:
            shutil.copyfile(source, copied)
    return CODE


# ---------------------------------------------------------------- while a model loads

_lock = threading.RLock()
_folders: set[str] = set()
"""The `code/` folders of models that were loaded."""


@contextmanager
def importable(root: Path, code: str | None, trust: Trust) -> Iterator[None]:
    """Load a model inside of this: its own `code/` is imported first. Raises UntrustedModel if it has code and no trust."""
    if not code:
        yield
        return
    folder = inside(root, code)
    if not folder.is_dir():
        raise InvalidValue(f"The MLmodel in {str(root)!r} names {code!r} as its code, which is not there.")
    trust.require(folder, "Python code that the model imports")
    real = str(folder.resolve())
    with _lock:
        aside = _set_aside(Path(real))
        sys.path.insert(0, real)
        importlib.invalidate_caches()
        try:
            yield
        except BaseException:
            sys.modules.update(aside)
            raise
        finally:
            _folders.add(real)
            sys.path.remove(real)
            if real not in sys.path:
                sys.path.append(real)


def _set_aside(folder: Path) -> dict[str, ModuleType]:
    """Take modules of the same names that other models brought out of `sys.modules`; warn of the program's own."""
    names = {
        path.stem if path.suffix == ".py" else path.name for path in folder.iterdir() if path.suffix in ("", ".py")
    }
    aside = {}
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] not in names:
            continue
        file = getattr(module, "__file__", None)
        if file is None or Path(file).is_relative_to(folder):
            continue
        if any(Path(file).is_relative_to(other) for other in _folders):
            aside[name] = sys.modules.pop(name)
        elif _differs(Path(file), folder, name):
            logger.warning(
                "The model brings its own module %s, but this program has imported another one from %s, which is used. "
                "Load the model in a program that does not, if it needs its own.", name, file,
            )  # fmt: skip
    return aside


def _differs(file: Path, folder: Path, name: str) -> bool:
    below = folder.joinpath(*name.split("."))
    own = below / "__init__.py" if below.is_dir() else below.with_suffix(".py")
    return own.is_file() and own.read_bytes() != file.read_bytes()


# ---------------------------------------------------------------- which local modules a model imports


def infer(root: Path, flavor: str) -> list[tuple[Path, Path]]:
    """The program's own modules that loading a saved model imports, seen in a process of its own.

    Returns:
        Files, each with its path below `code/`.
    Raises:
        InvalidValue: the model cannot be loaded there.
    """
    from millstream.environments.inference import run_child

    with tempfile.TemporaryDirectory(prefix="millstream-code-") as folder:
        answer = Path(folder) / "files.json"
        path = [os.path.abspath(entry) for entry in sys.path]
        request = json.dumps({"root": str(root.resolve()), "flavor": flavor, "answer": str(answer), "path": path})
        try:
            run_child(__name__, request.encode(), settings.REQUIREMENTS_INFERENCE_TIMEOUT.get())
        except EnvironmentFailed as error:
            raise InvalidValue(f"infer_code_paths: {error.message}") from None
        found: list[list[str]] = json.loads(answer.read_text())
    return [(Path(file), Path(below)) for file, below in found]


def main() -> None:
    """The process of its own: load the model, write down which files of the program were imported."""
    from millstream.models import loading

    request = json.loads(sys.stdin.read())
    sys.path[:] = request["path"]
    before = set(sys.modules)
    loading.load_any(Path(request["root"]), request["flavor"], Trust(True))
    files = {}
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None)
        if file and file.endswith(".py") and _is_local(name, Path(file)):
            for path in (Path(file), *_packages(Path(file), name)):
                files[str(path)] = str(_below(path, Path(file), name))
    Path(request["answer"]).write_text(json.dumps(sorted(files.items())))


def _is_local(name: str, file: Path) -> bool:
    """Whether a module is the program's own: not installed, not Python's, not ours, not a model's script."""
    import sysconfig

    if name.partition(".")[0] in (*sys.stdlib_module_names, "millstream") or name.startswith("millstream_model_"):
        return False
    installed = {sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")}
    return not any(file.is_relative_to(place) for place in installed) and "site-packages" not in file.parts


def _packages(file: Path, name: str) -> Iterator[Path]:
    """The `__init__.py` of each package that a module is in."""
    folder = file.parent if file.name != "__init__.py" else file.parent.parent
    for _ in range(name.count(".")):
        if (folder / "__init__.py").is_file():
            yield folder / "__init__.py"
        folder = folder.parent


def _below(path: Path, file: Path, name: str) -> Path:
    """Where a module's file stands below `code/`."""
    depth = name.count(".") + (file.name == "__init__.py")
    top = file.parents[depth]
    return path.relative_to(top)
