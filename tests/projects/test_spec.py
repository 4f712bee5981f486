"""The MLproject file: what it may say, and which word is given for what it may not."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path

import pytest

from millstream.errors import InvalidProject, InvalidValue
from millstream.projects.backends.docker import environment_of
from millstream.projects.commands import command_of
from millstream.projects.parameters import complete
from millstream.projects.spec import read_project
from millstream.projects.submission import DockerEnvironment, EntryPoint, Parameter

FULL = """\
name: churn
python_env: envs/python_env.yaml
author: somebody
entry_points:
  main:
    parameters:
      depth: {type: float, default: 4}
      table: path
      note: {default: "a b"}
      limit: {type: int, default: null}
      flag: {default: yes}
      layers: {default: [64, 32]}
    command: "python fit.py --depth {depth} {table}"
    description: ignored
  check:
    command: |
      bash check.sh
      echo done
"""


def written(root: Path, text: str, name: str = "MLproject") -> Path:
    root.mkdir(exist_ok=True)
    (root / name).write_text(text)
    return root


def test_everything_that_a_file_says_is_read_in_its_order(tmp_path: Path) -> None:
    (tmp_path / "envs").mkdir()
    (tmp_path / "envs" / "python_env.yaml").write_text("python: '3.11'")
    project = read_project(written(tmp_path, FULL))
    assert (project.name, project.root) == ("churn", tmp_path)
    assert project.python_env == tmp_path / "envs" / "python_env.yaml"
    assert (project.conda_env, project.docker, project.databricks_spark_job) == (None, None, None)
    main, check = project.entry_points
    assert main.parameters == (
        Parameter("depth", "float", "4"),
        Parameter("table", "path", None),
        Parameter("note", "string", "a b"),
        Parameter("limit", "int", None),
        Parameter("flag", "string", "True"),
        Parameter("layers", "string", "[64, 32]"),
    )
    assert check == EntryPoint("check", "bash check.sh\necho done\n", line=16)
    assert project.entry_point("check") is check
    assert project.entry_point("other") is None


@pytest.mark.parametrize("name", ["MLproject", "mlproject", "MLPROJECT", "mlProject"])
def test_the_file_is_found_whatever_the_case_of_its_name(tmp_path: Path, name: str) -> None:
    assert read_project(written(tmp_path, "name: found", name)).name == "found"


def test_of_two_files_the_usual_spelling_counts(tmp_path: Path) -> None:
    written(tmp_path, "name: other", "MLPROJECT")
    assert read_project(written(tmp_path, "name: usual")).name == "usual"


def test_a_folder_of_that_name_is_no_such_file(tmp_path: Path) -> None:
    (tmp_path / "mlproject").mkdir()
    assert read_project(tmp_path).entry_points == ()


@pytest.mark.parametrize("text", [None, "entry_points: {main: {command: 'true'}}"])
def test_the_environment_is_found_by_convention(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        written(tmp_path, text)
    assert read_project(tmp_path).python_env is read_project(tmp_path).conda_env is None
    (tmp_path / "conda.yaml").touch()
    assert read_project(tmp_path).conda_env == tmp_path / "conda.yaml"
    (tmp_path / "python_env.yaml").touch()
    assert read_project(tmp_path).python_env == tmp_path / "python_env.yaml"
    assert read_project(tmp_path).conda_env is None


def test_a_named_environment_wins_over_the_convention(tmp_path: Path) -> None:
    for name in ("python_env.yaml", "special.yaml"):
        (tmp_path / name).touch()
    project = read_project(written(tmp_path, "conda_env: special.yaml"))
    assert (project.conda_env, project.python_env) == (tmp_path / "special.yaml", None)
    (tmp_path / "MLproject").write_text("docker_env: {image: python:3.11}")
    assert read_project(tmp_path).python_env is None


def test_a_docker_environment_has_an_image_volumes_and_variables(tmp_path: Path) -> None:
    text = """
docker_env:
  image: registry.example.org/team/train:1
  volumes: ["/data:/data:ro", "cache:/cache"]
  environment: ["HOME_TOKEN", ["MODE", "fast and loose"], [LEVEL, 3]]
"""
    assert read_project(written(tmp_path, text)).docker == DockerEnvironment(
        "registry.example.org/team/train:1",
        ("/data:/data:ro", "cache:/cache"),
        ("HOME_TOKEN", ("MODE", "fast and loose"), ("LEVEL", "3")),
        line=5,
    )


def test_a_databricks_spark_job_is_kept_as_it_is(tmp_path: Path) -> None:
    text = "databricks_spark_job: {python_file: train.py, parameters: [--alpha, 0.5], python_libraries: [numpy]}"
    assert read_project(written(tmp_path, text)).databricks_spark_job == {
        "python_file": "train.py",
        "parameters": ["--alpha", 0.5],
        "python_libraries": ["numpy"],
    }


MALFORMED = {
    "two environments": ("python_env: a.yaml\nconda_env: b.yaml", 2, "conda_env", "one environment"),
    "a missing file": ("name: x\npython_env: none.yaml", 2, "python_env", "no file 'none.yaml'"),
    "a folder as environment": ("conda_env: .", 1, "conda_env", "no file"),
    "a path out of the project": ("conda_env: ../b.yaml", 1, "conda_env", "leads out"),
    "an absolute path": ("conda_env: /etc/passwd", 1, "conda_env", "leads out"),
    "an environment that is a list": ("conda_env: [a]", 1, "conda_env", "must be a text, and is a list"),
    "a name that is a list": ("name: [a]", 1, "name", "a name is a text"),
    "entry points as a list": ("entry_points:\n- main", 1, "entry_points", "must map names to values, and is a list"),
    "an entry point without command": ("entry_points:\n  main:\n    parameters: {}", 2, "entry_points.main", "'command'"),
    "an entry point that is a text": ("entry_points:\n  main: python x.py", 2, "entry_points.main", "must map"),
    "a command that is a list": (
        "entry_points:\n  main:\n    command: [python, x.py]", 3, "entry_points.main.command", "must be a text",
    ),
    "parameters as a list": (
        "entry_points:\n  main:\n    command: x\n    parameters: [a]", 4, "entry_points.main.parameters", "must map",
    ),
    "a parameter that is a number": (
        "entry_points:\n  main:\n    command: x\n    parameters:\n      a: 3", 5, "entry_points.main.parameters.a",
        "a parameter is its type",
    ),
    "a parameter that is empty": (
        "entry_points:\n  main:\n    command: x\n    parameters:\n      a:", 5, "entry_points.main.parameters.a",
        "this is empty",
    ),
    "a type that is a list": (
        "entry_points:\n  main:\n    command: x\n    parameters:\n      a:\n        type: [x]", 6,
        "entry_points.main.parameters.a.type", "must be a text",
    ),
    "a name that YAML takes for a truth value": (
        "entry_points:\n  main:\n    command: x\n    parameters:\n      off: float", 4, "entry_points.main.parameters",
        "reads one of its names as False; put the name in quotes",
    ),
    "a NUL in a command": ('entry_points:\n  main:\n    command: "a\\0b"', 3, "entry_points.main.command", "NUL"),
    "binary data": ("entry_points:\n  main:\n    command: !!binary aGk=", 3, "entry_points.main.command", "binary data"),
    "docker without image": ("docker_env:\n  volumes: []", 1, "docker_env", "an 'image'"),
    "docker as a text": ("docker_env: python", 1, "docker_env", "must map"),
    "an image that is an option": ("docker_env:\n  image: --privileged", 2, "docker_env.image", "an option of docker"),
    "a volume that is an option": (
        "docker_env:\n  image: a\n  volumes: [--privileged]", 3, "docker_env.volumes", "an option of docker",
    ),
    "variables as a mapping": (
        "docker_env:\n  image: a\n  environment: {A: b}", 3, "docker_env.environment", "must be a list, and is a mapping",
    ),
    "a variable of three": (
        "docker_env:\n  image: a\n  environment: [[A, b, c]]", 3, "docker_env.environment", "[name, value]",
    ),
    "a variable with a value in its name": (
        "docker_env:\n  image: a\n  environment: [A=b]", 3, "docker_env.environment", "'A=b' is no name",
    ),
    "a job with an environment": (
        "databricks_spark_job: {python_file: a.py}\npython_env: b.yaml", 2, "python_env", "python_libraries",
    ),
    "a job with neither file nor entry points": ("databricks_spark_job: {parameters: []}", 1, "databricks_spark_job", "either"),
    "a job with both": (
        "databricks_spark_job: {python_file: a.py}\nentry_points: {main: {command: x}}", 1, "databricks_spark_job", "not both",
    ),
    "a job with a path": (
        "databricks_spark_job: {parameters: []}\nentry_points:\n  main:\n    command: x\n    parameters:\n      p: path", 6,
        "entry_points.main.parameters.p", "use 'uri'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_malformed_is_told_with_file_line_and_key(tmp_path: Path, case: tuple[str, int, str, str]) -> None:
    text, line, key, reason = case
    with pytest.raises(InvalidProject, match=re.escape(reason)) as raised:
        read_project(written(tmp_path, text, "mlproject"))
    assert (raised.value.file, raised.value.line, raised.value.key) == ("mlproject", line, key)
    assert raised.value.message.startswith(f"mlproject, line {line}, key '{key}': ")


@pytest.mark.parametrize(
    ("text", "line"),
    [("name: x\nentry_points: {main", 2), ("name: x\n  other: y", 2), ("- a\n- b", None), ("just text", None)],
)
def test_what_is_no_yaml_mapping_is_told_with_its_line(tmp_path: Path, text: str, line: int | None) -> None:
    with pytest.raises(InvalidProject, match="MLproject") as raised:
        read_project(written(tmp_path, text))
    assert raised.value.line == line


def test_a_key_that_looks_like_a_slip_is_warned_of_and_others_are_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "millstream")
    read_project(written(tmp_path, "name: x\nconda-env: a.yaml\nentrypoints: {}\nlicense: MIT"))
    assert sorted(record.getMessage() for record in caplog.records) == [
        "MLproject, line 2: the key 'conda-env' is ignored. Is 'conda_env' meant?",
        "MLproject, line 3: the key 'entrypoints' is ignored. Is 'entry_points' meant?",
    ]


def test_a_file_that_is_no_text_or_far_too_large_is_refused(tmp_path: Path) -> None:
    (tmp_path / "MLproject").write_bytes(b"name: \xff")
    with pytest.raises(InvalidProject, match="not UTF-8"):
        read_project(tmp_path)
    (tmp_path / "MLproject").write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(InvalidProject, match="larger than 1 MiB"):
        read_project(tmp_path)


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="no project folder"):
        read_project(tmp_path / "none")


@pytest.mark.parametrize("name", ["MLproject", "python_env.yaml", "conda.yaml", "named.yaml"])
def test_no_link_leads_out_of_the_project(tmp_path: Path, name: str) -> None:
    outside = tmp_path / "secret.yaml"
    outside.write_text("name: secret")
    root = tmp_path / "project"
    root.mkdir()
    if name == "named.yaml":
        written(root, "conda_env: named.yaml")
    os.symlink(outside, root / name)
    with pytest.raises(InvalidProject, match="leads out of the project"):
        read_project(root)


def test_links_within_the_project_are_followed(tmp_path: Path) -> None:
    (tmp_path / "common.yaml").write_text("{}")
    os.symlink("common.yaml", tmp_path / "python_env.yaml")
    assert read_project(tmp_path).python_env == tmp_path / "python_env.yaml"


# ---------------------------------------------------------------- docs/projects.md

PAGE = (Path(__file__).parents[2] / "docs" / "projects.md").read_text()


def test_the_example_of_the_page_is_a_project(tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[:1]
    (tmp_path / "python_env.yaml").touch()
    project = read_project(written(tmp_path, example))
    main = project.entry_points[0]
    assert [(each.name, each.type, each.default) for each in main.parameters] == [
        ("table", "path", None), ("alpha", "float", "0.5"), ("note", "string", "a b"),
    ]  # fmt: skip
    line = command_of(project, "main", complete(main, {"table": "t.csv"}))
    assert line == "python fit.py --alpha 0.5 --note 'a b' t.csv"


def test_the_error_of_the_page_is_what_is_said(tmp_path: Path) -> None:
    (shown,) = re.findall(r"^MLproject, line .*$", PAGE, re.MULTILINE)
    text = "name: x\n#\nentry_points:\n  main:\n    parameters:\n      table:\n    command: x\n"
    with pytest.raises(InvalidProject) as raised:
        read_project(written(tmp_path, text))
    assert raised.value.message == shown


def test_what_is_seen_late_is_told_with_its_line_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SURELY_NOT_SET_HERE", raising=False)
    text = """\
docker_env:
  image: x
  environment: [SURELY_NOT_SET_HERE]
entry_points:
  main:
    command: "show {other}"
  stray:
    parameters: {}
    command: "show }"
"""
    project = read_project(written(tmp_path, text))
    told = []
    for entry_point in ("main", "stray"):
        with pytest.raises(InvalidProject) as raised:
            command_of(project, entry_point, {})
        told.append(raised.value.line)
    with pytest.raises(InvalidProject) as raised:
        environment_of(project.docker)
    assert [*told, raised.value.line] == [6, 9, 3]
