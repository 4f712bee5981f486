"""Keras 3 models in the `.keras` format, and what earlier writers kept as `.h5`, as far as Keras 3 reads it.

Such a file is a configuration and weights. Keras makes the objects that the configuration names, so `_check` looks at it first:
Keras' own building blocks are taken, and classes that the caller registered or gives in `custom_objects`. What carries code
(Lambda layers, wrapped modules of other libraries) or names files of its author's needs trust.
"""

from __future__ import annotations

import json
import os
import sys
import zipfile
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from millstream.errors import Unsupported
from millstream.models.flavor import Flavor
from millstream.models.model_files import check_zip, named, reading

if TYPE_CHECKING:
    from millstream.models.trust import Trust

FLAVOR = Flavor(
    name="keras",
    package="keras",
    tested=">=3.0,<4",
    classes=("keras.src.models.model.Model",),
    loader_module="mlflow.keras",
    version_key="keras_version",
    model_argument="model",
    requirements=("keras",),
    options=("save_exported_model", "save_model_kwargs"),
    load_options=("custom_objects", "load_model_kwargs"),
)

FOLDER = "data"
FILE = "model.keras"
BACKENDS = {"torch": "torch", "jax": "jax", "tensorflow": "tensorflow"}
"""What `keras_backend` can say, to the distribution that it needs."""

BUILDING_BLOCKS = frozenset(
    {"activations", "constraints", "distribution", "dtype_policies", "initializers", "layers", "losses", "metrics", "models",
     "ops", "optimizers", "quantizers", "random", "regularizers", "tree"}
)  # fmt: skip
"""Modules of Keras whose classes and functions a model is made of."""

CARRIES_CODE = frozenset({"Lambda", "__lambda__", "TorchModuleWrapper", "TFSMLayer", "JaxLayer", "FlaxLayer"})
"""Classes that unpickle, or run what a file next to the model says."""


def check(
    model: Any,
    signature: Any,
    *,
    save_exported_model: bool | None = None,
    save_model_kwargs: Mapping[str, Any] | None = None,
) -> None:
    if save_exported_model:
        raise Unsupported(
            "Exported models are TensorFlow's SavedModel format, which this flavor does not write. Leave save_exported_model out: "
            "the .keras format loads with every backend."
        )


def save(
    model: Any,
    root: Path,
    *,
    save_exported_model: bool | None = None,
    save_model_kwargs: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write `data/model.keras`; `save_model_kwargs` goes to Keras' own `save`."""
    folder = root / FOLDER
    folder.mkdir()
    model.save(folder / FILE, **dict(save_model_kwargs or {}))
    (folder / "keras_module.txt").write_text("keras")
    return {"data": FOLDER, "keras_backend": _backend(), "save_exported_model": False}


def pyfunc_entry(section: dict[str, Any], options: dict[str, Any], model: Any) -> dict[str, Any]:
    """No path: the loader is given the model's folder."""
    return {}


def load(
    root: Path,
    section: dict[str, Any],
    *,
    trust: Trust,
    custom_objects: Mapping[str, Any] | None = None,
    load_model_kwargs: Mapping[str, Any] | None = None,
) -> Any:
    """The model, compiled as it was.

    Args:
        custom_objects: name to class or function, of what is not Keras' own.
        load_model_kwargs: for `keras.saving.load_model`.
    Raises:
        UntrustedModel: it carries code, or names what is neither Keras' own nor the caller's.
        Unsupported: a SavedModel of TensorFlow.
    """
    _choose_backend(section.get("keras_backend"))
    keras = FLAVOR.library()
    folder = named(root, section or {"data": FOLDER}, "data")
    file = next((folder / name for name in (FILE, "model.h5") if (folder / name).is_file()), None)
    if file is None:
        raise Unsupported(
            f"{str(folder)!r} holds no .keras or .h5 file. Models in TensorFlow's SavedModel format are not read by this version "
            "of Millstream: load it with TensorFlow and save it again in the .keras format."
        )
    objects = {**_pickled_objects(folder, trust), **(custom_objects or {})}
    _check(keras, file, objects, trust)
    with reading(file, "a Keras model"):
        return keras.saving.load_model(
            file, custom_objects=objects, **{"safe_mode": not trust.is_given, **(load_model_kwargs or {})}
        )


def predict(model: Any, inputs: Any, params: dict[str, Any]) -> Any:
    """A frame gives a frame with the same index; what Keras takes else (arrays, lists and dicts of them) gives an array."""
    import pandas as pd

    if isinstance(inputs, pd.DataFrame):
        return pd.DataFrame(_to_numpy(model.predict(inputs.to_numpy(), verbose=0)), index=inputs.index)
    return _to_numpy(model.predict(inputs, verbose=0))


def requirements_of(section: dict[str, Any]) -> tuple[str, ...]:
    backend = BACKENDS.get(section.get("keras_backend", ""))
    return () if backend is None else (backend,)


def _to_numpy(result: Any) -> Any:
    import numpy as np

    return np.asarray(result) if not isinstance(result, (list, tuple, dict)) else result


def _backend() -> str:
    return str(FLAVOR.library().backend.backend())


def _choose_backend(written_with: Any) -> None:
    """Take the backend that the model was saved with, if the user has not chosen one and Keras is not loaded yet."""
    if "keras" in sys.modules or "KERAS_BACKEND" in os.environ or written_with not in BACKENDS:
        return
    if find_spec(BACKENDS[written_with]) is not None and not Path("~/.keras/keras.json").expanduser().exists():
        os.environ["KERAS_BACKEND"] = written_with


def _pickled_objects(folder: Path, trust: Trust) -> dict[str, Any]:
    """The custom objects that writers before Keras 3 pickled beside the model, if they may be unpickled."""
    objects: dict[str, Any] = {}
    for name in ("global_custom_objects.cloudpickle", "custom_objects.cloudpickle"):
        if (folder / name).is_file() and trust.is_given:
            objects |= trust.unpickle(folder / name)
    return objects


def _check(keras: Any, file: Path, objects: Mapping[str, Any], trust: Trust) -> None:
    """Ask for trust if the configuration in a file names anything that is not known to be harmless."""
    with reading(file, "a Keras model"):
        configuration = _configuration(file)
    for each in _dicts(configuration):
        reason = _reason(keras, each, objects)
        if reason is not None:
            trust.require(file, f"a Keras model with {reason}")


def _configuration(file: Path) -> Any:
    if file.suffix != ".h5":
        check_zip(file, "a Keras model")
        with zipfile.ZipFile(file) as archive:
            return json.loads(archive.read("config.json"))
    import h5py

    with h5py.File(file, "r") as opened:
        return [json.loads(opened.attrs[key]) for key in ("model_config", "training_config") if key in opened.attrs]


def _dicts(value: Any) -> Iterator[dict[str, Any]]:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            yield item
        if isinstance(item, (dict, list)):
            waiting += item.values() if isinstance(item, dict) else item


def _reason(keras: Any, item: Mapping[str, Any], objects: Mapping[str, Any]) -> str | None:
    """What is not harmless about one dict of the configuration; None if nothing is."""
    if isinstance(item.get("vocabulary"), str):
        return f"a vocabulary in the file {item['vocabulary']!r}"
    name = item.get("class_name")
    if name is None:
        return None
    if name in CARRIES_CODE:
        return f"code of its own ({name})"
    registered = item.get("registered_name") or name
    if {name, registered, str(item.get("config"))} & set(objects) or keras.saving.get_registered_object(
        str(registered)
    ):
        return None
    module = item.get("module")
    if module is None or (name == "function" and module == "builtins"):
        return None  # looked for by its name among Keras' own
    package, *inner = str(module).split(".")
    inner = inner[1:] if inner[:1] == ["src"] else inner
    inner = inner[2:] if inner[:1] == ["backend"] else inner  # keras.src.backend.torch.optimizers
    if package != "keras" or (inner and inner[0] not in BUILDING_BLOCKS):
        return f"{module}.{name}, which is not Keras' own. Register the class or give it in custom_objects"
    return None


save_model, log_model, load_model, autolog, get_default_pip_requirements, get_default_conda_env = FLAVOR.functions()


def __getattr__(name: str) -> Any:
    """`millstream.keras.MlflowCallback`, which derives from a class of Keras' and is made when it is first asked for."""
    if name != "MlflowCallback":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from millstream.tracking.keras import MlflowCallback

    return MlflowCallback
