"""Schemas: the columns or tensors that a model takes and gives, and its parameters (`mlflow.types`).

Each has a JSON form, which is what signatures and datasets record; `from_json` also reads what MLflow wrote since 1.9.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import force_setattr

from millstream.errors import InvalidValue
from millstream.models.datatypes import (
    AnyType,
    Array,
    DataType,
    Map,
    Object,
    Property,
    SparkMLVector,
    Type,
    as_type,
    is_required,
    to_spark,
    type_from_dict,
    type_to_dict,
)

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "AnyType", "Array", "ColSpec", "DataType", "Map", "Object", "ParamSchema", "ParamSpec", "Property", "Schema",
    "SparkMLVector", "TensorSpec",
]  # fmt: skip


class ColSpec(Struct, frozen=True):
    """One column: its type (or the name of a scalar type), its name if it has one, and whether it must be there."""

    type: Type
    name: str | None = None
    required: bool = True

    if TYPE_CHECKING:

        def __init__(self, type: Type | str, name: str | None = None, required: bool = True) -> None: ...

    def __post_init__(self) -> None:
        force_setattr(self, "type", as_type(self.type))

    def __repr__(self) -> str:
        named = "" if self.name is None else f"{self.name!r}: "
        return f"{named}{self.type!r} ({'required' if self.required else 'optional'})"

    def to_dict(self) -> dict[str, Any]:
        form = type_to_dict(self.type)
        if self.name is not None:
            form["name"] = self.name
        form["required"] = self.required
        return form

    @classmethod
    def from_json_dict(cls, **form: Any) -> ColSpec:
        return cls(type_from_dict(form), _name_of(form), is_required(form))


class TensorSpec(Struct, frozen=True):
    """One array: its dtype, and its shape with -1 where any size will do. Text and bytes have no width."""

    type: np.dtype[Any]
    shape: tuple[int, ...]
    name: str | None = None

    if TYPE_CHECKING:

        def __init__(self, type: np.dtype[Any], shape: Sequence[int], name: str | None = None) -> None: ...

    def __post_init__(self) -> None:
        import numpy as np

        if not isinstance(self.type, np.dtype):
            raise TypeError(f"The type of a tensor is a numpy.dtype, not {self.type!r}. Write numpy.dtype(...).")
        if not isinstance(self.shape, tuple | list):
            raise TypeError(f"The shape of a tensor is a tuple such as (-1, 28), not {self.shape!r}.")
        if self.type.kind in "US" and self.type.itemsize:
            plain = "str" if self.type.kind == "U" else "bytes"
            raise InvalidValue(f"Tensors of {self.type} are described without a width: numpy.dtype({plain!r}).")
        force_setattr(self, "shape", tuple(int(size) for size in self.shape))

    @property
    def required(self) -> bool:
        """Tensors always are."""
        return True

    def __repr__(self) -> str:
        named = "" if self.name is None else f"{self.name!r}: "
        return f"{named}Tensor({self.type.name!r}, {self.shape})"

    def to_dict(self) -> dict[str, Any]:
        form: dict[str, Any] = {"type": "tensor", "tensor-spec": {"dtype": self.type.name, "shape": list(self.shape)}}
        return form if self.name is None else {"name": self.name, **form}

    @classmethod
    def from_json_dict(cls, **form: Any) -> TensorSpec:
        import numpy as np

        spec = form.get("tensor-spec")
        if not isinstance(spec, Mapping) or not {"dtype", "shape"} <= spec.keys():
            raise InvalidValue(f"The JSON of a tensor needs a `tensor-spec` with `dtype` and `shape`: {form!r:.200}")
        try:
            dtype = np.dtype(str(spec["dtype"]))
            shape = tuple(int(size) for size in spec["shape"])
        except (TypeError, ValueError) as error:
            raise InvalidValue(f"The JSON of a tensor is not understood ({error}): {form!r:.200}") from None
        return cls(dtype, shape, _name_of(form))


def _name_of(form: Mapping[str, Any]) -> Any:
    """Of a column or tensor: text mostly, but pandas knows numbers and, as lists in JSON, names of several levels."""
    name = form.get("name")
    found = tuple(name) if isinstance(name, list) else name
    if isinstance(found, Mapping) or (
        isinstance(found, tuple) and any(isinstance(each, list | dict) for each in found)
    ):
        raise InvalidValue(f"The name of a column or tensor is text, not {name!r:.100}.")
    return found


class Schema:
    """The columns of a table, or the tensors: at least one, all named or none, never both kinds.

    Args:
        inputs: several tensors need names; columns without names cannot be optional.
    """

    def __init__(self, inputs: list[ColSpec] | list[TensorSpec] | list[ColSpec | TensorSpec]) -> None:
        if not isinstance(inputs, list):
            raise InvalidValue(f"The inputs of a schema are a list, not {type(inputs).__name__}.")
        if not inputs:
            raise InvalidValue("A schema needs at least one column or tensor.")
        self.inputs: list[ColSpec | TensorSpec] = list(inputs)
        kinds = {type(each) for each in inputs}
        if kinds not in ({ColSpec}, {TensorSpec}):
            found = ", ".join(sorted(kind.__name__ for kind in kinds))
            raise InvalidValue(f"A schema is made of ColSpec only or of TensorSpec only, not of {found}.")
        names = [each.name for each in inputs]
        if None in names and any(name is not None for name in names):
            raise InvalidValue(f"Name all inputs of a schema or none; the names are {names}.")
        if None in names and kinds == {TensorSpec} and len(names) > 1:
            raise InvalidValue("Several tensors need names. Give each TensorSpec one.")
        if None in names and not all(each.required for each in inputs):
            raise InvalidValue("Columns without names cannot be optional. Name them, or make them required.")

    def is_tensor_spec(self) -> bool:
        return isinstance(self.inputs[0], TensorSpec)

    def has_input_names(self) -> bool:
        return self.inputs[0].name is not None

    def input_names(self) -> list[str | int]:
        """The names; positions where there are none."""
        return [index if each.name is None else each.name for index, each in enumerate(self.inputs)]

    def required_input_names(self) -> list[str | int]:
        return [name for name, each in zip(self.input_names(), self.inputs, strict=True) if each.required]

    def optional_input_names(self) -> list[str | int]:
        return [name for name, each in zip(self.input_names(), self.inputs, strict=True) if not each.required]

    def input_types(self) -> list[Any]:
        """Types of the columns, dtypes of the tensors."""
        return [each.type for each in self.inputs]

    def input_types_dict(self) -> dict[str, Any]:
        return {name: each.type for name, each in self.input_dict().items()}

    def input_dict(self) -> dict[str, ColSpec | TensorSpec]:
        """The inputs by name. Raises InvalidValue if they have none."""
        if not self.has_input_names():
            raise InvalidValue("The inputs of this schema have no names, so they make no dict.")
        return {str(each.name): each for each in self.inputs}

    def numpy_types(self) -> list[np.dtype[Any]]:
        """Raises InvalidValue if a column is of no scalar type."""
        if self.is_tensor_spec():
            return self.input_types()
        return [type.to_numpy() for type in self._scalar_types("numpy")]

    def pandas_types(self) -> list[Any]:
        """Raises InvalidValue for tensors, and if a column is of no scalar type."""
        return [type.to_pandas() for type in self._scalar_types("pandas")]

    def _scalar_types(self, library: str) -> list[DataType]:
        types = self.input_types()
        if not all(isinstance(each, DataType) for each in types):
            raise InvalidValue(f"Only columns of scalar types have a type in {library}; this schema is {self!r}.")
        return types

    def as_spark_schema(self) -> Any:
        """The `StructType` of these columns (a lone column without a name gives its type). Needs pyspark."""
        if self.is_tensor_spec():
            raise InvalidValue("Tensors have no schema in Spark.")
        if len(self.inputs) == 1 and not self.has_input_names():
            return to_spark(self.input_types()[0])
        from pyspark.sql.types import StructField, StructType

        fields = zip(self.input_names(), self.input_types(), self.inputs, strict=True)
        return StructType([StructField(str(name), to_spark(type), not each.required) for name, type, each in fields])

    def to_dict(self) -> list[dict[str, Any]]:
        return [each.to_dict() for each in self.inputs]

    def to_json(self) -> str:
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, json_str: str) -> Schema:
        """Reads the text of `to_json`, and of the schemas that MLflow wrote since 1.9. Raises InvalidValue."""
        forms = _list_of_maps(json_str, "schema")
        return cls(
            [
                TensorSpec.from_json_dict(**form) if form.get("type") == "tensor" else ColSpec.from_json_dict(**form)
                for form in forms
            ]
        )

    def __len__(self) -> int:
        return len(self.inputs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Schema) and self.inputs == other.inputs

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self.inputs)


class ParamSpec(Struct, frozen=True):
    """One parameter of `predict`.

    Args:
        dtype: a scalar type but binary, or an `Object`.
        default: is checked and converted to `dtype`; None is always allowed.
        shape: None for a scalar or object, (-1,) for a list.
    """

    name: str
    dtype: DataType | Object
    default: Any
    shape: tuple[int, ...] | None = None

    if TYPE_CHECKING:

        def __init__(
            self, name: str, dtype: DataType | Object | str, default: Any, shape: Sequence[int] | None = None
        ) -> None: ...

    def __post_init__(self) -> None:
        from millstream.models.params import conform

        force_setattr(self, "name", str(self.name))
        dtype = as_type(self.dtype)
        if not isinstance(dtype, DataType | Object) or dtype is DataType.binary:
            raise InvalidValue(f"Parameter {self.name!r} cannot be of type {dtype!r}: give a scalar type or an Object.")
        force_setattr(self, "dtype", dtype)
        shape = None if self.shape is None else tuple(self.shape)
        if shape not in (None, (-1,)):
            raise InvalidValue(f"The shape of parameter {self.name!r} is None or (-1,), not {shape}.")
        force_setattr(self, "shape", shape)
        force_setattr(self, "default", conform(self.default, self))

    def __repr__(self) -> str:
        shape = "" if self.shape is None else f" (shape: {self.shape})"
        return f"{self.name!r}: {self.dtype!r} (default: {self.default}){shape}"

    def to_dict(self) -> dict[str, Any]:
        from millstream.models.params import to_json_value

        return {
            "name": self.name,
            "default": to_json_value(self.default),
            "shape": None if self.shape is None else list(self.shape),
            **type_to_dict(self.dtype),
        }

    @classmethod
    def from_json_dict(cls, **form: Any) -> ParamSpec:
        """Reads `to_dict`; MLflow 2.6 wrote `dtype` for `type`."""
        if "type" not in form and "dtype" in form:
            form["type"] = form["dtype"]
        if not {"name", "type", "default"} <= form.keys():
            raise InvalidValue(f"The JSON of a parameter needs `name`, `type` and `default`: {form!r:.200}")
        dtype = type_from_dict(form)
        return cls(form["name"], dtype, form["default"], form.get("shape"))  # type: ignore[arg-type]


class ParamSchema:
    """The parameters of `predict`; their names differ."""

    def __init__(self, params: list[ParamSpec]) -> None:
        if not isinstance(params, list) or not all(isinstance(each, ParamSpec) for each in params):
            raise InvalidValue(f"A schema of parameters is a list of ParamSpec, not {params!r:.200}.")
        names = [each.name for each in params]
        doubles = sorted({name for name in names if names.count(name) > 1})
        if doubles:
            raise InvalidValue(f"Several parameters are named {', '.join(doubles)}. Names must differ.")
        self.params = list(params)

    def to_dict(self) -> list[dict[str, Any]]:
        return [each.to_dict() for each in self.params]

    def to_json(self) -> str:
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, json_str: str) -> ParamSchema:
        """Reads the text of `to_json`. Raises InvalidValue."""
        return cls([ParamSpec.from_json_dict(**form) for form in _list_of_maps(json_str, "schema of parameters")])

    def __len__(self) -> int:
        return len(self.params)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ParamSchema) and self.params == other.params

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self.params)


def _list_of_maps(text: str, what: str) -> Iterable[dict[str, Any]]:
    try:
        forms = json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidValue(f"The {what} is not JSON ({error}): {text!r:.200}") from None
    if not isinstance(forms, list) or not all(isinstance(form, dict) for form in forms):
        raise InvalidValue(f"The {what} is a JSON list of objects, not {text!r:.200}.")
    return forms
