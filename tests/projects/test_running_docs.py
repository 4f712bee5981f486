"""What docs/projects.md says of running is all that there is, and so."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from millstream import projects
from millstream.cli.projects import run as run_command
from millstream.environments.preparation import MANAGERS
from millstream.projects import output, record
from millstream.projects.backends import BACKENDS
from millstream.projects.sweeps import DISTRIBUTIONS

PAGE = (Path(__file__).parents[2] / "docs" / "projects.md").read_text()


def test_every_option_of_the_command_is_on_the_page() -> None:
    options = [name for parameter in run_command.params for name in parameter.opts if name.startswith("--")]
    assert len(options) > 20
    assert [name for name in options if f"`{name}" not in PAGE and name not in ("--help", "--json")] == []


def test_every_argument_of_the_function_is_on_the_page() -> None:
    names = [name for name in inspect.signature(projects.run).parameters if name not in ("uri", "docker_auth")]
    assert [name for name in names if not re.search(rf"\b{name}\b", PAGE)] == []


def test_every_backend_manager_distribution_and_artifact_is_on_the_page() -> None:
    words = [*BACKENDS, *MANAGERS, *(f"{name}({usage})" for name, usage in DISTRIBUTIONS.items())]
    assert [word for word in words if f"`{word}`" not in PAGE] == []
    assert all(name in PAGE for name in (output.ARTIFACT, record.DIFF_ARTIFACT))


def test_every_tag_that_is_recorded_is_on_the_page() -> None:
    tags = [value for name, value in vars(record).items() if name.endswith("_TAG")]
    missing = [tag for tag in tags if not re.search(rf"`[\w.]*\.{tag.rpartition('.')[2]}`", PAGE)]
    assert missing == ["mlflow.runName", "mlflow.user"]


def test_the_sizes_of_kept_output_are_those_of_the_code() -> None:
    assert (output.HEAD_BYTES, output.TAIL_BYTES) == (1 << 20, 4 << 20)
    assert "the first MiB and the last 4 to 8" in PAGE
