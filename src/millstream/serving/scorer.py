"""A loaded model with everything that its requests need worked out: from the bytes of a body to the bytes of an answer.

    scorer = Scorer(model)
    scorer.answer(b'{"inputs": [1, 2]}', Form.JSON)

Nothing here knows HTTP, so the same code scores requests, files and lines of standard input.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

from millstream.errors import BadRequest, MillstreamError
from millstream.serving import answers, columns, direct, forms, tables
from millstream.serving.columns import Columns, Table
from millstream.serving.forms import Wanted
from millstream.serving.media import Form

if TYPE_CHECKING:
    import numpy as np

MAX_UNPACKED_BYTES = 1 << 30
"""Most bytes of a Parquet or Arrow table once it is unpacked."""


class Model(Protocol):
    """What is needed of a model; `PyFuncModel` is one."""

    @property
    def metadata(self) -> Any: ...

    def predict(self, data: Any, params: Any = None) -> Any: ...


class ModelFailed(BadRequest):
    """The model raised something that is no error of ours. What it was is for the log."""

    def __init__(self) -> None:
        super().__init__(
            "The model failed at this input. Check that the input fits the model; the server's log has the cause."
        )


class Options(Struct, frozen=True, kw_only=True):
    """How requests are read and answered."""

    bare_tokens: bool = False
    """Write NaN and infinities as MLflow does, in place of null."""
    max_unpacked_bytes: int = MAX_UNPACKED_BYTES


class Request(Struct):
    """A request, read. Either `table` (typed columns, which need no enforcement) or `data`."""

    table: Table | None
    data: Any
    params: Any
    is_wrapped: bool = True


class Scorer:
    """Answers requests with one model.

    Args:
        model: loaded.
        name: the URI of what was loaded, for logs.
    Attributes:
        is_quick: predicting is computing and nothing else, so that it cannot wait for something.
    """

    def __init__(self, model: Model, options: Options | None = None, *, name: str = "") -> None:
        self.model = model
        self.name = name
        self.options = options or Options()
        self.wanted = wanted_of(model)
        self._columns = self._short_way()
        self._matrix = self._matrix_function()
        self.is_quick = direct.is_pure(model, self._matrix is not None)

    def _short_way(self) -> Columns | None:
        schema = self.wanted.schema
        if schema is None or self.wanted.is_from_type_hint or not columns.takes(schema):
            return None
        return Columns(schema)

    def _matrix_function(self) -> Callable[[np.ndarray[Any, Any]], Any] | None:
        if self._columns is None or self._columns.common is None or self.wanted.params is not None:
            return None
        return direct.matrix_function(self.model, self._columns.names, self._columns.common)

    # ------------------------------------------------------------ the whole way

    def answer(self, body: bytes, form: Form, wanted: Form = Form.JSON) -> bytes:
        """
        Args:
            form: of the body.
            wanted: of the answer, JSON or Arrow.
        Raises:
            BadRequest, InvalidValue, PayloadTooLarge: the request is wrong.
            ModelFailed: the model raised what is no error of ours; that is the cause.
            MillstreamError: the model raised it.
        """
        request = self.read(body, form)
        return self.encode(self.predict(request), request.is_wrapped, wanted)

    # ------------------------------------------------------------ its parts

    def read(self, body: bytes, form: Form) -> Request:
        """The request in a body. Raises BadRequest, InvalidValue, PayloadTooLarge."""
        if form is Form.JSON:
            if self._columns is not None:
                decoded = self._columns.read(body)
                if decoded is not None:
                    return Request(decoded.table, None, decoded.params if self.wanted.params is not None else None)
            inputs = forms.read(body, self.wanted)
            return Request(None, inputs.data, inputs.params, inputs.is_wrapped)
        return self._read_table(body, form)

    def _read_table(self, body: bytes, form: Form) -> Request:
        schema = self.wanted.schema
        if form is Form.CSV:
            return Request(None, tables.read_csv(body, None if self.wanted.is_from_type_hint else schema), None)
        limit = self.options.max_unpacked_bytes
        table = tables.read_parquet(body, limit) if form is Form.PARQUET else tables.read_arrow(body, limit)
        if self._columns is not None:
            typed = self._columns.of_arrow(table)
            if typed is not None:
                return Request(typed, None, None)
        return Request(None, tables.to_frame(table), None)

    def predict(self, request: Request) -> Any:
        """The model's result. Raises ModelFailed, and what `answer` lets through."""
        table = request.table
        try:
            if table is not None:
                if self._matrix is not None and table.matrix is not None:
                    return self._matrix(table.matrix)
                return self.model.predict(table.frame(), request.params)
            return self.model.predict(request.data, request.params)
        except MillstreamError:
            raise
        except Exception as error:
            raise ModelFailed from error

    def encode(self, result: Any, is_wrapped: bool = True, wanted: Form = Form.JSON) -> bytes:
        """The result as an answer's body. Raises Unwritable."""
        if wanted is not Form.JSON:
            return answers.encode_arrow(result, is_file=wanted is Form.ARROW_FILE)
        return answers.encode(result, is_wrapped=is_wrapped, bare_tokens=self.options.bare_tokens)


def wanted_of(model: Model) -> Wanted:
    """What the model's signature says of its input."""
    signature = getattr(model.metadata, "signature", None)
    if signature is None:
        return Wanted()
    return Wanted(signature.inputs, signature.params, signature.is_from_type_hint)
