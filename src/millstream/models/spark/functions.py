"""`spark_udf`: any model as a function over the columns of a Spark frame.

Where Spark runs on this machine, its workers load the model from where it lies. Elsewhere it is packed once and Spark brings it to its
workers, through the session, in Spark Connect too: workers need neither the model's URI nor credentials.
"""

from __future__ import annotations

import atexit
import hashlib
import logging
import shutil
import tarfile
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from millstream import settings
from millstream.errors import InvalidValue, Unsupported
from millstream.models import flavors
from millstream.models.locations import fetch
from millstream.models.mlmodel import MLMODEL, Model
from millstream.models.pyfunc.loading import PICKLE_LOADERS, SCRIPT_LOADERS, NoPythonFunction, warn_of_differences
from millstream.models.spark import results, workers
from millstream.models.spark import session as sessions
from millstream.models.trust import Trust, trust_of

if TYPE_CHECKING:
    import os

    from millstream.models.types import Schema

logger = logging.getLogger("millstream")


def spark_udf(
    spark: Any,
    model_uri: str | os.PathLike[str],
    result_type: Any = None,
    env_manager: str | None = None,
    params: Mapping[str, Any] | None = None,
    extra_env: Mapping[str, str] | None = None,
    prebuilt_env_uri: str | None = None,
    model_config: Mapping[str, Any] | str | os.PathLike[str] | None = None,
    *,
    trust: bool | None = None,
) -> Callable[..., Any]:
    """A model as a function over columns: `frame.withColumn("price", function("rooms", "area"))`.

    The function takes names or columns in the order of the model's inputs, or one struct of them
    (`function(struct("rooms", "area"))`), whose names count. Without arguments it takes the columns of the model's signature.

    Args:
        spark: the session, classic or of Spark Connect. Millstream has to be installed where its Python workers run.
        result_type: a type of Spark's or its name: boolean, int, long, float, double, string; arrays, structs and maps of them. What
            the model's signature says if not given, else double. `millstream.models.spark.results` says which predictions fit.
        env_manager: local (if not given) predicts in the workers' own Python; uv, virtualenv and conda make the model's environment
            again on each machine, and predict in a process of it.
        params: of `predict`, for all rows.
        extra_env: environment variables to set in the workers.
        model_config: laid over the configuration that was saved with the model.
        trust: whether code that came with the model may run; the setting TRUST_PICKLES (False) if not given.
    Raises:
        InvalidValue: a result type that no prediction has.
        UntrustedModel: code would run. Of formats that only their library can tell, workers say it when the frame is computed.
        Unsupported: prebuilt_env_uri is given.
    """
    sessions.require("A function over Spark frames")
    if prebuilt_env_uri is not None:
        raise Unsupported("prebuilt_env_uri belongs to Databricks. Give env_manager='uv' to have the environment made.")
    from millstream.serving import surroundings

    root = fetch(model_uri)
    metadata = Model.load(root)
    entry = metadata.flavors.get("python_function")
    if entry is None:
        raise NoPythonFunction(root, list(metadata.flavors))
    if flavors.by_loader_module(str(entry.get("loader_module"))) == "spark":
        logger.warning(
            "As a function, a Spark ML model starts a small Spark in every Python worker. Where the whole frame is at hand, "
            "millstream.spark.load_model(uri).transform(frame) is faster."
        )
    is_local = surroundings.is_local(env_manager or "local")
    given = trust_of(trust, root)
    _require_trust(root, entry, given)
    if is_local:
        warn_of_differences(root)
    elif not sessions.is_connect(spark) and sessions.runs_here(spark):
        surroundings.prepare_env(str(root), env_manager)  # what is wrong with it is said here, once
    inputs = metadata.get_input_schema()
    outputs = metadata.get_output_schema()
    result = _result_type(result_type, outputs)
    folder, archive = _ship(spark, root)
    job = workers.Job(
        key=uuid.uuid4().hex,
        folder=folder,
        archive=archive,
        trust=given.is_given,
        names=[] if inputs is None else [str(name) for name in inputs.input_names()],
        result=result,
        time_zone=str(spark.conf.get("spark.sql.session.timeZone")),
        params=dict(params) if params else None,
        model_config=_config(model_config),
        variables={**_place(), **(extra_env or {})},
        env_manager="local" if is_local else str(env_manager),
    )
    function = _function(job)

    def predict(*columns: Any) -> Any:
        column = function(_argument(columns, inputs))
        if result.typeName() != "variant":
            return column
        from pyspark.sql.functions import parse_json

        return parse_json(column)

    predict.metadata = metadata  # type: ignore[attr-defined]  # MLflow's function has it too
    return predict


def _require_trust(root: Path, entry: Mapping[str, Any], trust: Trust) -> None:
    """What is known to be code is refused before Spark starts a job; workers ask again, for all of it."""
    loader = entry.get("loader_module")
    if loader in PICKLE_LOADERS or loader in SCRIPT_LOADERS or entry.get("code"):
        trust.require(root / MLMODEL, "that of a model which comes with Python code or a pickle")


def _result_type(given: Any, outputs: Schema | None) -> Any:
    from pyspark.sql.types import DoubleType

    if given is not None:
        return results.declared(given)
    if outputs is not None:
        return results.of_schema(outputs)
    logger.warning("The model's signature has no outputs, so its predictions are taken to be double. Give result_type.")
    return DoubleType()


def _config(given: Any) -> dict[str, Any] | None:
    if given is None:
        return None
    from millstream.models.pyfunc.code_models import read_config

    return read_config(given)


def _place() -> dict[str, str]:
    """Where this program logs to and looks models up, for models that do so themselves."""
    return {
        variable: str(setting.get())
        for setting in (settings.TRACKING_URI, settings.REGISTRY_URI)
        if setting.is_set()
        for variable in setting.variables
    }


# ---------------------------------------------------------------- columns
def _argument(columns: tuple[Any, ...], inputs: Schema | None) -> Any:
    """The one column that the function is given: a struct of all, or the only one as it is.

    Raises InvalidValue: there are too few, or none and the signature does not say which.
    """
    from pyspark.sql.functions import col, struct

    if not columns:
        columns = tuple(_names_of(inputs))
        named = [col(_quoted(name)).alias(name) for name in columns]
        return struct(*named)
    found = [col(_quoted(each)) if isinstance(each, str) else each for each in columns]
    if len(found) == 1:
        return found[0]
    if inputs is None or (inputs.is_tensor_spec() and not inputs.has_input_names()):
        names = [str(index) for index in range(len(found))]
    else:
        names = [str(name) for name in inputs.input_names()]
        required = len(inputs.required_input_names())
        if len(found) < required:
            raise InvalidValue(f"The model takes {required} columns ({', '.join(names)}), {len(found)} are given.")
    return struct(*(column.alias(name) for column, name in zip(found, names, strict=False)))


def _names_of(inputs: Schema | None) -> list[str]:
    if inputs is None or not inputs.has_input_names():
        raise InvalidValue("The model's signature names no inputs. Give the columns: function('a', 'b').")
    optional = inputs.optional_input_names()
    if optional:
        raise InvalidValue(
            f"Of the model's inputs some are optional ({', '.join(map(str, optional))}), so give the columns that the frame has: "
            f"function({', '.join(repr(str(name)) for name in inputs.required_input_names())})."
        )
    return [str(name) for name in inputs.input_names()]


def _quoted(name: str) -> str:
    """A column's name as it is, whatever is in it; `a.b` is a field of a struct unless quoted, so that is left to be one."""
    return name if "`" in name or "." in name else f"`{name}`"


def _function(job: workers.Job) -> Callable[[Any], Any]:
    from pyspark.sql import functions

    made: Callable[[Any], Any]
    if hasattr(functions, "arrow_udf"):  # Spark 4.1
        import pyarrow as pa

        predict, batches = workers.arrow_function(job), Iterator[pa.Array]
        made = functions.arrow_udf(_hinted(predict, batches), results.carrier(job.result))
    else:
        import pandas as pd

        predict, batches = workers.pandas_function(job), Iterator[pd.Series]
        made = functions.pandas_udf(_hinted(predict, batches), results.carrier(job.result))
    return made


def _hinted(predict: Callable[[Any], Any], batches: Any) -> Callable[[Any], Any]:
    """With the hints by which Spark tells what kind of function it is."""
    predict.__annotations__ = {"batches": batches, "return": batches}
    return predict


# ---------------------------------------------------------------- the model's way to the workers
_shipped: WeakKeyDictionary[Any, dict[str, str]] = WeakKeyDictionary()
"""Names of the archives that a session has got already, by the model's content."""


def _ship(session: Any, root: Path) -> tuple[str | None, str]:
    """Where the workers find the model: its folder, or else the name of an archive that Spark brings to them."""
    if not sessions.is_connect(session) and sessions.runs_here(session):
        return str(root.resolve()), ""
    digest = _digest(root)
    shipped = _shipped.setdefault(session, {})
    if digest not in shipped:
        folder = Path(tempfile.mkdtemp(prefix="millstream-spark-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        archive = folder / f"millstream-model-{digest}.tar"
        with tarfile.open(archive, "w") as tar:
            for entry in sorted(root.iterdir()):  # not ".", which Hadoop takes for a way out of the folder
                tar.add(entry, entry.name)
        if sessions.is_connect(session):
            session.addArtifacts(str(archive), archive=True)
        else:
            session.sparkContext.addArchive(str(archive))
        shipped[digest] = archive.name
    return None, shipped[digest]


def _digest(root: Path) -> str:
    found = hashlib.sha256()
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        found.update(f"{path.relative_to(root).as_posix()}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            found.update(hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()[:16]
