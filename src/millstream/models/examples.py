"""Input examples: data that a model was tried with, saved beside it and as the body of a scoring request.

    what                 `type`                  input_example.json           serving_input_example.json
    pandas frame         dataframe               {"columns", "data"}          {"dataframe_split": the same}
    array                ndarray                 nested lists                 {"inputs": ...}
    dict of arrays       ndarray                 name -> lists                {"inputs": ...}
    CSR, CSC matrix      sparse_matrix_csr/_csc  {"data", "indices", ...}     {"inputs": dense}
    anything else        json_object             as it is                     {"inputs": ...}, a chat's dict as it is

Parameters come as the second half of a pair `(data, params)`. Missing values are null, times ISO 8601, bytes base64.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from millstream.errors import InvalidValue, NotFound
from millstream.models.inference import is_null, kind_of

EXAMPLE = "input_example.json"
SERVING_EXAMPLE = "serving_input_example.json"

_CHAT_KEYS = frozenset({"messages", "prompt", "input"})
"""A dict with one of these is the body of a request itself."""

ExampleInfo: TypeAlias = dict[str, Any]
"""The map `saved_input_example_info` of MLmodel: artifact_path, type, serving_input_path, pandas_orient, params."""


ModelInputExample: TypeAlias = Any
"""MLflow's name for what an example may be, which flavors outside of MLflow annotate with (`mlflow.models.utils`)."""


class Example(NamedTuple):
    """An example split into its parts, as JSON values.

    `info` says how to read `data` back; `serving` is what a scoring request holds for it, without params.
    """

    info: ExampleInfo
    data: Any
    serving: dict[str, Any]
    params: dict[str, Any] | None


def split_params(example: Any) -> tuple[Any, dict[str, Any] | None]:
    """An example without its params, and these: a pair `(data, dict)` holds them."""
    if isinstance(example, tuple) and len(example) == 2 and isinstance(example[1], dict):
        return example
    return example, None


def save_example(example: Any, root: Path) -> ExampleInfo:
    """Write an example into the model's folder `root`.

    Returns:
        What MLmodel keeps about it as `saved_input_example_info`.
    Raises:
        InvalidValue: it has values that JSON cannot hold, or arrays beside other values. Nothing is written then.
    """
    made = _example_of(example)
    has_params = made.params is not None
    stored = {"inputs": made.data, "params": made.params} if has_params else made.data
    text = json.dumps(stored)
    serving = json.dumps(_with_params(made), indent=2)
    (root / EXAMPLE).write_text(text, encoding="utf-8")
    (root / SERVING_EXAMPLE).write_text(serving, encoding="utf-8")
    info = {"artifact_path": EXAMPLE, "serving_input_path": SERVING_EXAMPLE, **made.info}
    return {**info, "params": "true"} if has_params else info


def serving_payload(example: Any, params: dict[str, Any] | None = None) -> str:
    """The JSON text of a scoring request for an example (a pair `(data, params)` too). Raises InvalidValue."""
    made = _example_of(example if params is None else (split_params(example)[0], params))
    return json.dumps(_with_params(made))


def convert_input_example_to_serving_input(input_example: Any) -> str | None:
    """MLflow's name of `serving_payload`; None for None."""
    return None if input_example is None else serving_payload(input_example)


def _with_params(made: Example) -> dict[str, Any]:
    """The body of a request; a chat's has its params beside its other keys."""
    if made.params is None:
        return made.serving
    if _CHAT_KEYS & made.serving.keys():
        return {**made.serving, **made.params}
    return {**made.serving, "params": made.params}


def _example_of(example: Any) -> Example:
    data, params = split_params(example)
    try:
        found = _frame(data) if kind_of(data) == "frame" else _other(data)
        return found if params is None else found._replace(params=_json_value(params))
    except RecursionError:
        raise InvalidValue("The input example contains itself, or nests deeper than JSON can.") from None


def _frame(frame: Any) -> Example:
    """`values` without column names where those are 0, 1, 2..."""
    is_numbered = list(frame.columns) == list(range(len(frame.columns)))
    columns = [frame.iloc[:, index].tolist() for index in range(len(frame.columns))]
    data = {"data": [[_json_value(cell) for cell in row] for row in zip(*columns, strict=True)]}
    if not is_numbered:
        data = {"columns": [_json_value(name) for name in frame.columns], **data}
    info = {"type": "dataframe", "pandas_orient": "values" if is_numbered else "split"}
    return Example(info, data, {"dataframe_split": data}, None)


def _other(data: Any) -> Example:
    kind = kind_of(data)
    if kind == "array":
        value = _json_value(data)
        return Example({"type": "ndarray"}, value, {"inputs": value}, None)
    if kind == "sparse":
        parts = {name: getattr(data, name).tolist() for name in ("data", "indices", "indptr")}
        form = {**parts, "shape": list(data.shape)}
        return Example({"type": f"sparse_matrix_{data.format}"}, form, {"inputs": data.toarray().tolist()}, None)
    if isinstance(data, Mapping) and data:
        arrays = [kind_of(value) == "array" for value in data.values()]
        if all(arrays):
            value = _json_value(data)
            return Example({"type": "ndarray"}, value, {"inputs": value}, None)
        if any(arrays):
            raise InvalidValue(
                "The dict of the input example holds arrays beside other values. Make all arrays, or none."
            )
    if isinstance(data, list) and any(kind_of(value) == "array" for value in data):
        raise InvalidValue("The list of the input example holds arrays. Give one array, or lists: array.tolist().")
    if kind or isinstance(data, tuple | set) or data is None:
        raise InvalidValue(
            f"{type(data).__name__} cannot be an input example. Give a pandas frame, an array, a dict, a list or a single "
            "value; a few rows do."
        )
    value = _json_value(data)
    if isinstance(value, dict) and _CHAT_KEYS & value.keys():
        return Example({"type": "json_object"}, value, value, None)
    return Example({"type": "json_object"}, value, {"inputs": value}, None)


def _json_value(value: Any) -> Any:
    """Plain JSON values. Raises InvalidValue naming a type that has none."""
    if value is None or type(value) in (str, bool, int):
        return value
    if is_null(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): _json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json_value(item) for item in value]
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray):
        return base64.encodebytes(value).decode()
    if hasattr(value, "tolist") and hasattr(value, "dtype"):
        return _json_value(value.tolist())
    if hasattr(value, "model_dump"):  # pydantic
        return value.model_dump(mode="json")
    if isinstance(value, str | int | float):
        return value
    raise InvalidValue(
        f"A value of type {type(value).__name__} in the input example has no form in JSON: {value!r:.100}"
    )


# ---------------------------------------------------------------- reading
def load_example(root: Path, info: ExampleInfo) -> Any:
    """The inputs of the example in the model's folder `root`, in the form they were given in, without params.

    Raises:
        InvalidValue: `info` has a type that is not known, or leads out of the folder.
        NotFound: the file is not there.
    """
    kind = info.get("type", "dataframe")
    reader = _READERS.get(kind)
    if reader is None:
        raise InvalidValue(f"The input example is of type {kind!r}, which is not known here.")
    stored = _read_json(root, info, "artifact_path", EXAMPLE)
    try:
        return reader(stored["inputs"] if _has_params(info, stored) else stored)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise InvalidValue(f"The input example in {str(root)!r} is broken, it is no {kind}: {error}") from None


def load_example_params(root: Path, info: ExampleInfo) -> dict[str, Any] | None:
    """The params that were given with the example; None without any."""
    stored = _read_json(root, info, "artifact_path", EXAMPLE)
    return stored["params"] if _has_params(info, stored) else None


def load_serving_example(root: Path, info: ExampleInfo) -> str:
    """The JSON text of a scoring request with the example."""
    return _read_text(root, info, "serving_input_path", SERVING_EXAMPLE)


def _has_params(info: ExampleInfo, stored: Any) -> bool:
    return bool(info.get("params")) and isinstance(stored, dict) and {"inputs", "params"} <= stored.keys()


def _read_json(root: Path, info: ExampleInfo, key: str, default: str) -> Any:
    try:
        return json.loads(_read_text(root, info, key, default))
    except (ValueError, RecursionError) as error:
        raise InvalidValue(f"The input example in {str(root)!r} is not JSON: {error}.") from None


def _read_text(root: Path, info: ExampleInfo, key: str, default: str) -> str:
    from millstream.models.locations import inside

    file = inside(root, str(info.get(key, default)))
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotFound(
            f"The model in {str(root)!r} says it has an input example {file.name!r}, which is not there."
        ) from None


def _read_frame(data: Any) -> Any:
    import pandas as pd

    if isinstance(data, list):
        return pd.DataFrame(data)  # `values` or `records` of old files
    return pd.DataFrame(data["data"], columns=data.get("columns"))


def _read_arrays(data: Any) -> Any:
    import numpy as np

    if isinstance(data, dict):
        return {name: np.array(value) for name, value in data.items()}
    return np.array(data)


def _read_csr(data: Any) -> Any:
    from scipy import sparse

    return _checked(sparse.csr_matrix(*_sparse_arguments(data)))


def _read_csc(data: Any) -> Any:
    from scipy import sparse

    return _checked(sparse.csc_matrix(*_sparse_arguments(data)))


def _sparse_arguments(data: Any) -> tuple[Any, ...]:
    return (data["data"], data["indices"], data["indptr"]), tuple(data["shape"])


def _checked(matrix: Any) -> Any:
    """SciPy trusts the indices that it is given; ones beyond the shape would make it read and write beyond its memory."""
    matrix.check_format(full_check=True)
    return matrix


_READERS: dict[str, Callable[[Any], Any]] = {
    "dataframe": _read_frame,
    "ndarray": _read_arrays,
    "json_object": lambda data: data,
    "sparse_matrix_csr": _read_csr,
    "sparse_matrix_csc": _read_csc,
}
