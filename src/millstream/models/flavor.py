"""What a flavor is: one file of `models/flavors/` that says how one library's models are saved, loaded and called.

The engine (`saving`, `logging`, `loading`, `pyfunc`) does the rest, once, for all flavors: signature, example, environment,
code paths, logging, registration. A flavor file holds a `FLAVOR` and these functions (`FlavorModule` has their types):

save(model, root, **options) -> section
    Write the model's files below `root`, a new folder; return the keys of the flavor's own section in MLmodel. The engine
    adds `version_key` and `code`.
load(root, section, *, trust, **options) -> model
    Read them again. `section` comes from a file that somebody else may have written: take paths from it through
    `millstream.models.locations.inside`, and unpickle with `trust` alone.
predict(model, inputs, params) -> result
    The view of `python_function`: the inputs are enforced already. With a fourth parameter named `entry` it is given the
    model's `flavors.python_function` as well (sklearn's `predict_fn`).

and, where the rule does not fit, any of
check(model, signature, **options)
    Refuse what cannot be saved, before anything is written. The signature is what the caller gave, perhaps None.
pyfunc_entry(section, options, model) -> dict or None
    Further keys of `flavors.python_function`. The rule is {"data": section["data"]} where the section has it; None writes
    no such entry.
load_for_pyfunc(root, entry, section, *, trust, model_config) -> object
    Where `predict` takes another object than `load` gives; `section` is {} in a file without the flavor's own section.
requirements_of(section) -> distributions
    Requirements besides `FLAVOR.requirements`, by what was written (sklearn's skops or cloudpickle).
modules_of(model) -> names of modules
    What loading the model imports besides the library. Where a flavor knows that, the model is not loaded in a process of its own
    to see what it requires.

The last line of a flavor file makes its public functions: `save_model, log_model, ... = FLAVOR.functions()`.
"""

from __future__ import annotations

import importlib
import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

from msgspec import Struct

from millstream.errors import MissingLibrary

if TYPE_CHECKING:
    from millstream.models.mlmodel import Model, ModelInfo
    from millstream.models.signature import ModelSignature
    from millstream.models.trust import Trust


class Flavor(Struct, frozen=True):
    """One row of facts about a library whose models can be saved."""

    name: str
    """Also the name of its file, of its section in MLmodel and of `millstream.<name>`."""
    package: str
    """What is imported."""
    tested: str
    """Versions that it is made for, such as ">=4.0,<5". Tests run with some of them: docs/flavors.md says which."""
    classes: tuple[str, ...]
    """Full names of classes; their instances, and those of classes derived from them, are models of this flavor."""
    loader_module: str
    """What `python_function` names in MLmodel, so that the official package finds its own loader."""
    version_key: str
    """Key of the section that holds the library's version."""
    model_argument: str
    """What MLflow calls the model in `save_model` and `log_model`."""
    install: str = ""
    """What to install where that is not called as the package is (scikit-learn)."""
    requirements: tuple[str, ...] = ()
    """Distributions that every model of this flavor needs."""
    options: tuple[str, ...] = ()
    """Keyword arguments of `save_model` and `log_model` that go to `save` and `check`."""
    load_options: tuple[str, ...] = ()
    """Keyword arguments of `load_model` that go to `load`."""
    any_load_options: bool = False
    """`load_model` takes any further keyword argument (they go to the library's own loader)."""
    predicts_given: bool = True
    """Whether `predict` takes the model as it was given to `save_model`; if not, it is loaded to try its example."""
    saves_with_example: bool = False
    """Whether `save` takes `input_example` as well, to trace the model with."""
    saves_with_location: bool = False
    """Whether `save` takes `location` as well: the URI that the folder goes to when it is logged, None when it is saved."""
    infers_signature: bool = True
    """Whether a missing signature is inferred from the example."""

    def module(self) -> FlavorModule:
        """The file of this flavor."""
        return cast("FlavorModule", importlib.import_module(f"millstream.models.flavors.{self.name}"))

    def library(self) -> Any:
        """The library. Raises MissingLibrary with its install line."""
        try:
            return importlib.import_module(self.package)
        except ModuleNotFoundError as error:
            if error.name is not None and error.name.split(".")[0] != self.package.split(".")[0]:
                raise
            raise MissingLibrary(self.package, f"The model flavor {self.name!r}", self.install or None) from error

    def version(self) -> str:
        """Version of the library that is imported here."""
        return str(self.library().__version__)

    def functions(self) -> Functions:
        """The public functions of the flavor's file; see the classes of `Functions` for what they do."""
        return Functions(
            save_model=cast(SaveModel, self._public("save_model", SaveModel.__call__, _save)),
            log_model=cast(LogModel, self._public("log_model", LogModel.__call__, _log)),
            load_model=cast(LoadModel, self._public("load_model", LoadModel.__call__, _load)),
            autolog=cast(Autolog, self._public("autolog", Autolog.__call__, _autolog)),
            get_default_pip_requirements=cast(
                DefaultRequirements,
                self._public("get_default_pip_requirements", DefaultRequirements.__call__, _requirements),
            ),
            get_default_conda_env=cast(
                DefaultCondaEnv, self._public("get_default_conda_env", DefaultCondaEnv.__call__, _conda_env)
            ),
        )

    def _public(
        self, name: str, template: Callable[..., Any], act: Callable[[Flavor, dict[str, Any], dict[str, Any]], Any]
    ) -> Callable[..., Any]:
        """A function with the template's signature and text, the model and the options under this flavor's names."""
        options = self.load_options if name == "load_model" else self.options
        signature = _signature(template, self.model_argument, options, self.any_load_options and name == "load_model")

        def function(*args: Any, **kwargs: Any) -> Any:
            given = signature.bind(*args, **kwargs).arguments
            given.update(given.pop("further", {}))
            chosen = {key: given.pop(key) for key in list(given) if key not in common}
            if self.model_argument in chosen:
                given["model"] = chosen.pop(self.model_argument)
            return act(self, given, chosen)

        common = frozenset(inspect.signature(template).parameters)
        function.__name__ = function.__qualname__ = name
        function.__module__ = f"millstream.models.flavors.{self.name}"
        function.__doc__ = inspect.cleandoc(template.__doc__ or "")
        function.__signature__ = signature  # type: ignore[attr-defined]
        return function


def _signature(
    template: Callable[..., Any], model_argument: str, options: Sequence[str], any_options: bool
) -> inspect.Signature:
    parameters = []
    for parameter in list(inspect.signature(template).parameters.values())[1:]:
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD:
            name = model_argument if parameter.name == "model" else parameter.name
            default = inspect.Parameter.empty if parameter.default is ... else parameter.default
            parameters.append(parameter.replace(name=name, default=default))
            continue
        names = options if parameter.name == "options" else ()
        parameters += [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None) for name in names]
        if any_options or parameter.name == "further":
            parameters.append(parameter.replace(name="further"))
    return inspect.Signature(parameters)


def class_name(kind: type) -> str:
    """A class's full name, as `Flavor.classes` and MLmodel have it."""
    return f"{kind.__module__}.{kind.__qualname__}"


class FlavorModule(Protocol):
    """The file of a flavor as the engine sees it; the optional functions are asked for by name."""

    FLAVOR: Flavor

    @property
    def save(self) -> Callable[..., dict[str, Any]]: ...
    @property
    def load(self) -> Callable[..., Any]: ...
    @property
    def predict(self) -> Callable[..., Any]: ...


class SaveModel(Protocol):
    def __call__(
        self,
        model: Any = ...,
        path: str | os.PathLike[str] = ...,
        conda_env: str | os.PathLike[str] | Mapping[str, Any] | None = None,
        code_paths: Sequence[str | os.PathLike[str]] | None = None,
        mlflow_model: Model | None = None,
        *,
        signature: ModelSignature | bool | None = None,
        input_example: Any = None,
        pip_requirements: str | Sequence[str] | None = None,
        extra_pip_requirements: str | Sequence[str] | None = None,
        infer_code_paths: bool = False,
        metadata: Mapping[str, Any] | None = None,
        resources: Any = None,
        **options: Any,
    ) -> None:
        """Write a model to a folder, whole or not at all.

        Args:
            path: a folder that does not exist or is empty.
            conda_env: a conda environment, as a dict or the path of its YAML file.
            code_paths: files and folders of Python code that the model needs; copied along, and importable when it is loaded.
            mlflow_model: a `Model` to add to, for what is known of it already.
            signature: what goes in and out; inferred from `input_example` if not given; False writes none.
            input_example: inputs to show and to try the model with, or a pair (inputs, params).
            pip_requirements: requirement lines, or the path of a file of them, instead of those that are found by loading the
                model in a process of its own; at most one of this, `conda_env` and `extra_pip_requirements` is given.
            extra_pip_requirements: lines besides those that are found.
            infer_code_paths: copy the local modules that loading the model imports, instead of `code_paths`.
            metadata: any mapping; kept in MLmodel.
            resources: kept in MLmodel: a list of resources, a mapping, or the path of a YAML file.
        Raises:
            InvalidValue: the folder holds something, or arguments exclude each other.
        """
        ...


class LogModel(Protocol):
    def __call__(
        self,
        model: Any = ...,
        artifact_path: str | None = None,
        conda_env: str | os.PathLike[str] | Mapping[str, Any] | None = None,
        code_paths: Sequence[str | os.PathLike[str]] | None = None,
        registered_model_name: str | None = None,
        *,
        name: str | None = None,
        signature: ModelSignature | bool | None = None,
        input_example: Any = None,
        await_registration_for: int | None = 300,
        pip_requirements: str | Sequence[str] | None = None,
        extra_pip_requirements: str | Sequence[str] | None = None,
        infer_code_paths: bool = False,
        metadata: Mapping[str, Any] | None = None,
        resources: Any = None,
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
        model_type: str | None = None,
        step: int = 0,
        model_id: str | None = None,
        **options: Any,
    ) -> ModelInfo:
        """Save a model and record it as a logged model of the active run, or of the active experiment without one.

        Arguments that `save_model` has too mean the same.

        Args:
            artifact_path: the older word for `name`.
            name: what the model is called in its run.
            registered_model_name: register the model as a new version under this name.
            await_registration_for: seconds to wait until that version is READY; 0 or None does not wait.
            params: kept with the logged model, besides the params of its run.
            tags: of the logged model.
            model_type: a word for what kind of model it is.
            step: of the run at which the model was made; metrics of that step are linked to it.
            model_id: a logged model that is PENDING and gets the files; a new one if not given.
        Raises:
            Unsupported: the run was started offline: a model can only be stored where its store answers.
        """
        ...


class LoadModel(Protocol):
    def __call__(
        self,
        model_uri: str | os.PathLike[str],
        dst_path: str | None = None,
        *,
        trust: bool | None = None,
        **options: Any,
    ) -> Any:
        """The model itself, as its library has it.

        Args:
            model_uri: a folder, or `models:/name/version`, `models:/name@alias`, `models:/<model id>`, `runs:/<run id>/name`,
                or the URI of any artifact store.
            dst_path: an existing folder to download to; a temporary one if not given. What is on this machine is used in place.
            trust: whether pickles in it may be loaded, which runs whatever code its author put there; the setting
                TRUST_PICKLES (False) if not given.
        Raises:
            UntrustedModel: the model holds a pickle and is not trusted.
        """
        ...


class Autolog(Protocol):
    def __call__(self, **further: Any) -> None:
        """Log what this library trains from now on; see `millstream.autologging` for the settings."""
        ...


class DefaultRequirements(Protocol):
    def __call__(self, **further: Any) -> list[str]:
        """Requirement lines, with the versions installed here, that every model of this flavor needs."""
        ...


class DefaultCondaEnv(Protocol):
    def __call__(self, **further: Any) -> dict[str, Any]:
        """The conda environment that is written if nothing else is said."""
        ...


class Functions(NamedTuple):
    """The public functions of a flavor, in the order in which its file names them."""

    save_model: SaveModel
    log_model: LogModel
    load_model: LoadModel
    autolog: Autolog
    get_default_pip_requirements: DefaultRequirements
    get_default_conda_env: DefaultCondaEnv


def _save(flavor: Flavor, given: dict[str, Any], options: dict[str, Any]) -> None:
    from millstream.models import saving

    saving.save(flavor, **given, options=options)


def _log(flavor: Flavor, given: dict[str, Any], options: dict[str, Any]) -> ModelInfo:
    from millstream.models import logging

    return logging.log(flavor, **given, options=options)


def _load(flavor: Flavor, given: dict[str, Any], options: dict[str, Any]) -> Any:
    from millstream.models import loading

    return loading.load(flavor, **given, options=options)


def _autolog(flavor: Flavor, given: dict[str, Any], options: dict[str, Any]) -> None:
    from millstream import autologging

    autologging.switch(flavor.name, **options)


def _requirements(flavor: Flavor, given: dict[str, Any], options: dict[str, Any]) -> list[str]:
    from millstream.environments.installed import pinned

    return [pinned(name) for name in flavor.requirements]


def _conda_env(flavor: Flavor, given: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    from millstream.environments import default_conda_env

    return default_conda_env(_requirements(flavor, given, options))


def section_requirements(module: FlavorModule, section: Mapping[str, Any]) -> tuple[str, ...]:
    """Distributions that a model of this section needs."""
    further: Callable[[Mapping[str, Any]], Sequence[str]] | None = getattr(module, "requirements_of", None)
    return (*module.FLAVOR.requirements, *(further(section) if further else ()))


def python_function_entry(
    module: FlavorModule, section: dict[str, Any], options: dict[str, Any], model: Any
) -> dict[str, Any] | None:
    """The flavor's own keys of `flavors.python_function`; None if it has no such view of this model."""
    own: Callable[[dict[str, Any], dict[str, Any], Any], dict[str, Any] | None] | None = getattr(
        module, "pyfunc_entry", None
    )
    if own is not None:
        return own(section, options, model)
    return {"data": section["data"]} if "data" in section else {}


def load_for_python_function(
    module: FlavorModule,
    root: Path,
    entry: dict[str, Any],
    section: dict[str, Any],
    *,
    trust: Trust,
    model_config: dict[str, Any],
) -> Any:
    """The object that the flavor's `predict` takes."""
    own: Callable[..., Any] | None = getattr(module, "load_for_pyfunc", None)
    if own is not None:
        return own(root, entry, section, trust=trust, model_config=model_config)
    return module.load(root, section or entry, trust=trust)
