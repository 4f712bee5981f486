"""The answer of a scoring server, read: what clients and deployments get from `predict`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from millstream.errors import InvalidValue

PREDICTIONS = "predictions"


class PredictionsResponse(dict[str, Any]):
    """The JSON object `{"predictions": ...}`, as a dict."""

    @classmethod
    def from_json(cls, text: str | bytes) -> PredictionsResponse:
        """
        Raises:
            InvalidValue: the text is not a JSON object with `predictions`.
        """
        try:
            value = json.loads(text)
        except ValueError as error:
            raise InvalidValue(f"The answer is not JSON: {error}.") from None
        if not isinstance(value, dict) or PREDICTIONS not in value:
            raise InvalidValue(f"The answer is no JSON object with {PREDICTIONS!r}.")
        return cls(value)

    def get_predictions(self, predictions_format: str = "dataframe", dtype: Any = None) -> Any:
        """The predictions as a pandas DataFrame or a numpy array.

        Args:
            predictions_format: "dataframe" or "ndarray".
            dtype: of the result; inferred if not given.
        Raises:
            InvalidValue: another format.
        """
        value = self[PREDICTIONS]
        if predictions_format == "ndarray":
            import numpy as np

            return np.array(value, dtype=dtype)
        if predictions_format == "dataframe":
            import pandas as pd

            return (
                pd.DataFrame(value, dtype=dtype)
                if isinstance(value, list | dict)
                else pd.DataFrame([value], dtype=dtype)
            )
        raise InvalidValue(f"predictions_format is 'dataframe' or 'ndarray', not {predictions_format!r}.")

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str | None:
        """The JSON text; with a path it is written there and None returned."""
        text = json.dumps(self)
        if path is None:
            return text
        Path(path).write_text(text, encoding="utf-8")
        return None
