"""Datasets of the library `datasets`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from millstream.data import digests, schema
from millstream.data.dataset import Dataset
from millstream.data.sources import DatasetSource, HuggingFaceDatasetSource, resolve_source

if TYPE_CHECKING:
    from millstream.models.types import Schema


class HuggingFaceDataset(Dataset):
    """A `datasets.Dataset`; `targets` names a column."""

    def __init__(
        self,
        ds: Any,
        source: DatasetSource,
        targets: str | None = None,
        name: str | None = None,
        digest: str | None = None,
    ) -> None:
        super().__init__(source, name, digest)
        self.ds = ds
        self.targets = targets

    def _head(self) -> Any:
        return next(self.ds.to_pandas(batch_size=digests.MAX_ROWS, batched=True))

    def _compute_digest(self) -> str:
        return digests.of_frame(self._head())

    @property
    def schema(self) -> Schema | None:
        from millstream.models.inference import of_frame

        return schema.or_none(lambda: of_frame(self._head()))

    @property
    def profile(self) -> dict[str, Any]:
        return {
            "num_rows": self.ds.num_rows,
            "dataset_size": self.ds.dataset_size,
            "size_in_bytes": self.ds.size_in_bytes,
        }


def from_huggingface(
    ds: Any,
    path: str | None = None,
    targets: str | None = None,
    data_dir: str | None = None,
    data_files: str | Sequence[str] | Mapping[str, str | Sequence[str]] | None = None,
    revision: Any = None,
    name: str | None = None,
    digest: str | None = None,
    trust_remote_code: bool | None = None,
    source: Any = None,
) -> HuggingFaceDataset:
    """A dataset of a `datasets.Dataset`.

    Args:
        path: its name on the hub, as given to `load_dataset` (with `data_dir`, `data_files`, `revision`); then it is the source.
        source: path, URI or `DatasetSource` if it is not from the hub; the running program if neither is given.
        targets: name of the column to predict.
        digest: computed from the first 10,000 rows if not given.
    """
    if path is not None:
        source = HuggingFaceDatasetSource(
            path=path,
            config_name=ds.config_name,
            data_dir=data_dir,
            data_files=data_files,
            split=ds.split,
            revision=revision,
            trust_remote_code=trust_remote_code,
        )
    return HuggingFaceDataset(ds, resolve_source(source), targets, name, digest)
