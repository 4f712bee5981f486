"""Types and schemas: their rules, their JSON forms, and those of older files."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from millstream.errors import InvalidValue
from millstream.models.datatypes import ANY, Inexpressible, Type, merge, type_from_dict, type_to_dict
from millstream.models.types import (
    AnyType,
    Array,
    ColSpec,
    DataType,
    Map,
    Object,
    ParamSchema,
    ParamSpec,
    Property,
    Schema,
    SparkMLVector,
    TensorSpec,
)

POINT = Object([Property("y", "double"), Property("x", "long", required=False)])
F32 = np.dtype("float32")


def test_a_scalar_type_knows_its_types_elsewhere() -> None:
    assert [each.name for each in DataType.all_types()] == [
        "boolean", "integer", "long", "float", "double", "string", "binary", "datetime",
    ]  # fmt: skip
    assert DataType.integer.to_numpy() == np.dtype("int32")
    assert DataType.string.to_pandas() is object
    assert DataType.datetime.to_pandas() == np.dtype("datetime64[ns]")
    assert DataType.double.to_python() is float
    assert DataType.from_numpy_type(np.int64) is DataType.long
    assert DataType.from_numpy_type("complex64") is None


@pytest.mark.parametrize(
    ("type", "form", "shown"),
    [
        (Array("long"), {"type": "array", "items": {"type": "long"}}, "Array(long)"),
        (
            POINT,
            {
                "type": "object",
                "properties": {"x": {"type": "long", "required": False}, "y": {"type": "double", "required": True}},
            },
            "{x: long (optional), y: double (required)}",
        ),
        (
            Map(Array(AnyType())),
            {"type": "map", "values": {"type": "array", "items": {"type": "any"}}},
            "Map(str -> Array(Any))",
        ),
        (AnyType(), {"type": "any"}, "Any"),
        (SparkMLVector(), {"type": "sparkml_vector"}, "SparkML vector"),
    ],
)
def test_a_compound_type_is_written_and_read_back(type: Type, form: dict[str, Any], shown: str) -> None:
    assert type_to_dict(type) == form
    assert type_from_dict(form) == type
    assert repr(type) == shown


def test_a_vector_of_spark_is_an_array_of_doubles() -> None:
    assert isinstance(SparkMLVector(), Array)
    assert SparkMLVector().dtype is DataType.double
    assert SparkMLVector() != Array("double")


@pytest.mark.parametrize(
    "make",
    [
        lambda: Object([]),
        lambda: Object([Property("a", "long"), Property("a", "string")]),
        lambda: Object(["a"]),  # type: ignore[list-item]
        lambda: Property(3, "long"),  # type: ignore[arg-type]
        lambda: Array("tensor"),  # type: ignore[arg-type]
        lambda: Map(None),  # type: ignore[arg-type]
        lambda: ColSpec("any"),  # type: ignore[arg-type]
        lambda: ColSpec(3),  # type: ignore[arg-type]
    ],
)
def test_a_type_that_cannot_be_is_refused(make: Any) -> None:
    with pytest.raises(InvalidValue):
        make()


def test_types_nested_beyond_reason_are_refused() -> None:
    form: dict[str, Any] = {"type": "long"}
    for _ in range(200):
        form = {"type": "array", "items": form}
    with pytest.raises(InvalidValue, match="deeper than 100"):
        type_from_dict(form)
    with pytest.raises(InvalidValue, match="not JSON"):
        Schema.from_json("[" * 100_000)


@pytest.mark.parametrize(
    ("left", "right", "merged"),
    [
        (DataType.long, DataType.long, DataType.long),
        (ANY, DataType.long, DataType.long),
        (Array("long"), Array(ANY), Array("long")),
        (Map("long"), ANY, Map("long")),
        (
            Object([Property("a", "long")]),
            Object([Property("b", "long")]),
            Object([Property("a", "long", False), Property("b", "long", False)]),
        ),
        (Object([Property("a", "long")]), ANY, Object([Property("a", "long", False)])),
        (Object([Property("a", ANY, False)]), Object([Property("a", "long")]), Object([Property("a", "long", False)])),
    ],
)
def test_types_merge_in_either_order(left: Type, right: Type, merged: Type) -> None:
    assert merge(left, right) == merged
    assert merge(right, left) == merged


@pytest.mark.parametrize("right", [DataType.double, Array("long"), Map("long")])
def test_types_without_a_common_one_do_not_merge(right: Type) -> None:
    with pytest.raises(Inexpressible):
        merge(DataType.long, right)


# ---------------------------------------------------------------- schemas
def test_a_schema_of_columns_tells_what_it_holds() -> None:
    schema = Schema([ColSpec("long", "a"), ColSpec(DataType.string, "b", required=False)])
    assert schema.input_names() == ["a", "b"]
    assert schema.required_input_names() == ["a"]
    assert schema.optional_input_names() == ["b"]
    assert schema.input_types() == [DataType.long, DataType.string]
    assert schema.input_types_dict() == {"a": DataType.long, "b": DataType.string}
    assert schema.input_dict()["a"] == ColSpec("long", "a")
    assert schema.numpy_types() == [np.dtype("int64"), np.dtype("str")]
    assert schema.pandas_types() == [np.dtype("int64"), object]
    assert schema.has_input_names()
    assert not schema.is_tensor_spec()
    assert repr(schema) == "['a': long (required), 'b': string (optional)]"
    assert schema.to_json() == (
        '[{"type": "long", "name": "a", "required": true}, {"type": "string", "name": "b", "required": false}]'
    )
    assert Schema.from_json(schema.to_json()) == schema


def test_a_schema_of_tensors_tells_what_it_holds() -> None:
    schema = Schema([TensorSpec(F32, [-1, 28], "image"), TensorSpec(np.dtype("str"), (-1,), "label")])
    assert schema.is_tensor_spec()
    assert schema.numpy_types() == [F32, np.dtype("str")]
    assert schema.inputs[0].required
    assert repr(schema.inputs[0]) == "'image': Tensor('float32', (-1, 28))"
    assert schema.to_dict()[0] == {
        "name": "image",
        "type": "tensor",
        "tensor-spec": {"dtype": "float32", "shape": [-1, 28]},
    }
    assert Schema.from_json(schema.to_json()) == schema
    with pytest.raises(InvalidValue, match="scalar types"):
        schema.pandas_types()


def test_columns_without_names_are_known_by_position() -> None:
    schema = Schema([ColSpec("long"), ColSpec(Array("long"))])
    assert schema.input_names() == [0, 1]
    assert schema.to_dict()[0] == {"type": "long", "required": True}
    with pytest.raises(InvalidValue, match="no names"):
        schema.input_dict()
    with pytest.raises(InvalidValue, match="scalar types"):
        schema.numpy_types()


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([], "at least one"),
        ((ColSpec("long"),), "a list"),
        ([3], "ColSpec only"),
        ([ColSpec("long"), ColSpec("long", "a")], "or none"),
        ([ColSpec("long", required=False)], "cannot be optional"),
        ([ColSpec("long", "a"), TensorSpec(F32, (-1,), "b")], "ColSpec only or"),
        ([TensorSpec(F32, (-1,)), TensorSpec(F32, (-1,))], "need names"),
    ],
)
def test_a_schema_that_cannot_be_is_refused(inputs: Any, message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        Schema(inputs)


def test_a_tensor_that_cannot_be_is_refused() -> None:
    with pytest.raises(TypeError, match=r"numpy\.dtype"):
        TensorSpec("float32", (-1,))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="shape"):
        TensorSpec(F32, 3)  # type: ignore[arg-type]
    with pytest.raises(InvalidValue, match="without a width"):
        TensorSpec(np.dtype("<U5"), (-1,))


@pytest.mark.parametrize(
    ("text", "schema"),
    [
        ('[{"name": "a", "type": "double"}]', Schema([ColSpec("double", "a")])),
        ('[{"name": "a", "type": "double", "optional": true}]', Schema([ColSpec("double", "a", False)])),
        ('[{"name": "a", "type": "double", "optional": false}]', Schema([ColSpec("double", "a")])),
        ('[{"type": "array", "items": {"type": "long"}}]', Schema([ColSpec(Array("long"))])),
        ('[{"name": ["a", 1], "type": "long"}]', Schema([ColSpec("long", ("a", 1))])),  # type: ignore[arg-type]
        (
            '[{"type": "tensor", "tensor-spec": {"dtype": "bytes", "shape": [-1]}}]',
            Schema([TensorSpec(np.dtype("bytes"), (-1,))]),
        ),
    ],
)
def test_schemas_of_older_files_are_read(text: str, schema: Schema) -> None:
    assert Schema.from_json(text) == schema


@pytest.mark.parametrize(
    "text",
    [
        "", "{}", "[]", "[1]", "null", '[{"name": "a"}]', '[{"type": "nope"}]', '[{"type": "array"}]', '[{"type": "map"}]',
        '[{"type": "object"}]', '[{"type": "long", "name": {}}]', '[{"type": "long", "name": [[1]]}]', '[{"type": "object", "properties": {}}]', '[{"type": "object", "properties": [1]}]',
        '[{"type": "tensor"}]', '[{"type": "tensor", "tensor-spec": {"dtype": "nah", "shape": [1]}}]',
        '[{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": ["x"]}}]',
        '[{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": 5}}]',
    ],
)  # fmt: skip
def test_a_broken_schema_is_one_clear_error(text: str) -> None:
    with pytest.raises(InvalidValue):
        Schema.from_json(text)


# ---------------------------------------------------------------- parameters
def test_params_are_written_and_read_back() -> None:
    schema = ParamSchema(
        [
            ParamSpec("k", "integer", 3),
            ParamSpec("stop", "string", ["a"], (-1,)),
            ParamSpec("at", "datetime", dt.datetime(2020, 1, 2, 3)),
            ParamSpec("box", POINT, {"y": 1.5}),
        ]
    )
    assert schema.to_dict()[0] == {"name": "k", "default": 3, "shape": None, "type": "integer"}
    assert schema.to_dict()[1]["shape"] == [-1]
    assert schema.to_dict()[2]["default"] == "2020-01-02T03:00:00"
    assert schema.to_dict()[3]["properties"]["y"] == {"type": "double", "required": True}
    assert ParamSchema.from_json(schema.to_json()) == schema
    assert repr(schema)[:50] == "['k': integer (default: 3), 'stop': string (defaul"
    assert repr(schema.params[1]) == "'stop': string (default: ['a']) (shape: (-1,))"


def test_the_first_files_with_params_say_dtype_for_type() -> None:
    text = json.dumps([{"name": "k", "dtype": "long", "default": 3}])
    assert ParamSchema.from_json(text) == ParamSchema([ParamSpec("k", "long", 3)])


def test_a_default_is_converted_to_its_type() -> None:
    assert ParamSpec("a", "double", 3).default == 3.0
    assert isinstance(ParamSpec("a", "double", 3).default, float)
    assert ParamSpec("a", "datetime", "2020-01-01").default == dt.date(2020, 1, 1)
    assert ParamSpec("a", "long", np.array([1, 2]), (-1,)).default == [1, 2]
    assert ParamSpec("a", "long", None).default is None


@pytest.mark.parametrize(
    "arguments",
    [
        ("a", "long", "x"), ("a", "binary", b"x"), ("a", "nope", 1), ("a", Array("long"), [1]), ("a", "long", [1]),
        ("a", "long", 1, (-1,)), ("a", "long", [1], (2,)), ("a", "long", [[1]], (-1,)), ("a", "boolean", 1),
        ("a", POINT, {"y": 1.5, "z": 1}), ("a", POINT, {}), ("a", "datetime", "soon"),
    ],
)  # fmt: skip
def test_a_parameter_that_cannot_be_is_refused(arguments: Any) -> None:
    with pytest.raises(InvalidValue):
        ParamSpec(*arguments)


@pytest.mark.parametrize("params", ["k", [3], [ParamSpec("k", "long", 1), ParamSpec("k", "long", 2)]])
def test_a_schema_of_params_that_cannot_be_is_refused(params: Any) -> None:
    with pytest.raises(InvalidValue):
        ParamSchema(params)


@pytest.mark.parametrize("text", ["", "{}", '[{"name": "k"}]', '[{"name": "k", "type": "long", "default": "x"}]'])
def test_a_broken_schema_of_params_is_one_clear_error(text: str) -> None:
    with pytest.raises(InvalidValue):
        ParamSchema.from_json(text)


def test_mlflows_modules_have_these_names() -> None:
    code = (
        "import millstream; millstream.install_as_mlflow()\n"
        "from mlflow.types import DataType, ParamSchema, ParamSpec, Schema, ColSpec, TensorSpec\n"
        "from mlflow.types.schema import AnyType, Array, Map, Object, Property, SparkMLVector\n"
        "from mlflow.types.type_hints import TypeFromExample\n"
        "from mlflow.models.signature import ModelSignature, infer_signature, set_signature\n"
        "from mlflow.models.model import Model, ModelInfo, get_model_info\n"
        "from mlflow.models.utils import ModelInputExample\n"
        "import mlflow\n"
        "assert mlflow.models.Model is Model and mlflow.types.schema.Schema is Schema\n"
        "assert infer_signature([1.5]).inputs == Schema([ColSpec(DataType.double)])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_types_and_schemas_need_neither_numpy_nor_pandas() -> None:
    code = (
        "import sys\nfrom millstream.models.types import *\n"
        'Schema.from_json(\'[{"type": "long", "name": "a"}]\').to_json(); ParamSpec(\'k\', \'long\', 1).to_dict()\n'
        "assert not {'numpy', 'pandas', 'pyspark'} & set(sys.modules), sorted(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
