"""From a model's folder to a `PyFuncModel`."""

from __future__ import annotations

import importlib
import inspect
import json
import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from millstream import alias, settings
from millstream.errors import InvalidValue, MillstreamError, NotFound
from millstream.models import code_paths, flavors
from millstream.models.flavor import load_for_python_function
from millstream.models.locations import fetch, inside
from millstream.models.mlmodel import Model
from millstream.models.pyfunc import code_models, implementations
from millstream.models.pyfunc.loaded import Implementation, PyFuncModel
from millstream.models.pyfunc.python_model import FunctionModel, PythonModelContext
from millstream.models.trust import Trust, loading, trust_of

logger = logging.getLogger("millstream")

PICKLE_LOADERS = frozenset({"mlflow.pyfunc.model", "millstream.pyfunc.model"})
SCRIPT_LOADERS = frozenset({"mlflow.pyfunc.loaders.code_model", "millstream.pyfunc.loaders.code_model"})
_MODULE = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")


class NoPythonFunction(NotFound):
    def __init__(self, root: Path, there: list[str]) -> None:
        super().__init__(
            f"The model in {str(root)!r} has no flavor python_function, only {', '.join(there) or 'none at all'}. Load it with "
            "the library that it was made for."
        )


def load_model(
    model_uri: str | os.PathLike[str],
    suppress_warnings: bool = False,
    dst_path: str | None = None,
    model_config: Mapping[str, Any] | str | os.PathLike[str] | None = None,
    trust: bool | None = None,
) -> PyFuncModel:
    """Any model, as a function.

    Args:
        model_uri: a folder, `models:/name/version`, `models:/name@alias`, `models:/<model id>`, `runs:/<run id>/name`, or the URI of
            any artifact store.
        suppress_warnings: say nothing of packages that differ from those that the model was made with.
        dst_path: an existing folder to download to; a temporary one if not given. What is on this machine is used in place.
        model_config: laid over the configuration that was saved with the model; a mapping or the path of a YAML file. Keys that
            were not saved are left out with a warning.
        trust: whether code that came with the model may run (pickles, scripts, `code/`, loader modules); the setting
            TRUST_PICKLES (False) if not given.
    Raises:
        ModelNotFound, NoPythonFunction: nothing is there, or nothing that can be called.
        UntrustedModel: code would run; the message names the file.
    """
    root = fetch(model_uri, dst_path)
    metadata = Model.load(root)
    entry = metadata.flavors.get("python_function")
    if entry is None:
        raise NoPythonFunction(root, list(metadata.flavors))
    if not suppress_warnings:
        warn_of_differences(root)
    config = merged_config(entry.get("config"), model_config)
    given = trust_of(trust, root)
    with loading(root, given):
        implementation = alias.run_for_mlflow(lambda: load_implementation(root, metadata, entry, config, given))
    return PyFuncModel(metadata, implementation, root, config)


def load_implementation(
    root: Path, metadata: Model, entry: dict[str, Any], config: dict[str, Any] | None, trust: Trust
) -> Implementation:
    """What `flavors.python_function` says, loaded by the flavor it names, from a pickle, a script or a loader module."""
    loader = entry.get("loader_module")
    if not isinstance(loader, str) or not _MODULE.fullmatch(loader):
        raise InvalidValue(f"The MLmodel in {str(root)!r} names no loader module for python_function: {loader!r}.")
    with code_paths.importable(root, entry.get("code"), trust):
        if loader in PICKLE_LOADERS:
            return _from_pickle(root, entry, config, trust)
        if loader in SCRIPT_LOADERS:
            return _from_script(root, entry, config, trust)
        flavor = flavors.by_loader_module(loader)
        if flavor is None:
            return _from_module(root, loader, entry, config, trust)
        module = flavors.flavor_module(flavor)
        model = load_for_python_function(
            module, root, entry, metadata.flavors.get(flavor) or {}, trust=trust, model_config=config or {}
        )
        return implementations.FlavorImplementation(module, model, entry)


def _from_pickle(root: Path, entry: dict[str, Any], config: dict[str, Any] | None, trust: Trust) -> Implementation:
    name = entry.get("python_model")
    if not isinstance(name, str):
        raise InvalidValue(f"The MLmodel in {str(root)!r} does not say which file holds the Python model.")
    file = inside(root, name)
    if not file.is_file():
        raise InvalidValue(f"The MLmodel in {str(root)!r} names {name!r}, which is not there: the model is not whole.")
    return _python_model(trust.unpickle(file), _artifacts(root, entry), config)


def _from_script(root: Path, entry: dict[str, Any], config: dict[str, Any] | None, trust: Trust) -> Implementation:
    path = str(entry.get("model_code_path"))
    file = inside(root, re.split(r"[/\\]", path)[-1])  # the writer's own path; the file is beside MLmodel
    if not file.is_file():
        raise InvalidValue(f"The model in {str(root)!r} has no script {file.name!r}: it is not whole.")
    trust.require(file, "a Python script")
    return _python_model(code_models.run_script(file, config), _artifacts(root, entry), config)


def _python_model(model: Any, artifacts: dict[str, str], config: dict[str, Any] | None) -> Implementation:
    if not code_models.is_python_model(model):
        if not callable(model):
            raise InvalidValue(f"The model is a {type(model).__name__}, neither a PythonModel nor a function.")
        model = FunctionModel(model)
    context = PythonModelContext(artifacts, config)
    if hasattr(model, "load_context"):
        model.load_context(context)
    return implementations.PythonImplementation(model, context)


def _artifacts(root: Path, entry: dict[str, Any]) -> dict[str, str]:
    written = entry.get("artifacts") or {}
    if not isinstance(written, dict) or not all(
        isinstance(where, dict) and "path" in where for where in written.values()
    ):
        raise InvalidValue(
            f"The MLmodel in {str(root)!r} has artifacts that are no mapping of names to paths: {written!r:.200}."
        )
    return {str(name): str(inside(root, str(where["path"])).absolute()) for name, where in written.items()}


def _from_module(
    root: Path, loader: str, entry: dict[str, Any], config: dict[str, Any] | None, trust: Trust
) -> Implementation:
    if loader.partition(".")[0] in ("mlflow", "millstream"):
        raise InvalidValue(f"Models that are loaded by {loader} are not read by this version of Millstream.")
    below = inside(root, entry["code"]).joinpath(*loader.split(".")).with_suffix(".py") if entry.get("code") else None
    trust.require(
        below if below is not None and below.is_file() else root / "MLmodel",
        f"what says to import and run the loader module {loader!r}",
    )
    try:
        module = importlib.import_module(loader)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{loader}.".startswith(f"{error.name}."):
            raise  # of what the loader imports
        raise InvalidValue(
            f"The loader module {loader!r:.200} of the model is neither in its code/ nor installed here. Install the package that it "
            "belongs to."
        ) from error
    load = getattr(module, "_load_pyfunc", None)
    if load is None:
        raise InvalidValue(f"The loader module {loader!r} has no function _load_pyfunc(data_path).")
    data = str(inside(root, str(entry["data"])) if entry.get("data") else root)
    takes_config = config and len(inspect.signature(load).parameters) > 1
    model = load(data, config) if takes_config else load(data)
    return implementations.LoadedImplementation(
        model, loader, str(entry.get("predict_fn", "predict")), str(entry.get("predict_stream_fn", "predict_stream"))
    )


def merged_config(saved: Any, given: Mapping[str, Any] | str | os.PathLike[str] | None = None) -> dict[str, Any] | None:
    """The saved configuration, overlaid by the setting PYFUNC_INFERENCE_CONFIG and then by what the caller gave.

    Keys that were not saved are left out with a warning, since nothing in the model can know them.
    """
    over: dict[str, Any] = {}
    text = settings.PYFUNC_INFERENCE_CONFIG.get()
    if text:
        over.update(_json_config(text))
    if given is not None:
        over.update(code_models.read_config(given))
    if not isinstance(saved, dict) or not saved:
        if over:
            logger.warning("This model was saved without a model_config, so the one given is not used.")
        return None
    unknown = sorted(set(over) - set(saved))
    if unknown:
        logger.warning(
            "model_config: %s not used, since the model was saved with %s only.", ", ".join(unknown), ", ".join(saved)
        )
    return {key: over.get(key, value) for key, value in saved.items()}


def _json_config(text: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except ValueError as error:
        raise InvalidValue(f"PYFUNC_INFERENCE_CONFIG is not JSON: {error}.") from None
    if not isinstance(content, dict):
        raise InvalidValue("PYFUNC_INFERENCE_CONFIG must be a JSON object.")
    return content


def warn_of_differences(root: Path) -> None:
    """One warning naming the packages whose versions differ from those that the model was made with."""
    from millstream.environments import EnvironmentSpec, check_installed, describe

    try:
        text = describe(check_installed(EnvironmentSpec.read(root)))
    except MillstreamError as error:  # of a file that is not needed to load the model
        text = f"The environment of the model in {str(root)!r} cannot be compared with this one: {error.message}"
    if text:
        logger.warning("%s", text)


def get_model_dependencies(model_uri: str | os.PathLike[str], format: str = "pip") -> str:
    """The file that says what a model needs.

    Args:
        format: "pip" gives the path of its requirements.txt, "conda" that of its conda.yaml.
    """
    if format not in ("pip", "conda"):
        raise InvalidValue(f"The format of dependencies is 'pip' or 'conda', not {format!r}.")
    file = fetch(model_uri) / ("requirements.txt" if format == "pip" else "conda.yaml")
    if not file.is_file():
        raise NotFound(f"The model at {os.fspath(model_uri)!r} has no file {file.name}.")
    return str(file)
