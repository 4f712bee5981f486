"""Saving Python functions: a PythonModel, a plain function, a script, or data with a loader module."""

from __future__ import annotations

import inspect
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from millstream.errors import InvalidValue, LocalFileNotFound
from millstream.models import saving
from millstream.models.pyfunc import code_models
from millstream.models.pyfunc.implementations import PythonImplementation, called
from millstream.models.pyfunc.python_model import FunctionModel, PythonModel, PythonModelContext

if TYPE_CHECKING:
    from millstream.models.mlmodel import Model, ModelInfo
    from millstream.models.pyfunc.loaded import Implementation
    from millstream.models.signature import ModelSignature

PICKLE_LOADER = "mlflow.pyfunc.model"
SCRIPT_LOADER = "mlflow.pyfunc.loaders.code_model"


def save_model(
    path: str | os.PathLike[str],
    loader_module: str | None = None,
    data_path: str | os.PathLike[str] | None = None,
    code_paths: Sequence[str | os.PathLike[str]] | None = None,
    infer_code_paths: bool = False,
    conda_env: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    mlflow_model: Model | None = None,
    python_model: PythonModel | Callable[[Any], Any] | str | os.PathLike[str] | None = None,
    artifacts: Mapping[str, str] | None = None,
    signature: ModelSignature | bool | None = None,
    input_example: Any = None,
    pip_requirements: str | Sequence[str] | None = None,
    extra_pip_requirements: str | Sequence[str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    model_config: Mapping[str, Any] | str | os.PathLike[str] | None = None,
    streamable: bool | None = None,
    resources: Any = None,
) -> None:
    """Write a Python function to a folder, whole or not at all.

    Either `python_model` says what it is, or `loader_module`. Arguments that flavors' `save_model` has too mean the same as there.

    Args:
        path: a folder that does not exist or is empty.
        loader_module: a module with `_load_pyfunc(data_path)` (perhaps a second argument `model_config`) that returns an object
            with `predict`; to be brought along with `code_paths`, or installed where the model is loaded.
        data_path: a file or folder that is copied along and given to it.
        python_model: a `PythonModel`, a function of one argument, or the path of a script that calls `set_model`.
        artifacts: name to path or URI, of files that are copied along; the model finds them by name in its context.
        model_config: what the model finds in its context, or in `ModelConfig`; `load_model` can change the values.
        streamable: whether `predict_stream` may be called; if not given, whether the model defines it.
    Raises:
        InvalidValue: arguments do not go together, or the model cannot be saved.
    """
    content = content_of(loader_module, data_path, python_model, artifacts, model_config, streamable)
    given = saving.Given(
        code_paths=code_paths,
        infer_code_paths=infer_code_paths,
        conda_env=conda_env,
        mlflow_model=mlflow_model,
        signature=signature,
        input_example=input_example,
        pip_requirements=pip_requirements,
        extra_pip_requirements=extra_pip_requirements,
        metadata=metadata,
        resources=resources,
    )
    _require_some_need(content, given)
    saving.write(path, content, given)


def log_model(
    artifact_path: str | None = None,
    loader_module: str | None = None,
    data_path: str | os.PathLike[str] | None = None,
    code_paths: Sequence[str | os.PathLike[str]] | None = None,
    infer_code_paths: bool = False,
    conda_env: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    python_model: PythonModel | Callable[[Any], Any] | str | os.PathLike[str] | None = None,
    artifacts: Mapping[str, str] | None = None,
    registered_model_name: str | None = None,
    signature: ModelSignature | bool | None = None,
    input_example: Any = None,
    await_registration_for: int | None = 300,
    pip_requirements: str | Sequence[str] | None = None,
    extra_pip_requirements: str | Sequence[str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    model_config: Mapping[str, Any] | str | os.PathLike[str] | None = None,
    streamable: bool | None = None,
    resources: Any = None,
    *,
    name: str | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    model_type: str | None = None,
    step: int = 0,
    model_id: str | None = None,
) -> ModelInfo:
    """Save a Python function and record it as a logged model of the active run, or of the active experiment without one.

    Arguments are those of `save_model` here, and those of flavors' `log_model`.
    """
    from millstream.models import logging

    content = content_of(loader_module, data_path, python_model, artifacts, model_config, streamable)
    given = saving.Given(
        code_paths=code_paths,
        infer_code_paths=infer_code_paths,
        conda_env=conda_env,
        signature=signature,
        input_example=input_example,
        pip_requirements=pip_requirements,
        extra_pip_requirements=extra_pip_requirements,
        metadata=metadata,
        resources=resources,
    )
    _require_some_need(content, given)
    wanted = logging.Logging(
        artifact_path=artifact_path,
        name=name,
        registered_model_name=registered_model_name,
        await_registration_for=await_registration_for,
        params=params,
        tags=tags,
        model_type=model_type,
        step=step,
        model_id=model_id,
    )
    return logging.log_content(content, wanted, given)


def content_of(
    loader_module: str | None,
    data_path: str | os.PathLike[str] | None,
    python_model: Any,
    artifacts: Mapping[str, str] | None,
    model_config: Mapping[str, Any] | str | os.PathLike[str] | None,
    streamable: bool | None,
) -> saving.Content:
    """What is to be written. Raises InvalidValue if the arguments do not go together."""
    config = code_models.read_config(model_config) if model_config is not None else None
    if python_model is not None:
        if loader_module is not None or data_path is not None:
            raise InvalidValue("python_model and artifacts exclude loader_module and data_path. Give one of the pairs.")
        return PythonContent(python_model, dict(artifacts or {}), config, streamable)
    if loader_module is None:
        raise InvalidValue(
            "Give python_model (a PythonModel, a function, or the path of a script) or loader_module (the name of a module)."
        )
    if artifacts:
        raise InvalidValue("artifacts belong to a python_model; a loader_module has data_path.")
    return LoaderContent(loader_module, data_path, config, bool(streamable))


def _require_some_need(content: saving.Content, given: saving.Given) -> None:
    """A plain function says nothing of what goes in or what it needs, so its caller has to."""
    if not isinstance(content, PythonContent) or not content.is_function or content.script is not None:
        return
    if given.input_example is None and given.pip_requirements is None and given.extra_pip_requirements is None:
        raise InvalidValue(
            "A function needs one of input_example, pip_requirements and extra_pip_requirements to be saved as a model."
        )


class PythonContent:
    """A PythonModel or function, pickled, or the script that makes it."""

    flavor = "python_function"
    infers_signature = True

    def __init__(
        self, python_model: Any, artifacts: dict[str, str], config: dict[str, Any] | None, streamable: bool | None
    ) -> None:
        self.script: Path | None = None
        self._artifacts = artifacts
        self._config = config
        if isinstance(python_model, str | os.PathLike):
            self.script = Path(python_model)
            if not self.script.is_file():
                raise LocalFileNotFound(os.fspath(python_model))
            python_model = code_models.run_script(self.script.absolute(), config)
        self.is_function = not code_models.is_python_model(python_model)
        self._model = _as_model(python_model)
        stream = getattr(type(self._model), "predict_stream", None)
        self._streamable = streamable if streamable is not None else stream not in (None, PythonModel.predict_stream)
        self._keys: dict[str, Any] = {}
        self._implementation: PythonImplementation | None = None

    def check(self, signature: ModelSignature | None) -> None:
        self._implementation = PythonImplementation(self._model, None)

    def write(self, root: Path) -> None:
        self._keys = {}
        if self._artifacts:
            self._keys["artifacts"] = _copy_artifacts(self._artifacts, root)
        if self.script is not None:
            shutil.copyfile(self.script, root / self.script.name)
            self._keys["model_code_path"] = str(self.script.absolute())
        else:
            from millstream.models.pyfunc import pickling

            self._keys.update(pickling.save(self._model, root))

    def sections(self, code: str | None) -> dict[str, dict[str, Any]]:
        keys = {**self._keys, "streamable": self._streamable}
        if self._config:
            keys["config"] = self._config
        loader = SCRIPT_LOADER if self.script is not None else PICKLE_LOADER
        return {"python_function": {"code": None, **saving.python_function(loader, code, **keys)}}

    def requirements(self) -> Sequence[str]:
        return ("cloudpickle",)

    def modules(self) -> None:
        return None

    def hinted_signature(self, example: Any) -> ModelSignature | None:
        from millstream.models.signature import signature_from_type_hints

        return signature_from_type_hints(called(self._model), example)

    def implementation(self, root: Path) -> Implementation | None:
        assert self._implementation is not None  # made by `check`
        if self._implementation.context is None:
            paths = {name: str(root / where["path"]) for name, where in self._keys.get("artifacts", {}).items()}
            self._implementation.context = PythonModelContext(paths, self._config)
            self._model.load_context(self._implementation.context)
        return self._implementation


def _as_model(python_model: Any) -> Any:
    if code_models.is_python_model(python_model):
        if type(python_model).predict is PythonModel.predict:
            raise InvalidValue(
                f"{type(python_model).__name__} has no method predict. Write predict(self, model_input)."
            )
        return python_model
    if not callable(python_model) or inspect.isclass(python_model):
        raise InvalidValue(
            f"python_model is a PythonModel, a function of one argument or the path of a script, not {python_model!r}."
        )
    code_models.check_function(python_model)
    return FunctionModel(python_model)


def _copy_artifacts(artifacts: Mapping[str, str], root: Path) -> dict[str, dict[str, str]]:
    """Bring files and folders into `artifacts/`, each under its own name; a second of that name goes below its artifact's."""
    from millstream.artifacts import download_artifacts

    written: dict[str, dict[str, str]] = {}
    for name, uri in artifacts.items():
        base = os.path.basename(os.fspath(uri).rstrip("/")) or name
        folder = root / "artifacts"
        if (folder / base).exists():
            folder = folder / name
        folder.mkdir(parents=True, exist_ok=True)
        found = Path(download_artifacts(os.fspath(uri), dst_path=str(folder)))
        written[name] = {"path": found.relative_to(root).as_posix(), "uri": os.fspath(uri)}
    return written


class LoaderContent:
    """Data, and the module that loads it."""

    flavor = "python_function"
    infers_signature = False

    def __init__(
        self,
        loader_module: str,
        data_path: str | os.PathLike[str] | None,
        config: dict[str, Any] | None,
        streamable: bool,
    ) -> None:
        self._loader = loader_module
        self._source = Path(data_path) if data_path is not None else None
        self._config = config
        self._streamable = streamable
        if self._source is not None and not self._source.exists():
            raise LocalFileNotFound(str(self._source))

    def check(self, signature: ModelSignature | None) -> None:
        pass

    def write(self, root: Path) -> None:
        if self._source is None:
            return
        target = root / "data" / self._source.absolute().name
        target.parent.mkdir()
        if self._source.is_dir():
            shutil.copytree(self._source, target)
        else:
            shutil.copyfile(self._source, target)

    def sections(self, code: str | None) -> dict[str, dict[str, Any]]:
        keys: dict[str, Any] = {"streamable": self._streamable}
        if self._source is not None:
            keys["data"] = f"data/{self._source.absolute().name}"
        if self._config:
            keys["config"] = self._config
        return {"python_function": {"code": None, **saving.python_function(self._loader, code, **keys)}}

    def requirements(self) -> Sequence[str]:
        return ()

    def modules(self) -> None:
        return None

    def hinted_signature(self, example: Any) -> ModelSignature | None:
        return None

    def implementation(self, root: Path) -> Implementation | None:
        return None


def add_to_model(
    model: Model,
    loader_module: str,
    data: str | None = None,
    code: str | None = None,
    conda_env: str | Mapping[str, str] | None = None,
    python_env: str | None = None,
    model_config: Mapping[str, Any] | str | os.PathLike[str] | None = None,
    model_code_path: str | None = None,
    **keys: Any,
) -> Model:
    """Add the flavor python_function to what an MLmodel says; for libraries that write their own models.

    Args:
        loader_module: a module with `_load_pyfunc(data_path)`.
        data: path in the model's folder that it is given.
        code: folder in the model's folder with Python code.
        conda_env: path in the model's folder of its conda environment (or a mapping of managers to paths).
        python_env: the same, of its python_env.yaml.
        model_config: as in `save_model`.
        model_code_path: the script of a model from code.
    """
    section = saving.python_function(loader_module, code, **keys)
    environment = dict(conda_env) if isinstance(conda_env, Mapping) else {"conda": conda_env, "virtualenv": python_env}
    section["env"] = {name: path for name, path in environment.items() if path}
    if not section["env"]:
        del section["env"]
    if data is not None:
        section["data"] = data
    if model_config:
        section["config"] = code_models.read_config(model_config)
    if model_code_path is not None:
        section["model_code_path"] = model_code_path
    model.add_flavor("python_function", **section)
    return model
