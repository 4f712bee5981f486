"""Writing a model's folder: one way for all flavors and for Python functions.

What differs is a `Content`: how its files are written and what MLmodel says of them. Everything else is done here: the folder
appears whole or not at all, the signature is inferred from the example, the example and the environment are written beside.
"""

from __future__ import annotations

import copy
import logging
import os
import platform
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

from millstream.errors import InvalidValue
from millstream.models import code_paths
from millstream.models.examples import SERVING_EXAMPLE, load_serving_example, save_example, split_params
from millstream.models.flavor import (
    Flavor,
    load_for_python_function,
    python_function_entry,
    section_requirements,
)
from millstream.models.mlmodel import MLMODEL, Model
from millstream.models.trust import Trust

if TYPE_CHECKING:
    from millstream.models.pyfunc.loaded import Implementation
    from millstream.models.signature import ModelSignature

logger = logging.getLogger("millstream")


class Content(Protocol):
    """What one kind of model writes."""

    @property
    def flavor(self) -> str:
        """Under which flavor the model can be loaded again."""
        ...

    def check(self, signature: ModelSignature | None) -> None:
        """Refuse what cannot be saved, before anything is written."""
        ...

    def write(self, root: Path) -> None:
        """Write the model's own files into its folder."""
        ...

    def sections(self, code: str | None) -> dict[str, dict[str, Any]]:
        """The flavors of MLmodel, after `write`; `code` is the folder of its Python files."""
        ...

    def requirements(self) -> Sequence[str]:
        """Distributions that it needs in any case, after `write`."""
        ...

    def hinted_signature(self, example: Any) -> ModelSignature | None:
        """A signature that the model itself declares."""
        ...

    def implementation(self, root: Path) -> Implementation | None:
        """What predicts, to try the example with, after `write`; None if the model is not run while it is saved."""
        ...

    def modules(self) -> Sequence[str] | None:
        """What loading it imports besides `requirements`; None if that has to be seen by loading it."""
        ...

    @property
    def infers_signature(self) -> bool: ...


class Given(Struct, kw_only=True):
    """The arguments that every `save_model` has; see `millstream.models.flavor.SaveModel` for their meaning."""

    conda_env: Any = None
    code_paths: Sequence[str | os.PathLike[str]] | None = None
    infer_code_paths: bool = False
    mlflow_model: Model | None = None
    signature: Any = None
    input_example: Any = None
    pip_requirements: str | Sequence[str] | None = None
    extra_pip_requirements: str | Sequence[str] | None = None
    metadata: Mapping[str, Any] | None = None
    resources: Any = None


def save(flavor: Flavor, model: Any, path: str | os.PathLike[str], *, options: dict[str, Any], **given: Any) -> Model:
    """`save_model` of a flavor."""
    return write(path, FlavorContent(flavor, model, options, given.get("input_example")), Given(**given))


def write(path: str | os.PathLike[str], content: Content, given: Given) -> Model:
    """Write a model's folder, whole or not at all.

    Args:
        path: a folder that does not exist or is empty.
    Returns:
        What its MLmodel says.
    Raises:
        InvalidValue: the folder holds something, arguments exclude each other, or the model cannot be saved.
    """
    from millstream.environments import Requirements, write_environment

    _refuse_exclusive(given)
    metadata = given.mlflow_model if given.mlflow_model is not None else Model()
    content.check(given.signature or None)
    with building(path) as root:
        content.write(root)
        _describe(metadata, root, content, given)
        metadata.model_size_bytes = _size(root)
        code = code_paths.copy(given.code_paths, root)
        _finish(metadata, root, content, code)
        if given.infer_code_paths:
            code = _copy_imported(root, content.flavor)
            _finish(metadata, root, content, code)
        if given.signature is False or metadata.signature is not None:  # else the example has failed already
            _replay(metadata, root, content)
        requirements = Requirements.resolve(
            conda_env=given.conda_env,
            pip_requirements=given.pip_requirements,
            extra_pip_requirements=given.extra_pip_requirements,
            inferred=lambda: _requirements(root, content),
        )
        _remove_caches(root)
        write_environment(root, requirements)
    return metadata


def _requirements(root: Path, content: Content) -> list[str]:
    """What the model needs, if the caller does not say it."""
    from millstream.environments.inference import infer_requirements
    from millstream.environments.installed import distributions_of, pinned

    modules = content.modules()
    if modules is None:
        return infer_requirements(root, content.flavor, content.requirements())
    files = [getattr(sys.modules.get(name), "__file__", None) for name in modules]
    found = distributions_of([file for file in files if file is not None])
    return sorted({pinned(name) for name in (*content.requirements(), *found.values())})


def _refuse_exclusive(given: Given) -> None:
    """What can be refused before the model is written."""
    from millstream.environments import Requirements

    if given.code_paths and given.infer_code_paths:
        raise InvalidValue("Give either code_paths or infer_code_paths=True.")
    if given.signature is True:
        raise InvalidValue("signature=True says nothing: give a ModelSignature, None to infer it, or False for none.")
    Requirements.resolve(
        conda_env=given.conda_env,
        pip_requirements=given.pip_requirements,
        extra_pip_requirements=given.extra_pip_requirements,
    )


def _describe(metadata: Model, root: Path, content: Content, given: Given) -> None:
    """Signature, example, metadata and resources: what MLmodel says besides the flavors."""
    example = None
    if given.input_example is not None:
        metadata.saved_input_example_info = save_example(given.input_example, root)
        example = split_params(given.input_example)
    if given.signature:
        metadata.signature = given.signature
    elif given.signature is False:
        metadata.signature = None
    elif metadata.signature is None:
        _infer(metadata, root, content, example)
    if given.metadata is not None:
        metadata.metadata = dict(given.metadata)
    if given.resources is not None:
        metadata.resources = _resources(given.resources)


def _infer(metadata: Model, root: Path, content: Content, example: tuple[Any, dict[str, Any] | None] | None) -> None:
    """The signature that the model's type hints declare, else the one that its example shows; a failure only warns."""
    from millstream.models.params import infer_param_schema
    from millstream.models.signature import signature_of_example

    hinted = content.hinted_signature(None if example is None else example[0])
    metadata.signature = hinted
    if hinted is not None and example is not None:
        hinted.params = infer_param_schema(example[1])
    is_from_example = hinted is not None and hinted.is_from_example
    if example is None or not content.infers_signature or (hinted is not None and not is_from_example):
        return
    inputs, params = example
    try:
        implementation = content.implementation(root)
        assert implementation is not None  # of what infers
        outputs = implementation.predict(copy.deepcopy(inputs), params)
        metadata.signature = signature_of_example(inputs, outputs, params)
        metadata.signature.is_from_example = is_from_example
    except Exception as error:  # the user's model, on an example that may not fit it
        logger.warning("The signature could not be inferred: predicting the example failed: %s", error)


def _replay(metadata: Model, root: Path, content: Content) -> None:
    """Send the saved example through the model as the body of a scoring request; a failure only warns."""
    from millstream.models.pyfunc.loaded import PyFuncModel
    from millstream.serving.forms import read
    from millstream.serving.scorer import wanted_of

    example = metadata.saved_input_example_info
    if not example or "python_function" not in metadata.flavors:
        return
    try:
        implementation = content.implementation(root)
        if implementation is None:
            return
        model = PyFuncModel(metadata, implementation, root)
        request = read(load_serving_example(root, example).encode(), wanted_of(model))
        model.predict(request.data, request.params)
    except Exception as error:  # the user's model, or an example that JSON does not hold as it was
        logger.warning(
            "The model does not answer its input example when that comes as a scoring request (%s): %s",
            SERVING_EXAMPLE,
            error,
        )


def _resources(resources: Any) -> Any:
    from millstream.models.pyfunc.code_models import read_config

    if isinstance(resources, Mapping | str | os.PathLike):
        return read_config(resources)
    raise InvalidValue("resources is a mapping, or the path of a YAML file that holds one.")


def _finish(metadata: Model, root: Path, content: Content, code: str | None) -> None:
    for name, section in content.sections(code).items():
        metadata.add_flavor(name, **section)
    metadata.save(root / MLMODEL)


def _copy_imported(root: Path, flavor: str) -> str | None:
    found = code_paths.infer(root, flavor)
    for file, below in found:
        target = root / code_paths.CODE / below
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    return code_paths.CODE if found else None


def _size(root: Path) -> int:
    return sum(path.stat().st_size for path in root.rglob("*") if path.is_file())


def _remove_caches(root: Path) -> None:
    """What Python wrote beside the model's code while it was loaded."""
    for folder in list(root.rglob("__pycache__")):
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def building(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A new folder beside `path` that becomes `path` at the end, or goes if anything fails.

    Raises:
        InvalidValue: `path` is a file, or a folder that holds something.
    """
    target = Path(os.path.abspath(path))
    if target.exists() and not target.is_dir():
        raise InvalidValue(f"{str(target)!r} is a file. Save the model to a folder that does not exist or is empty.")
    if target.is_dir() and any(target.iterdir()):
        raise InvalidValue(
            f"{str(target)!r} exists already and is not empty. Save the model elsewhere, or empty the folder first."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    root = target.with_name(f".{target.name}.{secrets.token_hex(8)}.partial")
    root.mkdir()
    try:
        yield root
        if target.exists():
            target.rmdir()
        root.rename(target)
    except BaseException:
        shutil.rmtree(root, ignore_errors=True)
        raise


ENVIRONMENT = {"conda": "conda.yaml", "virtualenv": "python_env.yaml"}


def python_function(loader_module: str, code: str | None = None, **keys: Any) -> dict[str, Any]:
    """A section `python_function`: how this model is loaded as a function."""
    section = {
        "loader_module": loader_module,
        "python_version": platform.python_version(),
        "env": dict(ENVIRONMENT),
        **keys,
    }
    return {**section, "code": code} if code else section


class FlavorContent:
    """A model of one of the flavors."""

    def __init__(
        self, flavor: Flavor, model: Any, options: dict[str, Any], example: Any, location: str | None = None
    ) -> None:
        self._flavor = flavor
        self._module = flavor.module()
        self._model = model
        self._options = {key: value for key, value in options.items() if value is not None}
        self._example = {"input_example": example} if flavor.saves_with_example else {}
        self._location = {"location": location} if flavor.saves_with_location else {}
        self._section: dict[str, Any] = {}
        self._entry: dict[str, Any] | None = None
        self._implementation: Implementation | None = None

    @property
    def flavor(self) -> str:
        return self._flavor.name

    @property
    def infers_signature(self) -> bool:
        return self._flavor.infers_signature and self._entry is not None

    def check(self, signature: ModelSignature | None) -> None:
        self._flavor.library()
        own = getattr(self._module, "check", None)
        if own is not None:
            own(self._model, signature, **self._options)

    def write(self, root: Path) -> None:
        self._section = self._module.save(self._model, root, **self._options, **self._example, **self._location)
        self._entry = python_function_entry(self._module, self._section, self._options, self._model)

    def sections(self, code: str | None) -> dict[str, dict[str, Any]]:
        found = {self._flavor.name: {**self._section, self._flavor.version_key: self._flavor.version(), "code": code}}
        if self._entry is not None:
            found["python_function"] = python_function(self._flavor.loader_module, code, **self._entry)
        return found

    def requirements(self) -> Sequence[str]:
        return section_requirements(self._module, self._section)

    def modules(self) -> Sequence[str] | None:
        own: Callable[[Any], Sequence[str]] | None = getattr(self._module, "modules_of", None)
        return None if own is None else own(self._model)

    def hinted_signature(self, example: Any) -> ModelSignature | None:
        return None

    def implementation(self, root: Path) -> Implementation | None:
        from millstream.models.pyfunc.implementations import FlavorImplementation

        if self._entry is None:
            return None
        if self._implementation is None:
            model = self._model
            if not self._flavor.predicts_given:
                config = self._entry.get("config") or {}
                model = load_for_python_function(
                    self._module, root, self._entry, self._section, trust=Trust(True), model_config=config
                )
            self._implementation = FlavorImplementation(self._module, model, self._entry)
        return self._implementation
