"""Environments: what a model or project needs to run, written, read, compared, and made again.

`requirements` checks and merges requirement lines, `inference` sees what a model imports, `spec` and `files` read and write
the files beside it, `check` compares them with what is installed, `prepare` makes the environment again in a cache that
`cache` keeps.
"""

from __future__ import annotations

from millstream.environments.check import Mismatch, check_installed, describe
from millstream.environments.files import default_conda_env, update_model_requirements, write_environment
from millstream.environments.inference import infer_requirements
from millstream.environments.requirements import Requirements
from millstream.environments.spec import EnvironmentSpec

__all__ = [
    "EnvironmentSpec",
    "Mismatch",
    "Requirements",
    "check_installed",
    "default_conda_env",
    "describe",
    "infer_requirements",
    "update_model_requirements",
    "write_environment",
]
