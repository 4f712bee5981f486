"""Environments: what a model or project needs to run, written, read, compared, and made again.

`lines` checks requirement lines and `merging` merges them; `inference` sees what a model imports (`capture` is its child process),
`requirements` adds what the caller said; `files` writes, `spec` reads, `check` compares with what is installed. `preparation` makes the
environment again: `plan` says what to install, `making` how, `cache` keeps it.
"""

from __future__ import annotations

from millstream.environments.check import Mismatch, check_installed, describe
from millstream.environments.files import default_conda_env, update_model_requirements, write_environment
from millstream.environments.inference import infer_requirements
from millstream.environments.preparation import Environment, environment_key, prepare
from millstream.environments.requirements import Requirements
from millstream.environments.spec import EnvironmentSpec

__all__ = [
    "Environment",
    "EnvironmentSpec",
    "Mismatch",
    "Requirements",
    "check_installed",
    "default_conda_env",
    "describe",
    "environment_key",
    "infer_requirements",
    "prepare",
    "update_model_requirements",
    "write_environment",
]
