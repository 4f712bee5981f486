"""What was deleted, removed for good: from the store first, then the artifacts below the roots that the operator configured."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from millstream.api.stores import ArtifactStore
from millstream.api.trash import Purged
from millstream.asgi.log import log
from millstream.errors import InvalidValue, MillstreamError

if TYPE_CHECKING:
    from millstream.store.database import Database

MOST = 1000
"""Runs and experiments of one request."""


class ServerTrash:
    """Implements `millstream.api.stores.Trash`."""

    def __init__(self, db: Database, artifacts: ArtifactStore) -> None:
        self._db = db
        self._artifacts = artifacts

    def purge(self, run_ids: Sequence[str], experiment_ids: Sequence[str]) -> Purged:
        from millstream.store.gc import collect

        if not 1 <= len(run_ids) + len(experiment_ids) <= MOST:
            raise InvalidValue(f"run_ids and experiment_ids must name 1 to {MOST} runs and experiments together.")
        left_behind: list[str] = []

        def delete_artifacts(location: str, object_id: str) -> None:
            try:
                self._artifacts.delete_own(location, object_id)
            except (MillstreamError, OSError) as error:  # why is for the operator: it may name places of this machine
                log(logging.WARNING, "artifacts of something purged stay", error, location=location)
                left_behind.append(location)

        removed = collect(self._db, run_ids=run_ids, experiment_ids=experiment_ids, delete_artifacts=delete_artifacts)
        return Purged(removed.run_ids, removed.experiment_ids, removed.kept, left_behind)
