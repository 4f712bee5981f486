"""The environment in which a model is served or predicts: the running one, or its own, made again from its files."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from msgspec import structs

from millstream import settings
from millstream.errors import InvalidValue

if TYPE_CHECKING:
    from millstream.environments import Environment, EnvironmentSpec
    from millstream.environments.cache import Manager

MANAGERS = ("local", "uv", "virtualenv", "conda")


def is_local(env_manager: str | None) -> bool:
    """Whether nothing has to be made. Raises InvalidValue for a manager that there is not."""
    if env_manager is not None and env_manager not in MANAGERS:
        raise InvalidValue(f"There is no environment manager {env_manager!r}. They are {', '.join(MANAGERS)}.")
    return env_manager == "local" or settings.DISABLE_ENV_CREATION.get()


def prepare_env(model_uri: str, env_manager: str | None = None, overrides: Sequence[str] = ()) -> Environment:
    """Make the environment of a model, or find it in the cache; Millstream is installed in it as well.

    Args:
        env_manager: None is uv, or virtualenv where there is no uv; "local" is the running environment as it is.
        overrides: requirement lines that replace those of the same distributions.
    Raises:
        EnvironmentFailed, InvalidRequirement, NotFound, InvalidValue.
    """
    from millstream.environments import EnvironmentSpec, prepare
    from millstream.models.locations import fetch

    spec = with_pandas(EnvironmentSpec.read(fetch(model_uri)))
    manager = "local" if is_local(env_manager) else cast("Manager | None", env_manager)
    return prepare(spec, manager, install_millstream=True, overrides=list(overrides))


def with_pandas(spec: EnvironmentSpec) -> EnvironmentSpec:
    """The spec with pandas, which models may take for granted: they get frames, and MLflow itself needs it."""
    from millstream.environments.lines import Line

    if any(line.name == "pandas" for line in spec.lines):
        return spec
    return structs.replace(spec, lines=(*spec.lines, Line("pandas>=2.1", "Millstream's serving", "package", "pandas")))


def become(environment: Environment, module: str, *arguments: str) -> None:
    """Run a module of ours with these arguments in the environment, in the place of this process. Does not return."""
    variables = {**environment.variables(), "MILLSTREAM_DISABLE_ENV_CREATION": "true"}
    atexit._run_exitfuncs()  # execve does not: models that were downloaded would stay on the disk
    sys.stdout.flush()
    sys.stderr.flush()
    python = str(environment.python)
    os.execve(python, [python, "-m", module, *arguments], variables)


def variables(pairs: Sequence[str] | Mapping[str, str] | None) -> dict[str, str]:
    """Environment variables given as NAME=VALUE. Raises InvalidValue for what is not of that form."""
    if isinstance(pairs, Mapping):
        return dict(pairs)
    found = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not equals or not name or "\0" in pair:
            raise InvalidValue(f"{name[:100]!r} is no NAME=VALUE. Environment variables are given as NAME=VALUE.")
        found[name] = value
    return found


def read_input(input_path: str | Path | None) -> bytes:
    """The bytes of a file, or of standard input. Raises InvalidValue when the file cannot be read."""
    if input_path is None:
        return sys.stdin.buffer.read()
    try:
        return Path(input_path).read_bytes()
    except OSError as error:
        raise InvalidValue(f"The input {str(input_path)!r} cannot be read: {error.strerror}.") from None
