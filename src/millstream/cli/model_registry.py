"""`millstream registry ...`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from millstream.cli.experiments import open_client
from millstream.cli.output import json_option, print_answer, print_json, print_table, show_time
from millstream.client.paging import gather

if TYPE_CHECKING:
    from millstream.entities import ModelVersion, RegisteredModel, RegistryChange


_name = click.argument("name")
_version = click.argument("version")
_of_version = click.option("-v", "--version", help="Of this version; of the model itself if not given.")
_comment = click.option("-m", "--comment", help="Why: kept in the model's history.")
_filter = click.option("--filter", "filter_string", default="", help="Such as: name LIKE 'a%' AND tags.team = 'x'.")
_order = click.option("--order-by", multiple=True, help="Such as: name DESC. May be given more than once.")
_most = click.option("--max-results", type=click.IntRange(min=1), help="How many at most; all if not given.")
_yes = click.option("-y", "--yes", is_flag=True, help="Do not ask.")


@click.group()
def registry() -> None:
    """Register models, and see and change what is registered."""


@registry.command()
@click.argument("model_uri")
@_name
@json_option
def register(model_uri: str, name: str, as_json: bool) -> None:
    """Register MODEL_URI as the next version of NAME, which is created if it is missing.

    MODEL_URI is runs:/RUN/PATH, models:/MODEL_ID, models:/NAME/VERSION or the address of a model's folder.
    """
    from millstream.tracking.registry import register_model

    version = register_model(model_uri, name)
    _say(version, f"Registered {model_uri} as version {version.version} of '{name}'.", as_json)


@registry.command()
@_filter
@_order
@_most
@json_option
def search(filter_string: str, order_by: tuple[str, ...], max_results: int | None, as_json: bool) -> None:
    """List registered models."""
    client = open_client()
    found: list[RegisteredModel] = gather(
        lambda size, token: client.search_registered_models(filter_string, size, order_by, token), max_results, 1000
    )
    if as_json:
        print_json(found)
        return
    rows = [
        [
            model.name,
            max((int(version.version) for version in model.latest_versions), default=None),
            _pairs({version.current_stage: version.version for version in model.latest_versions}),
            _pairs(model.aliases),
            _pairs(model.tags),
            show_time(model.last_updated_timestamp),
        ]
        for model in found
    ]
    print_table(["Name", "Latest", "Stages", "Aliases", "Tags", "Updated"], rows)


@registry.command()
@_name
@click.option("--filter", "filter_string", default="", help="Such as: version_number > 3 AND tags.ok = 'yes'.")
@_order
@_most
@json_option
def versions(name: str, filter_string: str, order_by: tuple[str, ...], max_results: int | None, as_json: bool) -> None:
    """List the versions of a model, the newest first."""
    client = open_client()
    aliases: dict[str, list[str]] = {}
    for alias, number in client.get_registered_model(name).aliases.items():
        aliases.setdefault(number, []).append(alias)
    quoted = f'"{name}"' if "'" in name else f"'{name}'"
    wanted = f"name = {quoted}" + (f" AND ({filter_string})" if filter_string else "")
    order = list(order_by) or ["version_number DESC"]
    found: list[ModelVersion] = gather(
        lambda size, token: client.search_model_versions(wanted, size, order, token), max_results, 10_000
    )
    for each in found:
        each.aliases = aliases.get(each.version, [])
    if as_json:
        print_json(found)
        return
    rows = [
        [
            int(each.version),
            each.current_stage,
            ", ".join(each.aliases),
            each.run_id,
            each.source,
            _pairs(each.tags),
            show_time(each.creation_timestamp),
        ]
        for each in found
    ]
    print_table(["Version", "Stage", "Aliases", "Run Id", "Source", "Tags", "Created"], rows)


@registry.command()
@_name
@_of_version
@json_option
def describe(name: str, version: str | None, as_json: bool) -> None:
    """Show a model or one of its versions."""
    client = open_client()
    found: RegisteredModel | ModelVersion = (
        client.get_registered_model(name) if version is None else client.get_model_version(name, version)
    )
    if as_json:
        print_json(found)
        return
    hidden = ("tag_list", "alias_list", "latest_versions", "aliases")
    rows: list[list[object]] = [
        [field, show_time(value) if field.endswith("_timestamp") else value]
        for field, value in found
        if field not in hidden
    ]
    rows.append(["aliases", _pairs(found.aliases) if isinstance(found.aliases, dict) else ", ".join(found.aliases)])
    rows += [[f"tag {key}", value] for key, value in found.tags.items()]
    for newest in getattr(found, "latest_versions", ()):
        rows.append([f"latest in {newest.current_stage}", newest.version])
    print_table(["Field", "Value"], rows)


@registry.command(name="set-description")
@_name
@click.argument("text")
@_of_version
@_comment
@json_option
def set_description(name: str, text: str, version: str | None, comment: str | None, as_json: bool) -> None:
    """Replace the description (Markdown) of a model or version; an empty TEXT clears it."""
    client = open_client()
    found: RegisteredModel | ModelVersion
    if version is None:
        found = client.update_registered_model(name, text or None, comment=comment)
    else:
        found = client.update_model_version(name, version, text or None, comment=comment)
    _say(found, f"Described {_called(name, version)}.", as_json)


@registry.command()
@_name
@_version
@click.argument("stage")
@click.option("--archive-existing", is_flag=True, help="Archive the other versions that are in the stage.")
@_comment
@json_option
def transition(name: str, version: str, stage: str, archive_existing: bool, comment: str | None, as_json: bool) -> None:
    """Move a version to a STAGE: None, Staging, Production or Archived."""
    moved = open_client().transition_model_version_stage(name, version, stage, archive_existing, comment)
    _say(moved, f"{_called(name, version)} is in {moved.current_stage}.", as_json)


@registry.group()
def alias() -> None:
    """Set and delete aliases."""


@alias.command(name="set")
@_name
@click.argument("alias")
@_version
@_comment
@json_option
def set_alias(name: str, alias: str, version: str, comment: str | None, as_json: bool) -> None:
    """Let ALIAS mean a version, whichever it meant before."""
    open_client().set_registered_model_alias(name, alias, version, comment=comment)
    _say({"name": name, "alias": alias, "version": version}, f"models:/{name}@{alias} is version {version}.", as_json)


@alias.command(name="delete")
@_name
@click.argument("alias")
@_comment
@json_option
def delete_alias(name: str, alias: str, comment: str | None, as_json: bool) -> None:
    """Delete an alias, if there is one."""
    open_client().delete_registered_model_alias(name, alias, comment=comment)
    _say({"name": name, "alias": alias}, f"Alias '{alias}' of '{name}' is deleted.", as_json)


@registry.group()
def tag() -> None:
    """Set and delete tags of models and versions."""


@tag.command(name="set")
@_name
@click.argument("key")
@click.argument("value")
@_of_version
@_comment
@json_option
def set_tag(name: str, key: str, value: str, version: str | None, comment: str | None, as_json: bool) -> None:
    """Set a tag."""
    client = open_client()
    if version is None:
        client.set_registered_model_tag(name, key, value, comment=comment)
    else:
        client.set_model_version_tag(name, version, key, value, comment=comment)
    _say({"name": name, "version": version, "key": key, "value": value}, f"Tagged {_called(name, version)}.", as_json)


@tag.command(name="delete")
@_name
@click.argument("key")
@_of_version
@_comment
@json_option
def delete_tag(name: str, key: str, version: str | None, comment: str | None, as_json: bool) -> None:
    """Delete a tag, if there is one."""
    client = open_client()
    if version is None:
        client.delete_registered_model_tag(name, key, comment=comment)
    else:
        client.delete_model_version_tag(name, version, key, comment=comment)
    _say(
        {"name": name, "version": version, "key": key}, f"Tag '{key}' of {_called(name, version)} is deleted.", as_json
    )


@registry.command()
@_name
@_of_version
@_most
@json_option
def history(name: str, version: str | None, max_results: int | None, as_json: bool) -> None:
    """Show who changed what of a model, when, from what to what and why; the newest first.

    A model that was deleted keeps its history.
    """
    client = open_client()
    found: list[RegistryChange] = gather(
        lambda size, token: client.get_model_history(name, version, size, token), max_results, 1000
    )
    if as_json:
        print_json(found)
        return
    rows = [
        [
            show_time(change.timestamp),
            change.user_id,
            change.action.value.lower().replace("_", " "),
            change.version,
            change.key,
            _short(change.from_value),
            _short(change.to_value),
            change.comment,
        ]
        for change in found
    ]
    print_table(["When", "Who", "What", "Version", "Key", "From", "To", "Why"], rows)


@registry.command()
@_name
@click.argument("new_name")
@_comment
@json_option
def rename(name: str, new_name: str, comment: str | None, as_json: bool) -> None:
    """Rename a model; versions, aliases, tags and history go along."""
    renamed = open_client().rename_registered_model(name, new_name, comment=comment)
    _say(renamed, f"'{name}' is '{new_name}' now.", as_json)


@registry.command()
@_name
@_of_version
@_comment
@_yes
@json_option
def delete(name: str, version: str | None, comment: str | None, yes: bool, as_json: bool) -> None:
    """Delete a model with all its versions, or one version, for good. Files stay where they are."""
    if not yes:
        click.confirm(f"Delete {_called(name, version)} for good?", abort=True, err=True)
    client = open_client()
    if version is None:
        client.delete_registered_model(name, comment=comment)
    else:
        client.delete_model_version(name, version, comment=comment)
    _say({"name": name, "version": version}, f"{_called(name, version)} is deleted.", as_json)


def _called(name: str, version: str | None) -> str:
    return f"'{name}'" if version is None else f"version {version} of '{name}'"


def _pairs(values: dict[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in values.items())


def _short(value: str | None) -> str | None:
    return value if value is None or len(value) <= 60 else value[:59] + "…"


def _say(value: Any, sentence: str, as_json: bool) -> None:
    print_answer(value, sentence[0].upper() + sentence[1:], as_json)
