"""Digests of data: eight hex digits that tell versions of a dataset apart. They sample the data and are no checksum.

The rules are MLflow's, so the same data has the same digest in both. Changing one splits every user's datasets in two.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

MAX_ROWS = 10_000


def _short(digest: Any) -> str:
    text: str = digest.hexdigest()
    return text[:8]


def of_frame(frame: pd.DataFrame) -> str:
    """Row hashes of the first 10,000 rows over columns of numbers and texts, the number of rows, the columns' names."""
    import numpy as np
    import pandas as pd

    digest = hashlib.md5(usedforsecurity=False)
    head = frame.head(MAX_ROWS)
    types = frame.dtypes.tolist()
    hashed = [index for index, dtype in enumerate(types) if _is_hashed(dtype, frame, index)]
    columns = _sorted(hashed, types, frame.columns)
    digest.update(np.ascontiguousarray(pd.util.hash_pandas_object(head.iloc[:, columns]).to_numpy()).tobytes())
    digest.update(np.int64(len(frame)).tobytes())
    for name in frame.columns:
        digest.update(str(name).encode())
    return _short(digest)


def _sorted(columns: list[int], types: Sequence[Any], names: pd.Index) -> list[int]:
    """In order of name if there are both numbers and texts, else as they stand (also if names do not compare)."""
    import pandas as pd

    kinds = {pd.api.types.is_numeric_dtype(types[index]) for index in columns}
    try:
        return sorted(columns, key=lambda index: names[index]) if len(kinds) > 1 else columns
    except TypeError:
        return columns


def _is_hashed(dtype: Any, frame: pd.DataFrame, index: int) -> bool:
    """Numbers and time differences (booleans are none), and columns of texts; one missing text leaves the column out."""
    import pandas as pd

    types = pd.api.types
    if types.is_numeric_dtype(dtype) or types.is_timedelta64_dtype(dtype):
        return not types.is_bool_dtype(dtype)
    if types.is_object_dtype(dtype) or isinstance(dtype, pd.CategoricalDtype):
        return bool(types.infer_dtype(frame.iloc[:, index].astype(object), skipna=False) == "string")
    return isinstance(dtype, pd.StringDtype) and not frame.iloc[:, index].isna().any()


def of_arrays(features: Any, targets: Any = None) -> str:
    """Hashes of the first 10,000 elements and the dimensions, of the features and then the targets (dicts in key order)."""
    digest = hashlib.md5(usedforsecurity=False)
    for data in (features, targets):
        if data is None:
            continue
        arrays = [data[key] for key in sorted(data)] if isinstance(data, Mapping) else [data]
        for array in arrays:
            _hash_array(digest, array)
    return _short(digest)


def of_streams(*streams: np.ndarray[Any, Any]) -> str:
    """Hashes of the first 10,000 elements of each of some one-dimensional arrays."""
    import numpy as np
    import pandas as pd

    digest = hashlib.md5(usedforsecurity=False)
    for elements in streams:
        digest.update(np.ascontiguousarray(pd.util.hash_array(elements[:MAX_ROWS])).tobytes())
    return _short(digest)


def of_head(head: np.ndarray[Any, Any], shape: Sequence[int], targets: np.ndarray[Any, Any] | None = None) -> str:
    """What `of_arrays` gives for an array of which only the first rows are at hand: at least 10,000 elements, or all."""
    digest = hashlib.md5(usedforsecurity=False)
    _hash_array(digest, head, shape)
    if targets is not None:
        _hash_array(digest, targets)
    return _short(digest)


def _hash_array(digest: Any, array: np.ndarray[Any, Any], shape: Sequence[int] | None = None) -> None:
    import math

    import numpy as np
    import pandas as pd

    shape = array.shape if shape is None else shape
    flat = array.flat[:MAX_ROWS]  # copies no more than that
    try:
        digest.update(pd.util.hash_array(flat).tobytes())
    except TypeError:  # objects that pandas cannot hash
        digest.update(np.int64(math.prod(shape)).tobytes())
    for size in shape:
        digest.update(np.int64(size).tobytes())
