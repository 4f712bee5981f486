"""A loaded model as users call it: `PyFuncModel`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from millstream.errors import InvalidValue, Unsupported

if TYPE_CHECKING:
    from millstream.models.mlmodel import Model
    from millstream.models.types import Schema


class Implementation(Protocol):
    """What predicts, whatever kind of model it is."""

    @property
    def raw(self) -> Any:
        """The model as its library has it, or the user's own object."""
        ...

    def predict(self, data: Any, params: dict[str, Any] | None) -> Any: ...

    def predict_stream(self, data: Any, params: dict[str, Any] | None) -> Iterator[Any]:
        """For one input. Raises Unsupported where a model has none."""
        ...


class PyFuncModel:
    """Any model, as a function of inputs and params that are checked against its signature."""

    def __init__(
        self, metadata: Model, implementation: Implementation, root: Path | None = None, model_config: Any = None
    ) -> None:
        self._metadata = metadata
        self._implementation = implementation
        self._root = root
        self._model_config = model_config
        signature = metadata.signature
        self._inputs = None if signature is None or signature.is_from_type_hint else signature.inputs
        self._params = metadata.get_params_schema()
        self._form = self.input_example if signature is not None and signature.is_from_example else None

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """Predictions for a batch of inputs.

        Args:
            data: a DataFrame, Series, array, sparse matrix, list, dict or scalar; converted as the signature says.
            params: what the signature declares; those that are left out have their defaults.
        Raises:
            InvalidValue: inputs or params that do not fit the signature; the message names the column, what came and what was
                expected.
        """
        return self._implementation.predict(self._enforced(data), self._enforced_params(params))

    def predict_stream(self, data: Any, params: dict[str, Any] | None = None) -> Iterator[Any]:
        """The parts of the prediction for one input, as the model makes them.

        Raises:
            InvalidValue: there is not exactly one row or element.
            Unsupported: the model was not saved with `streamable=True`.
        """
        entry = self._metadata.flavors["python_function"]
        if not entry.get("streamable"):
            raise Unsupported("This model does not stream. Save it with streamable=True and a method predict_stream.")
        return self._implementation.predict_stream(_only(self._enforced(data)), self._enforced_params(params))

    def _enforced(self, data: Any) -> Any:
        if self._inputs is None:
            return data
        from millstream.models.enforcement import enforce_inputs

        enforced = enforce_inputs(data, self._inputs)
        return enforced if self._form is None else _in_form_of(self._form, enforced)

    def _enforced_params(self, params: dict[str, Any] | None) -> dict[str, Any] | None:
        if self._params is None and not params:
            return None
        from millstream.models.enforcement import enforce_params

        return enforce_params(params, self._params)

    @property
    def metadata(self) -> Model:
        """What MLmodel says."""
        return self._metadata

    @property
    def root(self) -> Path | None:
        """The model's folder on this machine; None for one that was never saved."""
        return self._root

    @property
    def implementation(self) -> Implementation:
        """What predicts, behind the checks of the signature."""
        return self._implementation

    @property
    def model_config(self) -> Any:
        """The configuration in force; None if the model has none."""
        return self._model_config

    @property
    def model_id(self) -> str | None:
        """The id of the logged model; None for a model that was only saved."""
        return self._metadata.model_id

    @property
    def loader_module(self) -> str:
        return str(self._metadata.flavors["python_function"]["loader_module"])

    @property
    def input_example(self) -> Any:
        """The inputs that were saved as an example, without their params; None if there are none."""
        info = self._metadata.saved_input_example_info
        if not info or self._root is None:
            return None
        from millstream.models.examples import load_example

        example = load_example(self._root, info)
        return example if self._inputs is None else _in_types_of(self._inputs, example)

    def get_raw_model(self) -> Any:
        """The model as its library has it."""
        return self._implementation.raw

    def unwrap_python_model(self) -> Any:
        """The user's PythonModel. Raises InvalidValue if the model is of another kind."""
        from millstream.models.pyfunc.code_models import is_python_model

        raw = self._implementation.raw
        if not is_python_model(raw):
            raise InvalidValue(
                "This model was not made from a PythonModel. get_raw_model() gives what it was made from."
            )
        return raw

    def __repr__(self) -> str:
        lines = [f"flavor: {self.loader_module}"]
        if self._metadata.run_id:
            lines.insert(0, f"run_id: {self._metadata.run_id}")
        if self.model_id:
            lines.insert(0, f"model_id: {self.model_id}")
        return "".join(["millstream.pyfunc.PyFuncModel:\n", *(f"  {line}\n" for line in lines)])


def _in_types_of(schema: Schema, example: Any) -> Any:
    """An example in the types of the schema, as far as they convert: JSON has but one kind of float and of integer."""
    from millstream.models.types import DataType

    if hasattr(example, "columns"):
        for spec in schema.inputs:
            wanted = getattr(spec, "type", None)
            if spec.name in example.columns and isinstance(wanted, DataType) and example[spec.name].notna().all():
                with contextlib.suppress(TypeError, ValueError):
                    example[spec.name] = example[spec.name].astype(wanted.to_pandas())
        return example
    if not schema.is_tensor_spec():
        return example
    if isinstance(example, dict):
        specs = schema.input_dict()
        return {key: value.astype(specs[key].type) if key in specs else value for key, value in example.items()}
    return example.astype(schema.inputs[0].type) if hasattr(example, "astype") else example


def _in_form_of(example: Any, data: Any) -> Any:
    """A frame as the list that the example was, for a `predict` whose hint is `TypeFromExample`. MLflow does this for lists."""
    if not hasattr(data, "columns") or not isinstance(example, list):
        return data
    is_rows = bool(example) and isinstance(example[0], dict)
    return data.to_dict(orient="records") if is_rows else data.iloc[:, 0].tolist()


def _only(data: Any) -> Any:
    """The one row (as a dict) or element of inputs. Raises InvalidValue if there is none, or more than one."""
    if hasattr(data, "to_dict") and hasattr(data, "iloc"):
        rows = data.to_dict(orient="records") if hasattr(data, "columns") else data.tolist()
    elif hasattr(data, "tolist"):
        rows = data.tolist()
    else:
        rows = data
    if not isinstance(rows, list):
        return rows
    if len(rows) != 1:
        raise InvalidValue(f"predict_stream takes one input, but there are {len(rows)}. Call it once for each.")
    return rows[0]
