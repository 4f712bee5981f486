"""What is asked of the official MLflow and of Millstream alike: expressions, run by `answers.py` in either's environment."""

from __future__ import annotations

INFERENCE = r"""
1
-3
True
1.5
float("nan")
"text"
""
b"bytes"
bytearray(b"x")
None
dt.date(2020, 1, 2)
dt.datetime(2020, 1, 2, 3, 4)
np.int8(1)
np.int16(1)
np.int32(1)
np.int64(1)
np.uint8(1)
np.uint16(1)
np.uint32(1)
np.uint64(1)
np.float16(1)
np.float32(1)
np.float64(1)
np.bool_(True)
np.str_("x")
np.bytes_(b"x")
np.datetime64("2020-01-01")
pd.Timestamp("2020-01-01")
decimal.Decimal("1.5")
1 + 2j
object()
[]
{}
[1, 2, 3]
[1.5, 2.5]
[1, 2.5]
[1, None]
[None, None]
[None]
["a", "b"]
["a", None]
["a", 1]
[True, False]
[b"a", b"b"]
[dt.date(2020, 1, 1)]
[[1, 2], [3]]
[[1, 2], ["a"]]
[[]]
[[], [1]]
[[[1.5]]]
[np.int32(1), np.int32(2)]
[np.float32(1), 2.0]
[np.array([1, 2]), np.array([3])]
(1, 2)
{1, 2}
{"a": 1}
{"a": 1, "b": "x", "c": 1.5, "d": True, "e": b"x", "f": dt.datetime(2020, 1, 1)}
{"b": 1, "a": 2}
{"a": None}
{"a": []}
{"a": {}}
{"a": [1, 2]}
{"a": [1, None]}
{"a": [[1], [2, 3]]}
{"a": {"b": 1, "c": None}}
{"a": {"b": {"c": [1]}}}
{"a": [{"x": 1}, {"x": 2, "y": "z"}]}
{"a": [{"x": 1}, {"x": None}]}
{"a": [1, "x"]}
{"a": float("nan")}
{"a": np.array([1, 2])}
{"a": np.array([1.5]), "b": np.zeros((2, 3), "float32")}
{"a": np.array([1, 2]), "b": 3}
{"a": np.array(["x"]), "b": [1]}
{"a": np.array([[1, 2]]), "b": "x"}
{"a": pd.Series([1, 2])}
{1: 2}
{"a": 1, 2: 3}
{"messages": [{"role": "user", "content": "hi"}]}
[{"a": 1}, {"a": 2}]
[{"a": 1}, {"b": "x"}]
[{"a": 1, "b": None}, {"a": 2, "b": "x"}]
[{"a": None}, {"a": None}]
[{"a": [1]}, {"a": []}]
[{"a": {"x": 1}}, {"a": {"y": 2}}]
[{"a": 1}, {"a": "x"}]
[{"a": 1}, {"a": 1.5}]
[{"b": 1, "a": 2}, {"c": 3}]
[{"a": 1}, 2]
[{}, {"a": 1}]
[{"a": float("nan")}]
[{"a": np.float32(1)}, {"a": np.float32(2)}]
np.array([1, 2, 3])
np.array([[1.5, 2.5], [3, 4]], dtype="float32")
np.array(["a", "bb"])
np.array([b"a", b"bb"])
np.array([True])
np.array(5)
np.array([], dtype="float64")
np.array(["2020-01-01"], dtype="datetime64[D]")
np.array(["a", 1, None], dtype=object)
np.array([[1, 2], [3, 4]], dtype=object)
np.zeros((2, 3, 4), dtype="uint64")
np.zeros((2, 2), dtype="complex64")
np.array([dt.date(2020, 1, 1)])
np.array([[1, 2]])[:, :0]
sparse.csr_matrix(np.eye(3))
sparse.csc_matrix(np.eye(3, dtype="float32"))
sparse.coo_matrix(np.eye(3))
sparse.csr_array(np.eye(3))
pd.Series([1, 2], name="s")
pd.Series([1, 2])
pd.Series([1, 2], name=5)
pd.Series([1.5, None], name="s")
pd.Series([None, 2.5])
pd.Series(["a", None], name="s")
pd.Series(["a", "b"])
pd.Series([], dtype="object", name="s")
pd.Series([], dtype="float64", name="s")
pd.Series([None, None], dtype="object", name="s")
pd.Series([{"a": 1}, {"a": 2}], name="s")
pd.Series([[1], [2]], name="s")
pd.DataFrame({"a": [1, 2], "b": [1.5, 2.5], "c": ["x", "y"], "d": [True, False]})
pd.DataFrame({"a": [1, None], "b": ["x", None]})
pd.DataFrame({"a": np.array([1], "int8"), "b": np.array([1], "uint8"), "c": np.array([1], "uint16")})
pd.DataFrame({"a": np.array([1], "int16"), "b": np.array([1], "uint32"), "c": np.array([1], "float16")})
pd.DataFrame({"a": np.array([1], "uint64")})
pd.DataFrame({"a": [1 + 2j]})
pd.DataFrame({"a": pd.to_timedelta([1], unit="s")})
pd.DataFrame({"a": pd.period_range("2020", periods=1, freq="D")})
pd.DataFrame({"a": pd.interval_range(0, 1)})
pd.DataFrame({"a": pd.to_datetime(["2020-01-01", None])})
pd.DataFrame({"a": pd.to_datetime(["2020-01-01"]).tz_localize("UTC")})
pd.DataFrame({"a": pd.to_datetime(["2020-01-01"]).tz_localize("Europe/Berlin")})
pd.DataFrame({"a": pd.to_datetime(["2020-01-01"]).astype("datetime64[s]")})
pd.DataFrame({"a": [dt.date(2020, 1, 1)], "b": [dt.datetime(2020, 1, 1)]})
pd.DataFrame({"a": pd.Categorical(["x", "y"]), "b": pd.Categorical([1, 2])})
pd.DataFrame({"a": pd.Categorical(["x", None])})
pd.DataFrame({"a": pd.array([1, None], dtype="Int64"), "b": pd.array([True, None], dtype="boolean")})
pd.DataFrame({"a": pd.array([1, 2], dtype="Int32"), "b": pd.array([1.5, 2], dtype="Float32")})
pd.DataFrame({"a": pd.array([1, 2], dtype="UInt32"), "b": pd.array([1.5, 2], dtype="Float64")})
pd.DataFrame({"a": pd.array([1, 2], dtype="Int8"), "b": pd.array([1, 2], dtype="UInt64")})
pd.DataFrame({"a": pd.array(["x", None], dtype="string"), "b": pd.array([True, False], dtype="boolean")})
pd.DataFrame({"a": [b"x", b"y"], "b": [bytearray(b"x"), b"y"]})
pd.DataFrame({"a": [decimal.Decimal("1.5")]})
pd.DataFrame({"a": [1, "x"]})
pd.DataFrame({"a": [True, None]})
pd.DataFrame({"a": [1, True]}, dtype=object)
pd.DataFrame({"a": [1, 2]}, dtype=object)
pd.DataFrame({"a": [1, 2.5]}, dtype=object)
pd.DataFrame({"a": [1.5, None]}, dtype=object)
pd.DataFrame({"a": [None, None]})
pd.DataFrame({"a": []})
pd.DataFrame({"a": pd.Series([], dtype="int64")})
pd.DataFrame()
pd.DataFrame({"a": [[1, 2], [3]]})
pd.DataFrame({"a": [[1, 2], None]})
pd.DataFrame({"a": [[], []]})
pd.DataFrame({"a": [[], [1]]})
pd.DataFrame({"a": [[1, None]]})
pd.DataFrame({"a": [[1.5], [1]]})
pd.DataFrame({"a": [np.array([1, 2]), np.array([3, 4])]})
pd.DataFrame({"a": [np.array([[1.5, 2]]), np.array([[3, 4.0]])]})
pd.DataFrame({"a": [np.array([1, 2], "float32")]})
pd.DataFrame({"a": [{"x": 1}, {"x": 2, "y": "z"}]})
pd.DataFrame({"a": [{"x": 1}, {"x": None}]})
pd.DataFrame({"a": [{"x": 1}, None]})
pd.DataFrame({"a": [{}, {}]})
pd.DataFrame({"a": [{"x": {"y": [1.5]}}]})
pd.DataFrame({"a": [{"x": 1}, {"x": "y"}]})
pd.DataFrame({"a": [[{"x": 1}], [{"y": 2}]]})
pd.DataFrame({"a": [(1, 2), (3, 4)]})
pd.DataFrame(np.arange(6).reshape(3, 2))
pd.DataFrame([[1, 2]], columns=["a", "a"])
pd.DataFrame([[1, 2]], columns=["a", 3])
pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", 1), ("a", 2)]))
pd.DataFrame({"a": [1]}, index=[7])
pd.DataFrame({"a": [np.int64(1), np.int64(2)]}, dtype=object)
pd.DataFrame({"a": [np.float32(1), None]}, dtype=object)
pd.DataFrame({"a": [uuid.UUID(int=1)]})
{"a": {"x": []}}
{"a": {"x": [1, None]}}
{"a": [[1, None]]}
[{"a": [1, None]}]
[{"a": []}, {"a": None}]
[{"a": {}}]
{"a": [None]}
{"a": [[]]}
{"a": {"x": float("nan")}}
{"a": [float("nan"), 1.5]}
{"a": [{"x": float("nan")}]}
[float("nan"), 1.5]
[1.5, float("nan")]
[{"a": 1.5}, {"a": float("nan")}]
[{"a": pd.Timestamp("2020-01-01")}]
[{"a": np.int8(1)}]
{"a": np.int8(1)}
{"a": np.datetime64("2020-01-01")}
{"a": pd.NaT}
{"a": pd.NA}
{"a": (1, 2)}
{"a": [np.array([1])]}
{"a": {1: 2}}
{"a": decimal.Decimal(1)}
{"a": {"x": (1, 2)}}
{"": 1}
[{"a": {"x": 1}}, {"a": None}]
[{"a": {"x": 1}}, {"a": {}}]
{"a": [{"x": 1}, None]}
{"a": [{"x": 1}, {}]}
{"a": [{"x": {"y": 1}}, {"x": None}]}
Person
Pair
Container
Container([Person("x", 1)], {"k": 1})
pd.DataFrame({"a": [{"x": float("nan")}, {"x": 1.5}]})
pd.DataFrame({"a": [{"x": []}]})
pd.DataFrame({"a": [{"x": [1, None]}]})
pd.DataFrame({"a": [None, {"x": 1}]})
pd.DataFrame({"a": [None, [1]]})
pd.DataFrame({"a": [[None], [1]]})
pd.DataFrame({"a": [pd.Timestamp("2020-01-01")]}, dtype=object)
pd.DataFrame({"a": [pd.NaT, None]}, dtype=object)
pd.DataFrame({"a": ["x", np.nan]}, dtype=object)
pd.DataFrame({"a": [True, np.nan]}, dtype=object)
pd.DataFrame({"a": [np.bool_(True)]}, dtype=object)
pd.DataFrame({"a": [1, None]}, dtype=object)
pd.DataFrame({"a": [np.int32(1)]}, dtype=object)
pd.DataFrame({"a": [dt.time(1)]})
pd.DataFrame({"a": [b"x", None]})
pd.DataFrame({"a": [bytearray(b"x")]})
pd.DataFrame({"a": [dt.date(2020, 1, 1), dt.datetime(2020, 1, 1)]})
pd.DataFrame({"a": pd.array([1.5, None], dtype="float64[pyarrow]"), "b": pd.array(["x", "y"], dtype="string[pyarrow]")})
pd.DataFrame({"a": pd.array([1, 2], dtype="int64[pyarrow]"), "b": pd.array([True, False], dtype="bool[pyarrow]")})
pd.DataFrame({"a": pd.arrays.SparseArray([1, 0])})
pd.DataFrame({"a": [set()]})
pd.DataFrame({"a": pd.Categorical([1.5, None])})
pd.DataFrame({"a": pd.Categorical(pd.to_datetime(["2020-01-01"]))})
pd.DataFrame({"a": [[b"x"]], "b": [[dt.date(2020, 1, 1)]], "c": [[True]]})
pd.DataFrame({"a": [np.array(["x", "y"])]})
pd.DataFrame({"a": [{"x": np.array([1.5])}]})
Person("x", 3)
[Person("x", 3)]
Pair(Person("x", 3), ["y"], None)
Pydantic(a=1)
[Pydantic(a=1)]
{"a": Pydantic(a=1)}
""".strip().splitlines()
"""Data whose schema is inferred, as the input and as the output of a model."""

COLUMNS = r"""
pd.Series([True, False])
pd.Series([1, -2], dtype="int8")
pd.Series([1, 2], dtype="uint8")
pd.Series([1, -2], dtype="int16")
pd.Series([1, 2], dtype="uint16")
pd.Series([1, -2], dtype="int32")
pd.Series([1, 2], dtype="uint32")
pd.Series([1, -2], dtype="int64")
pd.Series([0, 1], dtype="int64")
pd.Series([2**60, 0], dtype="int64")
pd.Series([1, 2], dtype="uint64")
pd.Series([1.5, 2], dtype="float16")
pd.Series([1.5, float("nan")], dtype="float32")
pd.Series([1.5, float("inf")], dtype="float64")
pd.Series([1.0, 2.0], dtype="float64")
pd.Series([1.0, None], dtype="float64")
pd.Series([0.0, 1.0], dtype="float64")
pd.Series([1, 2], dtype=object)
pd.Series([0, 1], dtype=object)
pd.Series([2**70, 1], dtype=object)
pd.Series([1, None], dtype=object)
pd.Series([1, 2.5], dtype=object)
pd.Series([1.5, 2.5], dtype=object)
pd.Series([1.5, None], dtype=object)
pd.Series([True, False], dtype=object)
pd.Series([True, None], dtype=object)
pd.Series([None, None], dtype=object)
pd.Series(["x", "y"])
pd.Series(["x", None])
pd.Series(["1", "2"])
pd.Series(["1.5", "2"])
pd.Series(["2020-01-01", "2020-01-02T03:04:05"])
pd.Series(["2020-01-01", None])
pd.Series(["2020-01-01T00:00:00Z"])
pd.Series(["x", 1], dtype=object)
pd.Series([b"x", b"y"])
pd.Series(["x", b"y"], dtype=object)
pd.Series(["x", "y"], dtype="string")
pd.Series(["x", None], dtype="string")
pd.Series(["x", "y"], dtype="category")
pd.Series([1, 2], dtype="category")
pd.Series([1, 2], dtype="Int64")
pd.Series([1, None], dtype="Int64")
pd.Series([1, 2], dtype="Int32")
pd.Series([1.5, None], dtype="Float64")
pd.Series([True, None], dtype="boolean")
pd.Series([True, False], dtype="boolean")
pd.Series(pd.to_datetime(["2020-01-01", None]))
pd.Series(pd.to_datetime(["2020-01-01"]).astype("datetime64[s]"))
pd.Series(pd.to_datetime(["2020-01-01"]).astype("datetime64[us]"))
pd.Series(pd.to_datetime(["2020-01-01"]).tz_localize("UTC"))
pd.Series([dt.date(2020, 1, 1)])
pd.Series([dt.datetime(2020, 1, 1, 2)], dtype=object)
pd.Series([pd.Timestamp("2020-01-01"), pd.NaT], dtype=object)
pd.Series(pd.to_timedelta([1], unit="s"))
pd.Series([decimal.Decimal("1.5"), decimal.Decimal(2)])
pd.Series([decimal.Decimal("1.5"), None])
pd.Series([1 + 2j])
pd.Series([[1], [2]])
pd.Series([{"a": 1}])
pd.Series([], dtype="float64")
pd.Series([], dtype="int64")
pd.Series([], dtype=object)
pd.Series([1, 2], dtype="int64[pyarrow]")
pd.Series([1, None], dtype="int64[pyarrow]")
pd.Series([1, 2], dtype="int8[pyarrow]")
pd.Series([1.5, None], dtype="float64[pyarrow]")
pd.Series([1.5, 2], dtype="float32[pyarrow]")
pd.Series([True, False], dtype="bool[pyarrow]")
pd.Series(["x", None], dtype="string[pyarrow]")
pd.Series(pd.to_datetime(["2020-01-01"])).astype("timestamp[us][pyarrow]")
""".strip().splitlines()
"""Columns that are given where another type is wanted: each with each of `SCALARS`."""

SCALARS = ("boolean", "integer", "long", "float", "double", "string", "binary", "datetime")

NESTED = r"""
{"type": "object", "properties": {"p": {"type": "WANT", "required": true}}} | {"p": VALUE}
{"type": "array", "items": {"type": "WANT"}} | [VALUE]
{"type": "map", "values": {"type": "WANT"}} | {"k": VALUE}
""".strip().splitlines()
"""Ways to nest a value: each with each of `SCALARS` and each of `VALUES`."""

VALUES = r"""
True
0
1
5
2**40
1.5
0.0
float("nan")
None
"x"
"2020-01-01"
b"x"
dt.datetime(2020, 1, 2)
dt.date(2020, 1, 2)
np.int8(5)
np.int32(5)
np.int64(5)
np.uint32(5)
np.uint64(5)
np.float32(1.5)
np.float64(1.5)
np.bool_(True)
np.datetime64("2020-01-01")
pd.Timestamp("2020-01-01")
decimal.Decimal("1.5")
[1]
{"b": 1}
""".strip().splitlines()

_AB = '[{"type": "long", "name": "a", "required": true}, {"type": "string", "name": "b", "required": false}]'
_XY = '[{"type": "double", "name": "x", "required": true}, {"type": "double", "name": "y", "required": true}]'
_ONE = '[{"type": "long", "required": true}]'
_TWO = '[{"type": "long", "required": true}, {"type": "double", "required": true}]'
_TEXT = '[{"type": "string", "name": "t", "required": true}]'
_ARRAY = '[{"type": "array", "items": {"type": "double"}, "name": "a", "required": true}]'
_ARRAY2 = '[{"type": "array", "items": {"type": "array", "items": {"type": "long"}}, "name": "a", "required": true}]'
_ARRAY_OPTIONAL = '[{"type": "array", "items": {"type": "double"}, "name": "a", "required": false}]'
_OBJECT = (
    '[{"type": "object", "properties": {"p": {"type": "long", "required": true}, "q": {"type": "string", "required": false}},'
    ' "name": "a", "required": true}]'
)
_OBJECTS = (
    '[{"type": "array", "items": {"type": "object", "properties": {"p": {"type": "long", "required": true},'
    ' "q": {"type": "string", "required": false}}}, "name": "a", "required": true}]'
)
_OBJECTS_OPTIONAL = _OBJECTS[: -len("true}]")] + "false}]"
_ARRAY2_OPTIONAL = _ARRAY2[: -len("true}]")] + "false}]"
_MAP = '[{"type": "map", "values": {"type": "long"}, "name": "a", "required": true}]'
_MAP_OPTIONAL = _MAP[: -len("true}]")] + "false}]"
_ANY = '[{"type": "any", "name": "a", "required": true}]'
_ANY_UNNAMED = '[{"type": "any", "required": true}]'
_VECTOR = '[{"type": "sparkml_vector", "name": "a", "required": true}]'
_MIXED = (
    '[{"type": "array", "items": {"type": "string"}, "name": "texts", "required": true},'
    ' {"type": "long", "name": "n", "required": false}]'
)
_T = '[{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 2]}}]'
_T3 = '[{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 2, 2]}}]'
_T64 = '[{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 2]}}]'
_T1 = '[{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1]}}]'
_TOBJECT = '[{"type": "tensor", "tensor-spec": {"dtype": "object", "shape": [-1]}}]'
_TSTR = '[{"type": "tensor", "tensor-spec": {"dtype": "str", "shape": [-1]}}]'
_NT = '[{"name": "a", "type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 2]}}]'
_NT2 = (
    '[{"name": "a", "type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 2]}},'
    ' {"name": "b", "type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1]}}]'
)
_NFIX = '[{"name": "a", "type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [2, 2]}}]'

INPUTS: dict[str, list[str]] = {
    _AB: [
        'pd.DataFrame({"a": [1], "b": ["x"]})',
        'pd.DataFrame({"b": ["x"], "a": [1]})',
        'pd.DataFrame({"a": [1]})',
        'pd.DataFrame({"b": ["x"]})',
        'pd.DataFrame({"a": [1], "b": ["x"], "c": [2]})',
        'pd.DataFrame({"a": [1.0]})',
        'pd.DataFrame({"a": [1, None]})',
        'pd.DataFrame({"a": [1], "b": [None]})',
        'pd.DataFrame({"a": [1, 2]}, index=[7, 8])',
        'pd.DataFrame({"a": []})',
        "pd.DataFrame()",
        'pd.Series([1, 2], name="a")',
        'pd.Series([1, 2], name="z")',
        "pd.Series([1, 2])",
        '{"a": 1}',
        '{"a": [1, 2], "b": ["x", "y"]}',
        '{"a": 1, "b": "x"}',
        '{"a": 1, "b": None}',
        '{"a": np.array([1, 2])}',
        '{"a": np.array([1, 2]), "b": np.array(["x", "y"])}',
        '{"a": np.array([[1, 2]])}',
        '{"a": [1], "b": ["x", "y"]}',
        "{}",
        '[{"a": 1, "b": "x"}, {"a": 2}]',
        '[{"a": 1}]',
        "[]",
        "[[1, 'x'], [2, 'y']]",
        "np.array([[1, 2]])",
        "5",
        "None",
        '"text"',
        'sparse.csr_matrix(np.eye(2))',
    ],
    _XY: [
        'pd.DataFrame({"x": [1.5], "y": [2.5]})',
        'pd.DataFrame({"x": [1], "y": [2]})',
        'pd.DataFrame({"x": [0], "y": [1]})',
        "np.array([[1.5, 2.5]])",
        "[[1.5, 2.5]]",
        "[1.5, 2.5]",
        '{"x": 1.5, "y": 2.5}',
        '{"x": [1.5, 2.5], "y": [3.5, 4.5]}',
        '{"x": 1.5, "y": [1.5]}',
        '[{"x": 1.5, "y": 2.5}]',
        '[{"x": 1, "y": 2}]',
        'pd.DataFrame([[1.5, 2.5]])',
        'pd.DataFrame([[1.5, 2.5]], columns=["x", "x"])',
    ],
    _ONE: [
        "5", "[5]", "[1, 2]", "[[1], [2]]", "[1.5]", '"x"', "True", "np.int64(5)", "np.int32(5)", "np.array([1, 2])",
        "np.array([[1], [2]])", "np.array([[1, 2]])", "np.array(5)", "pd.Series([1, 2])", 'pd.Series([1, 2], name="s")',
        'pd.DataFrame({"q": [1, 2]})', 'pd.DataFrame({"q": [1, 2], "r": [3.5, 4]})', 'pd.DataFrame({"q": [1.5]})', '{"q": 1}',
        '{"q": [1, 2]}', "pd.DataFrame()", "b'x'", "dt.datetime(2020, 1, 1)", "np.array([], dtype='int64')", "[]",
        'pd.DataFrame({"q": [1, 2]}, index=[4, 5])',
    ],
    _TWO: [
        "pd.DataFrame([[1, 2.5]])", 'pd.DataFrame({"b": [1], "a": [2.5]})', "pd.DataFrame([[1]])", "[[1, 2.5]]",
        "np.array([[1.5, 2.5]])", "pd.DataFrame([[1, 2.5, 'x']])", "5",
    ],
    _TEXT: [
        '"x"', '["x", "y"]', '{"t": "x"}', '{"t": ["x", "y"]}', '[{"t": "x"}]', 'pd.DataFrame({"t": ["x"]})',
        'pd.DataFrame({"t": [None]})', 'pd.DataFrame({"t": [1]})', 'pd.Series(["x"], name="t")', 'np.array(["x"])',
        '{"t": np.array(["x"])}', '{"t": np.array("x")}', '{"t": b"x"}',
    ],
    _ARRAY: [
        'pd.DataFrame({"a": [[1.5, 2.5], [3.5]]})', 'pd.DataFrame({"a": [[1.5], []]})', 'pd.DataFrame({"a": [[1, 2]]})',
        'pd.DataFrame({"a": [[0, 1]]})', 'pd.DataFrame({"a": [None]})', 'pd.DataFrame({"a": [1.5]})',
        'pd.DataFrame({"a": [(1.5, 2.5)]})', 'pd.DataFrame({"a": [np.array([1.5])]})', 'pd.DataFrame({"a": [[1.5, None]]})',
        'pd.DataFrame({"a": ["x"]})', 'pd.DataFrame({"a": [["x"]]})', '{"a": [1.5, 2.5]}', '{"a": np.array([1.5])}', '{"a": 1.5}',
        '[{"a": [1.5]}, {"a": [2.5, 3.5]}]', "[[1.5, 2.5]]", 'pd.DataFrame({"a": [[1.5]]}, index=[7])',
        'pd.DataFrame({"a": [[1, 2.5]]})', 'pd.DataFrame({"a": [[[1.5]]]})', 'pd.DataFrame({"a": [np.array([[1.5]])]})',
        'pd.DataFrame({"a": [[np.float32(1.5)]]})', 'pd.DataFrame({"a": [[True]]})',
    ],
    _ARRAY2: [
        'pd.DataFrame({"a": [[[1, 2], [3]]]})', 'pd.DataFrame({"a": [np.array([[1, 2]])]})', 'pd.DataFrame({"a": [[1]]})',
        '{"a": [[1], [2]]}', '[{"a": [[1]]}]', 'pd.DataFrame({"a": [[None, [1]]]})', 'pd.DataFrame({"a": [[[]]]})',
    ],
    _ARRAY_OPTIONAL: [
        'pd.DataFrame({"a": [None, [1.5]]})', 'pd.DataFrame({"a": [float("nan"), [1.5]]})', 'pd.DataFrame({"b": [1]})',
        'pd.DataFrame({"a": [[None]]})', 'pd.DataFrame({"a": [pd.NA]})',
    ],
    _OBJECT: [
        'pd.DataFrame({"a": [{"p": 1, "q": "x"}, {"p": 2}]})', 'pd.DataFrame({"a": [{"p": 1, "q": None}]})',
        'pd.DataFrame({"a": [{"q": "x"}]})', 'pd.DataFrame({"a": [{"p": 1, "z": 2}]})', 'pd.DataFrame({"a": [{"p": 1.5}]})',
        'pd.DataFrame({"a": [{"p": None}]})', 'pd.DataFrame({"a": ["x"]})', '{"a": {"p": 1}}', '[{"a": {"p": 1}}]',
        'pd.DataFrame({"a": [None]})', '{"a": [{"p": 1}]}',
    ],
    _OBJECTS: [
        'pd.DataFrame({"a": [[{"p": 1}, {"p": 2, "q": "x"}]]})', '{"a": [{"p": 1}]}', '[{"a": [{"p": 1}]}]',
        'pd.DataFrame({"a": [[{"p": 1.5}]]})', 'pd.DataFrame({"a": [[{"p": 1}, None]]})', 'pd.DataFrame({"a": [[None]]})', '{"a": []}', '{"a": [{"p": 1, "z": 1}]}',
    ],
    _MAP: [
        'pd.DataFrame({"a": [{"k": 1, "l": 2}]})', 'pd.DataFrame({"a": [{"k": 1.5}]})', 'pd.DataFrame({"a": [{1: 1}]})',
        'pd.DataFrame({"a": [{}]})', 'pd.DataFrame({"a": ["x"]})', '{"a": {"k": 1}}', '[{"a": {"k": 1}}]',
        'pd.DataFrame({"a": [{"k": None}]})',
    ],
    _ANY: [
        'pd.DataFrame({"a": [1]})', 'pd.DataFrame({"a": [None]})', '{"a": [1, "x"]}', '{"a": 1}', '[{"a": {"k": 1}}]',
        'pd.DataFrame({"b": [1]})', '{"a": {"k": 1}}',
    ],
    _MAP_OPTIONAL: ['pd.DataFrame({"a": [{"k": None}]})', 'pd.DataFrame({"a": [None]})'],
    _OBJECTS_OPTIONAL: ['pd.DataFrame({"a": [[{"p": 1}, None]]})', 'pd.DataFrame({"a": [[None]]})', '[{"a": [None]}]'],
    _ARRAY2_OPTIONAL: ['pd.DataFrame({"a": [[None, [1]]]})', 'pd.DataFrame({"a": [[[None]]]})'],
    _ANY_UNNAMED: ["5", "decimal.Decimal(1)", "1 + 2j", "[1, 'x']", 'pd.DataFrame({"a": [1], "b": [2]})', '{"a": 1}', "None", "object()", '{"a": [1, 2]}',
                   "np.array([[1, 2]])", '"x"', '[{"a": 1}, {"b": 2}]'],
    _VECTOR: ['pd.DataFrame({"a": [[1.0, 2.0]]})', 'pd.DataFrame({"a": [1.0]})'],
    _MIXED: [
        '{"texts": ["a", "b"]}', '{"texts": ["a", "b"], "n": 3}', '{"texts": "a"}', '[{"texts": ["a"], "n": 3}]',
        '{"texts": np.array(["a", "b"])}', 'pd.DataFrame({"texts": [["a"], ["b"]], "n": [1, 2]})',
    ],
    _T: [
        'np.array([[1, 2]], dtype="float32")', "np.array([[1.0, 2.0]])", 'np.array([[1, 2, 3]], dtype="float32")',
        'np.array([1, 2], dtype="float32")', "[[1.0, 2.0]]", 'pd.DataFrame([[1.0, 2.0]])',
        'pd.DataFrame(np.array([[1, 2]], dtype="float32"))', 'sparse.csr_matrix(np.array([[1, 2]], dtype="float32"))',
        "sparse.csr_matrix(np.array([[1.0, 2.0]]))", '{"a": np.array([[1, 2]], dtype="float32")}', "5",
        'np.zeros((0, 2), dtype="float32")', 'pd.DataFrame({"a": [[1.0, 2.0]]})', 'pd.Series([1.0])',
        'np.array([[1, 2]], dtype="float16")', "np.array([[1, 2]], dtype=object)",
    ],
    _T3: ["np.zeros((1, 2, 2))", 'pd.DataFrame({"a": [[[1.0, 2.0], [3.0, 4.0]]]})', 'pd.DataFrame({"a": [[1.0, 2.0, 3.0, 4.0]]})',
          "np.zeros((1, 2, 3))", "np.zeros((1, 2))"],
    _T64: ["pd.DataFrame([[1.0, 2.0]])", "pd.DataFrame([[1, 2.0]])", "pd.DataFrame([[1.0, 2.0, 3.0]])", "pd.DataFrame([[1, 2]])",
           'pd.DataFrame({"a": ["x"], "b": [1.0]})'],
    _T1: ["np.array([1, 2])", "np.array([1, 2], dtype='int32')", "np.array([[1]])", 'pd.DataFrame({"a": [1, 2]})',
          'pd.DataFrame({"a": [1.5]})', "[1, 2]", 'pd.DataFrame({"a": [[1], [2]]})'],
    _TOBJECT: ['np.array(["a", 1], dtype=object)', 'np.array(["a"])', "np.array([1.5])", 'np.array([["a"]], dtype=object)'],
    _TSTR: ['np.array(["a", "bbb"])', 'np.array([b"a"])', 'np.array(["a"], dtype=object)', "np.array([1])"],
    _NT: [
        '{"a": np.array([[1, 2]], dtype="float32")}', 'np.array([[1, 2]], dtype="float32")', "np.array([[1.0, 2.0]])",
        '{"a": np.array([[1, 2]], dtype="float32"), "z": np.array([1])}', '{"a": [[1.0, 2.0]]}', '{"b": np.array([[1, 2]])}',
        'pd.DataFrame({"a": [[1.0, 2.0], [3.0, 4.0]]})', 'pd.DataFrame({"a": [np.array([1.0, 2.0])]})',
        'pd.DataFrame({"a": [1.0, 2.0]})', 'pd.DataFrame({"a": [[1.0, 2.0, 3.0]]})', 'pd.DataFrame({"a": [["x", "y"]]})',
        'pd.DataFrame({"b": [[1.0, 2.0]]})', 'pd.DataFrame({"a": [[1.0, 2.0]], "z": [1]})', "5", "[[1.0, 2.0]]",
        'sparse.csr_matrix(np.array([[1, 2]], dtype="float32"))',
    ],
    _NT2: [
        '{"a": np.array([[1, 2]], dtype="float32"), "b": np.array([1])}', '{"a": np.array([[1, 2]], dtype="float32")}',
        'pd.DataFrame({"a": [[1.0, 2.0]], "b": [3]})', 'pd.DataFrame({"a": [[1.0, 2.0]], "b": [[3]]})',
        'np.array([[1, 2]], dtype="float32")',
    ],
    _NFIX: ['{"a": np.zeros((2, 2), dtype="float32")}', '{"a": np.zeros((1, 2), dtype="float32")}', 'pd.DataFrame({"a": [[1.0, 2.0]] * 2})'],
}  # fmt: skip
"""What is given to models with such inputs."""

PARAMS = r"""
True
1
np.int32(1)
np.int64(2)
np.int8(1)
np.uint32(3)
1.5
np.float32(1.5)
np.float64(1.5)
"x"
"2020-01-01"
"2020-01-01T02:03:04"
b"x"
dt.datetime(2020, 1, 2)
dt.date(2020, 1, 2)
np.datetime64("2020-01-01")
pd.Timestamp("2020-01-01")
None
float("nan")
[1]
[1, 2.5]
[1.5]
[True]
["x"]
["2020-01-01"]
[dt.date(2020, 1, 1)]
[1, None]
[[1]]
[]
(1, 2)
np.array([1, 2])
np.array([1.5])
np.array([[1]])
{"b": 1}
{"b": 0}
{"b": 2.5}
{"b": 2.5, "c": "x"}
{"b": 2.5, "d": 1}
{}
np.bool_(True)
""".strip().splitlines()
"""Values of parameters: each given to each of `PARAM_SPECS`, and as the example from which the schema is inferred."""

PARAM_SPECS = (
    ("boolean", "True", "None"), ("integer", "1", "None"), ("long", "1", "None"), ("float", "1.0", "None"),
    ("double", "1.0", "None"), ("string", "'s'", "None"), ("datetime", "'2020-01-01'", "None"),
    ("long", "[1]", "(-1,)"), ("double", "[1.0]", "(-1,)"), ("string", "['s']", "(-1,)"), ("datetime", "['2020-01-01']", "(-1,)"),
    ("Object([Property('b', 'double'), Property('c', 'string', False)])", "{'b': 1.5}", "None"),
)  # fmt: skip

HINTS = r"""
list[int]
list[float]
list[str]
list[bool]
list[bytes]
list[dt.datetime]
list[dt.date]
List[str]
list[list[int]]
list[list[dict[str, float]]]
list[dict[str, int]]
list[dict[str, list[Message]]]
list[dict[int, str]]
list[dict]
list[list]
list[Any]
list[Optional[int]]
list[Union[int, str]]
list[int | None]
list[int | str]
list[object]
list[tuple[int]]
list[set[int]]
list[np.ndarray]
list[Message]
list[Nested]
list[Bounded]
list[Chosen]
list[Lacking]
list[Empty]
list[Generic]
list
List
tuple
dict
Optional[list[int]]
int
str
Any
Message
dict[str, int]
pd.DataFrame
pd.Series
np.ndarray
""".strip().splitlines()
"""Type hints of what a Python model takes, and of what it gives."""

EXAMPLES = r"""
pd.DataFrame({"a": [1, 2], "b": ["x", None]})
pd.DataFrame({"a": [1.5, 2]}, index=[4, 5])
pd.DataFrame({"a": [1.5, None]})
pd.DataFrame([[1, 2]])
pd.DataFrame({5: [1], 6: [2]})
pd.DataFrame({"a": [b"x"], "t": pd.to_datetime(["2020-01-01T02:03:04.5"])})
pd.DataFrame({"a": [[1, 2]], "d": [{"k": 1}]})
pd.DataFrame({"a": [dt.date(2020, 1, 1)]})
pd.DataFrame({"a": [np.array([1.5, 2.5])]})
pd.DataFrame({"a": [np.array([1.5, np.nan])]})
pd.DataFrame({"a": pd.array([1, None], dtype="Int64"), "c": pd.Categorical(["x", "y"])})
pd.DataFrame({"t": pd.to_datetime(["2020-01-01", None])})
pd.DataFrame({"a": [True, None]})
pd.DataFrame({"a": [1.0]}, dtype="float32")
pd.DataFrame(np.zeros((2, 2)), columns=["0", "1"])
pd.Series([1, 2], name="s")
np.array([[1, 2.5], [np.nan, 3]])
np.array([1, 2])
np.array(["a"])
np.array([b"ab"])
np.array([True])
np.array([1, None], dtype=object)
np.array(5.0)
np.array([1 + 2j])
np.array([[0.1]], dtype="float32")
np.zeros((0, 2))
{"a": np.array([1.0, np.nan]), "b": np.array([["x"]])}
{"a": 1, "b": "x", "c": None}
{"a": [1, 2]}
{"a": np.array([1]), "b": 2}
{"a": [np.array([1])]}
{"a": dt.datetime(2020, 1, 1)}
{"a": b"x"}
{"a": float("nan")}
{"a": np.float32(1.5)}
{"messages": [{"role": "user", "content": "x"}], "temperature": 0.5}
{"prompt": "x"}
{"input": "x"}
{"inputs": [1]}
{1: 2}
[1, 2, 3]
["a", "b"]
[{"a": 1}, {"a": None}]
[[1, 2]]
[np.array([1])]
[np.float32(1.5)]
[1, np.nan]
[dt.datetime(2020, 1, 1)]
[]
{}
"text"
"é"
5
1.5
True
b"bytes"
dt.datetime(2020, 1, 1, 2)
dt.date(2020, 1, 1)
np.int64(3)
np.float32(1.5)
Pydantic(a=1)
[Pydantic(a=1)]
{"a": Pydantic(a=1)}
(1, 2, 3)
(1, 2)
([1, 2], {"k": 1})
(pd.DataFrame({"a": [1]}), {"k": [1, 2], "d": dt.datetime(2020, 1, 1)})
(np.array([1, 2]), {"a": 1})
({"a": 1}, {"t": np.float32(1)})
({"messages": []}, {"t": 1})
sparse.csr_matrix(np.eye(2))
sparse.csc_matrix(np.eye(2))
(sparse.csr_matrix(np.eye(2)), {"k": 1})
sparse.coo_matrix(np.eye(2))
object()
{"a": decimal.Decimal("1.5")}
{"a": pd.DataFrame({"x": [1]})}
{1, 2}
""".strip().splitlines()
"""Input examples that are saved and loaded again."""

MLMODELS: dict[str, str] = {
    "0.x": "utc_time_created: 2018-06-05 15:23:37.123456\nflavors:\n  python_function:\n    data: model.pkl\n    loader_module: mlflow.sklearn\n",
    "1.0": (
        "artifact_path: model\nflavors:\n  python_function:\n    data: model.pkl\n    env: conda.yaml\n    loader_module: mlflow.sklearn\n"
        "    python_version: 3.6.8\n  sklearn:\n    pickled_model: model.pkl\n    serialization_format: cloudpickle\n"
        "    sklearn_version: 0.20.3\nrun_id: 0123456789abcdef0123456789abcdef\nutc_time_created: '2019-06-05 15:23:37.123456'\n"
    ),
    "1.9": (
        "artifact_path: model\nflavors: {}\nrun_id: abc\nsaved_input_example_info:\n  artifact_path: input_example.json\n"
        '  pandas_orient: split\n  type: dataframe\nsignature:\n  inputs: \'[{"name": "a", "type": "double"}]\'\n'
        '  outputs: \'[{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1]}}]\'\n'
        "utc_time_created: '2020-06-29 23:52:06'\n"
    ),
    "2.3": (
        "artifact_path: model\nflavors:\n  python_function:\n    env:\n      conda: conda.yaml\n      virtualenv: python_env.yaml\n"
        "    loader_module: mlflow.pyfunc.model\n    python_model: python_model.pkl\nmlflow_version: 2.3.0\nmodel_uuid: 0d1c7a5be6f84bb0a6f6d2f0a3f2a001\n"
        'run_id: abc\nsignature:\n  inputs: \'[{"name": "a", "type": "double"}]\'\n  outputs: null\nutc_time_created: \'2023-02-03 04:05:06.000007\'\n'
    ),
    "2.20": (
        "artifact_path: model\nflavors:\n  custom:\n    anything: [1, {x: y}]\n  python_function:\n    loader_module: mlflow.sklearn\n"
        "is_signature_from_type_hint: true\nmetadata:\n  task: llm/v1/chat\nmlflow_version: 2.20.1\nmodel_size_bytes: 1515\n"
        'model_uuid: 0d1c7a5be6f84bb0a6f6d2f0a3f2a001\nsignature:\n  inputs: \'[{"type": "long", "required": true}]\'\n'
        '  outputs: \'[{"type": "any", "required": true}]\'\n'
        '  params: \'[{"name": "k", "default": 3, "shape": null, "type": "integer"}]\'\ntype_hint_from_example: false\n'
        "utc_time_created: '2025-02-03 04:05:06.000007'\n"
    ),
    "3.1": (
        "artifact_path: file:///elsewhere/mlruns/0/models/m-1/artifacts\nflavors: {python_function: {loader_module: x}}\n"
        "mlflow_version: 3.1.0\nmodel_id: m-0d1c7a5be6f84bb0a6f6d2f0a3f2a001\nmodel_uuid: m-0d1c7a5be6f84bb0a6f6d2f0a3f2a001\n"
        "prompts: null\nrun_id: abc\nutc_time_created: '2025-06-03 04:05:06.000007'\nenv_vars: [A_TOKEN]\n"
    ),
    "millstream 0.1": (  # written by test_mlmodel.py
        "artifact_path: x\n"
        "env_vars:\n"
        "- A_TOKEN\n"
        "flavors:\n"
        "  python_function:\n"
        "    config:\n"
        "      a: 1\n"
        "    loader_module: mlflow.sklearn\n"
        "is_signature_from_type_hint: false\n"
        "metadata:\n"
        "  a:\n"
        "  - 1\n"
        "  - 2.5\n"
        "  - null\n"
        "  - true\n"
        "  - x: 'yes'\n"
        "mlflow_version: 3.17.2\n"
        "model_id: m-1\n"
        "model_size_bytes: 5\n"
        "model_uuid: m-1\n"
        "prompts: null\n"
        "run_id: r\n"
        "signature:\n"
        '  inputs: \'[{"type": "double", "name": "area", "required": true}, {"type": "object",\n'
        '    "properties": {"n": {"type": "array", "items": {"type": "map", "values": {"type":\n'
        '    "double"}}, "required": false}, "s": {"type": "string", "required": true}}, "name":\n'
        '    "o", "required": false}, {"type": "any", "name": "\\u00e9", "required": true},\n'
        '    {"type": "sparkml_vector", "name": "v", "required": true}]\'\n'
        '  outputs: \'[{"name": "t", "type": "tensor", "tensor-spec": {"dtype": "float32", "shape":\n'
        '    [-1, 3]}}, {"name": "u", "type": "tensor", "tensor-spec": {"dtype": "str", "shape":\n'
        "    [-1]}}]'\n"
        '  params: \'[{"name": "k", "default": 3, "shape": null, "type": "integer"}, {"name":\n'
        '    "d", "default": "2020-01-01T00:00:00", "shape": null, "type": "datetime"}, {"name":\n'
        '    "l", "default": ["x"], "shape": [-1], "type": "string"}, {"name": "o", "default":\n'
        '    {"s": "x"}, "shape": null, "type": "object", "properties": {"n": {"type": "array",\n'
        '    "items": {"type": "map", "values": {"type": "double"}}, "required": false}, "s":\n'
        '    {"type": "string", "required": true}}}]\'\n'
        "type_hint_from_example: false\n"
        "utc_time_created: '2026-11-26 12:00:00.000001'\n"
        "vendor: 3\n"
    ),
    "a vendor's key": "flavors: {f: {}}\nutc_time_created: '2025-06-03 04:05:06.000007'\nvendor_key: {deep: [1, 2]}\nmodel_uuid: x\n",
    "anchors": (
        "flavors:\n  a: &x {k: [1, 2]}\n  b: *x\nutc_time_created: '2025-06-03 04:05:06.000007'\nmodel_uuid: x\nmetadata: {t: 2020-01-01}\n"
    ),
}
"""MLmodel files of many versions, read and written again."""
