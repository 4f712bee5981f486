"""Parameters of `predict`: their schema from an example, and the values of a call checked and converted.

Conversions never lose anything: integer to long, integers to float and double, float to double. Text in ISO 8601 and the
dates and times of any library become a Python date or datetime. None is left as it is.
"""

from __future__ import annotations

import copy
import datetime as dt
import logging
from collections.abc import Mapping
from typing import Any

from millstream.errors import InvalidValue
from millstream.models.conversion import conform as conform_value
from millstream.models.datatypes import DataType, Object
from millstream.models.inference import type_of
from millstream.models.types import ParamSchema, ParamSpec

logger = logging.getLogger(__name__)

_KINDS: dict[str, tuple[DataType, ...]] = {
    "builtins.bool": (DataType.boolean,),
    "builtins.int": (DataType.long, DataType.integer, DataType.float, DataType.double),
    "builtins.float": (DataType.double, DataType.float),
    "builtins.str": (DataType.string,),
    "numpy.bool": (DataType.boolean,),
    "numpy.bool_": (DataType.boolean,),  # its name in NumPy 1
    "numpy.int32": (DataType.integer, DataType.long, DataType.float, DataType.double),
    "numpy.int64": (DataType.long, DataType.float, DataType.double),
    "numpy.float32": (DataType.float, DataType.double),
    "numpy.float64": (DataType.double,),
    "numpy.str_": (DataType.string,),
}
"""What a value may become, by the name of its class; the first is what it is. Other classes become nothing but datetime."""


def conform(value: Any, spec: ParamSpec) -> Any:
    """A parameter's value as its type: plain Python values, lists of them, or a dict that is checked but not converted.

    Raises InvalidValue naming the parameter.
    """
    where = f"Parameter {spec.name!r}"
    if isinstance(spec.dtype, Object):
        conform_value(value, spec.dtype, where)
        return value
    if spec.shape is None:
        return _conform_scalar(value, spec.dtype, where)
    if not isinstance(value, list) and getattr(value, "ndim", 0) != 1:
        raise InvalidValue(f"{where} is given as {type(value).__name__}, the model takes a list of {spec.dtype!r}.")
    return [_conform_scalar(each, spec.dtype, where) for each in value]


def _conform_scalar(value: Any, wanted: DataType, where: str) -> Any:
    if value is None:
        return None
    if wanted is DataType.datetime:
        found = _as_time(value)
        if found is not None:
            return found
    elif wanted in _KINDS.get(_class_of(value), ()):
        plain = value.item() if hasattr(value, "item") else value
        return float(plain) if wanted in (DataType.float, DataType.double) else plain
    raise InvalidValue(f"{where} is given as {type(value).__name__} ({value!r:.100}), the model takes {wanted!r}.")


def _class_of(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _as_time(value: Any) -> dt.date | dt.datetime | None:
    """The date or time that a value is, None if it is none. Text is a date unless it says a time."""
    if hasattr(value, "to_pydatetime"):  # pandas.Timestamp
        return value.to_pydatetime()  # type: ignore[no-any-return]
    if isinstance(value, dt.date):
        return value
    if _class_of(value) == "numpy.datetime64":
        value = str(value)
    if isinstance(value, str):
        for parse in (dt.date.fromisoformat, dt.datetime.fromisoformat):
            try:
                return parse(value)
            except ValueError:
                pass
    return None


def to_json_value(value: Any) -> Any:
    """Dates and times as ISO text, also in lists."""
    if isinstance(value, list):
        return [to_json_value(each) for each in value]
    return value.isoformat() if isinstance(value, dt.date) else value


def infer_param_schema(params: Any) -> ParamSchema | None:
    """The schema of an example of parameters, whose values become the defaults; None without any.

    Raises InvalidValue naming all parameters that have none: only scalars but bytes, lists of them and dicts do.
    """
    if params is None:
        return None
    if not isinstance(params, Mapping):
        raise InvalidValue(f"Parameters are a dict of name to value, not {type(params).__name__}.")
    specs, problems = [], []
    for name, value in params.items():
        try:
            specs.append(_spec_of(str(name), value))
        except InvalidValue as error:
            problems.append(error.message)
    if problems:
        raise InvalidValue(f"No schema can be inferred for the parameters. {' '.join(problems)}")
    return ParamSchema(specs) if specs else None


def _spec_of(name: str, value: Any) -> ParamSpec:
    if isinstance(value, Mapping) and value:
        dtype = type_of(value)
        assert isinstance(dtype, Object)  # only an empty mapping is none
        return ParamSpec(name, dtype, dict(value))
    if isinstance(value, list) or getattr(value, "ndim", 0) == 1:
        return ParamSpec(name, _element_type(name, value), value, (-1,))
    return ParamSpec(name, _scalar_type(name, value), value)


def _element_type(name: str, values: Any) -> DataType:
    found = {_scalar_type(name, value) for value in values}
    if not found:
        return DataType.string
    if found == {DataType.long, DataType.double}:
        return DataType.double
    if len(found) > 1:
        raise InvalidValue(f"Parameter {name!r} is a list of several types: {sorted(each.name for each in found)}.")
    return found.pop()


def _scalar_type(name: str, value: Any) -> DataType:
    if not isinstance(value, str) and _as_time(value) is not None:
        return DataType.datetime
    kinds = _KINDS.get(_class_of(value))
    if kinds is None:
        raise InvalidValue(
            f"Parameter {name!r} is {type(value).__name__}; give a number, text, boolean, date, a flat list or a dict."
        )
    return kinds[0]


def enforce_params(params: Any, schema: ParamSchema | None) -> dict[str, Any]:
    """The parameters of a call: checked, converted, absent ones filled with defaults.

    Unknown names are ignored with a warning, and so are all of them for a model that takes none. Raises InvalidValue
    listing every parameter that does not fit.
    """
    if params is not None and not isinstance(params, Mapping):
        raise InvalidValue(f"Parameters are a dict of name to value, not {type(params).__name__}.")
    given = {str(name): value for name, value in (params or {}).items()}
    known = {} if schema is None else {spec.name: spec for spec in schema.params}
    unknown = sorted(given.keys() - known.keys())
    if unknown:
        logger.warning(
            "The model takes no such parameters, they are ignored: %s. It takes: %s.",
            ", ".join(unknown),
            ", ".join(known) or "none (its signature has no params)",
        )
    found, problems = {}, []
    for name, spec in known.items():
        try:
            found[name] = conform(given[name], spec) if name in given else copy.deepcopy(spec.default)
        except InvalidValue as error:
            problems.append(error.message)
    if problems:
        raise InvalidValue(" ".join(problems))
    return found
