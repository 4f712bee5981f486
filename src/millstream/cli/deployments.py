"""`millstream deployments ...`: every command of MLflow's, for any target that a plug-in brings."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from millstream.cli.options import pairs
from millstream.cli.output import json_option, print_answer, show
from millstream.errors import Unsupported

if TYPE_CHECKING:
    from millstream.deployments import BaseDeploymentClient

F = TypeVar("F", bound=Callable[..., Any])


def _options(*options: Callable[[Any], Any]) -> Callable[[F], F]:
    def add(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return add


def _settings(context: click.Context, parameter: click.Parameter, values: Iterable[str]) -> dict[str, str]:
    """`-C key=value`, which may be repeated, as a dict; its values stay text."""
    return pairs("-C", values)


_TARGET = click.option("-t", "--target", required=True, help="Where to deploy to, such as local.")
_NAME = click.option("--name", required=True, help="Name of the deployment.")
_FLAVOR = click.option("-f", "--flavor", help="Which flavor of the model to deploy; the target chooses if not given.")
_ENDPOINT = click.option("--endpoint", help="Name of the endpoint.")
_ENDPOINT_NAME = click.option("--endpoint", required=True, help="Name of the endpoint.")
_CONFIG = click.option(
    "-C", "--config", multiple=True, metavar="KEY=VALUE", callback=_settings, help="Setting of the target."
)
_MODEL = click.option("-m", "--model-uri", required=True, help="The model, by any URI.")
_ONE = _options(
    click.option("--name", help="Name of the deployment; this or --endpoint."),
    click.option("--endpoint", help="Name of the endpoint; this or --name."),
    _TARGET,
    click.option("-I", "--input-path", required=True, metavar="FILE", help="A data frame as JSON."),
    click.option(
        "-O", "--output-path", metavar="FILE", help="Where to write the answer; standard output if not given."
    ),
)


def _client(target: str) -> BaseDeploymentClient:
    from millstream.deployments import get_deploy_client

    client = get_deploy_client(target)
    assert client is not None
    return client


def _call(method: Callable[..., Any], *arguments: Any, **optional: Any) -> Any:
    """Call a plug-in's method; what is not given is left out, since older ones know neither `endpoint` nor `config`.

    Raises:
        Unsupported: something is given that the plug-in does not take.
    """
    parameters = inspect.signature(method).parameters
    takes_all = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters.values())
    given = {name: value for name, value in optional.items() if value}
    for name in given:
        if not takes_all and name not in parameters:
            raise Unsupported(f"The target does not take --{name} here.")
    return method(*arguments, **given)


@click.group()
def deployments() -> None:
    """Deploy models to this machine, or wherever a plug-in leads."""


@deployments.command()
@_options(_NAME, _TARGET, _MODEL, _FLAVOR, _CONFIG, _ENDPOINT)
@json_option
def create(
    name: str,
    target: str,
    model_uri: str,
    flavor: str | None,
    config: dict[str, str],
    endpoint: str | None,
    as_json: bool,
) -> None:
    """Deploy a model under a name."""
    made = _call(_client(target).create_deployment, name, model_uri, flavor, config=config, endpoint=endpoint)
    print_answer(made, f"{_flavor(made)}deployment {made['name']} is created", as_json)


@deployments.command()
@_options(
    _NAME, _TARGET, click.option("-m", "--model-uri", help="Another model, by any URI."), _FLAVOR, _CONFIG, _ENDPOINT
)
@json_option
def update(
    name: str,
    target: str,
    model_uri: str | None,
    flavor: str | None,
    config: dict[str, str],
    endpoint: str | None,
    as_json: bool,
) -> None:
    """Change the model or the settings of a deployment."""
    updated = _call(_client(target).update_deployment, name, model_uri, flavor, config=config, endpoint=endpoint)
    print_answer(updated, f"Deployment {name} is updated (with flavor {(updated or {}).get('flavor')})", as_json)


@deployments.command()
@_options(_NAME, _TARGET, _CONFIG, _ENDPOINT)
@json_option
def delete(name: str, target: str, config: dict[str, str], endpoint: str | None, as_json: bool) -> None:
    """Remove a deployment."""
    _call(_client(target).delete_deployment, name, config=config, endpoint=endpoint)
    print_answer({"name": name}, f"Deployment {name} is deleted", as_json)


@deployments.command(name="list")
@_options(_TARGET, _ENDPOINT)
@json_option
def list_all(target: str, endpoint: str | None, as_json: bool) -> None:
    """List the names of all deployments."""
    found = _call(_client(target).list_deployments, endpoint=endpoint)
    print_answer(found, "\n".join(show(each["name"]) for each in found), as_json)


@deployments.command()
@_options(_NAME, _TARGET, _ENDPOINT)
@json_option
def get(name: str, target: str, endpoint: str | None, as_json: bool) -> None:
    """Show what is known of a deployment."""
    found = _call(_client(target).get_deployment, name, endpoint=endpoint)
    print_answer(found, _lines(found), as_json)


@deployments.command()
@_ONE
@json_option
def predict(
    name: str | None, endpoint: str | None, target: str, input_path: str, output_path: str | None, as_json: bool
) -> None:
    """Ask a deployment, or an endpoint, for predictions; they are JSON in any case."""
    _check_one(name, endpoint)
    answer = _call(_client(target).predict, name, _frame(input_path), endpoint=endpoint)
    _write(answer, output_path)


@deployments.command()
@_ONE
@json_option
def explain(
    name: str | None, endpoint: str | None, target: str, input_path: str, output_path: str | None, as_json: bool
) -> None:
    """Ask why a model predicts what it does, if the target can say so."""
    _check_one(name, endpoint)
    answer = _call(_client(target).explain, name, _frame(input_path), endpoint=endpoint)
    _write(answer, output_path)


@deployments.command(name="run-local")
@_options(_NAME, _TARGET, _MODEL, _FLAVOR, _CONFIG)
def run_local(name: str, target: str, model_uri: str, flavor: str | None, config: dict[str, str]) -> None:
    """Deploy on this machine as the target would, to try things out."""
    from millstream.deployments import run_local as run

    run(target, name, model_uri, flavor, config)


@deployments.command(name="help")
@_TARGET
def target_help(target: str) -> None:
    """Say what a target takes."""
    from millstream.deployments import plugins

    click.echo(plugins.load(target).target_help())


@deployments.command(name="create-endpoint")
@_options(_ENDPOINT_NAME, _TARGET, _CONFIG)
@json_option
def create_endpoint(endpoint: str, target: str, config: dict[str, str], as_json: bool) -> None:
    """Make an endpoint that deployments may stand behind."""
    made = _call(_client(target).create_endpoint, endpoint, config=config)
    print_answer(made, f"Endpoint {made['name']} is created", as_json)


@deployments.command(name="update-endpoint")
@_options(_ENDPOINT_NAME, _TARGET, _CONFIG)
@json_option
def update_endpoint(endpoint: str, target: str, config: dict[str, str], as_json: bool) -> None:
    """Change the settings of an endpoint."""
    updated = _call(_client(target).update_endpoint, endpoint, config=config)
    print_answer(updated, f"Endpoint {endpoint} is updated", as_json)


@deployments.command(name="delete-endpoint")
@_options(_ENDPOINT_NAME, _TARGET)
@json_option
def delete_endpoint(endpoint: str, target: str, as_json: bool) -> None:
    """Remove an endpoint."""
    _client(target).delete_endpoint(endpoint)
    print_answer({"name": endpoint}, f"Endpoint {endpoint} is deleted", as_json)


@deployments.command(name="list-endpoints")
@_TARGET
@json_option
def list_endpoints(target: str, as_json: bool) -> None:
    """List the names of all endpoints."""
    found = _client(target).list_endpoints()
    print_answer(found, "\n".join(show(each["name"]) for each in found), as_json)


@deployments.command(name="get-endpoint")
@_options(_ENDPOINT_NAME, _TARGET)
@json_option
def get_endpoint(endpoint: str, target: str, as_json: bool) -> None:
    """Show what is known of an endpoint."""
    found = _client(target).get_endpoint(endpoint)
    print_answer(found, _lines(found), as_json)


# ---------------------------------------------------------------- input and output


def _check_one(name: str | None, endpoint: str | None) -> None:
    if (name is None) == (endpoint is None):
        raise click.UsageError("Give --name or --endpoint, one of them.")


def _frame(path: str) -> Any:
    """The data frame of a JSON file: pandas' own forms, or a request (`{"dataframe_split": ...}`) as it is."""
    import pandas as pd

    from millstream.deployments import scoring

    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
        if scoring.is_request(content):
            return content
        return pd.read_json(path, orient="split" if isinstance(content, dict) and "data" in content else None)
    except OSError as error:
        raise click.UsageError(f"{path!r} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise click.UsageError(f"{path!r} is no data frame in JSON: {error}.") from None


def _write(answer: Any, output_path: str | None) -> None:
    if hasattr(answer, "to_json"):
        text = answer.to_json()
    else:
        text = json.dumps(answer.tolist() if hasattr(answer, "tolist") else answer)
    if output_path is None:
        click.echo(text)
    else:
        Path(output_path).write_text(text, encoding="utf-8")


def _lines(found: dict[str, Any]) -> str:
    return "\n".join(f"{show(key)}: {show(value)}" for key, value in found.items())


def _flavor(made: dict[str, Any]) -> str:
    return f"{made['flavor']} " if made.get("flavor") else ""
