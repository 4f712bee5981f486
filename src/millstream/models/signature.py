"""Signatures: what a model takes, gives and can be told besides, inferred from data or from the hints of `predict`."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping
from typing import Any

from millstream.errors import InvalidValue
from millstream.models.hints import is_from_example, outputs_of, schema_of_dataclass, schema_of_hint
from millstream.models.inference import infer_schema, kind_of
from millstream.models.params import infer_param_schema
from millstream.models.types import DataType, ParamSchema, Schema

__all__ = ["ModelSignature", "infer_signature", "set_signature", "signature_from_type_hints"]

logger = logging.getLogger(__name__)


class ModelSignature:
    """Schemas of the inputs, the outputs and the parameters; at least one of them.

    Args:
        inputs, outputs: a Schema, or a dataclass whose fields are the columns.
        params: a ParamSchema.
        is_from_type_hint: the inputs are those of the type hint of `predict`, which checks them instead of the schema.
        is_from_example: the hint of `predict` is `TypeFromExample`.
    """

    def __init__(
        self,
        inputs: Schema | type | None = None,
        outputs: Schema | type | None = None,
        params: ParamSchema | None = None,
        *,
        is_from_type_hint: bool = False,
        is_from_example: bool = False,
    ) -> None:
        if inputs is None and outputs is None and params is None:
            raise InvalidValue("A signature needs inputs, outputs or params.")
        self.inputs = _as_schema(inputs, "inputs")
        self.outputs = _as_schema(outputs, "outputs")
        if params is not None and not isinstance(params, ParamSchema):
            raise TypeError(f"params of a signature are a ParamSchema, not {type(params).__name__}.")
        self.params = params
        self.is_from_type_hint = is_from_type_hint
        self.is_from_example = is_from_example

    def to_dict(self) -> dict[str, Any]:
        """Three JSON texts, or None: the form that MLmodel has."""
        return {
            "inputs": None if self.inputs is None else self.inputs.to_json(),
            "outputs": None if self.outputs is None else self.outputs.to_json(),
            "params": None if self.params is None or not self.params.params else self.params.to_json(),
        }

    @classmethod
    def from_dict(
        cls, signature_dict: Mapping[str, Any], is_from_type_hint: bool = False, is_from_example: bool = False
    ) -> ModelSignature:
        """Read `to_dict`; files of before 2.6 have no `params`. Raises InvalidValue."""
        if not isinstance(signature_dict, Mapping):
            raise InvalidValue(
                f"A signature is a mapping with inputs, outputs and params, not {signature_dict!r:.200}."
            )
        inputs, outputs, params = (signature_dict.get(key) for key in ("inputs", "outputs", "params"))
        return cls(
            Schema.from_json(inputs) if inputs else None,
            Schema.from_json(outputs) if outputs else None,
            ParamSchema.from_json(params) if params else None,
            is_from_type_hint=is_from_type_hint,
            is_from_example=is_from_example,
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ModelSignature) and (self.inputs, self.outputs, self.params) == (
            other.inputs, other.outputs, other.params,
        )  # fmt: skip

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"inputs: \n  {self.inputs!r}\noutputs: \n  {self.outputs!r}\nparams: \n  {self.params!r}\n"


def _as_schema(given: Any, role: str) -> Schema | None:
    if given is None or isinstance(given, Schema):
        return given
    if dataclasses.is_dataclass(given):
        return schema_of_dataclass(given if isinstance(given, type) else type(given))
    raise TypeError(f"{role} of a signature are a Schema or a dataclass, not {type(given).__name__}.")


def infer_signature(
    model_input: Any = None, model_output: Any = None, params: dict[str, Any] | None = None
) -> ModelSignature:
    """The signature of a model that takes `model_input` and gives `model_output`.

    Args:
        model_input, model_output: a frame (pandas, polars, Spark), Series, array, sparse matrix, dict, list, single value, or a
            dataclass. A few rows do; include one with missing values if there can be any.
        params: an example of parameters; the values become the defaults.
    Raises:
        InvalidValue: all are None, params of types that a signature cannot hold, objects of pydantic.
    """
    inputs = infer_schema(model_input)
    if inputs is not None and _has_integers(inputs):
        logger.warning(
            "The inputs have integer columns. pandas stores integers with missing values as floats, which this signature "
            "will refuse: if values can be missing, give such columns as floats (float64) when inferring."
        )
    return ModelSignature(inputs, infer_schema(model_output), infer_param_schema(params))


def _has_integers(schema: Schema) -> bool:
    return any(each in (DataType.integer, DataType.long) for each in schema.input_types())


def signature_of_example(example: Any, output: Any, params: dict[str, Any] | None = None) -> ModelSignature:
    """The signature of a model that gave `output` for its input example.

    A flat array that a model of columns gives is a column, as a Series would be.
    """
    inputs = infer_schema(example)
    if inputs is not None and not inputs.is_tensor_spec() and kind_of(output) == "array" and output.ndim == 1:
        import pandas as pd

        output = pd.Series(output)
    return ModelSignature(inputs, infer_schema(output), infer_param_schema(params))


def signature_from_type_hints(predict: Callable[..., Any], example: Any = None) -> ModelSignature | None:
    """The signature that the hints of a `predict` function say; None if its input has no hint that says one.

    Args:
        predict: bound or not; its input is the first parameter besides self, context and params.
        example: an input example. Where the hint is `TypeFromExample`, its schema is taken if it is a list or a frame, which the
            model then gets its input as; the outputs are left to be inferred.
    Raises:
        InvalidValue: the hint is a list of what cannot be checked, such as `list[dict]`.
    """
    from millstream.models.hints import hints_of

    found = hints_of(predict)
    if is_from_example(found.inputs):
        if example is None:
            logger.warning(
                "The type hint of predict is TypeFromExample, so give an input_example: it makes the signature."
            )
            return None
        if not isinstance(example, list) and kind_of(example) != "frame":
            return None
        return ModelSignature(infer_schema(example), is_from_example=True)
    inputs = schema_of_hint(found.inputs)
    if inputs is None:
        return None
    return ModelSignature(inputs, outputs_of(found.output), is_from_type_hint=True)


def set_signature(model_uri: str, signature: ModelSignature) -> None:
    """Put a signature into the MLmodel of a model that is saved or logged already.

    Args:
        model_uri: a folder, `runs:/<run id>/<path>` or `models:/<model id>`; not a registered version, whose files are fixed.
    Raises:
        InvalidValue: the URI is that of a registered version.
        NotFound: there is no model.
    """
    from millstream.artifacts import model_uris
    from millstream.artifacts.repository import open_repository
    from millstream.models.mlmodel import MLMODEL, Model, folder_of

    if not isinstance(signature, ModelSignature):
        raise TypeError(f"signature is a ModelSignature, not {type(signature).__name__}.")
    folder = folder_of(str(model_uri))
    if model_uris.is_model_uri(folder) and not model_uris.parse(folder).model_id:
        raise InvalidValue(
            f"The files of the registered version {model_uri!r} are fixed. Set the signature of the model that it was made "
            "from (runs:/... or models:/m-...) and register that again."
        )
    model = Model.load(folder)
    model.signature = signature
    open_repository(folder).log_bytes(model.to_yaml().encode(), MLMODEL)
