"""`mlflow run` of the official package and ours, on the same projects: the same params, tags, status and arguments of scripts, but
for named differences.

The official answers are those recorded in `golden/projects.json`; `--official` runs them too and checks the record, and
`--regenerate` writes it anew.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from millstream.projects.spec import read_project
from tests.compat.environments import OFFICIAL
from tests.compat.servers import clean_environment
from tests.projects.repositories import commit, git, served

EXAMPLES = Path(__file__).parents[1] / "projects" / "examples"
GOLDEN = Path(__file__).parent / "golden" / "projects.json"

LOCAL = ("--env-manager", "local", "--run-name", "named")

CASES: dict[str, tuple[str, ...]] = {
    "alpha": ("PROJECTS/alpha",),
    "alpha, given": ("PROJECTS/alpha", "-P", "alpha=0.9", "-P", "l1_ratio=1e-2"),
    "alpha, by URI": ("file://PROJECTS/alpha",),
    "alpha, no number": ("PROJECTS/alpha", "-P", "alpha=deep"),
    "types": ("PROJECTS/types", "-P", "label=x", "-P", "table=table.csv", "-P", "where=s3://bucket/x"),
    "types, given": (
        "PROJECTS/types", "-P", "where=http://host/a b?c=d&e#f", "-P", "table=../caller/table.csv", "-P", "seed=-3",
        "-P", "label=it's \"$HOME\" `id`; $(id) \\ é", "-P", "flag=", "-P", "note=two\nlines", "-P", "rounds=many",
    ),
    "types, a file's URI": ("PROJECTS/types", "-P", "label=", "-P", "table=file://CALLER/table.csv", "-P", "where=dbfs:/x"),
    "types, required missing": ("PROJECTS/types", "-P", "label=x"),
    "types, no such file": ("PROJECTS/types", "-P", "label=x", "-P", "table=none.csv", "-P", "where=s3://bucket/x"),
    "types, no URI": ("PROJECTS/types", "-P", "label=x", "-P", "table=table.csv", "-P", "where=bucket"),
    "types, default path": ("PROJECTS/types", "-e", "paths"),
    "types, a folder as path": ("PROJECTS/types", "-e", "paths", "-P", "table=."),
    "types, null default": ("PROJECTS/types", "-e", "nulls"),
    "extras": ("PROJECTS/extras", "-P", "b=2", "-P", "a=x y", "-P", "dash=-q", "-P", "empty=", "-P", "n-m=*"),
    "extras, half declared": ("PROJECTS/extras", "-e", "half", "-P", "more=1", "-P", "a=2"),
    "extras, piped": ("PROJECTS/extras", "-e", "piped", "-P", "more=1"),
    "implicit, python": ("PROJECTS/implicit", "-e", "show.py", "-P", "x=1", "-P", "y=two words"),
    "implicit, shell": ("PROJECTS/implicit", "-e", "show.sh", "-P", "x=$HOME"),
    "implicit, main": ("PROJECTS/implicit",),
    "implicit, no script": ("PROJECTS/implicit", "-e", "none.py"),
    "implicit, no kind of script": ("PROJECTS/implicit", "-e", "conda.yaml"),
    "braces": ("PROJECTS/braces", "-P", "p=a b"),
    "braces, loop": ("PROJECTS/braces", "-e", "loop"),
    "braces, undeclared": ("PROJECTS/braces", "-e", "undeclared"),
    "braces, variable": ("PROJECTS/braces", "-e", "variable"),
    "braces, single": ("PROJECTS/braces", "-e", "single"),
    "lines": ("PROJECTS/lines",),
    "lines, further": ("PROJECTS/lines", "-P", "more=x"),
    "lines, folded": ("PROJECTS/lines", "-e", "folded", "-P", "more=x"),
    "steps": ("PROJECTS/steps",),
    "outcome": ("PROJECTS/outcome",),
    "outcome, fails": ("PROJECTS/outcome", "-e", "fails"),
    "outcome, missing": ("PROJECTS/outcome", "-e", "missing"),
    "outcome, first fails": ("PROJECTS/outcome", "-e", "first_fails"),
    "outcome, raises": ("PROJECTS/outcome", "-e", "raises"),
    "outcome, ends itself": ("PROJECTS/outcome", "-e", "ends_itself"),
    "outcome, fails itself": ("PROJECTS/outcome", "-e", "fails_itself"),
    "outcome, kills itself": ("PROJECTS/outcome", "-e", "kills_itself"),
    "outcome, second run": ("PROJECTS/outcome", "-e", "second_run"),
    "lower": ("PROJECTS/lower", "-P", "needed=x", "-P", "other=y=z"),
    "lower, missing": ("PROJECTS/lower",),
    "lower, twice": ("PROJECTS/lower", "-P", "needed=x", "-P", "needed=y"),
    "lower, no value": ("PROJECTS/lower", "-P", "needed"),
    "quoted": ("PROJECTS/quoted",),
    "quoted, two words": ("PROJECTS/quoted", "-P", "p=two words"),
    "quoted, single": ("PROJECTS/quoted", "-e", "single"),
    "quoted, a command": ("PROJECTS/quoted", "-P", "p=$(echo run)"),
    "quoted, commented": ("PROJECTS/quoted", "-e", "commented"),
    "names": ("PROJECTS/names", "-P", "class=given"),
    "names, with a slash": ("PROJECTS/names", "-e", "another-one/2"),
    "pinned": ("PROJECTS/pinned",),
    "no folder": ("PROJECTS/none",),
    "repository": ("REPOSITORY/lower", "-P", "needed=x", "-P", "other=y"),
    "repository, folder": ("REPOSITORY#lower", "-P", "needed=x", "-P", "other=y"),
    "repository, itself": ("REPOSITORY", "-e", "implicit/show.py", "-P", "x=1"),
    "repository, no folder": ("REPOSITORY#none",),
    "repository, out of it": ("REPOSITORY#../x",),
    "server": ("SERVER/repo#implicit", "-e", "show.py"),
    "server, branch": ("SERVER/repo#implicit", "-e", "show.py", "-v", "topic"),
    "server, tag": ("SERVER/repo#implicit", "-e", "show.py", "-v", "v1"),
    "server, commit": ("SERVER/repo#implicit", "-e", "show.py", "-v", "COMMIT"),
    "server, no version": ("SERVER/repo#implicit", "-e", "show.py", "-v", "none"),
    "server, no folder": ("SERVER/repo#none",),
    "zip": ("ZIP", "-P", "needed=x", "-P", "other=y"),
}  # fmt: skip
"""Arguments of `run`, beside `LOCAL`; upper-case words stand for places."""

SOME = (
    "alpha", "alpha, by URI", "types, given", "types, no such file", "extras", "implicit, python", "braces", "braces, undeclared",
    "lines, further", "outcome, fails", "outcome, ends itself", "quoted, two words", "names", "repository, folder", "server, tag",
    "zip", "lower",
)  # fmt: skip
"""What is compared without `--official`, with the record."""

Answer = dict[str, Any]


def answers_of(product: str, folder: Path, names: Sequence[str]) -> dict[str, Answer]:
    """What a product's `run` gives for cases, with places in words again."""
    projects, caller, repository = folder / "projects", folder / "caller", folder / "served" / "repo"
    for target in (projects, repository):
        shutil.copytree(EXAMPLES, target)
    shutil.make_archive(str(folder / "lower"), "zip", EXAMPLES / "lower")
    caller.mkdir()
    (caller / "table.csv").write_text("1,2")
    first = commit(repository, {})
    git(repository, "tag", "v1")
    git(repository, "branch", "topic")
    head = commit(repository, {"later": ""})
    with served(folder / "served") as server:
        git(repository, "remote", "add", "origin", "https://example.org/team/repo.git")
        places = {
            "PROJECTS": str(projects), "REPOSITORY": str(repository), "SERVER": server.url, "CALLER": str(caller),
            "ZIP": str(folder / "lower.zip"), "COMMIT": first,
        }  # fmt: skip
        cases = [
            {
                "name": name,
                "folder": str(caller),
                "arguments": [*LOCAL, *(_replaced(text, places) for text in CASES[name])],
            }
            for name in names
        ]
        told = _run(product, folder, cases)
    words = {**{place: word for word, place in places.items()}, head: "HEAD"}
    return {name: _normal(answer, words) for name, answer in told.items()}


def _replaced(text: str, words: dict[str, str]) -> str:
    for word, place in words.items():
        text = text.replace(word, place)
    return text


def _run(product: str, folder: Path, cases: list[dict[str, Any]]) -> dict[str, Answer]:
    python = OFFICIAL["3.17"].python() if product == "official" else Path(sys.executable)
    (folder / "cases.json").write_text(json.dumps(cases))
    environment = clean_environment(
        MLFLOW_TRACKING_URI=f"sqlite:///{folder}/runs.db",
        MILLSTREAM_JOURNAL_DIR=str(folder / "journal"),
        MILLSTREAM_PROJECT_CACHE=str(folder / "cache"),
        PATH=f"{python.parent}{os.pathsep}{os.environ['PATH']}",
        GIT_CONFIG_GLOBAL=os.devnull,
        SHELL="/bin/bash",
    )
    driver = Path(__file__).parent / "driver" / "project_runs.py"
    done = subprocess.run(
        [str(python), str(driver), product, str(folder / "cases.json"), str(folder / "answers.json")],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=1800, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told: dict[str, Answer] = json.loads((folder / "answers.json").read_text())
    return told


OUR_TAGS = re.compile(r"millstream\.|mlflow\.project\.name$")
"""What we record beyond MLflow."""

RANDOM_NAME = re.compile(r"[a-z]+-[a-z]+-\d+")
"""Of a run that fails before MLflow gives it the name that was asked for."""


def _normal(answer: Answer, words: dict[str, str]) -> Answer:
    """Without what is different each time; runs of a project are known by their number."""
    ids = {run["id"]: f"RUN {number}" for number, run in enumerate(answer["runs"])}

    def plain(value: Any) -> Any:
        if isinstance(value, str):
            return _replaced(value, {**words, **ids})
        if isinstance(value, dict):
            return {key: plain(each) for key, each in sorted(value.items())}
        return [plain(each) for each in value] if isinstance(value, list) else value

    for run in answer["runs"]:
        del run["id"]
        run["tags"] = {
            name: "RANDOM" if name == "mlflow.runName" and RANDOM_NAME.fullmatch(value) else value
            for name, value in run["tags"].items()
            if not OUR_TAGS.match(name)
        }
    found: Answer = plain(answer)
    return found


# ---------------------------------------------------------------- differences


@dataclass(frozen=True)
class Difference:
    """Where ours is not the official answer, and why.

    Attributes:
        cases: names of the cases.
        change: makes the official answer into ours.
    """

    name: str
    cases: tuple[str, ...]
    change: Callable[[Answer], Answer]


def _runs(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Answer], Answer]:
    """What `change` gives for a run takes the place of that in every run of an answer."""
    return lambda answer: {**answer, "runs": [{**run, **change(run)} for run in answer["runs"]]}


def _tag(name: str, value: str) -> Callable[[Answer], Answer]:
    return _runs(lambda run: {"tags": {**run["tags"], name: value}})


def _without_shell_quotes(run: dict[str, Any]) -> dict[str, Any]:
    return {"params": {name: " ".join(shlex.split(value)) if value[:1] in "'\"" else value
                       for name, value in run["params"].items()}}  # fmt: skip


TYPES = {
    "day": "2024-02-03", "flag": "True", "label": "x", "note": "two words", "rate": "1e-3", "rounds": "8", "seed": "7",
    "sizes": "[64, 32]",
}  # fmt: skip

DIFFERENCES = (
    Difference(
        "Params are recorded as they were given, not in shell quotes",
        (
            "braces", "extras", "implicit, python", "implicit, shell", "lines", "lines, further", "types", "types, a file's URI",
            "types, given",
        ),
        _runs(_without_shell_quotes),
    ),
    Difference(
        "A run that gets no URI where one is wanted is FAILED and has its params and name; MLflow leaves it RUNNING without",
        ("types, no URI",),
        _runs(lambda run: {"status": "FAILED", "params": {**TYPES, "table": "table.csv", "where": "bucket"},
                           "tags": {**run["tags"], "mlflow.runName": "named"}}),
    ),
    Difference(
        "A run that gets a path where nothing is is FAILED and has its name; MLflow leaves it RUNNING",
        ("types, no such file",),
        _runs(lambda run: {"status": "FAILED", "params": {**TYPES, "table": "none.csv", "where": "s3://bucket/x"},
                           "tags": {**run["tags"], "mlflow.runName": "named"}}),
    ),
    Difference(
        "What can be seen before there is a run makes none: a malformed command, a script that is not there",
        ("braces, undeclared", "braces, variable", "braces, single", "implicit, no script"),
        lambda answer: {**answer, "runs": []},
    ),
    Difference(
        "A value that quotes around it would change or run is refused",
        ("quoted, two words", "quoted, a command"),
        lambda answer: {"exit": 1, "runs": []},
    ),
    Difference(
        "Further parameters reach the command before a last line break",
        ("lines, further",),
        lambda answer: _runs(lambda run: {"status": "FINISHED"})(
            {**answer, "exit": 0, "given": [[*answer["given"][0], "--more", "x"]]}
        ),
    ),
    Difference(
        "A run that its own program has ended stays as it is; MLflow goes by the exit status",
        ("outcome, ends itself", "outcome, fails itself"),
        _runs(lambda run: {"status": {"FAILED": "FINISHED", "FINISHED": "FAILED"}[run["status"]]}),
    ),
    Difference(
        "A folder in a repository has one name, also when it is given with #",
        ("repository, folder",),
        _tag("mlflow.source.name", "file://REPOSITORY#lower"),
    ),
    Difference(
        "A file URI is recorded as its path",
        ("alpha, by URI",),
        _tag("mlflow.source.name", "PROJECTS/alpha"),
    ),
)  # fmt: skip


def _expected(name: str, official: Answer) -> Answer:
    for row in DIFFERENCES:
        if name in row.cases:
            official = row.change(official)
    return official


# ---------------------------------------------------------------- tests


@pytest.fixture(scope="module")
def official(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Answer]:
    regenerate = request.config.getoption("--regenerate", default=False)
    if not regenerate and not request.config.getoption("--official", default=False):
        return _golden()
    live = answers_of("official", tmp_path_factory.mktemp("official"), list(CASES))
    if regenerate:
        GOLDEN.write_text(json.dumps(live, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
    assert live == _golden(), "the recorded answers are out of date: run with --regenerate"
    return live


def _golden() -> dict[str, Answer]:
    recorded: dict[str, Answer] = json.loads(GOLDEN.read_text(encoding="utf-8"))
    return recorded


def test_the_same_projects_give_the_same_runs(
    official: dict[str, Answer], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    chosen = list(CASES) if request.config.getoption("--official", default=False) else list(SOME)
    ours = answers_of("ours", tmp_path, chosen)
    wrong = {name: (_expected(name, official[name]), ours[name]) for name in chosen}
    wrong = {name: sides for name, sides in wrong.items() if sides[0] != sides[1]}
    assert not wrong, "\n\n".join(
        f"{name}\n  expected: {json.dumps(expected)}\n  ours:     {json.dumps(mine)}"
        for name, (expected, mine) in wrong.items()
    )


@pytest.mark.parametrize("row", DIFFERENCES, ids=lambda row: row.name)
def test_every_named_difference_is_one(row: Difference) -> None:
    """With the test before, which says that what a row makes of the official answer is ours: a row whose cases are alike fails."""
    recorded = _golden()
    assert set(row.cases) <= set(CASES)
    for name in row.cases:
        assert row.change(recorded[name]) != recorded[name], f"{name} is alike by now; delete it from the row"


def test_every_example_is_run_or_read(tmp_path: Path) -> None:
    told = " ".join(" ".join(arguments) for arguments in CASES.values())
    for folder in sorted(EXAMPLES.iterdir()):
        project = read_project(folder)
        assert f"PROJECTS/{folder.name}" in told or project.docker or project.databricks_spark_job


def test_the_documentation_lists_every_difference() -> None:
    page = (Path(__file__).parents[2] / "docs" / "compatibility.md").read_text(encoding="utf-8")
    for row in DIFFERENCES:
        assert f"| {row.name} |" in page
