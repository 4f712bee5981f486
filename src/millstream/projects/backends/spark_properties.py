"""Spark's properties of a run, in a file for its owner: a command line can be read by everybody on the machine.

The file takes the place of Spark's own defaults, which is what `spark-submit --properties-file` means, so it begins with them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

REDACTION = "spark.redaction.regex"
_REDACTED = "(?i)secret|password|token|access[.]?key"
"""Spark's default: what its pages do not show."""


def executor_variables(variables: Mapping[str, str]) -> dict[str, str]:
    return {f"spark.executorEnv.{name}": value for name, value in variables.items()}


def driver_variables(cluster: str, variables: Mapping[str, str]) -> dict[str, str]:
    """The environment variables of a driver that runs on the cluster."""
    prefix = "spark.yarn.appMasterEnv." if cluster == "yarn" else "spark.kubernetes.driverEnv."
    return {f"{prefix}{name}": value for name, value in variables.items()}


def redaction(conf: Mapping[str, str], names: set[str]) -> dict[str, str]:
    """The property by which Spark's pages do not show the values of some variables, whatever their names."""
    if not names:
        return {}
    shown = "|".join(map(re.escape, sorted(names)))
    return {REDACTION: f"{conf.get(REDACTION, _REDACTED)}|(executor|appMaster|driver)Env[.]({shown})"}


def write(path: Path, defaults: Path | None, properties: Mapping[str, str]) -> Path:
    """Write the file, readable for the owner alone; of a name that comes twice Spark takes the later value."""
    text = "" if defaults is None else defaults.read_text(encoding="utf-8").rstrip("\n") + "\n"
    text += "".join(f"{name} {_escaped(value)}\n" for name, value in properties.items())
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    return path


def text_of(value: str | float | bool) -> str:
    """A value of JSON as Spark reads it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _escaped(value: str) -> str:
    """As java.util.Properties reads it back."""
    units = value.encode("utf-16-be")
    pairs = (int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2))
    return "".join(chr(unit) if 0x21 <= unit < 0x7F and unit != 0x5C else f"\\u{unit:04x}" for unit in pairs)
