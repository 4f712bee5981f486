"""Datasets of NumPy arrays and of TensorFlow's tensors and `tf.data.Dataset`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from millstream.data import digests
from millstream.data.dataset import Dataset
from millstream.data.schema import TensorDatasetSchema, or_none
from millstream.data.sources import DatasetSource, resolve_source
from millstream.errors import InvalidValue

if TYPE_CHECKING:
    import numpy as np

    from millstream.models.types import Schema

    Arrays = np.ndarray[Any, Any] | Mapping[str, np.ndarray[Any, Any]]


class NumpyDataset(Dataset):
    """Features and perhaps targets, each an array or a dict of arrays."""

    def __init__(
        self,
        features: Arrays,
        source: DatasetSource,
        targets: Arrays | None = None,
        name: str | None = None,
        digest: str | None = None,
    ) -> None:
        super().__init__(source, name, digest)
        self.features = features
        self.targets = targets

    def _compute_digest(self) -> str:
        return digests.of_arrays(self.features, self.targets)

    @property
    def schema(self) -> TensorDatasetSchema | None:
        from millstream.models.inference import of_arrays

        targets = self.targets
        return or_none(
            lambda: TensorDatasetSchema(of_arrays(self.features), None if targets is None else of_arrays(targets))
        )

    @property
    def profile(self) -> dict[str, Any]:
        form = _measures("features", self.features)
        if self.targets is not None:
            form.update(_measures("targets", self.targets))
        return form


def _measures(role: str, data: Any) -> dict[str, Any]:
    measures: tuple[tuple[str, Any], ...] = (
        ("shape", lambda array: list(array.shape)),
        ("size", lambda array: int(array.size)),
        ("nbytes", lambda array: int(array.nbytes)),
    )
    if isinstance(data, Mapping):
        return {f"{role}_{name}": {key: measure(array) for key, array in data.items()} for name, measure in measures}
    return {f"{role}_{name}": measure(data) for name, measure in measures}


def from_numpy(
    features: Arrays,
    source: Any = None,
    targets: Arrays | None = None,
    name: str | None = None,
    digest: str | None = None,
) -> NumpyDataset:
    """A dataset of arrays, or of dicts of arrays.

    Args:
        source: path, URI or `DatasetSource`; the running program if not given.
        name: "dataset" if not given.
        digest: computed from the arrays if not given.
    """
    return NumpyDataset(features, resolve_source(source), targets, name, digest)


class TensorFlowDataset(Dataset):
    """A `tf.data.Dataset` or a tensor, with targets of the same kind."""

    def __init__(
        self,
        features: Any,
        source: DatasetSource,
        targets: Any = None,
        name: str | None = None,
        digest: str | None = None,
    ) -> None:
        if targets is not None and _is_stream(features) != _is_stream(targets):
            raise InvalidValue("Features and targets are both a tf.data.Dataset or both a tensor.")
        super().__init__(source, name, digest)
        self.data = self.features = features
        self.targets = targets

    def _compute_digest(self) -> str:
        parts = [data for data in (self.features, self.targets) if data is not None]
        if _is_stream(self.features):
            return digests.of_streams(*[elements for data in parts for elements in _sample(data)])
        return digests.of_arrays(*[data.numpy() for data in parts])

    @property
    def schema(self) -> TensorDatasetSchema | None:
        targets = self.targets
        return or_none(lambda: TensorDatasetSchema(_spec(self.features), None if targets is None else _spec(targets)))

    @property
    def profile(self) -> dict[str, Any]:
        parts = {"features": self.features, "targets": self.targets}
        return {f"{role}_cardinality": _cardinality(data) for role, data in parts.items() if data is not None}


def _cardinality(data: Any) -> int:
    """Elements of a stream (negative if it cannot tell), values of a tensor."""
    if _is_stream(data):
        return int(data.cardinality().numpy())
    return math.prod(map(int, data.shape))


def _is_stream(data: Any) -> bool:
    return hasattr(data, "element_spec")


def _spec(data: Any) -> Schema:
    """One tensor; elements that are several tensors, or lone numbers, have no schema."""
    import numpy as np

    from millstream.models.datatypes import Inexpressible
    from millstream.models.types import Schema, TensorSpec

    spec = data.element_spec if _is_stream(data) else data
    if not hasattr(spec, "dtype") or not spec.shape.rank:
        raise Inexpressible("Elements that are nested or lone numbers have no place in a schema of tensors.")
    shape = (-1, *(-1 if size is None else int(size) for size in spec.shape[1:]))
    return Schema([TensorSpec(np.dtype(spec.dtype.as_numpy_dtype), shape)])


def _sample(data: Any) -> list[np.ndarray[Any, Any]]:
    """The first values of a stream, one flat array for each of the tensors that an element is made of."""
    import numpy as np

    columns: dict[str, list[Any]] = {}
    for element in data.take(digests.MAX_ROWS).as_numpy_iterator():
        items = element.items() if isinstance(element, Mapping) else enumerate(_as_tuple(element))
        for key, value in items:
            columns.setdefault(str(key), []).append(np.asarray(value).flatten())
    return [np.concatenate(columns[key]) for key in sorted(columns)]


def _as_tuple(element: Any) -> tuple[Any, ...]:
    return element if isinstance(element, tuple) else (element,)


def from_tensorflow(
    features: Any, source: Any = None, targets: Any = None, name: str | None = None, digest: str | None = None
) -> TensorFlowDataset:
    """A dataset of a `tf.data.Dataset` or a tensor; the arguments are those of `from_numpy`.

    The digest of a stream reads its first 10,000 elements.
    """
    return TensorFlowDataset(features, resolve_source(source), targets, name, digest)
