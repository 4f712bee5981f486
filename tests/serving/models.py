"""The models of the corpus, made alike with the official package and with ours.

Most of them say what they were given, value by value, so that an answer shows how a request was converted.
"""

from __future__ import annotations

import base64
import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any


def describe(value: Any) -> Any:
    """What a model was given, as plain JSON: containers, element types and values."""
    import numpy as np
    import pandas as pd

    if isinstance(value, pd.DataFrame):
        return {
            "frame": [
                {"name": str(name), "dtype": _dtype(value[name].dtype), "values": [describe(v) for v in value[name]]}
                for name in value.columns
            ]
        }
    if isinstance(value, np.ndarray):
        return {
            "array": _dtype(value.dtype),
            "shape": list(value.shape),
            "values": [describe(v) for v in value.ravel().tolist()],
        }
    if isinstance(value, dict):
        return {"dict": {str(key): describe(item) for key, item in value.items()}}
    if isinstance(value, list | tuple):
        return {"list": [describe(item) for item in value]}
    if value is None or value is pd.NaT or (isinstance(value, float) and value != value):
        return "missing"
    if isinstance(value, bytes):
        return ["bytes", base64.b64encode(value).decode()]
    if isinstance(value, datetime.datetime):
        return ["datetime", value.isoformat()]
    if hasattr(value, "model_dump"):
        return {"object": describe(value.model_dump())}
    return [type(value).__name__, str(value)]


def _dtype(dtype: Any) -> str:
    """`str` and `object` both hold text: which of them depends on the version of pandas."""
    return "object" if str(dtype) in ("str", "string") else str(dtype)


def results(kind: str) -> Any:
    """One result of each sort a model may give."""
    import numpy as np
    import pandas as pd

    made: dict[str, Callable[[], Any]] = {
        "int array": lambda: np.array([1, 2, 3]),
        "float array": lambda: np.array([0.1, -2.5e-300, 1e22, 3.0]),
        "float32 array": lambda: np.array([0.1, 2.5, 1e20], dtype=np.float32),
        "bool array": lambda: np.array([True, False]),
        "text array": lambda: np.array(["a", "ü"]),
        "object array": lambda: np.array([1, "a", None, 2.5], dtype=object),
        "matrix": lambda: np.arange(6.0).reshape(2, 3),
        "empty array": lambda: np.array([]),
        "nan array": lambda: np.array([1.0, np.nan, np.inf, -np.inf]),
        "frame": lambda: pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5], "c": ["x", "y"]}),
        "frame with holes": lambda: pd.DataFrame({"a": [1.0, np.nan], "c": ["x", None]}),
        "frame of times": lambda: pd.DataFrame(
            {"t": pd.to_datetime(["2024-01-02T03:04:05.678", "1999-12-31T00:00:00.000"])}
        ),
        "frame with numbered columns": lambda: pd.DataFrame([[1, 2], [3, 4]]),
        "series": lambda: pd.Series([1, 2], name="s"),
        "series without a name": lambda: pd.Series([1.5, 2.5]),
        "list": lambda: [1, 2.5, "a", None, True],
        "list of lists": lambda: [[1], [2, 3]],
        "list of arrays": lambda: [np.array([1, 2]), np.array([3])],
        "dict": lambda: {"a": 1, "b": [1, 2]},
        "dict of arrays": lambda: {"a": np.array([1.5, 2.5]), "b": np.int64(3)},
        "text": lambda: "hello",
        "number": lambda: 1.5,
        "numpy number": lambda: np.float64(2.5),
        "numpy float32": lambda: np.float32(0.1),
        "truth": lambda: True,
        "numpy truth": lambda: np.bool_(True),
        "nothing": lambda: None,
        "bytes": lambda: b"\x00\x01\xff" * 30,
        "list of bytes": lambda: [b"ab", b"cd"],
        "time": lambda: datetime.datetime(2024, 1, 2, 3, 4, 5),
        "date": lambda: datetime.date(2024, 1, 2),
        "timestamp": lambda: pd.Timestamp("2024-01-02 03:04:05.678901"),
        "nan": lambda: float("nan"),
        "list with nan": lambda: [1.0, float("nan"), float("inf")],
        "array of times": lambda: np.array(["2024-01-02T03:04:05"], dtype="datetime64[ns]"),
        "categories": lambda: pd.DataFrame({"k": pd.Categorical(["a", "b"])}),
    }
    return made[kind]()


KINDS = (
    "int array", "float array", "float32 array", "bool array", "text array", "object array", "matrix", "empty array",
    "nan array", "frame", "frame with holes", "frame of times", "frame with numbered columns", "series",
    "series without a name", "list", "list of lists", "list of arrays", "dict", "dict of arrays", "text", "number",
    "numpy number", "numpy float32", "truth", "numpy truth", "nothing", "bytes", "list of bytes", "time", "date", "timestamp",
    "nan", "list with nan", "array of times", "categories",
)  # fmt: skip


def python_models(base: type) -> dict[str, Any]:
    """The Python models, as subclasses of the package's `PythonModel`."""

    class Echo(base):  # type: ignore[misc, valid-type]
        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            return {"input": describe(model_input), "params": describe(params)}

    class Results(base):  # type: ignore[misc, valid-type]
        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            return results(model_input["kind"][0])

    class Failing(base):  # type: ignore[misc, valid-type]
        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            raise failure(model_input["how"][0])

    return {"echo": Echo(), "results": Results(), "failing": Failing()}


def failure(how: str) -> Exception:
    import sys

    if how.isupper():
        package = "mlflow" if "mlflow" in sys.modules else "millstream"
        cls = __import__(f"{package}.exceptions", fromlist=["MlflowException"]).MlflowException
        made: Exception = cls("the model says no", error_code=_code(package, how))
        return made
    return {"value": ValueError("secret value 42"), "key": KeyError("k"), "type": TypeError("no")}[how]


def _code(package: str, how: str) -> Any:
    if package == "mlflow":
        from mlflow.protos import databricks_pb2

        return getattr(databricks_pb2, how)
    return how


def signatures(types: Any, signature: Any) -> dict[str, Any]:
    """The signatures of the models that have one.

    Args:
        types: the module with Schema, ColSpec, TensorSpec...
        signature: the class ModelSignature.
    """
    import numpy as np

    schema, column, tensor = types.Schema, types.ColSpec, types.TensorSpec
    array, obj, prop, mapping, any_type = types.Array, types.Object, types.Property, types.Map, types.AnyType
    params = types.ParamSchema([
        types.ParamSpec("k", "long", 5),
        types.ParamSpec("scale", "double", 1.0),
        types.ParamSpec("names", "string", ["a"], shape=(-1,)),
        types.ParamSpec("when", "datetime", np.datetime64("2024-01-01")),
    ])  # fmt: skip
    names = ("boolean", "integer", "long", "float", "double", "string", "binary", "datetime")
    return {
        "mixed": signature(schema([column(name, name[:3]) for name in names]), params=params),
        "optional": signature(schema([column("double", "a"), column("double", "b", False), column("string", "c", False)])),
        "numbers": signature(schema([column("long", "n"), column("integer", "i"), column("float", "f"), column("boolean", "b")])),
        "unnamed": signature(schema([column("double"), column("string")])),
        "one_unnamed": signature(schema([column("string")])),
        "tensor": signature(schema([tensor(np.dtype("float32"), (-1, 2))])),
        "tensors": signature(schema([tensor(np.dtype("float64"), (-1, 2), "a"), tensor(np.dtype("int64"), (-1,), "b")])),
        "one_tensor": signature(schema([tensor(np.dtype("float64"), (-1, 2), "a")])),
        "text_tensor": signature(schema([tensor(np.dtype("str"), (-1,), "a")])),
        "objects": signature(schema([
            column(array(types.DataType.double), "xs"),
            column(obj([prop("name", types.DataType.string), prop("age", types.DataType.long, required=False)]), "person"),
            column(mapping(types.DataType.string), "tags", False),
            column(any_type(), "more", False),
        ])),
        "binary": signature(schema([column("string", "s"), column("binary", "x")])),
        "kinds": signature(schema([column("string", "kind")])),
        "how": signature(schema([column("string", "how")])),
    }  # fmt: skip


MODELS: dict[str, tuple[str, str | None]] = {
    "mixed": ("echo", "mixed"),
    "optional": ("echo", "optional"),
    "numbers": ("echo", "numbers"),
    "unnamed": ("echo", "unnamed"),
    "one_unnamed": ("echo", "one_unnamed"),
    "tensor": ("echo", "tensor"),
    "tensors": ("echo", "tensors"),
    "one_tensor": ("echo", "one_tensor"),
    "text_tensor": ("echo", "text_tensor"),
    "objects": ("echo", "objects"),
    "binary": ("echo", "binary"),
    "bare": ("echo", None),
    "results": ("results", "kinds"),
    "failing": ("failing", "how"),
}
"""Name -> Python model, signature."""


def iris() -> tuple[Any, Any]:
    """A classifier of flowers over four named columns, and its training frame."""
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    frame, target = load_iris(return_X_y=True, as_frame=True)
    frame.columns = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
    return LogisticRegression(max_iter=500).fit(frame, target), frame


def linear() -> tuple[Any, Any]:
    """A regressor whose predictions show the last bit of a float, with coefficients that depend on no library, and its frame."""
    import numpy as np
    import pandas as pd
    from sklearn.linear_model import LinearRegression

    columns = ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"]
    frame = pd.DataFrame(np.linspace(-0.1, 0.1, 200).reshape(20, 10), columns=columns)
    model = LinearRegression().fit(frame, np.arange(20.0))
    model.coef_ = np.array([-10.012, -239.819, 519.84, 324.39, -792.184, 476.746, 101.044, 177.064, 751.279, 67.625])
    model.intercept_ = 152.133
    return model, frame


def save_all(package: str, root: Path) -> dict[str, Path]:
    """Save every model of the corpus below `root` with `mlflow` or `millstream`; gives the folders by name."""
    import importlib

    models = "mlflow" if package == "mlflow" else "millstream.models"
    pyfunc = importlib.import_module(f"{models}.pyfunc")
    types = importlib.import_module("mlflow.types" if package == "mlflow" else "millstream.models.types")
    schema = importlib.import_module("mlflow.types.schema") if package == "mlflow" else types
    signature = importlib.import_module(
        "mlflow.models.signature" if package == "mlflow" else "millstream.models.signature"
    )
    known = signatures(schema, signature.ModelSignature)
    python = python_models(pyfunc.PythonModel)
    folders = {}
    for name, (model, of) in MODELS.items():
        folders[name] = root / name
        pyfunc.save_model(
            folders[name],
            python_model=python[model],
            signature=known[of] if of else None,
            pip_requirements=["numpy", "pandas"],
        )
    from tests.serving.hinted import hinted

    for name, python_model in hinted(pyfunc.PythonModel).items():
        folders[name] = root / name
        pyfunc.save_model(folders[name], python_model=python_model, pip_requirements=["numpy", "pandas", "pydantic"])
    flavor = importlib.import_module("mlflow.sklearn" if package == "mlflow" else "millstream.models.flavors.sklearn")
    for name, (model, frame) in {"iris": iris(), "linear": linear()}.items():
        folders[name] = root / name
        flavor.save_model(
            model,
            folders[name],
            signature=signature.infer_signature(frame, model.predict(frame)),
            pip_requirements=["scikit-learn"],
            serialization_format="cloudpickle",
        )
    return folders
