"""Schemas of data that MLflow's answers (test_golden.py) do not cover: polars, Spark, what is said when there is none."""

from __future__ import annotations

import dataclasses
import datetime as dt
import logging
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from millstream.errors import InvalidValue
from millstream.models.datatypes import Inexpressible
from millstream.models.foreign_frames import of_polars, of_spark
from millstream.models.inference import infer_schema, kind_of, schema_of
from millstream.models.types import Array, ColSpec, DataType, Map, Object, Property, Schema


def test_a_polars_frame_has_the_schema_of_its_columns() -> None:
    frame = pl.DataFrame(
        {
            "i": pl.Series([1, 2], dtype=pl.Int8),
            "u": pl.Series([1, None], dtype=pl.UInt32),
            "f": [1.5, None],
            "s": ["x", "y"],
            "b": [b"x", b"y"],
            "d": [dt.date(2020, 1, 1)] * 2,
            "l": [[1], [2]],
            "o": [{"k": True}] * 2,
        }
    )
    assert schema_of(frame) == Schema(
        [
            ColSpec("integer", "i"),
            ColSpec("long", "u", False),
            ColSpec("double", "f", False),
            ColSpec("string", "s"),
            ColSpec("binary", "b"),
            ColSpec("datetime", "d"),
            ColSpec(Array("long"), "l"),
            ColSpec(Object([Property("k", "boolean")]), "o"),
        ]
    )
    assert of_polars(frame, nullable=False).optional_input_names() == []
    with pytest.raises(Inexpressible, match="UInt64"):
        schema_of(pl.DataFrame({"u": pl.Series([1], dtype=pl.UInt64)}))


class SparkType:
    """Of the shape of a type of Spark's."""

    def __init__(self, name: str, **more: Any) -> None:
        self.name = name
        self.__dict__.update(more)

    def typeName(self) -> str:  # noqa: N802
        return self.name


class SparkField:
    def __init__(self, name: str, data_type: SparkType, nullable: bool = True) -> None:
        self.name, self.dataType, self.nullable = name, data_type, nullable


class SparkFrame:
    """Of the shape of a Spark DataFrame, as far as schemas look; its rows are tuples."""

    def __init__(self, fields: list[SparkField], rows: list[tuple[Any, ...]]) -> None:
        self.schema = SparkType("struct", fields=fields)
        self.columns = [field.name for field in fields]
        self._rows = rows

    def select(self, *names: str) -> SparkFrame:
        positions = [self.columns.index(name) for name in names]
        fields = [self.schema.fields[each] for each in positions]  # type: ignore[attr-defined]
        return SparkFrame(fields, [tuple(row[each] for each in positions) for row in self._rows])

    def limit(self, count: int) -> SparkFrame:
        return SparkFrame(self.schema.fields, self._rows[:count])  # type: ignore[attr-defined]

    def collect(self) -> list[tuple[Any, ...]]:
        return self._rows


def test_a_spark_frame_has_required_columns_and_objects_of_the_keys_its_maps_hold() -> None:
    struct = SparkType(
        "struct", fields=[SparkField("x", SparkType("long"), False), SparkField("y", SparkType("string"))]
    )
    frame = SparkFrame(
        [
            SparkField("a", SparkType("double")),
            SparkField("b", SparkType("array", elementType=SparkType("integer"))),
            SparkField("c", struct),
            SparkField("d", SparkType("map", keyType=SparkType("string"), valueType=SparkType("long"))),
            SparkField("e", SparkType("interval")),
        ],
        [(1.5, [1], None, {"k": 1}, None), (2.5, [2], None, {"k": 2, "l": 3}, None)],
    )
    schema = of_spark(frame)
    assert schema.input_types() == [
        DataType.double,
        Array("integer"),
        Object([Property("x", "long"), Property("y", "string", False)]),
        Object([Property("k", "long"), Property("l", "long", False)]),
        schema_of({"e": None}).input_types()[0],
    ]
    assert schema.optional_input_names() == []
    assert repr(of_spark(frame, read_maps=False).input_types()[3]) == "Any"


def test_a_class_derived_from_a_container_is_that_container() -> None:
    class Frame(pd.DataFrame):
        pass

    assert kind_of(Frame({"a": [1]})) == "frame"
    assert kind_of(np.ma.masked_array([1])) == "array"
    assert kind_of({"a": 1}) == ""


def test_data_without_a_schema_gives_one_that_claims_nothing_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="millstream"):
        assert repr(infer_schema([1, "x"])) == "[Any (required)]"
    assert "several" not in caplog.text
    assert "long and string stand in one column" in caplog.text


def test_data_that_contains_itself_has_no_schema() -> None:
    data: list[Any] = []
    data.append({"a": data})
    assert repr(infer_schema(data)) == "[Any (required)]"


def test_a_dataclass_whose_types_cannot_be_looked_up_has_no_schema() -> None:
    @dataclasses.dataclass
    class Local:
        pass

    @dataclasses.dataclass
    class Row:
        a: Local

    assert repr(infer_schema(Row)) == "[Any (required)]"


def test_text_of_either_pandas_line_is_a_string() -> None:
    frame = pd.DataFrame({"a": pd.Series(["x"], dtype=object), "b": ["x"], "c": pd.Series(["x"], dtype="string")})
    assert schema_of(frame).input_types() == [DataType.string] * 3


def test_objects_of_pydantic_are_refused_with_what_to_do_instead() -> None:
    import pydantic

    class Row(pydantic.BaseModel):
        a: int

    for data in (Row(a=1), [Row(a=1)], {"a": Row(a=1)}):
        with pytest.raises(InvalidValue, match=r"list\[Row\]"):
            infer_schema(data)


def test_maps_are_only_declared_never_inferred() -> None:
    assert not any(isinstance(each, Map) for each in schema_of([{"a": {"k": 1}}]).input_types())
