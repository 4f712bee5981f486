"""Tables as `.json` (pandas' split form without an index, ISO dates) or `.parquet`."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from millstream.errors import InvalidValue, MissingLibrary

if TYPE_CHECKING:
    import pandas as pd

FORBIDDEN = "\"',:[]{}"
"""Characters that a table's file name cannot have: the tag that lists tables could not be searched."""


def pandas() -> Any:
    """The module; raises MissingLibrary."""
    try:
        import pandas as module
    except ImportError:
        raise MissingLibrary("pandas", "A table") from None
    return module


def check_name(artifact_file: str) -> str:
    """Raises InvalidValue unless it is a name for a table."""
    bad = sorted(set(artifact_file) & set(FORBIDDEN))
    if bad:
        raise InvalidValue(f"A table's name cannot have {' '.join(bad)}: {artifact_file!r}. Leave them out.")
    if not artifact_file.endswith((".json", ".parquet")):
        raise InvalidValue(f"A table is a .json or .parquet file, not {artifact_file!r}.")
    return artifact_file


def to_frame(data: Any) -> pd.DataFrame:
    """A new frame of `data`: a pandas or polars frame, or a dict of columns (a lone value is a column of one row)."""
    pd = pandas()
    if isinstance(data, pd.DataFrame):
        return data.copy()
    if callable(getattr(data, "to_pandas", None)):
        return data.to_pandas()
    if isinstance(data, Mapping):
        columns = {key: value if _is_column(value) else [value] for key, value in data.items()}
        return pd.DataFrame(columns)
    raise InvalidValue(f"A table is made of a DataFrame or a dict of columns, not of {type(data).__name__}.")


def _is_column(value: Any) -> bool:
    return isinstance(value, list | tuple) or (
        hasattr(value, "__len__") and hasattr(value, "dtype") and value.ndim == 1
    )


def write(frame: pd.DataFrame, artifact_file: str) -> bytes:
    """The bytes of the table."""
    if artifact_file.endswith(".parquet"):
        data: bytes = frame.to_parquet(index=False)
        return data
    text: str = frame.to_json(orient="split", index=False, date_format="iso")
    return text.encode()


def read(data: bytes, artifact_file: str) -> pd.DataFrame:
    """The frame that `write` wrote."""
    pd = pandas()
    if artifact_file.endswith(".parquet"):
        return pd.read_parquet(io.BytesIO(data))
    return pd.read_json(io.StringIO(data.decode()), orient="split")


def append(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """The rows of both; columns that one of them lacks are empty there."""
    return pandas().concat([old, new], ignore_index=True)


def listed(tag: str | None) -> list[dict[str, str]]:
    """The entries of the tag `mlflow.loggedArtifacts`: dicts of `path` and `type`."""
    return json.loads(tag) if tag else []
