"""Which module may import which, and how little `import millstream` costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import millstream
from millstream import alias

SOURCE = Path(millstream.__file__).parent

HEAVY = frozenset(
    {
        "numpy", "pandas", "polars", "pyarrow", "sqlalchemy", "alembic", "uvicorn", "httptools", "uvloop",
        "fsspec", "urllib3", "click", "rich", "psutil", "yaml", "matplotlib", "plotly", "PIL", "torch", "pyspark",
        "datasets", "tensorflow", "sklearn", "pynvml", "IPython", "nacl", "kubernetes", "databricks",
    }
)  # fmt: skip
"""Third-party modules; what `MAY_IMPORT` does not allow is imported inside of functions."""

MAY_IMPORT: dict[str, frozenset[str]] = {
    "store": frozenset({"sqlalchemy", "alembic", "numpy"}),
    "asgi": frozenset({"uvicorn", "httptools", "uvloop"}),
    "server": frozenset({"uvicorn", "httptools", "uvloop", "sqlalchemy", "numpy"}),
    "artifacts": frozenset({"fsspec", "urllib3"}),
    "cli": frozenset({"click", "rich"}),
    "client": frozenset({"urllib3"}),
    "migrate": frozenset({"sqlalchemy", "yaml", "rich", "urllib3", "numpy"}),
    "demo": HEAVY,
}
"""What a folder may import when its modules are imported; the fluent API itself nothing but msgspec."""

LAYERS: dict[str, frozenset[str]] = {
    "cli": frozenset(
        {
            "projects",
            "deployments",
            "serving",
            "models",
            "environments",
            "migrate",
            "server",
            "store",
            "webhooks",
            "tracking",
            "client",
            "artifacts",
            "data",
            "media",
            "api",
        }
    ),
    "migrate": frozenset({"store", "client", "artifacts", "api"}),
    "mlflow_names": frozenset({"tracking", "client", "artifacts"}),
    "tracking": frozenset({"client", "media", "data", "artifacts", "api"}),
    "autologging": frozenset({"tracking", "models", "client", "data"}),
    "deployments": frozenset({"serving"}),
    "projects": frozenset({"tracking", "environments", "client", "artifacts", "api"}),
    "serving": frozenset({"models", "environments", "asgi", "client", "artifacts", "api"}),
    "models": frozenset({"environments", "client", "artifacts", "data", "media", "api", "alias"}),
    "environments": frozenset(),
    "data": frozenset({"artifacts"}),
    "client": frozenset({"media", "artifacts", "api"}),
    "media": frozenset({"artifacts"}),
    "artifacts": frozenset({"api"}),
    "server": frozenset({"store", "webhooks", "asgi", "artifacts", "api"}),
    "asgi": frozenset({"api"}),
    "store": frozenset({"webhooks", "api"}),
    "webhooks": frozenset(),
    "api": frozenset(),
}
"""Which folders a folder may import when its modules are imported. `server` is named by `cli` alone."""

VOCABULARY = frozenset(
    {"entities", "errors", "exceptions", "images", "lazy", "processes", "safe_yaml", "settings", "version"}
)

LAZY: dict[str, frozenset[str]] = {
    "cli": frozenset(),
    "client": frozenset({"store"}),  # the in-process transport
    "artifacts": frozenset({"client", "tracking"}),  # `runs:/` and the server's proxy
    "data": frozenset(
        {"tracking", "artifacts", "models"}
    ),  # a dataset without a source is the running program's; schemas
    "environments": frozenset({"artifacts", "models"}),  # a stored model's files; the process that loads a model
    "mlflow_names": frozenset({"artifacts", "data"}),
    "deployments": frozenset({"alias", "tracking"}),  # plug-ins that import mlflow; where models are looked for
    "projects": frozenset({"alias"}),  # plug-ins and commands that import mlflow
    "models": frozenset(
        {"tracking", "autologging", "serving"}
    ),  # the active run; a flavor's `autolog`; an example is tried as a scoring request
    "server": frozenset({"client"}),
}
"""Further folders that functions may import when they are called."""


def modules() -> list[Path]:
    return sorted(path for path in SOURCE.rglob("*.py") if "migrations/versions" not in path.as_posix())


def folder_of(path: Path) -> str:
    relative = path.relative_to(SOURCE)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


class Imports(ast.NodeVisitor):
    """What a module imports, when it is imported itself and later; what is for type checkers alone does not count."""

    def __init__(self, package: str) -> None:
        self.package = package
        self.depth = 0
        self.at_import: set[str] = set()
        self.later: set[str] = set()

    def _add(self, name: str) -> None:
        (self.later if self.depth else self.at_import).add(name)

    def visit_If(self, node: ast.If) -> None:
        if "TYPE_CHECKING" in ast.dump(node.test):
            for child in node.orelse:
                self.visit(child)
        else:
            self.generic_visit(node)

    def _visit_function(self, node: ast.AST) -> None:
        self.depth += 1
        self.generic_visit(node)
        self.depth -= 1

    visit_FunctionDef = visit_AsyncFunctionDef = visit_Lambda = _visit_function  # noqa: N815

    def visit_Import(self, node: ast.Import) -> None:
        for name in node.names:
            self._add(name.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        assert node.level == 0, "imports are absolute"
        for name in node.names:
            self._add(f"{node.module}.{name.name}")


def imports_of(path: Path) -> Imports:
    found = Imports(path.parent.name)
    found.visit(ast.parse(path.read_text()))
    return found


def ours(names: set[str]) -> set[str]:
    """The folders of ours among imported names."""
    return {name.split(".")[1] for name in names if name.startswith("millstream.") and "." in name} - VOCABULARY


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_imports_point_downwards(path: Path) -> None:
    folder = folder_of(path)
    imports = imports_of(path)
    if folder in VOCABULARY:
        assert ours(imports.at_import) == set()
        return
    if folder not in LAYERS:  # __init__, alias and other single modules bind everything together
        assert "server" not in ours(imports.at_import)
        return
    allowed = LAYERS[folder] | {folder, "__version__"}
    assert ours(imports.at_import) <= allowed
    assert ours(imports.later) <= allowed | LAZY.get(folder, frozenset())


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_heavy_libraries_are_imported_where_they_are_needed(path: Path) -> None:
    top = {name.split(".")[0] for name in imports_of(path).at_import}
    assert top & HEAVY <= MAY_IMPORT.get(folder_of(path), frozenset())


def test_only_the_command_line_names_the_server() -> None:
    named = {
        folder_of(path)
        for path in modules()
        if "server" in ours(imports_of(path).at_import | imports_of(path).later) and folder_of(path) != "server"
    }
    assert named <= {"cli", "demo"}


def test_no_modules_import_each_other_in_a_circle() -> None:
    def name_of(path: Path) -> str:
        parts = ("millstream", *path.relative_to(SOURCE).with_suffix("").parts)
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    names = {name_of(path): path for path in modules()}
    graph: dict[str, set[str]] = {}
    for name, path in names.items():
        found = set()
        for imported in imports_of(path).at_import:
            target = imported if imported in names else imported.rpartition(".")[0]
            if target in names and target != name and not name.startswith(target + "."):
                found.add(target)
        graph[name] = found
    done: set[str] = set()

    def walk(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail[trail.index(name) :], name))
        if name not in done:
            for target in graph[name]:
                walk(target, (*trail, name))
            done.add(name)

    for name in graph:
        walk(name, ())


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def loaded_by(statement: str) -> set[str]:
    """The top names of the modules that a statement loads beyond what Python loads for itself."""
    out = run(f"import sys; before = set(sys.modules)\n{statement}\nprint(*sorted(set(sys.modules) - before))")
    return {name.split(".")[0] for name in out.split()}


def test_importing_millstream_loads_nothing_but_the_standard_library() -> None:
    assert loaded_by("import millstream") - set(sys.stdlib_module_names) == {"millstream"}
    out = run("import sys, millstream; print(*sorted(name for name in sys.modules if name.startswith('millstream')))")
    assert out.split() == ["millstream", "millstream.version"]


def test_the_functions_of_a_training_loop_load_nothing_heavier_than_msgspec() -> None:
    statement = (
        "import millstream; millstream.log_metric, millstream.start_run, millstream.log_param, millstream.search_runs"
    )
    third_party = loaded_by(statement) - set(sys.stdlib_module_names)
    assert third_party - {"typing_extensions"} == {"millstream", "msgspec"}  # msgspec loads it where it is installed


def test_every_public_name_can_be_used_and_type_checkers_see_the_same_names() -> None:
    tree = ast.parse((SOURCE / "__init__.py").read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    typed = {alias.asname for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert typed | {"__version__", "settings"} == set(millstream.__all__)
    for name in millstream.__all__:
        assert getattr(millstream, name) is not None


def test_a_name_that_comes_later_or_never_says_so() -> None:
    with pytest.raises(AttributeError, match="later part"):
        _ = millstream.tensorflow
    with pytest.raises(AttributeError, match="evaluation"):
        _ = millstream.evaluate
    with pytest.raises(AttributeError, match="no traces"):
        _ = millstream.start_span
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = millstream.nonsense
    assert not hasattr(millstream, "nonsense")


def test_the_modules_behind_mlflows_names_exist() -> None:
    import importlib

    for module in {*alias.MODULES.values(), *alias.SUBMODULES.values()}:
        importlib.import_module(module)
