"""Schemas of datasets: inferred by the rules of models' signatures (`millstream.models.inference`), in the JSON forms that runs
record."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct

from millstream.errors import InvalidValue

if TYPE_CHECKING:
    from millstream.models.types import Schema

    Found = TypeVar("Found", Schema, "TensorDatasetSchema")

logger = logging.getLogger(__name__)


class TensorDatasetSchema(Struct, frozen=True):
    """The schema of arrays: of the features, and of the targets if there are any."""

    features: Schema
    targets: Schema | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "mlflow_tensorspec": {
                "features": self.features.to_json(),
                "targets": None if self.targets is None else self.targets.to_json(),
            }
        }


def to_json(schema: Any) -> str:
    """The JSON text of a schema: columns, tensors, or whatever has a `to_dict`."""
    form = schema.to_dict()
    return json.dumps({"mlflow_colspec": form} if isinstance(form, list) else form)


def or_none(infer: Callable[[], Found]) -> Found | None:
    """What `infer` gives; None, after a line on the log, if the data has no schema."""
    try:
        return infer()
    except InvalidValue as error:
        logger.info("The dataset is recorded without a schema: %s", error.message)
        return None
