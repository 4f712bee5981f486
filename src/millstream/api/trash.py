"""The trash: what is deleted can be restored until it is purged."""

from __future__ import annotations

from msgspec import Struct, field

from millstream.api.endpoint import MILLSTREAM, endpoint
from millstream.api.stores import Trash


class PurgeTrash(Struct, omit_defaults=True):
    run_ids: list[str] = field(default_factory=list)
    experiment_ids: list[str] = field(default_factory=list)


class Purged(Struct, omit_defaults=True):
    """What is gone for good, and what is not."""

    run_ids: list[str] = field(default_factory=list)
    experiment_ids: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)  # a sentence for each that a registered version needs
    left_behind: list[str] = field(default_factory=list)  # locations of artifacts that could not be deleted


@endpoint(
    "POST", "trash/purge", access="experiment:delete", prefixes=MILLSTREAM, is_write=False, calls_out=True
)  # removes in transactions of its own, and artifacts wherever they are
def purge(store: Trash, req: PurgeTrash) -> Purged:
    """Remove 1 to 1000 deleted runs and experiments for good, with their artifacts; an experiment takes its runs along."""
    return store.purge(req.run_ids, req.experiment_ids)
