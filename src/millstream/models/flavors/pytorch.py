"""PyTorch modules: exported programs or TorchScript where possible, which hold a computation, else a pickle of the module.

A module is exported (`torch.export`, file `data/model.pt2`) when there is an input example to trace it with; a scripted module
stays TorchScript (`data/model.pth`). Both load without trust if they only compute, see `torch_files`. Everything else is
pickled with one line that says so, and loads on trust, except for modules made of nothing but `torch.nn`'s own layers.
"""

from __future__ import annotations

import importlib
import logging
import os
import pickle
import shutil
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from millstream import settings
from millstream.errors import InvalidValue, LocalFileNotFound
from millstream.models import torch_files
from millstream.models.flavor import Flavor
from millstream.models.model_files import named, reading
from millstream.models.trust import Unpickler, trust_of

if TYPE_CHECKING:
    from types import ModuleType

    from millstream.models.trust import Trust

_logger = logging.getLogger("millstream")

FLAVOR = Flavor(
    name="pytorch",
    package="torch",
    tested=">=2.6,<2.14",
    classes=("torch.nn.modules.module.Module",),
    loader_module="mlflow.pytorch",
    version_key="pytorch_version",
    model_argument="pytorch_model",
    requirements=("torch",),
    options=("serialization_format", "pickle_module", "extra_files"),
    load_options=("map_location",),
    predicts_given=False,
    saves_with_example=True,
)

FOLDER = "data"
PROGRAM = "model.pt2"
MODULE = "model.pth"
PICKLE_MODULE_FILE = "pickle_module_info.txt"
MLFLOWS_PICKLE_MODULE = "mlflow.pytorch.pickle_module"
"""What MLflow calls its shim over cloudpickle; written, so that it finds it, and never imported here."""
FORMATS = ("pt2", "pickle")


def check(
    model: Any,
    signature: Any,
    *,
    serialization_format: str | None = None,
    pickle_module: ModuleType | None = None,
    extra_files: Sequence[str | os.PathLike[str]] | None = None,
) -> None:
    if serialization_format not in (None, *FORMATS):
        raise InvalidValue(f"serialization_format is {serialization_format!r}; it can be {' or '.join(FORMATS)}.")
    if serialization_format == "pt2" and _is_scripted(model):
        raise InvalidValue("A scripted module is kept as TorchScript: leave serialization_format out.")
    for file in extra_files or ():
        if not Path(file).is_file():
            raise LocalFileNotFound(str(file))


def save(
    model: Any,
    root: Path,
    *,
    serialization_format: str | None = None,
    pickle_module: ModuleType | None = None,
    extra_files: Sequence[str | os.PathLike[str]] | None = None,
    input_example: Any = None,
) -> dict[str, Any]:
    """Write the module's file below `data/` and say which it is.

    Args:
        serialization_format: "pt2" for an exported program or an error, "pickle" for a pickle; without it the first if there is
            an example and the module can be traced with it.
        pickle_module: pickles in place of cloudpickle; its name is written beside.
        extra_files: copied to `extra_files/`.
    """
    folder = root / FOLDER
    folder.mkdir()
    if _is_scripted(model):
        model.save(str(folder / MODULE))
        _write_pickle_module(folder, MLFLOWS_PICKLE_MODULE)
    elif (
        serialization_format == "pickle"
        or pickle_module is not None
        or not _exported(model, folder, input_example, must=serialization_format == "pt2")
    ):
        _pickle(model, folder, pickle_module)
    section: dict[str, Any] = {"model_data": FOLDER}
    if extra_files:
        (root / "extra_files").mkdir()
        section["extra_files"] = [
            {"path": Path(shutil.copy(file, root / "extra_files")).relative_to(root).as_posix()} for file in extra_files
        ]
    return section


def pyfunc_entry(section: dict[str, Any], options: dict[str, Any], model: Any) -> dict[str, Any]:
    module = options.get("pickle_module")
    name = MLFLOWS_PICKLE_MODULE if module is None else module.__name__
    return {"data": FOLDER, "pickle_module_name": name, "config": {"device": None}}


def load(root: Path, section: dict[str, Any], *, trust: Trust, map_location: Any = None) -> Any:
    """The module, ready to predict; an exported program comes back as the graph module that it holds.

    Args:
        map_location: a device to put it on, as in `torch.load`; the one that it was saved from, or the CPU without it.
    Raises:
        UntrustedModel: a pickle of more than `torch.nn`'s own layers, or a program that does more than compute.
    """
    torch = FLAVOR.library()
    folder = named(root, section, "model_data", "data")
    program, module = folder / PROGRAM, folder / MODULE
    where = map_location if map_location is not None or torch.cuda.is_available() else "cpu"
    if program.is_file():
        torch_files.check_program(program, trust)
        with reading(program, "an exported PyTorch program"):
            loaded = torch.export.load(program).module()
        return loaded if map_location is None else loaded.to(map_location)
    if not module.is_file():
        module = folder  # MLflow before 1.0 wrote a file where the folder is now
    if torch_files.is_script(module):
        torch_files.check_script(module, trust)
        with reading(module, "a TorchScript file"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch.jit is deprecated; its files are not
            return torch.jit.load(str(module), map_location=where).eval()
    loaded = _unpickled(torch, module, folder, trust, where)
    if not isinstance(loaded, torch.nn.Module):
        raise InvalidValue(
            f"{str(module)!r} holds a {type(loaded).__name__}, not a module. State dicts are read by load_state_dict."
        )
    return loaded.eval()


def load_for_pyfunc(
    root: Path, entry: dict[str, Any], section: dict[str, Any], *, trust: Trust, model_config: dict[str, Any]
) -> Any:
    """As `load`, on the device that the configuration, the setting DEFAULT_PREDICTION_DEVICE or the machine says."""
    torch = FLAVOR.library()
    device = model_config.get("device") or settings.DEFAULT_PREDICTION_DEVICE.get()
    where = torch.device(device or ("cuda:0" if torch.cuda.is_available() else "cpu"))
    return load(root, section or entry, trust=trust, map_location=where).to(where)


def predict(model: Any, inputs: Any, params: dict[str, Any]) -> Any:
    """Call the module with an array or a frame, which becomes float32; params are arguments of `forward`.

    Returns:
        An array, or for a frame a frame with the same index. The module gives one tensor.
    """
    import numpy as np
    import pandas as pd
    import torch

    if isinstance(inputs, pd.DataFrame):
        values = inputs.to_numpy(dtype=np.float32)
    elif isinstance(inputs, np.ndarray):
        values = inputs
    else:
        raise InvalidValue(f"A PyTorch model takes an array or a frame, not {type(inputs).__name__}.")
    device = next((each.device for each in (*model.parameters(), *model.buffers())), torch.device("cpu"))
    with torch.no_grad():
        result = model(_tensor(values).to(device), **params)
    if not isinstance(result, torch.Tensor):
        raise InvalidValue(
            f"The module gives a {type(result).__name__}; as a Python function it has to give one tensor."
        )
    array = result.cpu().numpy()
    return pd.DataFrame(array, index=inputs.index) if isinstance(inputs, pd.DataFrame) else array


def _tensor(array: Any) -> Any:
    """The array as a tensor over the same memory; a copy of what PyTorch may not write to or does not stride over.

    The order of the memory stays: with another, results differ in the last bit.
    """
    import torch

    usable = array.flags.writeable and all(stride >= 0 for stride in array.strides)
    return torch.from_numpy(array if usable else array.copy(order="K"))


def _is_scripted(model: Any) -> bool:
    import torch

    return isinstance(model, torch.jit.ScriptModule)


# ---------------------------------------------------------------- exported programs


def _exported(model: Any, folder: Path, example: Any, must: bool) -> bool:
    """Export the module, traced with the example; False, after one line that says why, if that cannot be.

    Raises:
        InvalidValue: it cannot be, and must.
    """
    try:
        inputs = _tensors(example)
    except InvalidValue as error:
        reason: object = error
    else:
        try:
            _export(model, folder / PROGRAM, inputs)
            return True
        except Exception as error:  # of many kinds: a module can do anything
            (folder / PROGRAM).unlink(missing_ok=True)
            reason = f"torch.export fails: {str(error).strip().splitlines()[0] if str(error).strip() else error!r}"
    if must:
        raise InvalidValue(f"The module cannot be saved as an exported program: {reason}")
    _logger.warning(
        "%s is saved as a pickle, which loads with trust=True only unless torch.nn's own layers are all that it holds: %s",
        type(model).__name__,
        reason,
    )
    return False


def _tensors(example: Any) -> tuple[Any, ...]:
    """The arguments of `forward` in an input example."""
    import numpy as np
    import pandas as pd
    import torch

    if isinstance(example, tuple) and len(example) == 2 and isinstance(example[1], dict):
        example = example[0]
    if isinstance(example, pd.DataFrame):
        example = example.to_numpy(dtype=np.float32)
    arguments = example if isinstance(example, (list, tuple)) else (example,)
    if example is None or not all(isinstance(each, (np.ndarray, torch.Tensor)) for each in arguments):
        raise InvalidValue("it takes an input_example that is an array, a frame, or a list of arrays.")
    return tuple(each if isinstance(each, torch.Tensor) else _tensor(each) for each in arguments)


def _export(model: Any, file: Path, inputs: tuple[Any, ...]) -> None:
    import torch

    device = next((each.device for each in (*model.parameters(), *model.buffers())), torch.device("cpu"))
    # a batch of one would be taken for the only size that there is
    batches = tuple((torch.cat([each, each]) if each.ndim and len(each) == 1 else each).to(device) for each in inputs)
    shapes = tuple({0: torch.export.Dim.AUTO} if each.ndim else {} for each in batches)
    was_training = model.training
    model.eval()
    try:
        program = torch.export.export(model, batches, dynamic_shapes=shapes)
    finally:
        model.train(was_training)
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # paths of this machine
    torch.export.save(program, file)


# ---------------------------------------------------------------- pickles


def _pickle(model: Any, folder: Path, pickle_module: ModuleType | None) -> None:
    import cloudpickle
    import torch

    torch.save(model, folder / MODULE, pickle_module=pickle_module or cloudpickle)
    _write_pickle_module(folder, MLFLOWS_PICKLE_MODULE if pickle_module is None else pickle_module.__name__)


def _write_pickle_module(folder: Path, name: str) -> None:
    (folder / PICKLE_MODULE_FILE).write_text(name)


def _unpickled(torch: Any, file: Path, folder: Path, trust: Trust, where: Any) -> Any:
    """What `torch.save` wrote: with PyTorch's restrained reader if that is enough, else on trust."""
    with torch.serialization.safe_globals(_layers(torch)):
        try:
            return torch.load(file, map_location=where, weights_only=True)
        except Exception:  # of many kinds; whatever it is, trust is asked for before anything else is tried
            trust.require(file, "a pickle")
    with reading(file, "a file that torch.save wrote"):
        return torch.load(file, map_location=where, weights_only=False, pickle_module=_pickle_module(folder))


def _layers(torch: Any) -> list[Any]:
    """What a module of PyTorch's own layers is pickled as: classes that compute, and two functions that they hold."""
    layers = [
        each
        for each in vars(torch.nn.modules).values()
        if isinstance(each, type)
        and issubclass(each, torch.nn.Module)
        and each.__module__.startswith("torch.nn.modules.")
    ]
    return [*layers, torch.nn.functional.relu, torch.nn.functional.gelu]


def _pickle_module(folder: Path) -> Any:
    """The module that the file was pickled with. Called after trust is given: it is imported by the name in the model."""
    file = folder / PICKLE_MODULE_FILE
    name = file.read_text().strip() if file.is_file() else MLFLOWS_PICKLE_MODULE
    if name != MLFLOWS_PICKLE_MODULE:
        return importlib.import_module(name)
    return SimpleNamespace(
        __name__=name, Unpickler=Unpickler, load=lambda file, **options: Unpickler(file, **options).load()
    )


# ---------------------------------------------------------------- state dicts

STATE_DICT = "state_dict.pth"


def save_state_dict(state_dict: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Write a state dict to `state_dict.pth` in a folder, which is made if it is not there."""
    import torch

    if not isinstance(state_dict, Mapping):
        raise InvalidValue(
            f"A state dict is a mapping, such as module.state_dict() gives, not {type(state_dict).__name__}."
        )
    os.makedirs(path, exist_ok=True)
    torch.save(dict(state_dict), os.path.join(path, STATE_DICT))


def log_state_dict(state_dict: Mapping[str, Any], artifact_path: str) -> None:
    """Log a state dict as an artifact of the active run."""
    from millstream.tracking.files import log_artifacts

    with tempfile.TemporaryDirectory() as folder:
        save_state_dict(state_dict, folder)
        log_artifacts(folder, artifact_path)


def load_state_dict(state_dict_uri: str, *, trust: bool | None = None, **options: Any) -> dict[str, Any]:
    """The state dict in a folder or at any artifact URI; options go to `torch.load`.

    Raises:
        UntrustedModel: the file holds more than tensors and plain values.
    """
    from millstream.artifacts import download_artifacts

    torch = FLAVOR.library()
    file = Path(download_artifacts(artifact_uri=state_dict_uri)) / STATE_DICT
    try:
        loaded: dict[str, Any] = torch.load(file, **{**options, "weights_only": True})
    except pickle.UnpicklingError:
        trust_of(trust, file).require(file, "a pickle of more than tensors")
        loaded = torch.load(file, **{**options, "weights_only": False})
    return loaded


save_model, log_model, load_model, autolog, get_default_pip_requirements, get_default_conda_env = FLAVOR.functions()
