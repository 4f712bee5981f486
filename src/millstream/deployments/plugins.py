"""Places to deploy to, found by their names: entry points of the group `mlflow.deployments`, which published plug-ins use, or
of our own `millstream.deployments`.

The entry point's name is the scheme of the target, its value a module with

    run_local(target, name, model_uri, flavor=None, config=None)    deploys on this machine, to try things out
    target_help() -> str                                            what the target takes
    class ...(BaseDeploymentClient)                                 exactly one, made with the target's URI
"""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
from types import ModuleType
from typing import Any, cast

from msgspec import Struct

from millstream.deployments.base import BaseDeploymentClient
from millstream.errors import InvalidValue, MillstreamError

GROUPS = ("millstream.deployments", "mlflow.deployments")
BUILT_IN = {"local": "millstream.deployments.local"}


class BrokenPlugin(MillstreamError):
    """A plug-in does not bring what the interface asks for."""

    code = "INTERNAL_ERROR"

    def __init__(self, scheme: str, reason: str) -> None:
        super().__init__(f"The plug-in for deployments to {scheme!r} cannot be used: {reason}")


class NoPlugin(InvalidValue):
    """Nothing deploys to a target."""

    def __init__(self, scheme: str) -> None:
        super().__init__(
            f"Nothing is installed that deploys to {scheme!r}. There are: {', '.join(names())}. "
            "Install the plug-in for it with pip."
        )


class Plugin(Struct, frozen=True):
    """A plug-in that brings everything."""

    scheme: str
    module: ModuleType
    client: type[BaseDeploymentClient]

    def target_help(self) -> str:
        return str(self.module.target_help())

    def run_local(self, target: str, name: str, model_uri: str, flavor: str | None, config: dict[str, Any]) -> None:
        """Call the plug-in's function by the names of its parameters: MLflow documents `target` as the first and does not
        pass it, so plug-ins exist with and without it."""
        given = {"target": target, "name": name, "model_uri": model_uri, "flavor": flavor, "config": config}
        function = self.module.run_local
        parameters = inspect.signature(function).parameters
        if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters.values()):
            function(**given)
        else:
            function(**{key: value for key, value in given.items() if key in parameters})


def scheme_of(target_uri: str) -> str:
    """The scheme of `scheme` or `scheme:/suffix`."""
    return target_uri.partition(":")[0]


def names() -> list[str]:
    """The schemes of all targets that can be deployed to."""
    found = {entry.name for group in GROUPS for entry in importlib.metadata.entry_points(group=group)}
    return sorted(found | BUILT_IN.keys())


def load(target_uri: str) -> Plugin:
    """The plug-in of a target.

    Raises:
        NoPlugin: there is none.
        BrokenPlugin: it cannot be imported, or lacks something.
    """
    scheme = scheme_of(target_uri)
    module = _module(scheme)
    for function in ("run_local", "target_help"):
        if not callable(getattr(module, function, None)):
            raise BrokenPlugin(scheme, f"it has no function {function}().")
    clients = {each for each in vars(module).values() if _is_client(each)}
    if len(clients) != 1:
        raise BrokenPlugin(scheme, f"it has to bring one subclass of BaseDeploymentClient, and brings {len(clients)}.")
    return Plugin(scheme, module, clients.pop())


def _module(scheme: str) -> ModuleType:
    from millstream.alias import load_with_mlflow

    for group in GROUPS:
        for entry in importlib.metadata.entry_points(group=group, name=scheme):
            try:
                return cast(ModuleType, load_with_mlflow(entry))
            except Exception as error:
                raise BrokenPlugin(scheme, f"importing {entry.value} failed: {error}.") from error
    if scheme in BUILT_IN:
        return importlib.import_module(BUILT_IN[scheme])
    raise NoPlugin(scheme)


def _is_client(value: Any) -> bool:
    """Whether a value of a plug-in's module is its client: also one of the real package's base, should that be installed."""
    if not inspect.isclass(value) or value is BaseDeploymentClient or value.__name__ == "BaseDeploymentClient":
        return False
    return any(base.__name__ == "BaseDeploymentClient" for base in value.__mro__)
