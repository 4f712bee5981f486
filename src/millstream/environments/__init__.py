"""Environments: what a model or project needs to run, written, read, compared, and made again.

`lines` checks requirement lines and `merging` merges them; `inference` sees what a model imports (`capture` is its child process),
`requirements` adds what the caller said; `files` writes, `spec` reads, `check` compares with what is installed. `preparation` makes the
environment again: `plan` says what to install, `making` how, `cache` keeps it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from millstream import lazy

if TYPE_CHECKING:
    from millstream.environments.check import Mismatch as Mismatch
    from millstream.environments.check import check_installed as check_installed
    from millstream.environments.check import describe as describe
    from millstream.environments.files import default_conda_env as default_conda_env
    from millstream.environments.files import update_model_requirements as update_model_requirements
    from millstream.environments.files import write_environment as write_environment
    from millstream.environments.inference import infer_requirements as infer_requirements
    from millstream.environments.preparation import environment_key as environment_key
    from millstream.environments.preparation import prepare as prepare
    from millstream.environments.prepared import Environment as Environment
    from millstream.environments.requirements import Requirements as Requirements
    from millstream.environments.spec import EnvironmentSpec as EnvironmentSpec

__getattr__, __dir__, __all__ = lazy.names(
    __name__,
    {
        "environments.check": "Mismatch check_installed describe",
        "environments.files": "default_conda_env update_model_requirements write_environment",
        "environments.inference": "infer_requirements",
        "environments.preparation": "environment_key prepare",
        "environments.prepared": "Environment",
        "environments.requirements": "Requirements",
        "environments.spec": "EnvironmentSpec",
    },
)
