"""What an import counted, on both sides."""

from __future__ import annotations

from msgspec import Struct, field


class Counts(Struct):
    """How many of each there are in the part of a store that an import touched."""

    experiments: int = 0
    runs: int = 0
    params: int = 0
    tags: int = 0
    metrics: int = 0  # series: (run, key) pairs
    points: int = 0
    datasets: int = 0  # links between a run and a dataset
    models: int = 0
    registered_models: int = 0
    model_versions: int = 0
    aliases: int = 0
    registry_tags: int = 0  # of registered models and their versions

    def add(self, other: Counts) -> None:
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Report(Struct):
    source: str
    there: Counts = field(default_factory=Counts)
    here: Counts = field(default_factory=Counts)
    skipped_runs: int = 0  # complete already from an earlier import
    notes: list[str] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether everything counted at the source is here."""
        return self.there == self.here

    def rows(self) -> list[tuple[str, int, int]]:
        return [(name, getattr(self.there, name), getattr(self.here, name)) for name in Counts.__struct_fields__]
