"""Datasets of NumPy arrays and of TensorFlow's tensors and `tf.data.Dataset`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from millstream.data import digests
from millstream.data.dataset import Dataset
from millstream.data.schema import Schema, Tensor, TensorDatasetSchema, of_arrays
from millstream.data.sources import DatasetSource, resolve_source
from millstream.errors import InvalidValue

if TYPE_CHECKING:
    import numpy as np

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
    def schema(self) -> TensorDatasetSchema:
        targets = None if self.targets is None else of_arrays(self.targets)
        return TensorDatasetSchema(of_arrays(self.features), targets)

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
        parts = [_sample(data) for data in (self.features, self.targets) if data is not None]
        return digests.of_arrays(*parts)

    @property
    def schema(self) -> TensorDatasetSchema:
        targets = None if self.targets is None else _spec(self.targets)
        return TensorDatasetSchema(_spec(self.features), targets)

    @property
    def profile(self) -> dict[str, Any]:
        form: dict[str, Any] = {}
        for role, data in (("features", self.features), ("targets", self.targets)):
            if data is None:
                continue
            if _is_stream(data):
                form[f"{role}_cardinality"] = int(data.cardinality().numpy())
            else:
                form[f"{role}_shape"] = list(data.shape)
        return form


def _is_stream(data: Any) -> bool:
    return hasattr(data, "element_spec")


def _spec(data: Any) -> Schema:
    specs = data.element_spec if _is_stream(data) else data
    named: Iterable[tuple[str | None, Any]] = specs.items() if isinstance(specs, Mapping) else [(None, specs)]
    if isinstance(specs, tuple):
        named = [(str(index), spec) for index, spec in enumerate(specs)]
    return Schema(
        Tensor(
            spec.dtype.name,
            tuple(-1 if size is None else int(size) for size in spec.shape)
            if _is_stream(data)
            else (-1, *map(int, spec.shape[1:])),
            name,
        )
        for name, spec in named
    )


def _sample(data: Any) -> Any:
    """The array, or the arrays of the first elements of a stream, for the digest."""
    import numpy as np

    if not _is_stream(data):
        return data.numpy()
    columns: dict[str, list[Any]] = {}
    for element in data.take(digests.MAX_ROWS).as_numpy_iterator():
        items = element.items() if isinstance(element, Mapping) else [("0", element)]
        if isinstance(element, tuple):
            items = [(str(index), item) for index, item in enumerate(element)]
        for key, value in items:
            columns.setdefault(str(key), []).append(np.asarray(value).flatten())
    return {key: np.concatenate(values) for key, values in columns.items()}


def from_tensorflow(
    features: Any, source: Any = None, targets: Any = None, name: str | None = None, digest: str | None = None
) -> TensorFlowDataset:
    """A dataset of a `tf.data.Dataset` or a tensor; the arguments are those of `from_numpy`.

    The digest of a stream reads its first 10,000 elements.
    """
    return TensorFlowDataset(features, resolve_source(source), targets, name, digest)
