"""The registry against a plain model of it: any sequence of calls leaves both in the same state, and the history tells it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from millstream.entities import RegistryAction
from millstream.errors import InvalidValue, NotFound
from millstream.store.registry import SqlRegistryStore
from millstream.store.tracking import SqlTrackingStore

STAGES = ("None", "Staging", "Production", "Archived")
versions = st.integers(1, 6).map(str)
aliases = st.sampled_from(["a", "b", "A"])

calls = st.one_of(
    st.just(("create",)),
    st.tuples(st.just("delete"), versions),
    st.tuples(st.just("move"), versions, st.sampled_from(STAGES), st.booleans()),
    st.tuples(st.just("set alias"), aliases, versions),
    st.tuples(st.just("delete alias"), aliases),
)


class Plain:
    """What the registry should hold of one model."""

    def __init__(self) -> None:
        self.last = 0
        self.stages: dict[str, str] = {}
        self.aliases: dict[str, str] = {}

    def apply(self, call: tuple[object, ...]) -> type[Exception] | None:
        """Do the call, or say how it fails."""
        match call:
            case ("create",):
                self.last += 1
                self.stages[str(self.last)] = "None"
            case ("move", _, stage, True) if stage in ("None", "Archived"):
                return InvalidValue
            case ("delete" | "move", version, *_) if version not in self.stages:
                return NotFound
            case ("set alias", _, version) if version not in self.stages:
                return NotFound
            case ("delete", str(version)):
                del self.stages[version]
                self.aliases = {alias: each for alias, each in self.aliases.items() if each != version}
            case ("move", str(version), str(stage), archives):
                for other, current in self.stages.items():
                    if archives and current == stage and other != version:
                        self.stages[other] = "Archived"
                self.stages[version] = stage
            case ("set alias", str(alias), str(version)):
                self.aliases[alias] = version
            case ("delete alias", str(alias)):
                self.aliases.pop(alias, None)
        return None

    @property
    def latest(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for version in sorted(self.stages, key=int):
            found[self.stages[version]] = version
        return found


def perform(registry: SqlRegistryStore, name: str, call: tuple[object, ...]) -> None:
    match call:
        case ("create",):
            registry.create_model_version(name, "s3://b/x", "", "", "", [], "")
        case ("delete", str(version)):
            registry.delete_model_version(name, version)
        case ("move", str(version), str(stage), bool(archives)):
            registry.transition_model_version_stage(name, version, stage, archives)
        case ("set alias", str(alias), str(version)):
            registry.set_alias(name, alias, version)
        case ("delete alias", str(alias)):
            registry.delete_alias(name, alias)


def told(registry: SqlRegistryStore, name: str) -> Plain:
    """The state that the history alone leads to."""
    plain = Plain()
    for change in reversed(registry.get_history(name, None, 1000, "")):
        match change.action:
            case RegistryAction.VERSION_CREATED:
                plain.last = int(change.version or "")
                plain.stages[change.version or ""] = "None"
            case RegistryAction.VERSION_DELETED:
                del plain.stages[change.version or ""]
            case RegistryAction.STAGE_CHANGED:
                assert plain.stages[change.version or ""] == change.from_value
                plain.stages[change.version or ""] = change.to_value or ""
            case RegistryAction.ALIAS_SET:
                assert plain.aliases.get(change.key or "") == change.from_value
                plain.aliases[change.key or ""] = change.to_value or ""
            case RegistryAction.ALIAS_DELETED:
                assert plain.aliases.pop(change.key or "") == change.from_value
    return plain


@pytest.fixture
def names() -> Iterator[str]:
    return (f"m{number}" for number in range(10**6))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sequence=st.lists(calls, max_size=30))
def test_any_sequence_of_calls_leaves_the_state_that_a_plain_model_has(
    store: SqlTrackingStore, names: Iterator[str], sequence: list[tuple[object, ...]]
) -> None:
    registry, name, plain = store.registry, next(names), Plain()
    registry.create_registered_model(name, None, [])
    for call in sequence:
        error = plain.apply(call)
        if error is None:
            perform(registry, name, call)
        else:
            with pytest.raises(error):
                perform(registry, name, call)
    found = registry.search_model_versions(f"name = '{name}'", [], 1000, "")
    assert {version.version: version.current_stage for version in found} == plain.stages
    model = registry.get_registered_model(name)
    assert model.aliases == plain.aliases
    assert {version.current_stage: version.version for version in model.latest_versions} == plain.latest
    assert {v.current_stage: v.version for v in registry.get_latest_versions(name, [])} == plain.latest
    history = told(registry, name)
    assert (history.last, history.stages, history.aliases) == (plain.last, plain.stages, plain.aliases)
