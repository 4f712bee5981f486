"""What all datasets have: a name, a digest, a source, and perhaps a schema and a profile."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from millstream.data.schema import TensorDatasetSchema, to_json
from millstream.data.sources import DatasetSource, resolve_source
from millstream.entities import Dataset as DatasetEntity
from millstream.errors import InvalidValue

if TYPE_CHECKING:
    from millstream.models.types import Schema

DEFAULT_NAME = "dataset"


class Dataset:
    """Base of all datasets; may be subclassed, `_compute_digest`, `schema` and `profile` are what a subclass brings.

    Args:
        source: where the data comes from.
        name: "dataset" if not given.
        digest: computed from the data if not given.
    """

    def __init__(self, source: DatasetSource, name: str | None = None, digest: str | None = None) -> None:
        self._source = source
        self._name = name
        self._digest = digest

    @property
    def name(self) -> str:
        return self._name if self._name is not None else DEFAULT_NAME

    @property
    def digest(self) -> str:
        if not self._digest:
            self._digest = self._compute_digest()
        return self._digest

    @property
    def source(self) -> DatasetSource:
        return self._source

    @property
    def schema(self) -> Schema | TensorDatasetSchema | None:
        return None

    @property
    def profile(self) -> dict[str, Any] | None:
        return None

    def _compute_digest(self) -> str:
        raise NotImplementedError

    def _get_source_type(self) -> str:
        return self._source._type() if isinstance(self._source, DatasetSource) else self._source._get_source_type()

    def to_dict(self) -> dict[str, str]:
        """The dataset as recorded: all values are text; `source`, `schema` and `profile` hold JSON text."""
        form = {
            "name": self.name,
            "digest": self.digest,
            "source": self.source.to_json(),
            "source_type": self._get_source_type(),
        }
        schema = self.schema
        if schema is not None:
            form["schema"] = to_json(schema)
        if self.profile is not None:
            form["profile"] = json.dumps(self.profile)
        return form

    def to_json(self) -> str:
        return json.dumps(self.to_dict())

    def to_entity(self) -> DatasetEntity:
        """What `log_input` sends."""
        return entity_of(self)

    _to_mlflow_entity = to_entity


class MetaDataset(Dataset):
    """A dataset that is known by its source alone; no data is at hand, so the digest covers name, source and schema."""

    def __init__(
        self,
        source: Any,
        name: str | None = None,
        digest: str | None = None,
        schema: Schema | None = None,
    ) -> None:
        super().__init__(resolve_source(source), name, digest)
        self._schema = schema

    @property
    def schema(self) -> Schema | TensorDatasetSchema | None:
        return self._schema

    def _compute_digest(self) -> str:
        import hashlib

        content = {
            "name": self.name,
            "source": self.source.to_json(),
            "source_type": self._get_source_type(),
            "schema": self._schema.to_dict() if self._schema is not None else "",
        }
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:8]


def entity_of(dataset: Any) -> DatasetEntity:
    """The record of a dataset: one of ours, one of a plug-in (any object with `to_dict`), or a record already.

    Raises InvalidValue for anything else.
    """
    if isinstance(dataset, DatasetEntity):
        return dataset
    to_dict = getattr(dataset, "to_dict", None)
    form = to_dict() if callable(to_dict) else None
    if not isinstance(form, Mapping) or not {"name", "digest", "source", "source_type"} <= form.keys():
        raise InvalidValue(
            f"{type(dataset).__name__} is no dataset. Make one with millstream.data.from_pandas, from_numpy or another from_*."
        )
    return DatasetEntity(
        name=form["name"],
        digest=form["digest"],
        source_type=form["source_type"],
        source=form["source"],
        schema=form.get("schema"),
        profile=form.get("profile"),
    )
