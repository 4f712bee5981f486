"""Spark ML's models, written by Spark itself: a folder of JSON and Parquet below `sparkml/`.

`load_model` gives a PipelineModel, also for a model that was saved alone. What is saved goes through `millstream.models.spark.staging`, so that it
works where Spark runs elsewhere; what is loaded is looked at by `millstream.models.spark.files` first.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from millstream.errors import InvalidValue
from millstream.models.flavor import Flavor, class_name
from millstream.models.inference import kind_of
from millstream.models.model_files import named, reading
from millstream.models.spark import files, staging
from millstream.models.spark import session as sessions

if TYPE_CHECKING:
    from millstream.models.trust import Trust

logger = logging.getLogger("millstream")


class SparkFlavor(Flavor, frozen=True):
    """Spark need not be installed with pip: SPARK_HOME may say where it is."""

    def library(self) -> Any:
        return sessions.require(f"The model flavor {self.name!r}")


FLAVOR = SparkFlavor(
    name="spark",
    package="pyspark",
    tested=">=3.5,<4.4",
    classes=("pyspark.ml.base.Transformer", "pyspark.ml.connect.base.Transformer"),
    loader_module="mlflow.spark",
    version_key="pyspark_version",
    model_argument="spark_model",
    requirements=("pyspark",),
    options=("dfs_tmpdir",),
    load_options=("dfs_tmpdir",),
    saves_with_location=True,
)

FOLDER = "sparkml"
PREDICTION = "prediction"
"""The column that a model as a function gives."""

_ROW = "__millstream_row__"
"""Column of the rows' numbers, while a model predicts: joins and shuffles change their order."""

_CONNECT = "pyspark.ml.connect."
"""Modules of the models that Spark Connect had before Spark 4: Python objects, saved without Spark."""


# ---------------------------------------------------------------- saving
def check(model: Any, signature: Any, *, dfs_tmpdir: str | None = None) -> None:
    from pyspark.ml.base import Estimator

    if isinstance(model, Estimator):
        raise InvalidValue(f"{type(model).__name__} is not trained. Save what its fit(...) returns.")
    for stage in _stages(model):
        if not hasattr(stage, "write") and not hasattr(stage, "saveToLocal"):
            raise InvalidValue(
                f"Spark cannot save {class_name(type(stage))}. A transformer of your own has to derive from "
                "pyspark.ml.util.DefaultParamsReadable and DefaultParamsWritable as well."
            )


def save(model: Any, root: Path, *, dfs_tmpdir: str | None = None, location: str | None = None) -> dict[str, Any]:
    """Let Spark write `sparkml/`.

    Args:
        dfs_tmpdir: the staging place; see `millstream.models.spark.staging`.
        location: where the folder goes to afterwards. Where Spark can write there itself, it does.
    """
    if _is_connect_native(class_name(type(model))):
        model.saveToLocal(str(root / FOLDER))
        return {"model_data": FOLDER, "model_class": class_name(type(model))}
    pipeline = _pipeline(model)
    session = sessions.active_or_local()
    if not _save_directly(pipeline, session, location):
        staging.save(lambda uri: pipeline.write().save(uri), root / FOLDER, session, dfs_tmpdir)
    return {"model_data": FOLDER, "model_class": class_name(type(pipeline))}


def pyfunc_entry(section: dict[str, Any], options: dict[str, Any], model: Any) -> dict[str, Any]:
    return {"data": FOLDER}


def requirements_of(section: Mapping[str, Any]) -> tuple[str, ...]:
    if _is_connect_native(str(section.get("model_class"))):
        return ("pyspark[connect]", "torch", "scikit-learn", "torcheval")
    return ()


def modules_of(model: Any) -> list[str]:
    """Where the stages' own classes are. Loading a model to see that takes a second Spark."""
    names = {type(stage).__module__ for stage in _stages(model)}
    return sorted(name for name in names if name.partition(".")[0] != "pyspark")


def _save_directly(pipeline: Any, session: Any, location: str | None) -> bool:
    uri = None if location is None else staging.direct(session, location)
    if uri is None:
        return False
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        pipeline.write().overwrite().save(f"{uri.rstrip('/')}/{FOLDER}")
    except (Py4JError, PySparkException) as error:
        reason = str(error).strip().split("\n")[0]
        logger.info("Spark cannot write to %r itself (%s): its files pass through this machine.", location, reason)
        return False
    return True


def _pipeline(model: Any) -> Any:
    from pyspark.ml import PipelineModel

    return model if isinstance(model, PipelineModel) else PipelineModel(stages=[model])


def _is_connect_native(model_class: str) -> bool:
    return model_class.startswith(_CONNECT)


def _stages(model: Any) -> Iterator[Any]:
    """The stages that a model is made of, those of pipelines in it too."""
    stages = getattr(model, "stages", None)
    if isinstance(stages, list):
        for stage in stages:
            yield from _stages(stage)
    else:
        yield model


# ---------------------------------------------------------------- loading
def load(root: Path, section: dict[str, Any], *, trust: Trust, dfs_tmpdir: str | None = None) -> Any:
    """The PipelineModel, in the session in use; without one, in a small session on this machine.

    Args:
        dfs_tmpdir: the staging place; see `millstream.models.spark.staging`.
    Raises:
        UntrustedModel: it holds classes that are not Spark's own, or SQL.
    """
    FLAVOR.library()
    folder = named(root, section, "model_data", "data")
    kind = str(section.get("model_class", ""))
    if _is_connect_native(kind):
        trust.require(folder, f"a model of {kind}, which is in part a pickle")
        return _load_local(folder, kind)
    files.check(folder, trust)
    from pyspark.ml import PipelineModel

    session = sessions.active_or_local()
    with reading(folder, "a Spark model"):
        return staging.load(PipelineModel.load, folder, session, dfs_tmpdir)


def _load_local(folder: Path, kind: str) -> Any:
    module, _, name = kind.rpartition(".")
    found = getattr(importlib.import_module(module), name, None)
    if found is None or not hasattr(found, "loadFromLocal"):
        raise InvalidValue(f"The MLmodel of {str(folder.parent)!r} names {kind!r}, which is no model of this Spark.")
    return found.loadFromLocal(str(folder))


# ---------------------------------------------------------------- predicting
def predict(model: Any, inputs: Any, params: dict[str, Any]) -> Any:
    """The column `prediction` for each row, or what the last stage puts out, as a list in the order of the rows.

    Lists of numbers become vectors where a stage of the model takes them. A row that the model drops (an item that a recommender has
    never seen, `handleInvalid="skip"`) has None. Vectors come out as lists. A Spark frame gives the values in the order that Spark has.
    """
    if _is_connect_native(class_name(type(model))):
        made = model.transform(_as_frame(inputs))
        return made[PREDICTION if PREDICTION in made.columns else _output_of(model)].tolist()
    if kind_of(inputs) == "spark":
        return [_plain(row[0]) for row in _predicted(model, _with_vectors(model, inputs)).collect()]
    frame = _as_frame(inputs)
    if not len(frame):  # whose types Spark cannot tell
        return []
    session = sessions.active_or_local()
    numbered = session.createDataFrame(frame.assign(**{_ROW: range(len(frame))}).reset_index(drop=True))
    result = _predicted(model, _with_vectors(model, numbered))
    if _ROW not in result.columns:  # a stage made a table of its own
        return [_plain(row[0]) for row in result.collect()]
    found = {row[1]: _plain(row[0]) for row in result.collect()}
    return [found.get(number) for number in range(len(frame))]


def _as_frame(inputs: Any) -> Any:
    import pandas as pd

    if isinstance(inputs, pd.DataFrame):
        return inputs
    try:
        return pd.DataFrame(inputs)
    except (TypeError, ValueError) as error:
        raise InvalidValue(f"A Spark model takes a table; {type(inputs).__name__} is none: {error}") from None


def _predicted(model: Any, frame: Any) -> Any:
    """A Spark frame of the predictions, and of the rows' numbers if the given frame has them."""
    result = model.transform(frame)
    column = PREDICTION if PREDICTION in result.columns else _output_of(model)
    if column not in result.columns:
        made = [name for name in result.columns if name not in frame.columns]
        raise InvalidValue(
            f"The model gives no column {PREDICTION!r}, and its last stage has no output column; it adds {made}. Let its last "
            f"stage write to {PREDICTION!r} (setPredictionCol, setOutputCol), or call transform of the model itself."
        )
    return result.select(column, *([_ROW] if _ROW in result.columns else []))


def _output_of(model: Any) -> str:
    last = list(_stages(model))[-1]
    return str(last.getOutputCol()) if hasattr(last, "getOutputCol") and last.hasParam("outputCol") else PREDICTION


def _with_vectors(model: Any, frame: Any) -> Any:
    """The frame with vectors in place of the arrays of numbers that stages of the model take as vectors."""
    from pyspark.ml.functions import array_to_vector
    from pyspark.sql.types import ArrayType, NumericType

    wanted = _vector_columns(model)
    for field in frame.schema.fields:
        kind = field.dataType
        if field.name in wanted and isinstance(kind, ArrayType) and isinstance(kind.elementType, NumericType):
            frame = frame.withColumn(field.name, array_to_vector(frame[field.name].cast("array<double>")))
    return frame


def _vector_columns(model: Any) -> set[str]:
    """Columns that stages take as features or as their input."""
    found: set[str] = set()
    for stage in _stages(model):
        for param in ("featuresCol", "inputCol", "inputCols"):
            with contextlib.suppress(KeyError, AttributeError):  # no such param, or no value
                value = stage.getOrDefault(param)
                found.update([value] if isinstance(value, str) else value)
    return found


def _plain(value: Any) -> Any:
    """A vector of Spark's as a list."""
    return value.toArray().tolist() if hasattr(value, "toArray") else value


save_model, log_model, load_model, autolog, get_default_pip_requirements, get_default_conda_env = FLAVOR.functions()
