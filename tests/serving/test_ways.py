"""The short way and the general way give the model the same frame, and a matrix gives the same prediction as its frame."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream.errors import MillstreamError
from millstream.models.mlmodel import Model as Metadata
from millstream.models.signature import ModelSignature
from millstream.models.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
from millstream.serving import columns, forms, tables
from millstream.serving.columns import Columns
from millstream.serving.forms import Wanted
from millstream.serving.media import Form
from millstream.serving.scorer import Scorer


class Keeping:
    """A model that keeps what it was given, after the enforcement of its signature."""

    def __init__(self, signature: ModelSignature | None) -> None:
        self.metadata = Metadata(signature=signature)
        self.schema = signature.inputs if signature is not None else None
        self.given: Any = None

    def predict(self, data: Any, params: Any = None) -> Any:
        from millstream.models.enforcement import enforce_inputs

        self.given = enforce_inputs(data, self.schema) if self.schema is not None else data
        return [0] * len(self.given)


NAMES = ("a", "b", "ü x", "columns")
TYPES = ("boolean", "integer", "long", "float", "double", "string")

_whole = st.one_of(st.integers(-(2**31), 2**31 - 1), st.integers(-(2**65), 2**65))
_number = st.one_of(_whole, st.floats(allow_nan=False, allow_infinity=False), st.just(-0.0), st.just(1e300))
_cells = {
    "boolean": st.booleans(),
    "integer": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "float": st.one_of(st.floats(width=32, allow_nan=False, allow_infinity=False), st.integers(-100, 100)),
    "double": st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**70), 2**70)),
    "string": st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
}
_any_cell = st.one_of(st.none(), st.booleans(), _number, st.text(max_size=3), st.lists(st.integers(0, 3), max_size=2))


@st.composite
def requests(draw: st.DrawFn, *, clean: bool) -> tuple[Schema, dict[str, Any]]:
    """A schema and a body for it; unless clean, with values that may be of any type and columns in any order."""
    types = draw(st.lists(st.sampled_from(TYPES), min_size=1, max_size=4))
    if draw(st.booleans()):
        types = [types[0]] * len(types)
    names = list(NAMES[: len(types)])
    schema = Schema([ColSpec(kind, name) for kind, name in zip(types, names, strict=True)])
    rows = [
        [draw(_cells[kind] if clean or draw(st.integers(0, 9)) else _any_cell) for kind in types]
        for _ in range(draw(st.integers(1, 4)))
    ]
    form = draw(st.sampled_from(["dataframe_split", "dataframe_records", "inputs", "instances", "objects"]))
    order = names if clean else draw(st.permutations(names))
    objects = [{name: row[names.index(name)] for name in order} for row in rows]
    bodies: dict[str, Any] = {
        "dataframe_split": {"dataframe_split": {"columns": names, "data": rows}},
        "dataframe_records": {"dataframe_records": objects},
        "inputs": {"inputs": {name: [row[index] for row in rows] for index, name in enumerate(names)}},
        "instances": {"instances": objects},
        "objects": {"inputs": objects},
    }
    return schema, bodies[form]


def general(schema: Schema, body: bytes) -> Any:
    """What the model is given on the general way, or the error's class."""
    model = Keeping(ModelSignature(schema))
    try:
        model.predict(forms.read(body, Wanted(schema)).data)
    except MillstreamError as error:
        return type(error).__name__
    return model.given


def actual(schema: Schema, body: bytes) -> Any:
    model = Keeping(ModelSignature(schema))
    scorer = Scorer(model)
    try:
        scorer.predict(scorer.read(body, Form.JSON))
    except MillstreamError as error:
        return type(error).__name__
    return model.given


def assert_same(one: Any, other: Any) -> None:
    """Frames that are equal to the bit, in values, dtypes, names and index; or the same errors."""
    if isinstance(one, str) or isinstance(other, str):
        assert isinstance(one, str) == isinstance(other, str), (one, other)
        return
    assert list(one.columns) == list(other.columns)
    assert one.dtypes.tolist() == other.dtypes.tolist()
    pd.testing.assert_index_equal(one.index, other.index, exact="equiv")
    for name in one.columns:
        left, right = one[name].to_numpy(), other[name].to_numpy()
        if left.dtype.hasobject:
            assert [(type(v), repr(v)) for v in left.tolist()] == [(type(v), repr(v)) for v in right.tolist()]
        else:
            assert left.tobytes() == right.tobytes(), name


@settings(max_examples=150, deadline=None)
@given(requests(clean=True))
def test_values_of_the_right_types_come_to_the_same_frame_on_both_ways(drawn: tuple[Schema, dict[str, Any]]) -> None:
    schema, body = drawn
    text = json.dumps(body).encode()
    assert_same(actual(schema, text), general(schema, text))


@settings(max_examples=150, deadline=None)
@given(requests(clean=False))
def test_values_of_any_type_come_to_the_same_frame_or_error_on_both_ways(drawn: tuple[Schema, dict[str, Any]]) -> None:
    schema, body = drawn
    text = json.dumps(body).encode()
    assert_same(actual(schema, text), general(schema, text))


def test_a_fitting_request_of_each_form_takes_the_short_way() -> None:
    schema = Schema([ColSpec("double", "a"), ColSpec("double", "b")])
    short = Columns(schema)
    bodies = [
        {"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2.5]]}},
        {"dataframe_records": [{"b": 2.5, "a": 1}]},
        {"inputs": {"a": [1], "b": [2.5]}},
        {"inputs": [{"a": 1, "b": 2.5}]},
        {"instances": [{"a": 1, "b": 2.5}]},
    ]
    for body in bodies:
        decoded = short.read(json.dumps(body).encode())
        assert decoded is not None, body
        assert decoded.table.matrix is not None
        assert decoded.table.matrix.tolist() == [[1.0, 2.5]]


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": {"columns": ["b", "a"], "data": [[1, 2.5]]}},
        {"dataframe_split": {"columns": ["a", "b"], "data": []}},
        {"dataframe_split": {"columns": ["a", "b"], "data": [[1, None]]}},
        {"dataframe_split": {"columns": ["a", "b"], "data": [[1, "2"]]}},
        {"dataframe_split": {"columns": ["a", "b"], "index": [3], "data": [[1, 2]]}},
        {"dataframe_records": [{"a": 1}]},
        {"dataframe_records": [{"a": 1, "b": 2, "c": 3}]},
        {"inputs": {"a": [1], "b": [2.5, 3]}},
        {"inputs": {"a": [1], "b": [2.5]}, "instances": []},
        {"inputs": {"a": [1], "b": [2.5]}, "prompt": "x"},
        {"inputs": [[1, 2]]},
    ],
)
def test_what_needs_more_than_decoding_takes_the_general_way(body: dict[str, Any]) -> None:
    assert Columns(Schema([ColSpec("double", "a"), ColSpec("double", "b")])).read(json.dumps(body).encode()) is None


@pytest.mark.parametrize("kind", ["binary", "datetime"])
def test_types_that_json_has_not_have_no_short_way(kind: str) -> None:
    assert not columns.takes(Schema([ColSpec(kind, "a")]))
    assert not columns.takes(Schema([ColSpec("double", "a", required=False)]))
    assert not columns.takes(Schema([ColSpec("double")]))
    assert columns.takes(Schema([ColSpec(DataType.double, "a")]))


def test_frames_of_the_short_way_can_be_written_to() -> None:
    for rows in (1, 3):
        for kinds in (("double",), ("double", "double"), ("double", "long")):
            schema = Schema([ColSpec(kind, name) for kind, name in zip(kinds, NAMES, strict=False)])
            body = {"dataframe_split": {"columns": list(NAMES[: len(kinds)]), "data": [[1] * len(kinds)] * rows}}
            decoded = Columns(schema).read(json.dumps(body).encode())
            assert decoded is not None
            frame = decoded.table.frame()
            frame.iloc[0, 0] = 7
            frame.to_numpy(copy=True)[0, 0] = 8
            if decoded.table.matrix is not None:
                decoded.table.matrix[0, 0] = 9


def test_a_backslash_before_letters_is_no_nul() -> None:
    model = Keeping(ModelSignature(Schema([ColSpec("string", "s")])))
    scorer = Scorer(model)
    scorer.predict(scorer.read(json.dumps({"inputs": {"s": ["\\u0000"]}}).encode(), Form.JSON))
    assert model.given["s"].tolist() == ["\\u0000"]
    with pytest.raises(MillstreamError, match="NUL"):
        scorer.read(json.dumps({"inputs": {"s": ["\0"]}}).encode(), Form.JSON)


def test_params_are_read_on_the_short_way_and_dropped_without_a_schema_for_them() -> None:
    schema = Schema([ColSpec("double", "a")])
    body = b'{"inputs": {"a": [1.5]}, "params": {"k": 3}}'
    with_params = Scorer(Keeping(ModelSignature(schema, params=ParamSchema([ParamSpec("k", "long", 1)]))))
    assert with_params.read(body, Form.JSON).params == {"k": 3}
    assert Scorer(Keeping(ModelSignature(schema))).read(body, Form.JSON).params is None


# ---------------------------------------------------------------- matrices


def _models() -> dict[str, Any]:
    from sklearn import (
        ensemble,
        linear_model,
        naive_bayes,
        neighbors,
        neural_network,
        pipeline,
        preprocessing,
        svm,
        tree,
    )

    return {
        "linear": linear_model.LinearRegression(),
        "logistic": linear_model.LogisticRegression(),
        "ridge": linear_model.Ridge(),
        "tree": tree.DecisionTreeRegressor(random_state=0),
        "forest": ensemble.RandomForestClassifier(5, random_state=0),
        "boosting": ensemble.GradientBoostingRegressor(n_estimators=5),
        "histogram boosting": ensemble.HistGradientBoostingClassifier(max_iter=5),
        "svm": svm.SVC(),
        "neighbours": neighbors.KNeighborsClassifier(3),
        "bayes": naive_bayes.GaussianNB(),
        "perceptron": neural_network.MLPRegressor(hidden_layer_sizes=(4,), random_state=0, tol=1.0),
        "pipeline": pipeline.make_pipeline(preprocessing.StandardScaler(), linear_model.LogisticRegression()),
    }


def _loaded(estimator: Any, folder: Any, target: Any = None, **options: Any) -> Any:
    from millstream.models import pyfunc
    from millstream.models.flavors import sklearn as flavor
    from millstream.models.signature import infer_signature

    source = np.random.default_rng(3)
    frame = pd.DataFrame(source.normal(size=(60, 3)), columns=["p", "q", "r"])
    estimator.fit(frame, (frame["p"] > 0).astype(int) if target is None else target(frame))
    flavor.save_model(
        estimator,
        folder,
        signature=infer_signature(frame),
        pip_requirements=[],
        serialization_format="cloudpickle",
        **options,
    )
    return pyfunc.load_model(str(folder), suppress_warnings=True, trust=True)


@pytest.mark.parametrize("name", _models())
def test_an_estimator_predicts_from_a_matrix_as_from_its_frame(name: str, tmp_path: Any) -> None:
    model = _loaded(_models()[name], tmp_path / "m")
    scorer = Scorer(model)
    assert scorer._matrix is not None
    rows = np.random.default_rng(4).normal(size=(40, 3))
    body = json.dumps({"dataframe_split": {"columns": ["p", "q", "r"], "data": rows.tolist()}}).encode()
    direct = scorer.predict(scorer.read(body, Form.JSON))
    framed = model.predict(pd.DataFrame(rows, columns=["p", "q", "r"]))
    assert direct.dtype == framed.dtype
    assert direct.tobytes() == framed.tobytes()


def test_probabilities_come_from_a_matrix_too(tmp_path: Any) -> None:
    from sklearn.linear_model import LogisticRegression

    scorer = Scorer(_loaded(LogisticRegression(), tmp_path / "m", pyfunc_predict_fn="predict_proba"))
    assert scorer._matrix is not None
    answer = json.loads(scorer.answer(b'{"inputs": {"p": [1.5], "q": [0], "r": [2]}}', Form.JSON))
    assert sum(answer["predictions"][0]) == pytest.approx(1)


def test_an_estimator_that_looks_at_its_columns_gets_its_frame(tmp_path: Any) -> None:
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    chosen = make_pipeline(
        ColumnTransformer([("s", StandardScaler(), ["q"])], remainder="passthrough"), LinearRegression()
    )
    first = make_pipeline(FunctionTransformer(), LinearRegression())
    framed = make_pipeline(StandardScaler().set_output(transform="pandas"), LinearRegression())
    for number, estimator in enumerate((chosen, first, framed)):
        scorer = Scorer(_loaded(estimator, tmp_path / str(number)))
        assert scorer._matrix is None
        assert not scorer.is_quick, "it may hold code of the user"
        assert (
            len(json.loads(scorer.answer(b'{"inputs": {"p": [1], "q": [0], "r": [2]}}', Form.JSON))["predictions"]) == 1
        )


def test_xgboost_and_lightgbm_predict_from_a_matrix_as_from_their_frames(tmp_path: Any) -> None:
    import lightgbm
    import xgboost

    from millstream.models import pyfunc
    from millstream.models.flavors import lightgbm as lightgbm_flavor
    from millstream.models.flavors import xgboost as xgboost_flavor
    from millstream.models.signature import infer_signature

    frame = pd.DataFrame(np.random.default_rng(3).normal(size=(80, 3)), columns=["p", "q", "r"])
    target = (frame["p"] > 0).astype(int)
    made = {
        "booster": (xgboost_flavor, xgboost.train({"max_depth": 2}, xgboost.DMatrix(frame, target), 3)),
        "classifier": (xgboost_flavor, xgboost.XGBClassifier(n_estimators=3).fit(frame, target)),
        "lightgbm": (
            lightgbm_flavor,
            lightgbm.train({"verbose": -1, "min_data": 2}, lightgbm.Dataset(frame, target), 3),
        ),
    }
    for name, (flavor, native) in made.items():
        flavor.save_model(native, tmp_path / name, signature=infer_signature(frame), pip_requirements=[])
        model = pyfunc.load_model(str(tmp_path / name), suppress_warnings=True)
        scorer = Scorer(model)
        assert scorer._matrix is not None, name
        direct = scorer._matrix(np.asfortranarray(frame.to_numpy()))
        assert direct.tobytes() == model.predict(frame).tobytes(), name


# ---------------------------------------------------------------- Arrow


def _stream(table: Any, **options: Any) -> bytes:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        for batch in table.to_batches(max_chunksize=2):
            writer.write_batch(batch)
    return bytes(sink.getvalue())


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_an_arrow_table_comes_to_the_same_frame_on_both_ways(compression: str | None) -> None:
    import pyarrow as pa

    for kinds in (("double", "double"), ("double", "long"), ("long",), ("boolean", "float"), ("string", "double")):
        schema = Schema([ColSpec(kind, name) for kind, name in zip(kinds, NAMES, strict=False)])
        arrow = {
            "double": pa.array([1.5, -0.0, 3e300]), "long": pa.array([1, 2, 2**60]), "boolean": pa.array([True, False, True]),
            "float": pa.array([0.1, 2, 3], pa.float32()), "string": pa.array(["a", "ü", ""]),
        }  # fmt: skip
        table = pa.table({name: arrow[kind] for kind, name in zip(kinds, NAMES, strict=False)})
        body = _stream(table, compression=compression)
        model = Keeping(ModelSignature(schema))
        scorer = Scorer(model)
        request = scorer.read(body, Form.ARROW_STREAM)
        assert (request.table is None) == ("string" in kinds)
        scorer.predict(request)
        short = model.given
        model.predict(tables.to_frame(tables.read_arrow(body, 1 << 20)))
        assert_same(short, model.given)
