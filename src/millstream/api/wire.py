"""The wire: JSON text to checked request Structs and back, and all that is odd about it.

A request is first given to one compiled decoder of its endpoint. What that refuses goes a slower, more patient way, which
knows the forms that MLflow's clients send besides the plain one: bare `NaN`, enum numbers, booleans as metric values, JSON
inside a JSON string, `run_uuid` for `run_id`, `null` for "not given". Whatever is left is an error that names the field.

Answers are strict JSON. A metric's NaN travels as the text "NaN".
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, TypeVar
from urllib.parse import unquote_to_bytes

import msgspec
from msgspec import Struct, inspect

from millstream.api.endpoint import Endpoint
from millstream.entities import Metric
from millstream.errors import InvalidValue, MillstreamError, from_wire

T = TypeVar("T")
Req = TypeVar("Req", bound=Struct)

MAX_DEPTH = 100
"""Deepest nesting of a JSON body."""

_NUL_ESCAPE = b"\\u0000"
_MESSAGE_LIMIT = 1000
_ERROR_LIMIT = 4000
"""Longest texts of errors, in characters: an echo of the request must not make a large answer."""


class MissingParameter(InvalidValue):
    def __init__(self, name: str) -> None:
        super().__init__(f"Missing value for required parameter '{name}'. Give it and send the request again.")


# ---------------------------------------------------------------- answers and outgoing requests

_encode = msgspec.json.Encoder().encode
_NULL_VALUE = b'"value":null'  # cannot stand inside a JSON string, where every quote is escaped


def encode(value: Any) -> bytes:
    """Strict JSON of a Struct (or a list of them); NaN and infinities of metrics become "NaN", "Infinity", "-Infinity".

    Raises:
        InvalidValue: a text holds a lone surrogate, which no UTF-8 can carry.
    """
    try:
        data = _encode(value)
    except UnicodeEncodeError:
        raise InvalidValue(
            "A text holds half of a surrogate pair, which cannot be sent. Remove that character."
        ) from None
    # msgspec writes what is not finite as null, and only a metric's value is ever null under that name.
    if _NULL_VALUE not in data:
        return data
    parts = data.split(_NULL_VALUE)
    pieces = [parts[0]]
    for number, part in zip((n for n in _numbers(value) if not math.isfinite(n)), parts[1:], strict=True):
        pieces.append(
            b'"value":"NaN"' if number != number else b'"value":"Infinity"' if number > 0 else b'"value":"-Infinity"'
        )
        pieces.append(part)
    return b"".join(pieces)


def _numbers(value: Any) -> Iterator[float]:
    """The fields `value` of all metrics inside, in the order in which they are written."""
    if isinstance(value, list | tuple):
        for item in value:
            yield from _numbers(item)
        return
    for name, is_number in _number_plan(type(value)):
        field = getattr(value, name)
        if is_number:
            yield field
        elif type(field) is list:
            if field and type(field[0]) is Metric:
                yield from [metric.value for metric in field]
            else:
                for item in field:
                    yield from _numbers(item)
        elif field is not None:
            yield from _numbers(field)


_number_plans: dict[type, list[tuple[str, bool]]] = {}


def _number_plan(cls: type) -> list[tuple[str, bool]]:
    """Fields of a Struct that are a metric's number (True) or may hold some inside (False)."""
    plan = _number_plans.get(cls)
    if plan is None:
        plan = []
        info = inspect.type_info(cls)
        if isinstance(info, inspect.StructType):
            for field in info.fields:
                if field.encode_name == "value" and isinstance(field.type, inspect.FloatType):
                    plan.append((field.name, True))
                elif any(isinstance(t, inspect.StructType | inspect.ListType) for t in _options(field.type)):
                    plan.append((field.name, False))
        _number_plans[cls] = plan
    return plan


def _options(info: inspect.Type) -> Sequence[inspect.Type]:
    return info.types if isinstance(info, inspect.UnionType) else (info,)


def to_query(req: Struct, exclude: Sequence[str] = ()) -> list[tuple[str, str]]:
    """The query string's fields of a request; what equals its default is left out, lists repeat their name.

    Args:
        exclude: fields that travel elsewhere (in the path).
    """
    pairs: list[tuple[str, str]] = []
    defaults = type(req).__struct_defaults__
    names = req.__struct_fields__
    first_default = len(names) - len(defaults)
    for index, (name, wire_name) in enumerate(zip(names, req.__struct_encode_fields__, strict=True)):
        value = getattr(req, name)
        if value is None or name in exclude:
            continue
        if index >= first_default and value == defaults[index - first_default]:
            continue
        pairs.extend((wire_name, _query_text(item)) for item in (value if isinstance(value, list) else [value]))
    return pairs


def _query_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Enum):
        return str(value.value)
    return str(value)


# ---------------------------------------------------------------- requests


class _Plan(Struct):
    """What is known of an endpoint's request type beforehand."""

    type: type[Struct]
    info: inspect.StructType
    decode: Callable[[bytes], Any]
    fields: dict[str, inspect.Field]  # by wire name
    required_texts: tuple[str, ...]
    list_fields: tuple[str, ...]  # Python names of fields that hold lists
    has_alias: bool  # run_uuid stands in for run_id


_plans: dict[type, _Plan] = {}


def _plan(cls: type[Struct]) -> _Plan:
    plan = _plans.get(cls)
    if plan is None:
        info = inspect.type_info(cls)
        assert isinstance(info, inspect.StructType)
        fields = {field.encode_name: field for field in info.fields}
        plan = _Plan(
            type=cls,
            info=info,
            decode=msgspec.json.Decoder(cls, strict=False).decode,
            fields=fields,
            required_texts=tuple(f.name for f in info.fields if f.required and isinstance(f.type, inspect.StrType)),
            list_fields=tuple(f.name for f in info.fields if isinstance(f.type, inspect.ListType)),
            has_alias="run_id" in fields and "run_uuid" in fields,
        )
        _plans[cls] = plan
    return plan


def parse_request(
    endpoint: Endpoint[Req, Any],
    query: Sequence[tuple[str, str]],
    body: bytes,
    path_params: Mapping[str, str],
    verb: str | None = None,
) -> Req:
    """The checked request of a call.

    GET and raw streams take their input from the query string (GET without one: from the body), all others from the body.

    Args:
        query: decoded names and values, in order; see `parse_query`.
        path_params: decoded parts of the path, by field name; they win over the body.
        verb: of the call, when the endpoint answers to several; None means the endpoint's own.
    Raises:
        InvalidValue: names the field and says what is wrong with it.
    """
    cls = endpoint.request
    plan = _plan(cls)
    if endpoint.stream is None and ((verb or endpoint.verb) != "GET" or not (query or path_params)):
        is_plain = _NUL_ESCAPE not in body and (body.isascii() or _is_utf8(body))
        if is_plain and not path_params and not (len(body) < _CAMEL_LIMIT and _CAMEL_KEY.search(body)):
            try:
                req: Req = plan.decode(body)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                pass
            else:
                if not _may_be_deep(body, req, plan):
                    for name in plan.required_texts:
                        if not getattr(req, name):
                            break
                    else:
                        return req
        fields = _load_object(body)
        fields.update(path_params)
    else:
        fields = _load_object(body) if body and not query and endpoint.stream is None else _query_object(query, plan)
        _refuse_bad_texts(path_params.values())
        fields.update(path_params)
    return _convert(plan, fields)  # type: ignore[return-value]


_CAMEL_KEY = re.compile(rb'"[a-z]+(?:[A-Z][a-z]*)+"\s*:')
_CAMEL_LIMIT = 4096
"""Bytes of a body up to which names in lowerCamelCase are looked for: nobody sends them in long lists of points."""


def _take_camel_names(plan: _Plan, fields: dict[str, Any]) -> None:
    """Optional fields may come under their lowerCamelCase names, as protobuf's JSON has it; under both names is an error."""
    for name, field in plan.fields.items():
        first, *others = name.split("_")
        camel = first + "".join(part.capitalize() for part in others)
        if camel == name or camel not in fields:
            continue
        if name in fields:
            raise InvalidValue(f"The request holds both {name!r} and {camel!r}. Send {name!r} alone.")
        if not field.required:
            fields[name] = fields[camel]


def _convert(plan: _Plan, fields: dict[str, Any]) -> Struct:
    _take_camel_names(plan, fields)
    fields = _repair(plan.info, fields)
    if plan.has_alias and not fields.get("run_id") and fields.get("run_uuid"):
        fields["run_id"] = fields["run_uuid"]
    for name, field in plan.fields.items():
        if field.required and (name not in fields or (fields[name] == "" and isinstance(field.type, inspect.StrType))):
            raise MissingParameter(name)
    try:
        return msgspec.convert(fields, plan.type, strict=False)
    except msgspec.ValidationError as error:
        raise _named(str(error)) from None


_MISSING = re.compile(r"^Object missing required field `(\w+)`(?: - at `\$\.?(.*)`)?$")
_AT = re.compile(r"^(.*) - at `\$\.?(.*)`$", re.DOTALL)


def _named(message: str) -> InvalidValue:
    """msgspec's message as ours, with the field's name first."""
    if match := _MISSING.match(message):
        return MissingParameter(".".join(part for part in (match[2], match[1]) if part))
    match = _AT.match(message)
    what, where = (match[1], match[2]) if match else (message, "")
    if len(what) > _MESSAGE_LIMIT:
        what = what[:_MESSAGE_LIMIT] + "…"
    return InvalidValue(f"Invalid value for parameter '{where}': {what}." if where else f"Invalid request: {what}.")


def _may_be_deep(body: bytes, req: Struct, plan: _Plan) -> bool:
    """Whether a body that decoded well is nested deeper than allowed (in fields that nobody reads).

    Most bodies have few brackets, and those with many have them in long lists whose items stand beside each other.
    """
    brackets = body.count(b"{") + body.count(b"[")
    if brackets <= MAX_DEPTH:
        return False
    for name in plan.list_fields:
        items = getattr(req, name)
        if items and isinstance(items[0], Struct):
            brackets -= len(items) - 1
    return brackets > MAX_DEPTH and _depth(body) > MAX_DEPTH


_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def _depth(body: bytes) -> int:
    """The deepest nesting of brackets outside of strings."""
    depth = deepest = 0
    for char in _STRINGS.sub(b"", body).translate(None, _NO_BRACKETS):
        if char in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        else:
            depth -= 1
    return deepest


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _load_object(body: bytes) -> dict[str, Any]:
    """A body as a dict: what cannot be read at all is an empty one, as MLflow has it; JSON in a JSON string is read twice."""
    value: Any = {}
    text: str | bytes = body
    for _ in range(2):
        value = _load(text)
        if not isinstance(value, str):
            break
        text = value
    if value is None or isinstance(value, str):
        value = {}
    if not isinstance(value, dict):
        raise InvalidValue('The body is not a JSON object. Send the parameters as {"name": value, ...}.')
    _refuse_bad_json_texts(value)
    return value


def _load(body: str | bytes) -> Any:
    data = body.encode(errors="surrogatepass") if isinstance(body, str) else body
    if _depth(data) > MAX_DEPTH:
        raise InvalidValue(f"The body is nested deeper than {MAX_DEPTH} levels.")
    try:
        return json.loads(data.decode(), parse_float=_float)
    except (json.JSONDecodeError, UnicodeDecodeError):
        return {}
    except RecursionError:
        raise InvalidValue(f"The body is nested deeper than {MAX_DEPTH} levels.") from None
    except ValueError:
        raise InvalidValue("The body holds a number that is out of range.") from None


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(text)
    return number


def _refuse_bad_json_texts(value: Any) -> None:
    if isinstance(value, str):
        _refuse_bad_texts((value,))
    elif isinstance(value, dict):
        _refuse_bad_texts(value)
        for item in value.values():
            _refuse_bad_json_texts(item)
    elif isinstance(value, list):
        for item in value:
            _refuse_bad_json_texts(item)


def _refuse_bad_texts(texts: Any) -> None:
    for text in texts:
        if "\0" in text:
            raise InvalidValue("The request holds a NUL character, which no text may contain.")
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError:
                raise InvalidValue("The request holds half of a surrogate pair, which is no character.") from None


def _repair(info: inspect.Type, value: Any) -> Any:
    """`value` with the odd forms of its type made plain: null dropped, enum numbers named, booleans as doubles counted."""
    if isinstance(info, inspect.StructType):
        if not isinstance(value, dict):
            return value
        types = {field.encode_name: field.type for field in info.fields}
        return {
            name: _repair(types[name], item) if name in types else item
            for name, item in value.items()
            if item is not None
        }
    if isinstance(info, inspect.ListType):
        return [_repair(info.item_type, item) for item in value] if isinstance(value, list) else value
    if isinstance(info, inspect.FloatType):
        return float(value) if isinstance(value, bool) else value
    if isinstance(info, inspect.EnumType):
        return _enum_name(info.cls, value)
    if isinstance(info, inspect.UnionType):
        for option in info.types:
            if not isinstance(option, inspect.NoneType):
                return _repair(option, value)
    return value


def _enum_name(cls: type[Enum], value: Any) -> Any:
    is_number = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if not is_number or isinstance(value, bool):
        return value
    try:
        return cls(int(value)).value
    except ValueError:
        there = ", ".join(str(member.value) for member in cls)
        raise InvalidValue(f"{str(value)[:30]} names no {cls.__name__}. Those there are: {there}.") from None


# ---------------------------------------------------------------- query strings


def parse_query(raw: bytes) -> list[tuple[str, str]]:
    """Names and values of a query string, decoded once.

    Raises:
        InvalidValue: a name or value is not UTF-8 or holds NUL.
    """
    pairs: list[tuple[str, str]] = []
    for part in raw.split(b"&"):
        if not part:
            continue
        name, _, value = part.partition(b"=")
        try:
            pairs.append((_unquote(name), _unquote(value)))
        except UnicodeDecodeError:
            raise InvalidValue("The query string is not UTF-8. Encode it as UTF-8, then percent-encode it.") from None
    return pairs


def _unquote(text: bytes) -> str:
    if b"+" in text:
        text = text.replace(b"+", b" ")
    return (unquote_to_bytes(text) if b"%" in text else text).decode()


def _query_object(query: Sequence[tuple[str, str]], plan: _Plan) -> dict[str, Any]:
    """Fields of a query string: lists gather all their values, of other repeated names the first counts."""
    fields: dict[str, Any] = {}
    for name, value in query:
        field = plan.fields.get(name)
        if field is None:
            continue
        _refuse_bad_texts((value,))
        if isinstance(field.type, inspect.ListType):
            fields.setdefault(name, []).append(value)
        else:
            fields.setdefault(name, value)
    return fields


# ---------------------------------------------------------------- answers read by a client

_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}


def decode(type: type[T], data: bytes) -> T:
    """An answer of any MLflow-compatible server.

    Raises:
        MillstreamError: the answer is not what the endpoint promises.
    """
    decoder = _decoders.get(type)
    if decoder is None:
        decoder = _decoders[type] = msgspec.json.Decoder(type, strict=False)
    try:
        return decoder.decode(data)  # type: ignore[no-any-return]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return msgspec.convert(_repair(inspect.type_info(type), json.loads(data)), type, strict=False)
    except (ValueError, msgspec.MsgspecError, MillstreamError, RecursionError) as error:
        raise MillstreamError(f"The server's answer is not understood: {str(error)[:_MESSAGE_LIMIT]}") from None


# ---------------------------------------------------------------- errors


def error_body(error: MillstreamError) -> bytes:
    """`{"error_code": ..., "message": ...}` of an error."""
    message = error.message.encode(errors="replace").decode()
    if len(message) > _ERROR_LIMIT:
        message = message[:_ERROR_LIMIT] + "…"
    return _encode({"error_code": error.error_code, "message": message, **error.json_kwargs})


class _ErrorBody(Struct):
    error_code: Any = None
    message: Any = None


def read_error(status: int, body: bytes) -> MillstreamError:
    """The error that an answer of that HTTP status stands for; a body that is not our JSON becomes the message."""
    try:
        read = msgspec.json.decode(body, type=_ErrorBody)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        read = _ErrorBody()
    code = read.error_code if isinstance(read.error_code, str) else None
    message = read.message if isinstance(read.message, str) else body[:_MESSAGE_LIMIT].decode(errors="replace").strip()
    return from_wire(status, code, message or f"The server answered with HTTP status {status}.")
