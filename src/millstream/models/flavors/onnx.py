"""ONNX models, which are graphs of known operators and hold no code. Run by onnxruntime.

What MLmodel says about how to run one (`providers`, `onnx_session_options`) is its author's word: only names and settings that
cannot load a library or write a file are followed.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from millstream.errors import InvalidValue
from millstream.models.flavor import Flavor
from millstream.models.model_files import named, reading

if TYPE_CHECKING:
    from millstream.models.trust import Trust

_logger = logging.getLogger("millstream")

FLAVOR = Flavor(
    name="onnx",
    package="onnx",
    tested=">=1.17,<2",
    classes=("onnx.onnx_ml_pb2.ModelProto",),
    loader_module="mlflow.onnx",
    version_key="onnx_version",
    model_argument="onnx_model",
    requirements=("onnx", "onnxruntime"),
    options=("onnx_execution_providers", "onnx_session_options", "save_as_external_data"),
    infers_signature=False,
)

FILE = "model.onnx"
PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")

EXECUTION_MODES = {"sequential": "ORT_SEQUENTIAL", "parallel": "ORT_PARALLEL"}
GRAPH_OPTIMIZATION_LEVELS = (0, 1, 2, 3, 99)
SESSION_OPTIONS = frozenset(
    {
        "graph_optimization_level",
        "execution_mode",
        "intra_op_num_threads",
        "inter_op_num_threads",
        "extra_session_config",
    }
)
EXTRA_CONFIG = frozenset(
    {"session.set_denormal_as_zero", "session.disable_prepacking", "session.use_env_allocators",
     "session.intra_op.allow_spinning", "session.inter_op.allow_spinning", "session.force_spinning_stop",
     "session.intra_op_thread_affinities", "session.dynamic_block_base", "session.qdqisint8allowed",
     "session.use_device_allocator_for_initializers", "session.disable_quant_qdq", "session.disable_double_qdq_remover",
     "optimization.enable_gelu_approximation", "optimization.disable_specified_optimizers"}
)  # fmt: skip
"""Keys of `extra_session_config` that tune the run. The rest of onnxruntime's can name files, so they need trust."""


def check(
    model: Any,
    signature: Any,
    *,
    onnx_execution_providers: Sequence[str] | None = None,
    onnx_session_options: Mapping[str, Any] | None = None,
    save_as_external_data: bool | None = None,
) -> None:
    _check_options(onnx_session_options or {})


def save(
    model: Any,
    root: Path,
    *,
    onnx_execution_providers: Sequence[str] | None = None,
    onnx_session_options: Mapping[str, Any] | None = None,
    save_as_external_data: bool | None = None,
) -> dict[str, Any]:
    """Write and check the model.

    Args:
        onnx_execution_providers: where to run it, by preference; CUDA, then the CPU.
        onnx_session_options: see `SESSION_OPTIONS`.
        save_as_external_data: keep large tensors in a file beside, which models over 2 GB need; the default.
    """
    onnx = FLAVOR.library()
    copy = onnx.ModelProto()
    copy.CopyFrom(model)  # writing tensors beside it changes the object
    external = save_as_external_data is None or save_as_external_data
    onnx.save_model(
        copy, str(root / FILE), save_as_external_data=external, location=f"{FILE}.data" if external else None
    )
    onnx.checker.check_model(str(root / FILE))
    return {
        "data": FILE,
        "providers": list(onnx_execution_providers or PROVIDERS),
        "onnx_session_options": dict(onnx_session_options) if onnx_session_options else None,
    }


def load(root: Path, section: dict[str, Any], *, trust: Trust) -> Any:
    """The checked `ModelProto`."""
    onnx = FLAVOR.library()
    file = named(root, section, "data")
    with reading(file, "an ONNX model"):
        onnx.checker.check_model(str(file))  # the path, so that tensors beside it are looked at too, and stay inside
        return onnx.load(str(file))


def load_for_pyfunc(
    root: Path, entry: dict[str, Any], section: dict[str, Any], *, trust: Trust, model_config: dict[str, Any]
) -> Any:
    """An `onnxruntime.InferenceSession`."""
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        from millstream.errors import MissingLibrary

        raise MissingLibrary("onnxruntime", "Predicting with an ONNX model") from error
    file = named(root, section or entry, "data")
    load(root, section or entry, trust=trust)
    with reading(file, "an ONNX model"):
        return onnxruntime.InferenceSession(
            str(file),
            sess_options=_session_options(onnxruntime, section.get("onnx_session_options") or {}, file, trust),
            providers=_providers(onnxruntime, section.get("providers") or PROVIDERS, file, trust),
        )


def _providers(onnxruntime: Any, wanted: Sequence[Any], file: Path, trust: Trust) -> list[Any]:
    if not all(isinstance(name, str) for name in wanted):  # a pair (name, options) can name libraries to load
        trust.require(file, "an ONNX model with options for its execution providers")
    there = onnxruntime.get_available_providers()
    return [each for each in wanted if (each if isinstance(each, str) else each[0]) in there] or [
        "CPUExecutionProvider"
    ]


def _check_options(options: Mapping[str, Any]) -> None:
    unknown = sorted(set(options) - SESSION_OPTIONS)
    if unknown:
        raise InvalidValue(
            f"ONNX session options {', '.join(unknown)} are not known; there are {', '.join(SESSION_OPTIONS)}."
        )
    mode, level = options.get("execution_mode"), options.get("graph_optimization_level")
    if mode is not None and mode not in EXECUTION_MODES:
        raise InvalidValue(f"execution_mode is {mode!r}; it can be {', '.join(EXECUTION_MODES)}.")
    if level is not None and level not in GRAPH_OPTIMIZATION_LEVELS:
        raise InvalidValue(f"graph_optimization_level is {level!r}; it can be 0, 1, 2, 3 or 99.")


def _session_options(onnxruntime: Any, options: Mapping[str, Any], file: Path, trust: Trust) -> Any:
    _check_options(options)
    chosen = onnxruntime.SessionOptions()
    for key in ("intra_op_num_threads", "inter_op_num_threads"):
        if options.get(key) is not None:
            setattr(chosen, key, int(options[key]))
    if options.get("execution_mode") is not None:
        chosen.execution_mode = getattr(onnxruntime.ExecutionMode, EXECUTION_MODES[options["execution_mode"]])
    if options.get("graph_optimization_level") is not None:
        chosen.graph_optimization_level = onnxruntime.GraphOptimizationLevel(options["graph_optimization_level"])
    for key, value in (options.get("extra_session_config") or {}).items():
        if key not in EXTRA_CONFIG:
            trust.require(file, f"an ONNX model that sets {key!r} of onnxruntime")
        chosen.add_session_config_entry(str(key), str(value))
    return chosen


def predict(model: Any, inputs: Any, params: dict[str, Any]) -> Any:
    """Run the session.

    Args:
        inputs: a dict of arrays by input name; for models of one input also an array; or a frame: all of its values for the
            one input, a column each for several. float64 becomes float32 where the model wants that.
    Returns:
        For a frame a frame of the outputs, a column each; otherwise a dict of arrays by output name.
    """
    import numpy as np
    import pandas as pd

    wanted = {each.name: each.type for each in model.get_inputs()}
    if isinstance(inputs, dict):
        feed = dict(inputs)
    elif isinstance(inputs, pd.DataFrame):
        feed = {next(iter(wanted)): inputs.to_numpy()} if len(wanted) == 1 else _columns(inputs, wanted)
    elif isinstance(inputs, np.ndarray):
        if len(wanted) != 1:
            raise InvalidValue(
                f"This ONNX model has the inputs {', '.join(wanted)}: give a dict of arrays or a frame with these names, not "
                "one array."
            )
        feed = {next(iter(wanted)): inputs}
    else:
        raise InvalidValue(f"An ONNX model takes a dict of arrays, an array or a frame, not {type(inputs).__name__}.")
    feed = {
        name: value.astype(np.float32)
        if isinstance(value, np.ndarray) and value.dtype == np.float64 and wanted.get(name) == "tensor(float)"
        else value
        for name, value in feed.items()
    }
    names = [each.name for each in model.get_outputs()]
    outputs = dict(zip(names, model.run(names, feed), strict=True))
    if isinstance(inputs, pd.DataFrame):
        return pd.DataFrame(_as_columns(outputs))
    return outputs


def _as_columns(outputs: Mapping[str, Any]) -> dict[str, Any]:
    """Outputs flattened; if that makes them differ in length (labels and probabilities), each row's part as one value."""
    import numpy as np

    flat = {name: np.asarray(value).reshape(-1) for name, value in outputs.items()}
    if len({len(value) for value in flat.values()}) <= 1:
        return flat
    return {name: list(value) for name, value in outputs.items()}


def _columns(frame: Any, wanted: Mapping[str, str]) -> dict[str, Any]:
    missing = [name for name in wanted if name not in frame.columns]
    if missing:
        raise InvalidValue(f"The ONNX model's inputs {', '.join(missing)} are no columns of the frame.")
    return {name: frame[name].to_numpy() for name in wanted}


save_model, log_model, load_model, autolog, get_default_pip_requirements, get_default_conda_env = FLAVOR.functions()
