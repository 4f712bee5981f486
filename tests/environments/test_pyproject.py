"""What pyproject.toml and uv.lock ask for, read without running anything of the folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from millstream.environments import EnvironmentSpec
from millstream.environments.this_python import python_version
from millstream.errors import EnvironmentFailed, InvalidRequirement, InvalidValue, MillstreamError


def write(root: Path, pyproject: str, lock: str | None = None) -> Path:
    (root / "pyproject.toml").write_text(pyproject)
    if lock is not None:
        (root / "uv.lock").write_text(lock)
    return root


def read(root: Path) -> tuple[str, list[str]]:
    spec = EnvironmentSpec.from_pyproject(root)
    assert spec is not None
    return spec.python, [line.text for line in spec.lines]


def test_the_dependencies_of_a_project_are_what_is_installed(tmp_path: Path) -> None:
    pyproject = '[project]\nname = "x"\nversion = "1"\ndependencies = ["six>=1.16", "attrs; python_version > \'3\'"]\n'
    assert read(write(tmp_path, pyproject))[1] == ["six>=1.16", 'attrs; python_version > "3"']


@pytest.mark.parametrize(
    ("requires", "python"),
    [
        (">=3.8", python_version()), ("", ""), (">=3.7,<3.9", "3.7"), ("==3.10.*", "3.10"), ("~=3.9.2", "3.9"),
        (f"=={python_version()}", python_version()),
    ],
)  # fmt: skip
def test_python_is_the_running_one_if_it_may_be(requires: str, python: str, tmp_path: Path) -> None:
    line = f'requires-python = "{requires}"\n' if requires else ""
    assert read(write(tmp_path, f'[project]\nname = "x"\nversion = "1"\n{line}'))[0] == python


def test_a_file_that_configures_tools_alone_describes_no_project(tmp_path: Path) -> None:
    assert EnvironmentSpec.from_pyproject(write(tmp_path, "[tool.ruff]\nline-length = 120\n")) is None


@pytest.mark.parametrize(
    ("pyproject", "error"),
    [
        ("[project\n", InvalidValue),
        ("[project]\ndependencies = 'six'\n", InvalidValue),
        ("[project]\ndependencies = [1]\n", InvalidValue),
        ("[project]\nrequires-python = 'three'\n", InvalidValue),
        ("[project]\nrequires-python = '<2'\n", InvalidValue),
        ("[project]\ndependencies = ['--index-url https://evil.example', 'six; sys_platform']\n", InvalidRequirement),
        ("[project]\ndependencies = ['./../../elsewhere']\n", MillstreamError),
        ("#" * (2 << 20), InvalidValue),
    ],
)
def test_what_is_no_description_is_refused(pyproject: str, error: type[Exception], tmp_path: Path) -> None:
    with pytest.raises(error):
        EnvironmentSpec.from_pyproject(write(tmp_path, pyproject))


LOCK = """\
version = 1
revision = 2
requires-python = ">=3.11"

[[package]]
name = "six"
version = "1.16.0"
source = { registry = "https://pypi.org/simple" }
wheels = [{ url = "https://files.pythonhosted.org/packages/six-1.16.0-py2.py3-none-any.whl", hash = "sha256:%s", size = 1 }]

[[package]]
name = "x"
version = "1"
source = { virtual = "." }
dependencies = [{ name = "six" }]

[package.metadata]
requires-dist = [{ name = "six", specifier = ">=1.10" }]
""" % ("0" * 64)

PYPROJECT = '[project]\nname = "x"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["six>=1.10"]\n'


def test_a_lock_says_the_versions(tmp_path: Path) -> None:
    assert read(write(tmp_path, PYPROJECT, LOCK)) == (python_version(), ["six==1.16.0"])


def test_a_lock_that_uv_cannot_read_is_an_error_with_its_words(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailed, match=r"uv cannot read uv\.lock"):
        EnvironmentSpec.from_pyproject(write(tmp_path, PYPROJECT, "nonsense"))


def test_reading_a_lock_makes_nothing_in_the_folder(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    build = f"from pathlib import Path\nPath({str(canary)!r}).touch()\n"
    (tmp_path / "setup.py").write_text(build)
    read(write(tmp_path, PYPROJECT, LOCK))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pyproject.toml", "setup.py", "uv.lock"]


def test_without_uv_a_lock_is_an_error_that_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from millstream.environments import pyproject

    monkeypatch.setattr(pyproject, "find_uv", lambda: None)
    with pytest.raises(EnvironmentFailed, match="pip install uv"):
        EnvironmentSpec.from_pyproject(write(tmp_path, PYPROJECT, LOCK))


def test_uv_that_takes_too_long_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from millstream.environments import pyproject

    slow = tmp_path / "bin" / "uv"
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setattr(pyproject, "find_uv", lambda: str(slow))
    monkeypatch.setattr(pyproject, "_TIMEOUT_S", 0.2)
    with pytest.raises(EnvironmentFailed, match=r"longer than 0\.2 s"):
        EnvironmentSpec.from_pyproject(write(tmp_path, PYPROJECT, LOCK))
