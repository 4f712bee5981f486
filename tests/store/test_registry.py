"""The model registry: sections 2 and 3 of its contract, and the history of every change."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from millstream.entities import (
    ModelVersion,
    ModelVersionTag,
    RegisteredModel,
    RegisteredModelTag,
    RegistryAction,
    RegistryChange,
)
from millstream.errors import AlreadyExists, InvalidValue, MillstreamError, NotFound
from millstream.store import registry_rows
from millstream.store.registry import SqlRegistryStore
from millstream.store.tracking import SqlTrackingStore

CODES = {"INVALID_PARAMETER_VALUE": 400, "RESOURCE_ALREADY_EXISTS": 400, "RESOURCE_DOES_NOT_EXIST": 404}


@pytest.fixture
def registry(store: SqlTrackingStore) -> SqlRegistryStore:
    return store.registry


def make(registry: SqlRegistryStore, name: str = "m", versions: int = 0) -> RegisteredModel:
    registry.create_registered_model(name, None, [])
    for number in range(versions):
        add(registry, name, f"s3://bucket/{number + 1}")
    return registry.get_registered_model(name)


def add(registry: SqlRegistryStore, name: str = "m", source: str = "s3://bucket/x", **more: str) -> ModelVersion:
    return registry.create_model_version(
        name, source, more.get("run_id", ""), "", "", [], more.get("model_id", ""), more.get("user", "")
    )


def stages(registry: SqlRegistryStore, name: str = "m") -> dict[str, str]:
    found = registry.search_model_versions(f"name = '{name}'", ["version_number ASC"], 100, "")
    return {version.version: version.current_stage for version in found}


def history(registry: SqlRegistryStore, name: str = "m", version: str | None = None) -> list[RegistryChange]:
    return list(reversed(registry.get_history(name, version, 1000, "")))


def code_of(error: pytest.ExceptionInfo[MillstreamError]) -> str:
    assert CODES[error.value.error_code] == error.value.status
    return error.value.error_code


# ---------------------------------------------------------------- registered models


def test_a_new_model_reads_back_the_same(registry: SqlRegistryStore) -> None:
    tags = [RegisteredModelTag("a", "1"), RegisteredModelTag("b", ""), RegisteredModelTag("a", "2")]
    made = registry.create_registered_model("a b", "first *words*", tags)
    assert made == registry.get_registered_model("a b")
    assert (made.description, made.tags, made.aliases, made.latest_versions) == (
        "first *words*",
        {"a": "2", "b": ""},
        {},
        [],
    )
    assert made.creation_timestamp == made.last_updated_timestamp
    assert make(registry).description is None


def test_a_name_that_is_taken_is_refused_with_the_code_that_clients_wait_for(registry: SqlRegistryStore) -> None:
    make(registry)
    with pytest.raises(AlreadyExists) as error:
        make(registry)
    assert code_of(error) == "RESOURCE_ALREADY_EXISTS"
    assert make(registry, "M").name == "M"


@pytest.mark.parametrize("name", ["", " ", "a/b", "a:b", ".", "..", "x" * 257, "a\0b", "\ud800"])
def test_a_name_that_would_break_uris_is_refused(registry: SqlRegistryStore, name: str) -> None:
    with pytest.raises(InvalidValue) as error:
        make(registry, name)
    assert code_of(error) == "INVALID_PARAMETER_VALUE"
    make(registry, "fine")
    with pytest.raises(InvalidValue):
        registry.rename_registered_model("fine", name)


@pytest.mark.parametrize("name", ["a.b", "a b", "é", "日本", "x" * 256, "a%20b", "...", "a@b", "'", "?x=1", "#"])
def test_any_other_name_is_kept(registry: SqlRegistryStore, name: str) -> None:
    assert make(registry, name).name == name
    assert add(registry, name).version == "1"


def test_an_unknown_model_is_not_found_by_any_call(registry: SqlRegistryStore) -> None:
    calls: list[Callable[[], object]] = [
        lambda: registry.get_registered_model("no"),
        lambda: registry.update_registered_model("no", "d"),
        lambda: registry.rename_registered_model("no", "other"),
        lambda: registry.delete_registered_model("no"),
        lambda: registry.get_latest_versions("no", []),
        lambda: registry.set_registered_model_tag("no", "k", "v"),
        lambda: registry.delete_registered_model_tag("no", "k"),
        lambda: registry.set_alias("no", "a", "1"),
        lambda: registry.delete_alias("no", "a"),
        lambda: registry.get_model_version_by_alias("no", "a"),
        lambda: add(registry, "no"),
        lambda: registry.get_model_version("no", "1"),
        lambda: registry.update_model_version("no", "1", "d"),
        lambda: registry.delete_model_version("no", "1"),
        lambda: registry.transition_model_version_stage("no", "1", "Staging", False),
        lambda: registry.get_download_uri("no", "1"),
        lambda: registry.set_model_version_tag("no", "1", "k", "v"),
        lambda: registry.delete_model_version_tag("no", "1", "k"),
    ]
    for call in calls:
        with pytest.raises(NotFound) as error:
            call()
        assert code_of(error) == "RESOURCE_DOES_NOT_EXIST"


def test_an_update_without_a_description_clears_it(registry: SqlRegistryStore) -> None:
    make(registry, versions=1)
    assert registry.update_registered_model("m", "x").description == "x"
    assert registry.update_registered_model("m", None).description is None
    assert registry.update_model_version("m", "1", "y").description == "y"
    assert registry.update_model_version("m", "1", None).description is None


def test_a_renamed_model_keeps_what_it_has_and_frees_its_name(registry: SqlRegistryStore) -> None:
    make(registry, versions=2)
    registry.set_alias("m", "best", "2")
    registry.set_registered_model_tag("m", "k", "v")
    time.sleep(0.002)
    renamed = registry.rename_registered_model("m", "n")
    assert (renamed.name, renamed.tags, renamed.aliases) == ("n", {"k": "v"}, {"best": "2"})
    found = registry.search_model_versions("name = 'n'", [], 10, "")
    assert [version.version for version in found] == ["2", "1"]
    assert {version.last_updated_timestamp for version in found} == {renamed.last_updated_timestamp}
    assert registry.search_model_versions("name = 'm'", [], 10, "") == []
    make(registry, "m")
    with pytest.raises(AlreadyExists):
        registry.rename_registered_model("n", "m")
    assert registry.rename_registered_model("n", "n").name == "n"
    assert add(registry, "n").version == "3"


def test_a_deleted_model_is_gone_for_good_and_its_name_counts_anew(registry: SqlRegistryStore) -> None:
    make(registry, versions=2)
    registry.set_alias("m", "best", "2")
    registry.delete_registered_model("m")
    with pytest.raises(NotFound):
        registry.delete_registered_model("m")
    assert registry.search_model_versions("", [], 10, "") == []
    assert make(registry).aliases == {}
    assert add(registry).version == "1"


def test_tags_are_set_again_and_deleting_what_is_not_there_is_no_error(registry: SqlRegistryStore) -> None:
    make(registry, versions=1)
    registry.set_registered_model_tag("m", "k", "1")
    registry.set_registered_model_tag("m", "k", "2" * 100_000)
    registry.set_model_version_tag("m", "1", "k", "")
    assert len(registry.get_registered_model("m").tags["k"]) == 100_000
    assert registry.get_model_version("m", "1").tags == {"k": ""}
    for _ in range(2):
        registry.delete_registered_model_tag("m", "k")
        registry.delete_registered_model_tag("m", "never seen")
        registry.delete_model_version_tag("m", "1", "k")
        registry.delete_model_version_tag("m", "1", "never seen")
        registry.delete_alias("m", "none")
    assert registry.get_registered_model("m").tags == {}
    assert registry.get_model_version("m", "1").tags == {}


@pytest.mark.parametrize(
    ("key", "value"), [("", "v"), ("k" * 251, "v"), ("../k", "v"), ("a#b", "v"), ("k", "v" * 100_001)]
)
def test_tags_that_are_too_long_or_odd_are_refused(registry: SqlRegistryStore, key: str, value: str) -> None:
    make(registry, versions=1)
    with pytest.raises(InvalidValue):
        registry.set_registered_model_tag("m", key, value)
    with pytest.raises(InvalidValue):
        registry.set_model_version_tag("m", "1", key, value)
    with pytest.raises(InvalidValue):
        registry.create_registered_model("n", None, [RegisteredModelTag(key, value)])
    with pytest.raises(InvalidValue):
        registry.create_model_version("m", "s3://b/x", "", "", "", [ModelVersionTag(key, value)], "")


def test_what_moves_a_models_time_stamp_and_what_does_not(registry: SqlRegistryStore) -> None:
    make(registry, versions=1)

    def is_bumped(call: object) -> bool:
        before = registry.get_registered_model("m").last_updated_timestamp
        time.sleep(0.002)
        call()  # type: ignore[operator]
        return registry.get_registered_model("m").last_updated_timestamp != before

    assert is_bumped(lambda: add(registry))
    assert is_bumped(lambda: registry.transition_model_version_stage("m", "1", "Staging", False))
    assert is_bumped(lambda: registry.transition_model_version_stage("m", "1", "Staging", False))
    assert is_bumped(lambda: registry.delete_model_version("m", "2"))
    assert is_bumped(lambda: registry.update_registered_model("m", "d"))
    assert not is_bumped(lambda: registry.set_registered_model_tag("m", "k", "v"))
    assert not is_bumped(lambda: registry.delete_registered_model_tag("m", "k"))
    assert not is_bumped(lambda: registry.set_alias("m", "a", "1"))
    assert not is_bumped(lambda: registry.delete_alias("m", "a"))
    assert not is_bumped(lambda: registry.update_model_version("m", "1", "d"))
    assert not is_bumped(lambda: registry.set_model_version_tag("m", "1", "k", "v"))


# ---------------------------------------------------------------- versions


def test_a_new_version_reads_back_the_same(registry: SqlRegistryStore) -> None:
    make(registry)
    tags = [ModelVersionTag("q", "hi")]
    made = registry.create_model_version("m", "s3://b/1", "r" * 32, "http://x", "words", tags, "", "ann")
    assert made == registry.get_model_version("m", "1")
    assert (made.version, made.source, made.run_id, made.run_link) == ("1", "s3://b/1", "r" * 32, "http://x")
    assert (made.description, made.tags, made.user_id) == ("words", {"q": "hi"}, "ann")
    assert (made.status, made.current_stage, made.aliases) == ("READY", "None", [])
    assert made.creation_timestamp == made.last_updated_timestamp
    assert registry.get_registered_model("m").last_updated_timestamp == made.creation_timestamp
    assert registry.get_download_uri("m", "1") == "s3://b/1"


def test_numbers_are_not_used_again_while_the_model_exists(registry: SqlRegistryStore) -> None:
    make(registry, versions=3)
    registry.delete_model_version("m", "3")
    registry.delete_model_version("m", "2")
    assert add(registry).version == "4"
    assert list(stages(registry)) == ["1", "4"]


def test_a_deleted_version_is_hidden_everywhere(registry: SqlRegistryStore) -> None:
    make(registry, versions=2)
    registry.set_alias("m", "best", "2")
    registry.set_model_version_tag("m", "2", "k", "v")
    registry.delete_model_version("m", "2")
    for call in (registry.get_model_version, registry.delete_model_version, registry.get_download_uri):
        with pytest.raises(NotFound):
            call("m", "2")
    with pytest.raises(NotFound):
        registry.set_alias("m", "best", "2")
    with pytest.raises(InvalidValue):
        registry.get_model_version_by_alias("m", "best")
    assert registry.get_registered_model("m").aliases == {}
    assert [version.version for version in registry.get_latest_versions("m", [])] == ["1"]
    assert list(stages(registry)) == ["1"]


@pytest.mark.parametrize("version", ["", "one", "1.0", "+1", "1 1", "١", "9" * 20, "9" * 19])
def test_a_version_that_is_no_number_is_refused(registry: SqlRegistryStore, version: str) -> None:
    make(registry, versions=1)
    with pytest.raises(InvalidValue):
        registry.get_model_version("m", version)
    with pytest.raises(InvalidValue):
        registry.set_alias("m", "a", version)
    assert registry.get_model_version("m", " 1").version == "1"
    with pytest.raises(NotFound):
        registry.get_model_version("m", "-1")


# ---------------------------------------------------------------- stages


def test_stages_are_named_in_any_case_and_answered_in_one(registry: SqlRegistryStore) -> None:
    make(registry, versions=1)
    for given, stage in (
        ("staging", "Staging"),
        ("PRODUCTION", "Production"),
        ("archived", "Archived"),
        ("nOnE", "None"),
    ):
        assert registry.transition_model_version_stage("m", "1", given, False).current_stage == stage
    for wrong in ("", "Prod", "Production "):
        with pytest.raises(InvalidValue, match="Staging"):
            registry.transition_model_version_stage("m", "1", wrong, False)


def test_versions_may_share_a_stage_unless_the_others_are_archived(registry: SqlRegistryStore) -> None:
    make(registry, versions=4)
    for number in "123":
        registry.transition_model_version_stage("m", number, "Production", False)
    assert stages(registry) == {"1": "Production", "2": "Production", "3": "Production", "4": "None"}
    moved = registry.transition_model_version_stage("m", "2", "production", True)
    assert stages(registry) == {"1": "Archived", "2": "Production", "3": "Archived", "4": "None"}
    archived = [registry.get_model_version("m", number) for number in "13"]
    assert {version.last_updated_timestamp for version in archived} == {moved.last_updated_timestamp}


@pytest.mark.parametrize("stage", ["None", "Archived"])
def test_archiving_the_others_goes_with_staging_and_production_only(registry: SqlRegistryStore, stage: str) -> None:
    make(registry, versions=1)
    with pytest.raises(InvalidValue, match="archive_existing_versions"):
        registry.transition_model_version_stage("m", "1", stage, True)


def test_the_latest_versions_are_the_highest_of_each_stage(registry: SqlRegistryStore) -> None:
    make(registry, versions=5)
    for number, stage in (("1", "Production"), ("4", "Production"), ("2", "Staging")):
        registry.transition_model_version_stage("m", number, stage, False)
    registry.set_alias("m", "best", "4")

    def latest(*wanted: str) -> dict[str, str]:
        return {v.version: v.current_stage for v in registry.get_latest_versions("m", wanted)}

    assert latest() == {"2": "Staging", "4": "Production", "5": "None"}
    assert latest("production", "Staging", "STAGING") == {"2": "Staging", "4": "Production"}
    assert latest("Archived") == {}
    assert [v.aliases for v in registry.get_latest_versions("m", ["Production"])] == [["best"]]
    with pytest.raises(InvalidValue):
        latest("Prod")
    (found,) = registry.search_registered_models("", [], 10, "")
    assert [(v.version, v.aliases) for v in found.latest_versions] == [("2", []), ("4", []), ("5", [])]


# ---------------------------------------------------------------- aliases


def test_an_alias_means_one_version_and_moves(registry: SqlRegistryStore) -> None:
    make(registry, versions=2)
    for alias in ("champ", "Champ", "7", "v1a", "é_-"):
        registry.set_alias("m", alias, "1")
    registry.set_alias("m", "champ", "2")
    assert registry.get_model_version_by_alias("m", "champ").version == "2"
    assert registry.get_model_version_by_alias("m", "Champ").version == "1"
    assert registry.get_model_version("m", "1").aliases == ["7", "Champ", "v1a", "é_-"]
    assert registry.get_registered_model("m").aliases["champ"] == "2"
    registry.delete_alias("m", "champ")
    with pytest.raises(InvalidValue) as error:
        registry.get_model_version_by_alias("m", "champ")
    assert code_of(error) == "INVALID_PARAMETER_VALUE"
    with pytest.raises(NotFound):
        registry.set_alias("m", "champ", "3")


@pytest.mark.parametrize("alias", ["", "a b", "a.b", "a/b", "a@b", "x" * 256, "latest", "LaTeSt", "v1", "V22", "a\n"])
def test_an_alias_that_is_reserved_or_odd_is_refused(registry: SqlRegistryStore, alias: str) -> None:
    make(registry, versions=1)
    with pytest.raises(InvalidValue):
        registry.set_alias("m", alias, "1")


def test_the_alias_latest_means_the_highest_number(registry: SqlRegistryStore) -> None:
    make(registry)
    with pytest.raises(NotFound):
        registry.get_model_version_by_alias("m", "latest")
    for _ in range(11):
        add(registry)
    registry.transition_model_version_stage("m", "3", "Production", False)
    assert registry.get_model_version_by_alias("m", "latest").version == "11"


# ---------------------------------------------------------------- search


def test_searches_turn_pages_and_load_what_they_find(registry: SqlRegistryStore) -> None:
    for number in range(7):
        make(registry, f"m{number}", versions=2)
        registry.set_model_version_tag(f"m{number}", "1", "k", str(number))
        registry.set_alias(f"m{number}", "a", "1")
    names: list[str] = []
    token = ""
    while True:
        page = registry.search_registered_models("name != 'm3'", ["name DESC"], 3, token)
        names += [model.name for model in page]
        token = page.token or ""
        if not token:
            break
    assert names == ["m6", "m5", "m4", "m2", "m1", "m0"]
    found = registry.search_model_versions("tags.k IN ('2', '4') OR NOT version_number = 2", ["name ASC"], 3, "")
    assert [(v.name, v.version, v.tags, v.aliases) for v in found][2] == ("m2", "1", {"k": "2"}, [])
    with pytest.raises(InvalidValue):
        registry.search_model_versions("", [], 3, found.token or "")
    for wrong in (0, 1001):
        with pytest.raises(InvalidValue):
            registry.search_registered_models("", [], wrong, "")


def test_prompts_are_hidden_unless_asked_for(registry: SqlRegistryStore) -> None:
    registry.create_registered_model("prompt", None, [RegisteredModelTag("mlflow.prompt.is_prompt", "true")])
    tags = [ModelVersionTag("mlflow.prompt.is_prompt", "true"), ModelVersionTag("mlflow.prompt.text", "hi {{x}}")]
    registry.create_model_version("prompt", "dummy-source", "", "", "", tags, "")
    make(registry, versions=1)
    asked = "tags.`mlflow.prompt.is_prompt` = 'true'"
    assert [model.name for model in registry.search_registered_models("", [], 10, "")] == ["m"]
    assert [model.name for model in registry.search_registered_models(asked, [], 10, "")] == ["prompt"]
    assert [v.name for v in registry.search_model_versions("", [], 10, "")] == ["m"]
    assert [v.name for v in registry.search_model_versions(asked, [], 10, "")] == ["prompt"]


# ---------------------------------------------------------------- history


def test_every_change_is_told_with_who_what_and_why(registry: SqlRegistryStore) -> None:
    registry.create_registered_model("m", "one", [], "ann")
    add(registry, source="s3://b/1", user="bob")
    add(registry, source="s3://b/2", user="bob")
    registry.update_registered_model("m", "two", "ann", "typo")
    registry.update_model_version("m", "1", "fine", "ann")
    registry.set_registered_model_tag("m", "team", "red", "ann")
    registry.delete_registered_model_tag("m", "team", "ann")
    registry.set_model_version_tag("m", "1", "ok", "yes", "ann")
    registry.set_model_version_tag("m", "1", "ok", "no", "ann")
    registry.delete_model_version_tag("m", "1", "ok", "ann")
    registry.transition_model_version_stage("m", "1", "Production", False, "ann", "first")
    registry.transition_model_version_stage("m", "2", "Production", True, "ann", "better")
    registry.set_alias("m", "champ", "1", "ann")
    registry.set_alias("m", "champ", "2", "ann", "better")
    registry.delete_alias("m", "champ", "ann", "over")
    registry.set_alias("m", "gone", "1", "ann")
    registry.delete_model_version("m", "1", "cat", "disk is full")
    registry.rename_registered_model("m", "n", "cat")
    registry.delete_registered_model("n", "cat", "the end")
    act = RegistryAction
    told = [
        (c.action, c.version, c.key, c.from_value, c.to_value, c.user_id, c.comment) for c in history(registry, "n")
    ]
    assert told == [
        (act.MODEL_CREATED, None, None, None, "one", "ann", None),
        (act.VERSION_CREATED, "1", None, None, "s3://b/1", "bob", None),
        (act.VERSION_CREATED, "2", None, None, "s3://b/2", "bob", None),
        (act.MODEL_DESCRIBED, None, None, "one", "two", "ann", "typo"),
        (act.VERSION_DESCRIBED, "1", None, "", "fine", "ann", None),
        (act.MODEL_TAG_SET, None, "team", None, "red", "ann", None),
        (act.MODEL_TAG_DELETED, None, "team", "red", None, "ann", None),
        (act.VERSION_TAG_SET, "1", "ok", None, "yes", "ann", None),
        (act.VERSION_TAG_SET, "1", "ok", "yes", "no", "ann", None),
        (act.VERSION_TAG_DELETED, "1", "ok", "no", None, "ann", None),
        (act.STAGE_CHANGED, "1", None, "None", "Production", "ann", "first"),
        (act.STAGE_CHANGED, "2", None, "None", "Production", "ann", "better"),
        (act.STAGE_CHANGED, "1", None, "Production", "Archived", "ann", "better"),
        (act.ALIAS_SET, "1", "champ", None, "1", "ann", None),
        (act.ALIAS_SET, "2", "champ", "1", "2", "ann", "better"),
        (act.ALIAS_DELETED, "2", "champ", "2", None, "ann", "over"),
        (act.ALIAS_SET, "1", "gone", None, "1", "ann", None),
        (act.ALIAS_DELETED, "1", "gone", "1", None, "cat", "disk is full"),
        (act.VERSION_DELETED, "1", None, "s3://b/1", None, "cat", "disk is full"),
        (act.MODEL_RENAMED, None, None, "m", "n", "cat", None),
        (act.MODEL_DELETED, None, None, None, None, "cat", "the end"),
    ]
    assert {change.name for change in history(registry, "n")} == {"n"}
    assert history(registry, "m") == []


def test_the_history_of_a_version_tells_of_aliases_that_left_it(registry: SqlRegistryStore) -> None:
    make(registry, versions=2)
    registry.set_alias("m", "champ", "1")
    registry.set_alias("m", "champ", "2")
    registry.set_model_version_tag("m", "2", "k", "v")
    told = [(change.action.value, change.to_value) for change in history(registry, version="1")]
    assert told == [("VERSION_CREATED", "s3://bucket/1"), ("ALIAS_SET", "1"), ("ALIAS_SET", "2")]


def test_a_change_that_fails_or_changes_nothing_is_not_told(registry: SqlRegistryStore) -> None:
    make(registry, versions=1)
    before = history(registry)
    with pytest.raises(NotFound):
        registry.set_alias("m", "a", "9")
    with pytest.raises(AlreadyExists):
        make(registry)
    registry.update_registered_model("m", None)
    registry.delete_alias("m", "a")
    registry.delete_model_version_tag("m", "1", "k")
    assert history(registry) == before


def test_a_history_turns_pages(registry: SqlRegistryStore) -> None:
    make(registry, versions=9)
    seen: list[RegistryChange] = []
    token = ""
    while True:
        page = registry.get_history("m", None, 4, token)
        seen += page
        token = page.token or ""
        if not token:
            break
    assert seen == registry.get_history("m", None, 1000, "")
    assert len(seen) == 10
    for wrong in (0, 1001):
        with pytest.raises(InvalidValue):
            registry.get_history("m", None, wrong, "")
    other = registry.get_history("m", None, 4, "").token
    with pytest.raises(InvalidValue, match="token"):
        registry.get_history("m", "1", 4, other or "")


def test_who_and_why_are_texts_of_bounded_length(registry: SqlRegistryStore) -> None:
    for user, comment in (("x" * 257, ""), ("", "x" * 10_001), ("a\0", ""), ("", "\ud800")):
        with pytest.raises(InvalidValue):
            registry.create_registered_model("m", None, [], user, comment)


# ---------------------------------------------------------------- logged models


def versions_tag(store: SqlTrackingStore, model_id: str) -> str | None:
    return store.get_logged_model(model_id).tags.get("mlflow.modelVersions")


def test_a_logged_model_knows_its_registrations(store: SqlTrackingStore, registry: SqlRegistryStore) -> None:
    logged = store.create_logged_model("0", "resnet", "", "run1", [], [])
    make(registry)
    make(registry, "n")
    version = add(registry, source=f"models:/{logged.model_id}", model_id=logged.model_id)
    assert (version.run_id, version.model_id) == ("run1", logged.model_id)
    assert registry.get_download_uri("m", "1") == logged.artifact_location
    add(registry, "n", "s3://b/x", model_id=logged.model_id)
    assert versions_tag(store, logged.model_id) == '[{"name": "m", "version": 1}, {"name": "n", "version": 1}]'
    registry.rename_registered_model("m", "o")
    assert versions_tag(store, logged.model_id) == '[{"name": "o", "version": 1}, {"name": "n", "version": 1}]'
    found = store.get_logged_model(logged.model_id).info.registrations
    assert [(each.name, each.version) for each in found] == [("o", "1"), ("n", "1")]
    registry.delete_model_version("n", "1")
    registry.delete_registered_model("o")
    assert versions_tag(store, logged.model_id) is None
    assert store.get_logged_model(logged.model_id).info.registrations == []


def test_registrations_are_found_for_more_logged_models_than_a_statement_may_name(
    store: SqlTrackingStore, registry: SqlRegistryStore
) -> None:
    logged = store.create_logged_model("0", "resnet", "", "run1", [], [])
    make(registry)
    add(registry, source=f"models:/{logged.model_id}", model_id=logged.model_id)
    asked = [*(f"m-{number}" for number in range(70_000)), logged.model_id]
    with store.db.read() as session:
        assert registry_rows.registrations(session, asked) == {logged.model_id: [("m", 1)]}


def test_a_registration_that_fails_leaves_the_logged_model_alone(
    store: SqlTrackingStore, registry: SqlRegistryStore
) -> None:
    logged = store.create_logged_model("0", "resnet", "", "run1", [], [])
    make(registry)
    with pytest.raises(InvalidValue):
        add(registry, source="models:/m-" + "0" * 32, model_id=logged.model_id)
    with pytest.raises(NotFound):
        add(registry, source="s3://b/x", model_id="m-" + "0" * 32)
    assert versions_tag(store, logged.model_id) is None
    assert add(registry).version == "1"
