"""The files beside a model: written for every reader, read from every writer, compared, and changed later."""

from __future__ import annotations

import importlib.metadata
import json
import logging
import sys
from pathlib import Path

import msgspec
import pytest
import yaml

from millstream.environments import (
    EnvironmentSpec,
    Requirements,
    check_installed,
    describe,
    update_model_requirements,
    write_environment,
)
from millstream.environments.lines import parse
from millstream.environments.plan import plan_of
from millstream.errors import InvalidRequirement, InvalidValue, MillstreamError, NotFound
from millstream.version import VERSION

WRITER = f"# millstream=={VERSION}"
OFFICIAL = "mlflow>=3,<4"
PYTHON = "{}.{}.{}".format(*sys.version_info[:3])


def write(root: Path, **files: str) -> Path:
    """Files of a model; `_` in a name stands for the dot before its suffix."""
    root.mkdir(exist_ok=True)
    for name, text in files.items():
        (
            root
            / {"requirements": "requirements.txt", "python_env": "python_env.yaml", "conda": "conda.yaml"}.get(
                name, name
            )
        ).write_text(text)
    return root


def lines_of(spec: EnvironmentSpec) -> list[str]:
    return [line.text for line in spec.lines]


def test_every_reader_finds_its_file(tmp_path: Path) -> None:
    write_environment(tmp_path, Requirements.resolve(pip_requirements=["six==1.17.0", "attrs"]))
    assert (tmp_path / "requirements.txt").read_text().splitlines() == [WRITER, OFFICIAL, "six==1.17.0", "attrs"]
    conda = yaml.safe_load((tmp_path / "conda.yaml").read_text())
    pip = importlib.metadata.version("pip")
    assert conda == {
        "channels": ["conda-forge"],
        "dependencies": [f"python={PYTHON}", f"pip<={pip}", {"pip": [OFFICIAL, "six==1.17.0", "attrs"]}],
        "name": "mlflow-env",
    }
    assert list(conda) == ["channels", "dependencies", "name"]
    python_env = yaml.safe_load((tmp_path / "python_env.yaml").read_text())
    assert python_env["python"] == PYTHON
    assert python_env["build_dependencies"][0] == f"pip=={pip}"
    assert python_env["dependencies"] == ["-r requirements.txt"]
    assert not (tmp_path / "constraints.txt").exists()


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    (tmp_path / "limits.txt").write_text("idna<4\n")
    given = ["six==1.17.0", "git+https://h/r@v1#egg=own", f"-c {tmp_path / 'limits.txt'}"]
    root = write(tmp_path / "m")
    write_environment(root, Requirements.resolve(pip_requirements=given))
    assert (root / "constraints.txt").read_text() == "idna<4\n"
    spec = EnvironmentSpec.read(root)
    assert (spec.python, lines_of(spec)) == (PYTHON, [OFFICIAL, "six==1.17.0", "git+https://h/r@v1#egg=own"])
    assert [line.text for line in spec.constraints] == ["idna<4"]
    assert spec.build[0].name == "pip"
    assert spec.writer == VERSION
    assert spec.conda is not None


def test_a_conda_environment_of_the_users_own_keeps_all_but_its_pip_section(tmp_path: Path) -> None:
    given = {
        "name": "mine",
        "channels": ["x"],
        "dependencies": ["python=3.10.4", "pip=22.0", "libpq", {"pip": ["six"]}],
    }
    write_environment(tmp_path, Requirements.resolve(conda_env=given))
    assert yaml.safe_load((tmp_path / "conda.yaml").read_text()) == {
        "name": "mine",
        "channels": ["x"],
        "dependencies": ["python=3.10.4", "pip=22.0", "libpq", {"pip": [OFFICIAL, "six"]}],
    }
    assert yaml.safe_load((tmp_path / "python_env.yaml").read_text()) == {
        "python": "3.10.4",
        "build_dependencies": ["pip==22.0"],
        "dependencies": ["-r requirements.txt"],
    }
    assert given["dependencies"][-1] == {"pip": ["six"]}


def test_a_conda_environment_without_pip_gets_it(tmp_path: Path) -> None:
    write_environment(tmp_path, Requirements.resolve(conda_env={"dependencies": ["python=3.11"]}))
    assert yaml.safe_load((tmp_path / "conda.yaml").read_text())["dependencies"] == [
        "python=3.11",
        "pip",
        {"pip": [OFFICIAL]},
    ]


# ---------------------------------------------------------------- files of other writers

OLD_CONDA = """\
channels: [defaults]
dependencies:
- python=3.6.2
- scikit-learn=0.19.1
- cudatoolkit=9.0
- pip<=20.2
- pip:
  - mlflow==1.2
  - cloudpickle==0.5.5
name: mlflow-env
"""


def test_a_model_of_mlflow_1_has_conda_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = write(
        tmp_path,
        MLmodel="flavors:\n  python_function:\n    env: conda.yaml\n    loader_module: mlflow.sklearn\n",
        conda=OLD_CONDA,
    )
    spec = EnvironmentSpec.read(root)
    assert (spec.python, lines_of(spec)) == ("3.6.2", ["mlflow==1.2", "cloudpickle==0.5.5"])
    assert [line.text for line in spec.build] == ["pip<=20.2"]
    assert [line.text for line in spec.of_conda] == ["scikit-learn==0.19.1.*"]
    warned = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warned) == 1
    assert (
        "conda.yaml lists packages of conda that are not known to be on PyPI; they are left out: cudatoolkit=9.0."
        in warned[0]
    )


@pytest.mark.parametrize(
    ("conda", "line"),
    [
        ("numpy", "numpy"),
        ("numpy=1.26", "numpy==1.26.*"),
        ("numpy=1.26.*", "numpy==1.26.*"),
        ("numpy==1.26.4", "numpy==1.26.4"),
        ("numpy 1.26.4", "numpy==1.26.4"),
        ("numpy=1.26.4=py311h64a7726_0", "numpy==1.26.4"),
        ("numpy>=1.20,<2", "numpy>=1.20,<2"),
        ("numpy >=1.20", "numpy>=1.20"),
        ("numpy!=1.24", "numpy!=1.24"),
        ("numpy=*", "numpy"),
        ("conda-forge::pytorch=2.1", "torch==2.1.*"),
        ("PyYAML", "pyyaml"),
        ("matplotlib-base>=3", "matplotlib>=3"),
        ("evil-channel::numpy", None),
        ("cudatoolkit=11", None),
        ("r-base", None),
        ("openjdk=8", None),
        ("numpy=1.20|1.21", None),
        ("numpy[version='>=1']", None),
        ("numpy=--index-url", None),
        ("numpy @ https://evil.example/x.whl", None),
    ],
)
def test_packages_of_conda_that_pypi_has_are_asked_for_there(conda: str, line: str | None, tmp_path: Path) -> None:
    root = write(tmp_path, conda=f"dependencies: [{json.dumps(conda)}]\n")
    assert [found.text for found in EnvironmentSpec.read(root).of_conda] == ([line] if line else [])


def test_conda_itself_gets_the_packages_as_they_are_and_others_what_stands_for_them(tmp_path: Path) -> None:
    spec = EnvironmentSpec.read(
        write(tmp_path, conda="dependencies: [numpy=1.26, pandas, {pip: [six, pandas==2.0]}]\n")
    )
    assert plan_of(spec, "uv", False, ()).lines == ["numpy==1.26.*", "six", "pandas==2.0"]
    by_conda = plan_of(spec, "conda", False, ())
    assert by_conda.conda["dependencies"] == ["numpy=1.26", "pandas"]
    assert by_conda.lines == ["six", "pandas==2.0"]


def test_requirements_count_for_more_than_condas_pip_section(tmp_path: Path) -> None:
    conda = "dependencies: [python=3.8, pip, {pip: [six==1.0]}]\n"
    spec = EnvironmentSpec.read(write(tmp_path, conda=conda, requirements="six==1.17.0\n"))
    assert (spec.python, lines_of(spec)) == ("3.8", ["six==1.17.0"])


def test_the_names_that_mlmodel_says_count(tmp_path: Path) -> None:
    mlmodel = "flavors: {python_function: {env: {conda: my_conda.yaml, virtualenv: my_env.yaml}}}\n"
    root = write(tmp_path, MLmodel=mlmodel, requirements="six\n")
    (root / "my_env.yaml").write_text("python: '3.10'\ndependencies: [-r requirements.txt, attrs]\n")
    spec = EnvironmentSpec.read(root)
    assert (spec.python, lines_of(spec), spec.conda) == ("3.10", ["six", "attrs"], None)


def test_a_model_without_such_files_needs_nothing(tmp_path: Path) -> None:
    spec = EnvironmentSpec.read(write(tmp_path, MLmodel="flavors: {}\n"))
    assert (spec.python, spec.lines, spec.build, spec.writer) == ("", (), (), "")
    assert lines_of(EnvironmentSpec.read(write(tmp_path, requirements="six\n"))) == ["six"]


@pytest.mark.parametrize(
    ("text", "python"),
    [
        ("python=3.8.10", "3.8.10"), ("python==3.8", "3.8"), ("python<=3.9", "3.9"), ("python>=3.7", "3.7"),
        ("python=3.8.*", "3.8"), ("python =3.9", "3.9"), ("conda-forge::python=3.9", "3.9"), ("python=3.8.5=h7579374_1", "3.8.5"),
        ("python", ""), ("Python=3.9", "3.9"),
    ],
)  # fmt: skip
def test_python_is_read_from_conda_in_all_its_forms(text: str, python: str, tmp_path: Path) -> None:
    assert EnvironmentSpec.read(write(tmp_path, conda=f"dependencies: ['{text}']\n")).python == python


def test_a_version_that_yaml_made_a_number_of_is_refused_where_it_lost_a_digit(tmp_path: Path) -> None:
    assert EnvironmentSpec.read(write(tmp_path, python_env="python: 3.11\n")).python == "3.11"
    with pytest.raises(InvalidValue, match="in quotes"):
        EnvironmentSpec.read(write(tmp_path, python_env="python: 3.10\n"))


DEEP = "[" * 20_000


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("python_env", "!!python/object/apply:os.system ['touch canary']\n"),
        ("python_env", "dependencies: !!python/name:os.system x\n"),
        ("python_env", "- a list\n"),
        ("python_env", "dependencies: six\n"),
        ("python_env", "dependencies: [1]\n"),
        ("python_env", "python: '3.11; rm -rf /'\n"),
        ("python_env", "python: --version\n"),
        ("python_env", "python: [3]\n"),
        ("python_env", "dependencies: ['--index-url ext::x']\n"),
        ("python_env", "dependencies: ['-r ../outside.txt']\n"),
        ("python_env", "dependencies: ['-r /etc/passwd']\n"),
        ("python_env", "build_dependencies: ['pip --target=/']\n"),
        ("python_env", "x: &a [*a]\n"),
        ("python_env", "a: [unclosed\n"),
        ("python_env", "\x00"),
        ("python_env", DEEP),
        ("conda", "dependencies: ['python!=3']\n"),
        ("conda", "dependencies: ['python=three']\n"),
        ("conda", "dependencies: six\n"),
        ("conda", "dependencies: [{pip: [{a: b}]}]\n"),
        ("conda", "dependencies: [{pip: ['--trusted-host evil']}]\n"),
        ("conda", "x: " + "y" * (2 << 20)),
        ("MLmodel", "flavors: {python_function: {env: {virtualenv: ../outside.txt}}}\n"),
        ("MLmodel", "flavors: {python_function: {env: /etc/passwd}}\n"),
        ("MLmodel", "flavors: {python_function: {env: link.yaml}}\n"),
        ("MLmodel", "!!python/object/apply:os.system ['touch canary']\n"),
    ],
)
def test_a_hostile_file_is_refused_and_runs_nothing(
    name: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "outside.txt").write_text("six\n")
    root = write(tmp_path / "m", **{name: text})
    (root / "link.yaml").symlink_to(tmp_path / "outside.txt")
    monkeypatch.chdir(root)
    with pytest.raises(MillstreamError) as caught:
        EnvironmentSpec.read(root)
    assert isinstance(caught.value, InvalidValue)
    assert not (root / "canary").exists()


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="no model directory"):
        EnvironmentSpec.read(tmp_path / "nothing")


# ---------------------------------------------------------------- compared with what is installed


def spec_of(*lines: str, python: str = "") -> EnvironmentSpec:
    return EnvironmentSpec(python, parse(lines).lines)


def test_what_is_met_is_no_mismatch() -> None:
    here = importlib.metadata.version("packaging")
    spec = spec_of(
        f"packaging=={here}", "packaging<99", "mlflow==1.2", "absent==1; python_version < '3'", "--pre", python=PYTHON
    )  # fmt: skip
    assert check_installed(spec) == []
    assert describe([]) == ""


def test_every_mismatch_is_named_with_both_sides() -> None:
    here = importlib.metadata.version("packaging")
    spec = spec_of("packaging==1.0", "no-such-package>=2", python="3.6.2")
    found = check_installed(msgspec.structs.replace(spec, writer="99.0"))
    assert [(m.name, m.required, m.installed) for m in found] == [
        ("python", "python==3.6.2", PYTHON),
        ("millstream", "millstream>=99.0", VERSION),
        ("packaging", "packaging==1.0", here),
        ("no-such-package", "no-such-package>=2", None),
    ]
    assert f"packaging (here: {here}, the model asks for: packaging==1.0)" in describe(found)
    assert "no-such-package (here: not installed" in describe(found)


@pytest.mark.parametrize(
    "comment", ["# millstream==not-a-version", "# millstream==1.x-y", "# made by millstream", "#" * 3000]
)
def test_a_comment_that_says_no_version_says_nothing(comment: str, tmp_path: Path) -> None:
    spec = EnvironmentSpec.read(write(tmp_path, requirements=f"{comment}\n"))
    assert check_installed(spec) == []


def test_a_patch_version_of_python_is_no_mismatch() -> None:
    minor = ".".join(PYTHON.split(".")[:2])
    for python in (f"{minor}.999", minor, "3"):
        assert check_installed(spec_of(python=python)) == []


# ---------------------------------------------------------------- changed later


@pytest.fixture
def model(tmp_path: Path) -> Path:
    root = write(tmp_path / "m")
    write_environment(root, Requirements.resolve(pip_requirements=["Six==1.17.0", "attrs"]))
    return root


def both(root: Path) -> list[str]:
    """The lines of requirements.txt, which are those of conda.yaml's pip section."""
    writer, *lines = (root / "requirements.txt").read_text().splitlines()
    assert writer == WRITER
    assert yaml.safe_load((root / "conda.yaml").read_text())["dependencies"][-1] == {"pip": lines}
    return lines


def test_requirements_are_added_and_replaced_in_both_files(model: Path) -> None:
    update_model_requirements(str(model), "add", ["Six<2", "IDNA==3.1"])
    assert both(model) == [OFFICIAL, "six<2", "attrs", "idna==3.1"]
    update_model_requirements(str(model), "add", ["idna==3.2"])
    assert both(model) == [OFFICIAL, "six<2", "attrs", "idna==3.2"]


def test_requirements_are_removed_by_name(model: Path) -> None:
    update_model_requirements(str(model), "remove", ["SIX"])
    assert both(model) == [OFFICIAL, "attrs"]
    with pytest.raises(InvalidValue, match="'idna' is not among"):
        update_model_requirements(str(model), "remove", ["attrs", "idna"])
    assert both(model) == [OFFICIAL, "attrs"]


def test_comments_and_constraints_stay_where_they_are(model: Path) -> None:
    (model / "conda.yaml").unlink()
    (model / "requirements.txt").write_text("# mine\nsix\n-c constraints.txt\n")
    update_model_requirements(str(model), "add", ["attrs"])
    assert (model / "requirements.txt").read_text() == "# mine\nsix\nattrs\n-c constraints.txt\n"


def test_models_that_runs_logged_can_be_changed(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import millstream

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MILLSTREAM_TRACKING_URI", f"sqlite:///{tmp_path / 'runs.db'}")
    with millstream.start_run() as run:
        millstream.log_artifacts(str(model), "model")
    uri = f"runs:/{run.info.run_id}/model"
    update_model_requirements(uri, "add", ["idna==3.1"])
    text = millstream.artifacts.load_text(f"{uri}/requirements.txt")
    assert text.splitlines()[-1] == "idna==3.1"


@pytest.mark.parametrize("uri", ["models:/m/3", "models:/m/Production", "models:/m@best", "models:///m/3/"])
def test_a_registered_version_stays_as_it_is(uri: str) -> None:
    with pytest.raises(InvalidValue, match="registered version"):
        update_model_requirements(uri, "add", ["six"])


def test_bad_changes_change_nothing(model: Path) -> None:
    before = both(model)
    for operation, lines, error in [
        ("add", ["six --target=/"], InvalidRequirement),
        ("add", ["-r other.txt"], InvalidValue),
        ("replace", ["six"], InvalidValue),
    ]:
        with pytest.raises(error):
            update_model_requirements(str(model), operation, lines)
    assert both(model) == before
    (model / "requirements.txt").unlink()
    with pytest.raises(NotFound, match=r"has no requirements\.txt"):
        update_model_requirements(str(model), "add", ["six"])
