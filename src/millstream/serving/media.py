"""Content types of `/invocations`: which form a body has, and which form the caller wants the answer in."""

from __future__ import annotations

from enum import StrEnum

from millstream.errors import MillstreamError


class Form(StrEnum):
    """What a body may be, by media type."""

    JSON = "application/json"
    CSV = "text/csv"
    PARQUET = "application/vnd.apache.parquet"
    ARROW_STREAM = "application/vnd.apache.arrow.stream"
    ARROW_FILE = "application/vnd.apache.arrow.file"


_FORMS = {form.value: form for form in Form}
_ALIASES = {"application/x-parquet": Form.PARQUET, "application/parquet": Form.PARQUET}


class UnsupportedMedia(MillstreamError):
    """Answered 415 with the message as plain text, as MLflow does."""

    code = "INVALID_PARAMETER_VALUE"

    @property
    def status(self) -> int:
        return 415


_known: dict[bytes | None, Form] = {}
_REMEMBERED = 256


def form_of(content_type: bytes | None) -> Form:
    """The form that a Content-Type names.

    Raises:
        UnsupportedMedia: missing, unknown, another charset than UTF-8, or with other parameters.
    """
    form = _known.get(content_type)
    if form is None:
        form = _parse(content_type)
        if len(_known) < _REMEMBERED:
            _known[content_type] = form
    return form


def _parse(content_type: bytes | None) -> Form:
    if content_type is None:
        raise UnsupportedMedia(f"The header Content-Type is missing. {_SUPPORTED}")
    kind, *parameters = content_type.decode("latin-1").split(";")
    name = kind.strip().lower()
    form = _FORMS.get(name) or _ALIASES.get(name)
    if form is None:
        raise UnsupportedMedia(f"Bodies of type {name[:100]!r} are not taken here. {_SUPPORTED}")
    for parameter in parameters:
        key, _, value = parameter.strip().partition("=")
        if key.lower() == "charset":
            if value.strip().strip('"').lower() not in ("utf-8", "utf8"):
                raise UnsupportedMedia("Bodies are taken in UTF-8 only.")
        elif key:
            raise UnsupportedMedia(
                f"The Content-Type has the parameter {key[:100]!r}, which means nothing here. The forms of MLflow 1 "
                '(format=pandas-split) are now named in the body: send {"dataframe_split": {...}}.'
            )
    return form


_SUPPORTED = f"Send one of {', '.join(form.value for form in Form)}."


def answer_form(accept: bytes | None) -> Form:
    """Arrow if the caller names it, else JSON, which any caller gets that asks for something else."""
    if accept is None or b"arrow" not in accept:
        return Form.JSON
    for entry in accept.decode("latin-1").lower().split(","):
        name = entry.split(";")[0].strip()
        if name in (Form.ARROW_STREAM, Form.ARROW_FILE):
            return Form(name)
        if name == Form.JSON:
            return Form.JSON
    return Form.JSON
