"""Schemas of type hints: of the `predict` of a Python model, and of dataclasses.

`list[T]` is a table whose rows are T: a scalar, a time, bytes, a pydantic model, a list, a dict with text as keys, Any.
`check` then takes the place of schema enforcement: it validates rows against the hint, and makes objects of dicts.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import inspect
import json
import logging
import types
import typing
from collections.abc import Callable
from functools import reduce
from operator import or_
from typing import Any, NamedTuple, TypeVar

from millstream.errors import InvalidValue
from millstream.models.datatypes import ANY, Array, DataType, Map, Object, Property, Type
from millstream.models.types import ColSpec, Schema

logger = logging.getLogger(__name__)

TypeFromExample = TypeVar("TypeFromExample")
"""As the hint of `predict`'s input: whatever the input example is. The model then gets its input in the example's form."""

_SCALARS: dict[Any, DataType] = {
    int: DataType.long,
    str: DataType.string,
    bool: DataType.boolean,
    float: DataType.double,
    bytes: DataType.binary,
    dt.datetime: DataType.datetime,
}

_SUPPORTED = (
    "Give list[T], where T is int, str, bool, float, bytes, datetime, a pydantic model, a list or a dict[str, ...] of those, "
    "or Any."
)


class UnsupportedHint(InvalidValue):
    """A hint that says nothing that a schema can hold."""


class Hints(NamedTuple):
    """None for what has no hint."""

    inputs: Any
    output: Any


def hints_of(predict: Callable[..., Any]) -> Hints:
    """The hints of a `predict` function: of its input and of what it returns.

    The input is the first parameter besides self, context and params, or the second where there are two.
    """
    try:
        return _resolved(predict)
    except _NOT_UNDERSTOOD as error:
        logger.warning("The type hints of predict cannot be understood, so no signature is made of them: %s", error)
        return Hints(None, None)


def hint_to_check(predict: Callable[..., Any]) -> Any:
    """The hint that `check` holds inputs against: `list[T]`, T having a place in a schema; None for any other.

    Says nothing of what is wrong with a hint: `signature_from_type_hints` did when the model was saved.
    """
    try:
        hint = _resolved(predict).inputs
        if typing.get_origin(hint) is not list:
            return None
        _type_of(typing.get_args(hint)[0])
    except (*_NOT_UNDERSTOOD, InvalidValue):
        return None
    return hint


_NOT_UNDERSTOOD = (NameError, TypeError, AttributeError)
"""What a hint raises that names what the function's module does not have."""


def _resolved(predict: Callable[..., Any]) -> Hints:
    function = inspect.unwrap(predict)
    parameters = inspect.signature(function).parameters
    names = [name for name in parameters if name not in ("self", "context", "params")]
    if len(names) == 2 and "context" not in parameters:
        names = names[1:]  # the first is the context under another name
    hints = typing.get_type_hints(function)
    return Hints(hints.get(names[0]) if names else None, hints.get("return"))


def is_from_example(hint: Any) -> bool:
    return isinstance(hint, TypeVar) and hint.__name__ == "TypeFromExample"


def schema_of_hint(hint: Any) -> Schema | None:
    """The schema of rows that `hint` describes; None for hints that describe no list, such as a DataFrame.

    Raises InvalidValue for a list whose elements are not said, or not as far as needed.
    """
    if hint is list or typing.get_origin(hint) is not list:
        if hint is list:
            raise InvalidValue(f"The type hint `list` does not say what is in the list. {_SUPPORTED}")
        return None
    try:
        return Schema([ColSpec(_type_of(typing.get_args(hint)[0]))])
    except UnsupportedHint as error:
        logger.warning("No signature is made of the type hint of predict: %s", error.message)
        return None


def outputs_of(hint: Any) -> Schema:
    """The schema of what a hint of the result describes; "any" if it says nothing that can be kept."""
    element = typing.get_args(hint)[0] if typing.get_origin(hint) is list and typing.get_args(hint) else hint
    try:
        return Schema([ColSpec(ANY if element is None else _type_of(element))])
    except InvalidValue:
        return Schema([ColSpec(ANY)])


def _type_of(hint: Any) -> Type:
    """Raises UnsupportedHint for a class that has no place in a schema, InvalidValue for a hint that says too little."""
    if hint is Any:
        return ANY
    if hint in _SCALARS:
        return _SCALARS[hint]
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint in (list, dict) or (origin in (list, dict) and not arguments):
        raise InvalidValue(f"The type hint {_name(hint)} does not say what is in it. {_SUPPORTED}")
    if origin is list:
        return Array(_type_of(arguments[0]))
    if origin is dict:
        if arguments[0] is not str:
            raise InvalidValue(f"The keys of a dict are text: write dict[str, ...] instead of {_name(hint)}.")
        return Map(_type_of(arguments[1]))
    if _is_union(hint):
        if type(None) in arguments:
            raise InvalidValue(
                f"{_name(hint)} may be None, which an input cannot be. Use a pydantic model with an optional field."
            )
        return ANY
    if is_pydantic(hint):
        return _type_of_pydantic(hint)
    raise UnsupportedHint(f"{_name(hint)} has no place in a schema. {_SUPPORTED}")


def _name(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint)


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def _without_none(hint: Any) -> tuple[Any, bool]:
    """The hint without its None, and whether it had one."""
    arguments = typing.get_args(hint)
    if not _is_union(hint) or type(None) not in arguments:
        return hint, False
    others = tuple(each for each in arguments if each is not type(None))
    return (others[0] if len(others) == 1 else reduce(or_, others)), True


def is_pydantic(hint: Any) -> bool:
    """Whether it is a class of pydantic 2; pydantic is not imported for that."""
    return isinstance(hint, type) and any(
        cls.__module__.startswith("pydantic.") and cls.__name__ == "BaseModel" for cls in hint.__mro__
    )


def _type_of_pydantic(model: Any) -> Type:
    """An object of its fields, under their own names. A field that may be None needs None as its default."""
    hints = typing.get_type_hints(model)
    properties = []
    for name, field in model.model_fields.items():
        hint, is_optional = _without_none(hints.get(name, field.annotation))
        if is_optional and field.is_required():
            raise InvalidValue(
                f"The field {name!r} of {model.__name__} may be None but has no default. Write `{name}: ... = None`."
            )
        properties.append(Property(name, _type_of(hint), not is_optional))
    if not properties:
        raise UnsupportedHint(f"{model.__name__} has no fields, so it has no place in a schema.")
    return Object(properties)


def schema_of_dataclass(cls: type) -> Schema:
    """One column per field; only Optional unions. Raises InvalidValue for other types."""
    try:
        hints = typing.get_type_hints(cls)
    except NameError as error:
        raise UnsupportedHint(f"The fields of {cls.__name__} have types that cannot be looked up: {error}.") from None
    return Schema([_column_of_field(field.name, hints[field.name]) for field in dataclasses.fields(cls)])


def _column_of_field(name: str, hint: Any) -> ColSpec:
    inner, is_optional = _without_none(hint)
    return ColSpec(_type_of_field(inner), name, not is_optional)


def _type_of_field(hint: Any) -> Type:
    if dataclasses.is_dataclass(hint):
        hints = typing.get_type_hints(hint)
        properties = []
        for field in dataclasses.fields(hint):
            inner, is_optional = _without_none(hints[field.name])
            properties.append(Property(field.name, _type_of_field(inner), not is_optional))
        return Object(properties)
    if typing.get_origin(hint) is list and typing.get_args(hint):
        return Array(_type_of_field(typing.get_args(hint)[0]))
    if hint in _SCALARS:
        return _SCALARS[hint]
    raise UnsupportedHint(f"A field of type {_name(hint)} has no place in a schema.")


# ---------------------------------------------------------------- data against a hint
def check(data: Any, hint: Any) -> Any:
    """The rows of `data` as the hint says: dicts become objects of pydantic, JSON's text times and bytes; the rest is left.

    Nothing is cast: text is no number, a float no int, an int no float outside of pydantic models. Unions other than with None are not checked, as MLflow does not.

    Args:
        data: a list; the values of a Series, an array or a frame with one column; for pydantic, the rows of a frame.
        hint: `list[T]`.
    Raises:
        InvalidValue: naming the row that does not fit.
    """
    element = typing.get_args(hint)[0]
    return [_checked(row, element, f"Row {index}") for index, row in enumerate(_rows(data, element))]


def _rows(data: Any, element: Any) -> list[Any]:
    if isinstance(data, list):
        return data
    if hasattr(data, "columns"):
        records: list[Any] = data.to_dict(orient="records")
        return list(data.iloc[:, 0]) if len(data.columns) == 1 and not is_pydantic(element) else records
    if hasattr(data, "tolist") and getattr(data, "ndim", None):
        return list(data.tolist())
    raise InvalidValue(f"The model takes a list, as the type hint of its predict says; {type(data).__name__} is none.")


def _checked(value: Any, hint: Any, where: str) -> Any:
    if hint is Any:
        return value
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if _is_union(hint):
        return _checked_union(value, hint, where)
    if is_pydantic(hint):
        return _checked_pydantic(value, hint, where)
    if origin is list and isinstance(value, list):
        return [_checked(each, arguments[0], f"{where}[{index}]") for index, each in enumerate(value)]
    if origin is dict and isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _checked(each, arguments[1], f"{where}[{key!r}]") for key, each in value.items()}
    if origin is None and isinstance(value, hint):
        return value
    parse = _OF_TEXT.get(hint) if isinstance(value, str) else None
    if parse is not None:
        try:
            return parse(value)
        except ValueError:
            pass
    raise InvalidValue(f"{where} is given as {type(value).__name__} ({value!r:.100}), the model takes {_name(hint)}.")


_OF_TEXT: dict[Any, Callable[[str], Any]] = {
    dt.datetime: dt.datetime.fromisoformat,
    bytes: lambda text: base64.b64decode("".join(text.split()), validate=True),  # it may be broken into lines
}
"""What JSON has as text."""


def _checked_union(value: Any, hint: Any, where: str) -> Any:
    inner, is_optional = _without_none(hint)
    if is_optional:
        return None if value is None else _checked(value, inner, where)
    for each in typing.get_args(hint):
        if is_pydantic(each):
            try:
                return _checked(value, each, where)
            except InvalidValue:
                continue
    return value


def _checked_pydantic(value: Any, model: Any, where: str) -> Any:
    """Strictly, as a Python value or else as JSON, which has text for times."""
    from pydantic import ValidationError

    if isinstance(value, model):
        return value
    try:
        return model.model_validate(value, strict=True)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
    try:
        return model.model_validate_json(json.dumps(value), strict=True)
    except (ValidationError, TypeError, ValueError):
        field = ".".join(map(str, problem["loc"]))
        raise InvalidValue(f"{where} is no {model.__name__}: {field or 'it'}: {problem['msg']}.") from None
