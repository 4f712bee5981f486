"""What is written beside a model: the arguments of `save_model`, what was inferred, and our own two lines.

The official package makes an environment from requirements.txt with pip and needs `mlflow` in it; pip knows no `millstream`, so
a pin of it would break every such restore (tried with 3.17.2), and behind a marker that pip skips it would still be listed as
missing by 2.22 and 3.6 whenever they load the model. Hence the two: the writer's version as a comment, which Millstream
reads, and `mlflow>=3,<4`, which is for others and which Millstream itself always counts as met.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from millstream.environments.conda import conda_environment, conda_pip_lines
from millstream.environments.lines import OFFICIAL, OURS, Parsed, parse
from millstream.environments.merging import merge
from millstream.errors import ExclusiveArguments
from millstream.version import MLFLOW_API_VERSION, VERSION


def own_lines() -> list[str]:
    """What stands above the requirements of every model that we write; the module's text says why."""
    major = int(MLFLOW_API_VERSION.partition(".")[0])
    return [f"# {OURS}=={VERSION}", f"mlflow>={major},<{major + 1}"]


class Requirements(Struct, frozen=True):
    """What is written beside a model; see `files.write_environment`.

    Attributes:
        lines: of requirements.txt, comments included, without the `-c` line.
        constraints: of constraints.txt.
        conda_env: the caller's own conda environment; None for the one that is made from `lines`.
    """

    lines: tuple[str, ...]
    constraints: tuple[str, ...] = ()
    conda_env: dict[str, Any] | None = None

    @classmethod
    def resolve(
        cls,
        *,
        conda_env: Mapping[str, Any] | str | Path | None = None,
        pip_requirements: Sequence[str] | str | Path | None = None,
        extra_pip_requirements: Sequence[str] | str | Path | None = None,
        inferred: Sequence[str] | Callable[[], Sequence[str]] = (),
    ) -> Requirements:
        """What the caller of `save_model` or `log_model` asked for.

        Args:
            conda_env: a conda environment, or the path of its YAML file.
            pip_requirements: the whole list, or the path of a requirements file.
            extra_pip_requirements: the same, added to what is inferred.
            inferred: what the model was seen to need; a function is called only if it is used.
        Raises:
            ExclusiveArguments: more than one of the first three is given (also a ValueError).
            InvalidRequirement, RequirementConflict: a line is wrong, or two contradict each other.
        """
        given = {
            "conda_env": conda_env,
            "pip_requirements": pip_requirements,
            "extra_pip_requirements": extra_pip_requirements,
        }
        names = [name for name, value in given.items() if value is not None]
        if len(names) > 1:
            raise ExclusiveArguments(names)
        if conda_env is not None:
            conda = conda_environment(conda_env)
            parsed = parse(conda_pip_lines(conda), "conda_env")
            return cls(*_complete(parsed), conda_env=conda)
        if pip_requirements is not None:
            return cls(*_complete(_given(pip_requirements, "pip_requirements")))
        found = parse(inferred() if callable(inferred) else inferred, "the inferred requirements")
        if extra_pip_requirements is None:
            return cls(*_complete(found))
        extra = _given(extra_pip_requirements, "extra_pip_requirements")
        files = {
            line.name
            for line in extra.lines
            if line.kind == "file" or (line.kind == "package" and line.requirement.url)
        }
        kept = tuple(line for line in found.lines if line.name not in files)  # a file is more exact than a pin
        return cls(*_complete(Parsed(kept + extra.lines, extra.constraints)))


def _given(value: Sequence[str] | str | Path, argument: str) -> Parsed:
    if isinstance(value, str | Path):
        return parse([f"-r {value}"], argument)
    return parse(value, argument)


def _complete(parsed: Parsed) -> tuple[tuple[str, ...], tuple[str, ...]]:
    lines, constraints = merge(parsed.lines), merge(parsed.constraints)
    writer, official = own_lines()
    own = (writer,) if any(line.name in OFFICIAL for line in lines) else (writer, official)
    return (*own, *(line.text for line in lines)), tuple(line.text for line in constraints)
