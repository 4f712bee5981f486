"""Deployments on this machine: each is a scoring server in the background that outlives the process that starts it.

Which there are is kept in a folder (`records`): ~/.local/state/millstream/deployments, the setting DEPLOYMENTS_DIR, or what
the target names: `local:/srv/models`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from millstream import settings
from millstream.deployments import processes, records, scoring
from millstream.deployments.base import BaseDeploymentClient, Config
from millstream.deployments.records import Deployment, Endpoint, Folder
from millstream.errors import InvalidState, InvalidValue
from millstream.processes import Process
from millstream.serving.responses import PredictionsResponse

FLAVOR = "python_function"
STARTUP_TIMEOUT_S = 300.0

_OPTIONS = {
    "host": ("--host", "Address to listen on; 127.0.0.1."),
    "port": ("--port", "Port to listen on; a free one."),
    "workers": ("--workers", "Processes, each with the model; 1."),
    "timeout": ("--timeout", "Seconds that the model may take for a request; 60."),
    "threads": ("--threads", "Predictions at once in one process; 4."),
    "follow": ("--follow", "Seconds between two looks for another version behind a stage or alias; never."),
    "env_manager": ("--env-manager", "Environment of the model: local (this one), uv, virtualenv or conda; local."),
    "allowed_hosts": ("--allowed-hosts", "Host names that clients may use, by comma."),
}
"""Keys of a configuration that are handed to `millstream models serve`."""

_DEFAULTS = {"host": "127.0.0.1", "port": "0", "env_manager": "local"}
_OWN = {
    "trust": "true lets code that came with the model run; false.",
    "startup_timeout": f"Seconds until the server must answer; {STARTUP_TIMEOUT_S:g}.",
}
_ENDPOINT_KEYS = {"deployment": "Name of the deployment that answers; the one that was deployed last."}


def target_help() -> str:
    """What the target takes, for `millstream deployments help -t local`."""
    lines = [
        "Deploys to this machine: every deployment is a scoring server in the background, which outlives the command.",
        "Target: local, or local:/folder to keep the deployments' records there.",
        "",
        "Configuration of a deployment (-C key=value):",
        *(f"  {key}: {text}" for key, (_, text) in _OPTIONS.items()),
        *(f"  {key}: {text}" for key, text in _OWN.items()),
        "",
        "Configuration of an endpoint:",
        *(f"  {key}: {text}" for key, text in _ENDPOINT_KEYS.items()),
    ]
    return "\n".join(lines)


def run_local(target: str, name: str, model_uri: str, flavor: str | None = None, config: Config | None = None) -> None:
    """As `create_deployment`: this target is local anyway."""
    LocalDeploymentClient(target).create_deployment(name, model_uri, flavor, config)


class _Server(Struct, frozen=True):
    """A server that answers."""

    process: Process
    url: str
    log: str


class LocalDeploymentClient(BaseDeploymentClient):
    """Deployments on this machine, of this user."""

    def __init__(self, target_uri: str) -> None:
        super().__init__(target_uri)
        self._folder = Folder(_root(target_uri))

    # ------------------------------------------------------------ deployments

    def create_deployment(
        self,
        name: str,
        model_uri: str,
        flavor: str | None = None,
        config: Config | None = None,
        endpoint: str | None = None,
    ) -> dict[str, Any]:
        """Start a scoring server and return once it answers. The name of one whose server has died is free."""
        checked, uri = _check_config(config), _absolute(model_uri)
        _check_flavor(flavor)
        with self._folder.changing(name):
            if endpoint is not None:
                self._folder.endpoint(endpoint)
            old = self._folder.find_deployment(name)
            if old is not None and old.process.is_alive():
                raise records.DeploymentExists(name)
            self._folder.end_leftover(name)
            self._folder.forget_deployment(name)
            now = _now()
            server = self._start(name, uri, checked)
            made = Deployment(
                name=name,
                model_uri=uri,
                flavor=FLAVOR,
                endpoint=endpoint,
                config=checked,
                process=server.process,
                url=server.url,
                log=server.log,
                creation_time=now,
                last_update_time=now,
            )
            self._keep(made)
        return _shown(made)

    def update_deployment(
        self,
        name: str,
        model_uri: str | None = None,
        flavor: str | None = None,
        config: Config | None = None,
        endpoint: str | None = None,
    ) -> dict[str, Any]:
        """Start a server with what is new, and end the old one once it answers; one that has died is started again.

        A deployment with a port of its own is away for that time; any other gets another port.
        """
        changes = _check_config(config)
        _check_flavor(flavor)
        with self._folder.changing(name):
            old = self._folder.deployment(name)
            self._folder.end_leftover(name)
            if endpoint is not None:
                self._folder.endpoint(endpoint)
            new_config = {**old.config, **changes}
            uri = old.model_uri if model_uri is None else _absolute(model_uri)
            if _has_port(new_config):
                server = self._replace(old, uri, new_config)
            else:
                server = self._start(name, uri, new_config)
            updated = msgspec.structs.replace(
                old,
                model_uri=uri,
                endpoint=endpoint or old.endpoint,
                config=new_config,
                process=server.process,
                url=server.url,
                log=server.log,
                last_update_time=_now(),
            )
            self._keep(updated)
            old.process.stop()
            self._folder.forget_log(name, old.log)
        return _shown(updated)

    def delete_deployment(self, name: str, config: Config | None = None, endpoint: str | None = None) -> None:
        """End the server and forget it; a name that is not there is no error."""
        with self._folder.changing(name):
            self._folder.end_leftover(name)
            old = self._folder.find_deployment(name)
            if old is None:
                self._folder.forget_deployment(name)  # what one that did not start has left
                return
            _check_endpoint(old, endpoint)
            old.process.stop()
            self._folder.forget_deployment(name)

    def list_deployments(self, endpoint: str | None = None) -> list[dict[str, Any]]:
        return [_shown(each) for each in self._folder.deployments() if endpoint in (None, each.endpoint)]

    def get_deployment(self, name: str, endpoint: str | None = None) -> dict[str, Any]:
        """What is deployed, where it answers (`url`) and whether it does (`status`: READY, BUSY or DEAD)."""
        found = self._folder.deployment(name)
        _check_endpoint(found, endpoint)
        return _shown(found)

    def predict(
        self, deployment_name: str | None = None, inputs: Any = None, endpoint: str | None = None
    ) -> PredictionsResponse:
        """Ask a deployment, or the one that answers for an endpoint."""
        if deployment_name is not None:
            deployment = self._folder.deployment(deployment_name)
            _check_endpoint(deployment, endpoint)
        elif endpoint is not None:
            deployment = self._behind(endpoint)
        else:
            raise InvalidValue("Name a deployment or an endpoint.")
        if not deployment.process.is_alive():
            raise InvalidState(
                f"The server of deployment {deployment.name!r} has died. Update the deployment to start it again; "
                f"{self._folder.deployment_folder(deployment.name) / deployment.log} may say why."
            )
        return scoring.predict(deployment.url, inputs)

    # ------------------------------------------------------------ endpoints

    def create_endpoint(self, name: str, config: Config | None = None) -> dict[str, Any]:
        """Make a name that deployments may stand behind."""
        checked, now = _check_endpoint_config(config), _now()
        made = Endpoint(
            name=records.check_name(name, "endpoint"), config=checked, creation_time=now, last_update_time=now
        )
        with self._folder.changing(name, "endpoint"):
            if any(each.name == name for each in self._folder.endpoints()):
                raise InvalidState(f"An endpoint named {name!r} exists already.")
            self._folder.keep_endpoint(made)
        return self._shown_endpoint(made)

    def update_endpoint(self, endpoint: str, config: Config | None = None) -> dict[str, Any]:
        """Say which deployment answers: `{"deployment": name}`."""
        changes = _check_endpoint_config(config)
        with self._folder.changing(endpoint, "endpoint"):
            old = self._folder.endpoint(endpoint)
            if "deployment" in changes:
                _check_endpoint(self._folder.deployment(changes["deployment"]), endpoint)
            updated = msgspec.structs.replace(old, config={**old.config, **changes}, last_update_time=_now())
            self._folder.keep_endpoint(updated)
        return self._shown_endpoint(updated)

    def delete_endpoint(self, endpoint: str) -> None:
        """Forget an endpoint that no deployment stands behind; one that is not there is no error."""
        with self._folder.changing(endpoint, "endpoint"):
            behind = [each.name for each in self._folder.deployments() if each.endpoint == endpoint]
            if behind:
                raise InvalidState(
                    f"Deployments stand behind endpoint {endpoint!r}: {', '.join(behind)}. Delete them first."
                )
            self._folder.forget_endpoint(endpoint)

    def list_endpoints(self) -> list[dict[str, Any]]:
        return [self._shown_endpoint(each) for each in self._folder.endpoints()]

    def get_endpoint(self, endpoint: str) -> dict[str, Any]:
        return self._shown_endpoint(self._folder.endpoint(endpoint))

    # ------------------------------------------------------------ servers

    def _start(self, name: str, model_uri: str, config: Mapping[str, str]) -> _Server:
        arguments = ["--model-uri", model_uri]
        for key, value in {**_DEFAULTS, **config}.items():
            if key in _OPTIONS:
                arguments += [_OPTIONS[key][0], value]
        if config.get("trust") == "true":
            arguments.append("--trust")
        folder, log = self._folder.deployment_folder(name), f"server-{_now()}.log"
        folder.mkdir(mode=0o700, exist_ok=True)
        timeout_s = float(config.get("startup_timeout", STARTUP_TIMEOUT_S))
        try:
            process, url = processes.start_server(
                arguments,
                folder / log,
                _environment(),
                timeout_s,
                lambda process: self._folder.note_starting(name, process),
            )
        except BaseException:
            self._folder.started(name)
            self._folder.forget_log(name, log)
            raise
        return _Server(process, url, log)

    def _replace(self, old: Deployment, model_uri: str, config: Mapping[str, str]) -> _Server:
        """Start a server on the port of the old one, after a trial on another: what cannot start takes nothing away."""
        trial = self._start(old.name, model_uri, {**config, "port": "0"})
        trial.process.stop()
        self._folder.forget_log(old.name, trial.log)
        old.process.stop()
        return self._start(old.name, model_uri, config)

    def _keep(self, deployment: Deployment) -> None:
        try:
            self._folder.keep_deployment(deployment)
            self._folder.started(deployment.name)
        except BaseException:
            deployment.process.stop()  # nobody would ever find it
            raise

    def _behind(self, endpoint: str) -> Deployment:
        chosen = self._folder.endpoint(endpoint).config.get("deployment")
        behind = [each for each in self._folder.deployments() if each.endpoint == endpoint]
        if chosen is not None:
            behind = [each for each in behind if each.name == chosen]
        if not behind:
            raise InvalidState(
                f"No deployment stands behind endpoint {endpoint!r}. Create one with endpoint={endpoint!r}."
            )
        return max(behind, key=lambda each: each.creation_time)

    def _shown_endpoint(self, endpoint: Endpoint) -> dict[str, Any]:
        names = [each.name for each in self._folder.deployments() if each.endpoint == endpoint.name]
        return {**msgspec.to_builtins(endpoint), "deployments": names}


def _shown(deployment: Deployment) -> dict[str, Any]:
    shown = msgspec.to_builtins(deployment)
    process = shown.pop("process")
    is_alive = deployment.process.is_alive()
    status = "DEAD" if not is_alive else "READY" if processes.answers(deployment.url) else "BUSY"
    return {**shown, "status": status, "pid": process["pid"]}


# ---------------------------------------------------------------- checks


def _root(target_uri: str) -> Path:
    _, _, suffix = target_uri.partition(":")
    if suffix:
        return Path("/" + suffix.lstrip("/"))
    return Path(settings.DEPLOYMENTS_DIR.get() or "~/.local/state/millstream/deployments").expanduser().absolute()


def _check_config(config: Config | None) -> dict[str, str]:
    known = {**_OPTIONS, **_OWN}
    checked: dict[str, str] = {}
    for key, value in (config or {}).items():
        if key not in known:
            raise InvalidValue(f"The target local knows no setting {key!r}. There are: {', '.join(known)}.")
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if not text or text.startswith("-") or not text.isprintable():
            raise InvalidValue(f"{text[:100]!r} is no value of {key}.")
        checked[key] = text
    if checked.get("trust", "false") not in ("true", "false"):
        raise InvalidValue("trust is true or false.")
    for key in ("startup_timeout", "timeout", "follow"):
        if key in checked and not _is_positive(checked[key]):
            raise InvalidValue(f"{key} is a number of seconds above 0.")
    return checked


def _is_positive(text: str) -> bool:
    try:
        return 0 < float(text) < float("inf")
    except ValueError:
        return False


def _check_endpoint_config(config: Config | None) -> dict[str, str]:
    for key in config or {}:
        if key not in _ENDPOINT_KEYS:
            raise InvalidValue(f"An endpoint of the target local has no setting {key!r}. There is: deployment.")
    return {key: str(value) for key, value in (config or {}).items()}


def _check_endpoint(deployment: Deployment, endpoint: str | None) -> None:
    if endpoint is not None and deployment.endpoint != endpoint:
        raise InvalidValue(f"Deployment {deployment.name!r} does not stand behind endpoint {endpoint!r}.")


def _check_flavor(flavor: str | None) -> None:
    if flavor not in (None, FLAVOR):
        raise InvalidValue(f"The target local deploys the flavor {FLAVOR}, which any model has, not {flavor!r}.")


def _has_port(config: Mapping[str, str]) -> bool:
    return config.get("port", "0") != "0"


def _absolute(model_uri: str) -> str:
    """A relative path would mean something else to whoever updates the deployment from another folder."""
    if not model_uri or model_uri.startswith("-"):
        raise InvalidValue(f"{model_uri!r} is no model.")
    return model_uri if ":" in model_uri else os.path.abspath(model_uri)


def _environment() -> dict[str, str]:
    """The server looks for models where this process does."""
    from millstream.tracking.uris import get_registry_uri, get_tracking_uri

    return {
        **os.environ,
        "MILLSTREAM_TRACKING_URI": get_tracking_uri(),
        "MILLSTREAM_REGISTRY_URI": get_registry_uri(),
        "PYTHONUNBUFFERED": "1",
    }


def _now() -> int:
    return time.time_ns() // 1_000_000
