"""MLflow's names for what is here: `mlflow.tracking.client` and so on, and the import hook behind `install_as_mlflow`.

`import millstream as mlflow` serves code that says `mlflow.name`. Code that imports `mlflow` by itself (Lightning, Optuna,
Transformers, your own `from mlflow.entities import Metric`) is served once `install_as_mlflow()` was called.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.metadata
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any, TypeVar

import millstream
from millstream.version import MLFLOW_API_VERSION

MODULES: dict[str, str] = {
    "artifacts": "millstream.artifacts",
    "client": "millstream.client.client",
    "config": "millstream.tracking.config",
    "data": "millstream.data",
    "deployments": "millstream.deployments",
    "models": "millstream.models",
    "projects": "millstream.projects",
    "entities": "millstream.entities",
    "environment_variables": "millstream.mlflow_names.environment_variables",
    "exceptions": "millstream.exceptions",
    "system_metrics": "millstream.mlflow_names.system_metrics",
    "tracking": "millstream.tracking",
    "utils": "millstream.mlflow_names.utils",
    "version": "millstream.mlflow_names.version",
    **{name: f"millstream.{place}" for name, place in millstream.PLACES.items()},
}
"""Modules that code reaches as attributes: `mlflow.<name>`. Those that hold no more than names stand in `mlflow_names`."""

SUBMODULES: dict[str, str] = {
    "models.model": "millstream.models.mlmodel",
    "models.signature": "millstream.models.signature",
    "models.utils": "millstream.models.examples",
    "types.schema": "millstream.models.types",
    "types.type_hints": "millstream.models.hints",
    "config.async_logging": "millstream.tracking.config",
    "keras.callback": "millstream.tracking.keras",
    "data.dataset": "millstream.data.dataset",
    "deployments.base": "millstream.deployments.base",
    "entities.dataset": "millstream.entities",
    "entities.dataset_input": "millstream.entities",
    "entities.experiment": "millstream.entities",
    "entities.file_info": "millstream.entities",
    "entities.input_tag": "millstream.entities",
    "entities.lifecycle_stage": "millstream.entities",
    "entities.logged_model": "millstream.entities",
    "entities.metric": "millstream.entities",
    "entities.model_registry": "millstream.entities",
    "entities.model_registry.model_version": "millstream.entities",
    "entities.model_registry.model_version_stages": "millstream.mlflow_names.model_version_stages",
    "entities.model_registry.model_version_status": "millstream.entities",
    "entities.model_registry.model_version_tag": "millstream.entities",
    "entities.model_registry.registered_model": "millstream.entities",
    "entities.model_registry.registered_model_alias": "millstream.entities",
    "entities.model_registry.registered_model_tag": "millstream.entities",
    "entities.param": "millstream.entities",
    "entities.run": "millstream.entities",
    "entities.run_data": "millstream.entities",
    "entities.run_info": "millstream.entities",
    "entities.run_status": "millstream.entities",
    "entities.run_tag": "millstream.entities",
    "entities.source_type": "millstream.entities",
    "entities.view_type": "millstream.entities",
    "entities.webhook": "millstream.entities",
    "projects.backend": "millstream.projects.plugins",
    "projects.backend.abstract_backend": "millstream.projects.plugins",
    "projects.submitted_run": "millstream.projects.submission",
    "pyfunc.model": "millstream.models.pyfunc.python_model",
    "store": "millstream.mlflow_names.store",
    "store.artifact": "millstream.mlflow_names.store",
    "store.artifact.artifact_repository_registry": "millstream.mlflow_names.store",
    "store.entities": "millstream.entities",
    "store.entities.paged_list": "millstream.entities",
    "system_metrics.system_metrics_monitor": "millstream.mlflow_names.system_metrics",
    "tracking.artifact_utils": "millstream.mlflow_names.artifact_utils",
    "tracking.client": "millstream.client.client",
    "tracking.context": "millstream.tracking.context",
    "tracking.context.abstract_context": "millstream.tracking.context",
    "tracking.context.registry": "millstream.tracking.context",
    "tracking.fluent": "millstream.tracking.fluent",
    "utils.async_logging": "millstream.client.operations",
    "utils.async_logging.run_operations": "millstream.client.operations",
    "utils.autologging_utils": "millstream.autologging",
    "utils.file_utils": "millstream.mlflow_names.utils",
    "utils.mlflow_tags": "millstream.mlflow_names.mlflow_tags",
    "utils.name_utils": "millstream.mlflow_names.utils",
    "utils.time": "millstream.mlflow_names.utils",
    "utils.uri": "millstream.mlflow_names.utils",
    "utils.validation": "millstream.mlflow_names.validation",
}
"""Modules below those; `mlflow.data.<x>` are in `millstream.data.ALIASES`."""

LATER: dict[str, str] = {
    "evaluate": "evaluation",
    "sagemaker": "serving",
    **dict.fromkeys(
        (
            "catboost", "fastai", "gluon", "h2o", "johnsnowlabs", "mleap", "paddle", "pmdarima", "prophet",
            "sentence_transformers", "shap", "tensorflow", "transformers",
        ),
        "further flavors",
    ),
}  # fmt: skip
"""Names that a later part brings, and which."""

NEVER = frozenset(
    {"anthropic", "ag2", "autogen", "bedrock", "crewai", "dspy", "gateway", "gemini", "genai", "groq", "langchain", "litellm",
     "llama_index", "metrics", "mistral", "openai", "promptflow", "prompt", "register_prompt", "load_prompt", "smolagents",
     "trace", "traces", "tracing", "start_span", "search_traces", "get_trace", "semantic_kernel"}
)  # fmt: skip
"""Names of what is not offered: traces, prompts, judges, gateways."""


class MissingName(AttributeError):
    """A name of MLflow's that is not served."""


def _missing(name: str) -> str | None:
    """Why a name of MLflow's is not served; None for a name that MLflow has not either, as far as is known here."""
    top = name.split(".")[0]
    part = LATER.get(name) or LATER.get(top)
    if part is not None:
        return f"mlflow.{name} is not served yet: it comes with a later part of Millstream ({part})."
    if top in NEVER:
        return f"mlflow.{name} is not served: Millstream offers no traces, prompts, judges or gateways."
    return None


def attribute(name: str) -> Any:
    """The attribute `name` of `mlflow`, as far as `millstream` has none of that name itself."""
    if name in MODULES:
        return importlib.import_module(MODULES[name])
    raise MissingName(_missing(name) or f"module 'millstream' has no attribute {name!r}")


def module_for(name: str) -> str | None:
    """The module of ours that serves `mlflow.<name>`; None if there is none."""
    found = MODULES.get(name) or SUBMODULES.get(name)
    if found is None and name.startswith("data."):
        from millstream import data

        below = name.removeprefix("data.")
        found = f"millstream.data.{data.ALIASES.get(below, below)}"
        if below not in data.ALIASES:
            return None
    return found


def name_in_mlflow(module: str) -> str | None:
    """The name under which `mlflow` has what is in a module of ours: the way back from `module_for`; None if it has none."""
    if module == "millstream":
        return "mlflow"
    return next((f"mlflow.{name}" for name, ours in {**MODULES, **SUBMODULES}.items() if ours == module), None)


class _AliasLoader(importlib.abc.Loader):
    """Gives the module of ours itself, so that classes are the same under both names."""

    def __init__(self, target: str) -> None:
        self._target = target

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        module = ModuleType(spec.name)
        source = importlib.import_module(self._target)
        module.__doc__ = source.__doc__
        module.__dict__["__getattr__"] = lambda name: _forward(source, module, name)
        module.__dict__["__dir__"] = lambda: dir(source)
        if hasattr(source, "__all__"):
            module.__dict__["__all__"] = [name for name in source.__all__ if not name.startswith("__")]
        else:
            module.__dict__["__all__"] = [name for name in dir(source) if not name.startswith("_")]
        return module

    def exec_module(self, module: ModuleType) -> None:
        if module.__name__ == "mlflow":
            module.__dict__["__version__"] = MLFLOW_API_VERSION


def _forward(source: ModuleType, module: ModuleType, name: str) -> Any:
    if name.startswith("__") and name.endswith("__"):
        raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
    below = f"{module.__name__}.{name}".removeprefix("mlflow.")
    if not isinstance(source.__dict__.get(name), type) and module_for(below) is not None:
        return importlib.import_module(f"mlflow.{below}")
    value = getattr(source, name)
    module.__dict__[name] = value
    return value


class MlflowFinder(importlib.abc.MetaPathFinder):
    """Finds `mlflow` and what is below it; also says that `mlflow` is installed, at the level of the API that we answer."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname == "mlflow":
            return importlib.machinery.ModuleSpec(fullname, _AliasLoader("millstream"), is_package=True)
        if not fullname.startswith("mlflow."):
            return None
        name = fullname.removeprefix("mlflow.")
        found = module_for(name)
        if found is None:
            reason = _missing(name)
            if reason is not None:
                raise ModuleNotFoundError(reason, name=fullname)
            return None
        return importlib.machinery.ModuleSpec(fullname, _AliasLoader(found), is_package=True)

    def find_distributions(self, context: Any = None) -> Iterable[importlib.metadata.Distribution]:
        name = getattr(context, "name", None)
        return [_Distribution()] if name == "mlflow" else []


class _Distribution(importlib.metadata.Distribution):
    """What version checks read."""

    def read_text(self, filename: str) -> str | None:
        if filename != "METADATA":
            return None
        return f"Metadata-Version: 2.1\nName: mlflow\nVersion: {MLFLOW_API_VERSION}\nSummary: Served by Millstream\n"

    def locate_file(self, path: Any) -> Any:
        raise FileNotFoundError(path)


def install_as_mlflow() -> None:
    """Let `import mlflow` give Millstream in this process, whether MLflow is installed or not.

    To be called before anything imports `mlflow`. `mlflow.__version__` is the level of the API that we answer.

    Raises:
        RuntimeError: the real `mlflow` is imported already.
    """
    present = sys.modules.get("mlflow")
    if present is not None and not isinstance(getattr(present.__spec__, "loader", None), _AliasLoader):
        raise RuntimeError(
            "The mlflow package is imported already. Call millstream.install_as_mlflow() first thing in the program."
        )
    if not any(isinstance(finder, MlflowFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, MlflowFinder())
    importlib.import_module("mlflow")


_T = TypeVar("_T")
_scope = threading.RLock()


@contextmanager
def as_mlflow() -> Iterator[None]:
    """Let `import mlflow` give Millstream inside of a `with` block alone, also where the real package is installed or imported.

    For models whose script or code says `import mlflow`. The block holds a lock: other threads that enter one wait. What other
    threads import by themselves meanwhile is served as well.
    """
    with _scope:
        if any(isinstance(finder, MlflowFinder) for finder in sys.meta_path):
            yield
            return
        aside = _taken_out()
        finder = MlflowFinder()
        sys.meta_path.insert(0, finder)
        try:
            yield
        finally:
            sys.meta_path.remove(finder)
            _taken_out()
            sys.modules.update(aside)


def _taken_out() -> dict[str, ModuleType]:
    names = [name for name in sys.modules if name == "mlflow" or name.startswith("mlflow.")]
    return {name: sys.modules.pop(name) for name in names}


def load_with_mlflow(entry: importlib.metadata.EntryPoint) -> Any:
    """What an entry point of a plug-in names. One that imports `mlflow`, which is not installed, gets Millstream under that
    name."""
    try:
        return entry.load()
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "mlflow":
            raise
    install_as_mlflow()
    return entry.load()


def run_for_mlflow(act: Callable[[], _T]) -> _T:
    """Run code that came with a model: inside of `as_mlflow` if the setting IMPORT_AS_MLFLOW says so."""
    from millstream.settings import IMPORT_AS_MLFLOW

    if not IMPORT_AS_MLFLOW.get():
        return act()
    with as_mlflow():
        return act()
