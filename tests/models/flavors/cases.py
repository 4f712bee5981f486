"""A small model of every kind that a flavor saves: the table that the suite, the comparison with MLflow and the docs go by.

Imported by Millstream's tests and, in its own environment, by the official package: it names neither.
"""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Case:
    """One kind of model.

    Attributes:
        package: what has to be installed for it.
        make: a trained model and an example of its inputs; the same ones each time.
        native: what the library itself predicts for the example, without any of us.
        options: of `save_model`, for us; `official_options` for the official package where they are others.
        section: the flavor's section in MLmodel, but for version and `code`.
        files: the model's own files.
        needs_trust: whether loading it may run code of its author.
        has_function: whether it has a python_function view.
        old: whether the official 2.22 has this format.
        differs: why the official package writes another signature; empty where it must not.
    """

    name: str
    flavor: str
    package: str
    make: Callable[[], tuple[Any, Any]]
    native: Callable[[Any, Any], Any]
    section: Mapping[str, Any]
    files: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    official_options: Mapping[str, Any] | None = None
    needs_trust: bool = False
    has_function: bool = True
    infers_signature: bool = True
    old: bool = True
    differs: str = ""


def _frame() -> tuple[Any, Any]:
    from sklearn.datasets import load_iris

    inputs, target = load_iris(return_X_y=True, as_frame=True)
    return inputs, target


def _array() -> Any:
    import numpy as np

    return np.ascontiguousarray(_frame()[0], dtype="float32")


def _example() -> Any:
    return _frame()[0][45:55].reset_index(drop=True)


def _predict(model: Any, example: Any) -> Any:
    return model.predict(example)


# ---------------------------------------------------------------- scikit-learn


def _logistic() -> tuple[Any, Any]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression()).fit(*_frame()), _example()


def _forest() -> tuple[Any, Any]:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(n_estimators=5, random_state=1).fit(*_frame()), _example()


def _lambda_pipeline() -> tuple[Any, Any]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    return make_pipeline(FunctionTransformer(lambda values: values * 2), LogisticRegression()).fit(
        *_frame()
    ), _example()


def _scaler() -> tuple[Any, Any]:
    from sklearn.preprocessing import StandardScaler

    return StandardScaler().fit(_frame()[0]), _example()


SKLEARN = (
    Case(
        "sklearn",
        "sklearn",
        "sklearn",
        _logistic,
        _predict,
        {"pickled_model": "model.skops", "serialization_format": "skops", "skops_trusted_types": None},
        ("model.skops",),
        old=False,
    ),
    Case(
        "sklearn forest",
        "sklearn",
        "sklearn",
        _forest,
        lambda model, example: model.predict_proba(example),
        {
            "pickled_model": "model.skops",
            "serialization_format": "skops",
            "skops_trusted_types": ["sklearn.tree._tree.Tree"],
        },
        ("model.skops",),
        {"pyfunc_predict_fn": "predict_proba"},
        {"pyfunc_predict_fn": "predict_proba", "skops_trusted_types": ["sklearn.tree._tree.Tree"]},
        old=False,
        differs="it infers the outputs of predict, whatever function the model is saved for",
    ),
    Case(
        "sklearn pickled",
        "sklearn",
        "sklearn",
        _lambda_pipeline,
        _predict,
        {"pickled_model": "model.pkl", "serialization_format": "cloudpickle", "skops_trusted_types": None},
        ("model.pkl",),
        official_options={"serialization_format": "cloudpickle"},
        needs_trust=True,
    ),
    Case(
        "sklearn transformer",
        "sklearn",
        "sklearn",
        _scaler,
        lambda model, example: model.transform(example),
        {"pickled_model": "model.skops", "serialization_format": "skops", "skops_trusted_types": None},
        ("model.skops",),
        has_function=False,
        old=False,
    ),
)

# ---------------------------------------------------------------- boosting


def _xgboost_booster() -> tuple[Any, Any]:
    import xgboost

    settings = {"objective": "multi:softprob", "num_class": 3, "nthread": 1}
    return xgboost.train(settings, xgboost.DMatrix(*_frame()), 3), _example()


def _xgboost_native(model: Any, example: Any) -> Any:
    import xgboost

    return model.predict(xgboost.DMatrix(example))


def _xgboost_classifier() -> tuple[Any, Any]:
    import xgboost

    return xgboost.XGBClassifier(n_estimators=3, n_jobs=1).fit(*_frame()), _example()


def _lightgbm_booster() -> tuple[Any, Any]:
    import lightgbm

    settings = {"objective": "multiclass", "num_class": 3, "verbose": -1, "num_threads": 1}
    return lightgbm.train(settings, lightgbm.Dataset(*_frame()), 3), _example()


def _lightgbm_classifier() -> tuple[Any, Any]:
    import lightgbm

    return lightgbm.LGBMClassifier(n_estimators=3, verbose=-1, n_jobs=1).fit(*_frame()), _example()


_LIGHTGBM_TYPES = ["collections.OrderedDict", "lightgbm.basic.Booster", "lightgbm.sklearn.LGBMClassifier"]

BOOSTING = (
    Case(
        "xgboost booster",
        "xgboost",
        "xgboost",
        _xgboost_booster,
        _xgboost_native,
        {"data": "model.ubj", "model_class": "xgboost.core.Booster", "model_format": "ubj"},
        ("model.ubj",),
        official_options={"model_format": "ubj"},
    ),
    Case(
        "xgboost classifier",
        "xgboost",
        "xgboost",
        _xgboost_classifier,
        _predict,
        {"data": "model.json", "model_class": "xgboost.sklearn.XGBClassifier", "model_format": "json"},
        ("model.json",),
        {"model_format": "json"},
    ),
    Case(
        "lightgbm booster",
        "lightgbm",
        "lightgbm",
        _lightgbm_booster,
        _predict,
        {"data": "model.lgb", "model_class": "lightgbm.basic.Booster"},
        ("model.lgb",),
    ),
    Case(
        "lightgbm classifier",
        "lightgbm",
        "lightgbm",
        _lightgbm_classifier,
        _predict,
        {
            "data": "model.skops",
            "model_class": "lightgbm.sklearn.LGBMClassifier",
            "serialization_format": "skops",
            "skops_trusted_types": _LIGHTGBM_TYPES,
        },
        ("model.skops",),
        old=False,
    ),
    Case(
        "lightgbm pickled",
        "lightgbm",
        "lightgbm",
        _lightgbm_classifier,
        _predict,
        {
            "data": "model.pkl",
            "model_class": "lightgbm.sklearn.LGBMClassifier",
            "serialization_format": "cloudpickle",
            "skops_trusted_types": None,
        },
        ("model.pkl",),
        {"serialization_format": "cloudpickle"},
        needs_trust=True,
    ),
)

# ---------------------------------------------------------------- statsmodels


def _least_squares() -> tuple[Any, Any]:
    import statsmodels.api

    # one regressor: sums of several differ in the last bit with the layout of the frame in memory
    column = ["petal width (cm)"]
    inputs, target = _frame()
    return statsmodels.api.OLS(target, inputs[column]).fit(), _example()[column]


def _time_series() -> tuple[Any, Any]:
    import numpy as np
    import pandas as pd
    from statsmodels.tsa.arima.model import ARIMA

    values = np.cumsum(np.random.default_rng(1).normal(size=60))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the optimizer's
        model = ARIMA(values, order=(1, 0, 0)).fit()
    return model, pd.DataFrame({"start": [58], "end": [62]})


STATSMODELS = (
    Case(
        "statsmodels",
        "statsmodels",
        "statsmodels",
        _least_squares,
        _predict,
        {"data": "model.statsmodels"},
        ("model.statsmodels",),
        needs_trust=True,
    ),
    Case(
        "statsmodels time series",
        "statsmodels",
        "statsmodels",
        _time_series,
        lambda model, example: model.predict(start=58, end=62),
        {"data": "model.statsmodels"},
        ("model.statsmodels",),
        needs_trust=True,
    ),
)

# ---------------------------------------------------------------- ONNX


def _onnx() -> tuple[Any, Any]:
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = numpy_helper.from_array(np.linspace(-1, 1, 4 * 300, dtype=np.float32).reshape(4, 300), "weights")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "weights"], ["product"]), helper.make_node("Relu", ["product"], ["y"])],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 300])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model, _array()[:3]


def _onnx_native(model: Any, example: Any) -> Any:
    import onnxruntime

    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return {"y": session.run(["y"], {"x": example})[0]}


ONNX = (
    Case(
        "onnx",
        "onnx",
        "onnx",
        _onnx,
        _onnx_native,
        {
            "data": "model.onnx",
            "providers": ["CUDAExecutionProvider", "CPUExecutionProvider"],
            "onnx_session_options": None,
        },
        ("model.onnx", "model.onnx.data"),
        infers_signature=False,
    ),
)

# ---------------------------------------------------------------- PyTorch


def _net() -> Any:
    import torch

    torch.manual_seed(1)
    return torch.nn.Sequential(
        torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU(), torch.nn.Dropout(0.5), torch.nn.Linear(8, 3)
    ).eval()


def _own_net() -> Any:
    import torch

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = _net()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.softmax(self.layers(x) / x.shape[1], dim=-1)

    return Net().eval()


def _script() -> Any:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated, and still used
        return torch.jit.script(_net())


def _torch_native(model: Any, example: Any) -> Any:
    import torch

    with torch.no_grad():
        return model(torch.tensor(example)).numpy()


PYTORCH = (
    Case(
        "pytorch program",
        "pytorch",
        "torch",
        lambda: (_own_net(), _array()[:5]),
        _torch_native,
        {"model_data": "data"},
        ("data/model.pt2",),
        old=False,
    ),
    Case(
        "pytorch layers",
        "pytorch",
        "torch",
        lambda: (_net(), _array()[:5]),
        _torch_native,
        {"model_data": "data"},
        ("data/model.pth", "data/pickle_module_info.txt"),
        {"serialization_format": "pickle"},
    ),
    Case(
        "pytorch pickled",
        "pytorch",
        "torch",
        lambda: (_own_net(), _array()[:5]),
        _torch_native,
        {"model_data": "data"},
        ("data/model.pth", "data/pickle_module_info.txt"),
        {"serialization_format": "pickle"},
        needs_trust=True,
    ),
    Case(
        "pytorch script",
        "pytorch",
        "torch",
        lambda: (_script(), _array()[:5]),
        _torch_native,
        {"model_data": "data"},
        ("data/model.pth", "data/pickle_module_info.txt"),
        official_options={"serialization_format": "pickle"},
    ),
)

# ---------------------------------------------------------------- Keras, spaCy


def _keras() -> tuple[Any, Any]:
    import keras

    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(8, activation="relu"), keras.layers.Dense(3, activation="softmax")]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(_array(), _frame()[1].to_numpy(), epochs=1, shuffle=False, verbose=0)
    return model, _array()[:5]


def _spacy() -> tuple[Any, Any]:
    import pandas as pd
    import spacy
    from spacy.training import Example

    spacy.util.fix_random_seed(1)
    pipeline = spacy.blank("en")
    architecture = {
        "@architectures": "spacy.TextCatBOW.v3",
        "exclusive_classes": True,
        "ngram_size": 1,
        "no_output_layer": False,
        "length": 4096,
    }
    categorizer = pipeline.add_pipe("textcat", config={"model": architecture})
    for label in ("GOOD", "BAD"):
        categorizer.add_label(label)
    texts = [("what a fine day", {"GOOD": 1.0, "BAD": 0.0}), ("what a bad day", {"GOOD": 0.0, "BAD": 1.0})]
    examples = [Example.from_dict(pipeline.make_doc(text), {"cats": cats}) for text, cats in texts]
    optimizer = pipeline.initialize(lambda: examples)
    for _ in range(5):
        pipeline.update(examples, sgd=optimizer)
    return pipeline, pd.DataFrame({"text": [text for text, _ in texts]})


def _spacy_native(model: Any, example: Any) -> Any:
    import pandas as pd

    return pd.DataFrame({"predictions": [model(text).cats for text in example["text"]]})


FURTHER = (
    Case(
        "keras",
        "keras",
        "keras",
        _keras,
        lambda model, example: model.predict(example, verbose=0),
        {"data": "data", "keras_backend": "torch", "save_exported_model": False},
        ("data/model.keras", "data/keras_module.txt"),
        differs="its flavor for Keras 3 infers no signature",
    ),
    Case(
        "spacy",
        "spacy",
        "spacy",
        _spacy,
        _spacy_native,
        {"data": "model.spacy"},
        ("model.spacy/config.cfg", "model.spacy/meta.json"),
    ),
)

# ---------------------------------------------------------------- Python functions


def double(values: Any) -> Any:
    return values * 2


def _python_model() -> Any:
    """A PythonModel of the package that is at work: ours, or the official one in its own environment."""
    package = "millstream" if "millstream" in sys.modules else "mlflow"
    pyfunc = importlib.import_module(f"{package}.pyfunc")

    class Tripled(pyfunc.PythonModel):  # type: ignore[misc,name-defined]
        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            return model_input * 3

    return Tripled()


PYTHON = (
    Case(
        "python callable",
        "python_function",
        "cloudpickle",
        lambda: (double, _example()),
        lambda model, example: model(example),
        {},
        ("python_model.pkl",),
        needs_trust=True,
    ),
    Case(
        "python model",
        "python_function",
        "cloudpickle",
        lambda: (_python_model(), _example()),
        lambda model, example: model.predict(None, example),
        {},
        ("python_model.pkl",),
        needs_trust=True,
    ),
)

# ---------------------------------------------------------------- Spark


def spark_session() -> Any:
    """The one session of this process, on this machine."""
    os.environ.update(SPARK_LOCAL_IP="127.0.0.1", PYSPARK_PYTHON=sys.executable)
    from pyspark.sql import SparkSession

    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": "2",
        "spark.driver.memory": "1g",
        "spark.sql.warehouse.dir": f"/tmp/ms-spark-warehouse-{os.getpid()}",
    }
    builder = SparkSession.builder.master("local[2]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


def _spark_frame() -> Any:
    inputs, target = _frame()
    return spark_session().createDataFrame(inputs.assign(label=target.astype(float)))


def _spark_pipeline() -> tuple[Any, Any]:
    from pyspark.ml import Pipeline
    from pyspark.ml.classification import LogisticRegression
    from pyspark.ml.feature import StandardScaler, VectorAssembler

    training = _spark_frame()  # which makes the session that stages need
    columns = list(_frame()[0].columns)
    stages = [
        VectorAssembler(inputCols=columns, outputCol="assembled"),
        StandardScaler(inputCol="assembled", outputCol="features"),
        LogisticRegression(maxIter=5),
    ]
    return Pipeline(stages=stages).fit(training), _example()


def _spark_bucketizer() -> tuple[Any, Any]:
    from pyspark.ml.feature import Bucketizer

    spark_session()
    column = _frame()[0].columns[0]
    splits = [-float("inf"), 5.0, 6.0, float("inf")]
    return Bucketizer(splits=splits, inputCol=column, outputCol="prediction"), _example()[[column]]


def _spark_native(model: Any, example: Any) -> Any:
    return [row.prediction for row in model.transform(spark_session().createDataFrame(example)).collect()]


SPARK = (
    Case(
        "spark pipeline",
        "spark",
        "pyspark",
        _spark_pipeline,
        _spark_native,
        {"model_data": "sparkml", "model_class": "pyspark.ml.pipeline.PipelineModel"},
        ("sparkml/metadata/_SUCCESS",),
        old=False,
    ),
    Case(
        "spark transformer",
        "spark",
        "pyspark",
        _spark_bucketizer,
        _spark_native,
        {"model_data": "sparkml", "model_class": "pyspark.ml.pipeline.PipelineModel"},
        ("sparkml/metadata/_SUCCESS",),
        old=False,
    ),
)

CASES = {case.name: case for case in (*SKLEARN, *BOOSTING, *STATSMODELS, *ONNX, *PYTORCH, *FURTHER, *SPARK, *PYTHON)}


def plain(value: Any) -> Any:
    """A result in the terms of numpy alone, so that it compares exactly and across versions of pandas."""
    import numpy as np
    import pandas as pd

    if isinstance(value, pd.DataFrame):
        return {
            "columns": [str(name) for name in value.columns],
            "values": [plain(value[name]) for name in value.columns],
        }
    if isinstance(value, (pd.Series, pd.Index)):
        return plain(value.to_numpy())
    if isinstance(value, np.ndarray):
        return [plain(each) for each in value.tolist()] if value.dtype == object else value
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return value


def same(left: Any, right: Any) -> bool:
    """Whether two plain results are equal to the bit, types of arrays included."""
    import numpy as np

    if isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
        return (
            isinstance(left, np.ndarray)
            and isinstance(right, np.ndarray)
            and left.dtype == right.dtype
            and left.shape == right.shape
            and left.tobytes() == right.tobytes()
        )
    if isinstance(left, dict):
        return isinstance(right, dict) and left.keys() == right.keys() and all(same(left[k], right[k]) for k in left)
    if isinstance(left, list):
        return isinstance(right, list) and len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)
