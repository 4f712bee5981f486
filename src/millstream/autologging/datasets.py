"""Which dataset describes the data that a training was given. Nothing here copies more of it than its first rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from millstream.data import digests
from millstream.data.arrays import NumpyDataset, from_numpy
from millstream.data.dataset import Dataset
from millstream.data.sources import resolve_source

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


class MatrixDataset(NumpyDataset):
    """A matrix that is no array (sparse, or inside of a library), described as the array that it stands for."""

    def __init__(
        self,
        head: Callable[[int], Array],
        shape: tuple[int, int],
        name: str | None = None,
        targets: Array | None = None,
    ) -> None:
        """
        Args:
            head: gives so many of the first rows as an array.
        """
        rows, columns = shape
        first = head(min(rows, -(-digests.MAX_ROWS // max(columns, 1))))
        super().__init__(first, resolve_source(None), targets, name)
        self._first = first
        self._labels = targets
        self._shape = shape

    def _compute_digest(self) -> str:
        return digests.of_head(self._first, self._shape, self._labels)

    @property
    def profile(self) -> dict[str, Any]:
        size = math.prod(self._shape)
        return {
            **super().profile,
            "features_shape": list(self._shape),
            "features_size": size,
            "features_nbytes": size * self._first.itemsize,
        }


def dataset_of(data: Any, targets: Any = None, name: str | None = None) -> Dataset | None:
    """A dataset of a frame, an array or a sparse matrix, made by the running program; None for anything else.

    Targets are recorded with arrays alone, as MLflow does: a frame is described by its columns.
    """
    import numpy as np

    if isinstance(data, Dataset):
        return data
    kind = type(data).__module__.partition(".")[0]
    if kind == "pandas" and hasattr(data, "columns"):
        from millstream.data.frames import from_pandas

        return from_pandas(data, name=name)
    if kind == "polars" and hasattr(data, "columns"):
        from millstream.data.frames import from_polars

        return from_polars(data, name=name)
    labels = None if targets is None else np.asarray(targets)
    if hasattr(data, "toarray") and hasattr(data, "shape"):
        return MatrixDataset(lambda count: data[:count].toarray(), data.shape, name, labels)
    if isinstance(data, list | tuple) or (hasattr(data, "to_numpy") and hasattr(data, "shape")):
        data = np.asarray(data)
    if not isinstance(data, np.ndarray):
        return None
    return from_numpy(data, targets=labels, name=name)
