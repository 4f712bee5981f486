"""The tags that runs get by themselves."""

from __future__ import annotations

import getpass
import logging
import subprocess
import sys
import types
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import pytest

from millstream.tracking import context


@pytest.fixture
def work_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git work tree with one commit and a program, which is the main file."""
    tree = tmp_path / "tree"
    tree.mkdir()
    program = tree / "train.py"
    program.write_text("pass")
    (tree / ".gitignore").write_text("ignored.py\n")
    git(tree, "init", "--quiet", "--initial-branch=trunk")
    git(tree, "add", ".")
    git(tree, "-c", "user.name=n", "-c", "user.email=e@x", "commit", "--quiet", "-m", "first")
    monkeypatch.setattr(sys, "argv", [str(program)])
    return tree


def git(tree: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(tree), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_user_and_source_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["some/train.py"])
    tags = context.resolve_tags({"own": 1, "mlflow.source.name": "mine"})
    assert tags == {
        "mlflow.user": getpass.getuser(),
        "mlflow.source.name": "mine",
        "mlflow.source.type": "LOCAL",
        "own": "1",
    }
    monkeypatch.setattr(sys, "argv", [""])
    assert context.resolve_tags()["mlflow.source.name"] == "<console>"


def test_the_user_of_the_credentials_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ada")
    assert context.user_name() == "ada"


def test_a_program_in_a_work_tree_brings_commit_branch_and_repository(work_tree: Path) -> None:
    git(work_tree, "remote", "add", "origin", "https://user:token@example.org/team/code.git")
    tags = context.resolve_tags()
    assert tags["mlflow.source.git.commit"] == git(work_tree, "rev-parse", "HEAD")
    assert tags["mlflow.source.git.branch"] == "trunk"
    assert tags["mlflow.source.git.repoURL"] == "https://example.org/team/code.git"


def test_a_detached_head_has_no_branch(work_tree: Path) -> None:
    git(work_tree, "checkout", "--quiet", "--detach")
    tags = context.resolve_tags()
    assert "mlflow.source.git.commit" in tags
    assert "mlflow.source.git.branch" not in tags


def test_an_ignored_program_brings_nothing_of_git(work_tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = work_tree / "ignored.py"
    program.write_text("pass")
    monkeypatch.setattr(sys, "argv", [str(program)])
    assert not [key for key in context.resolve_tags() if "git" in key]


def test_without_git_and_without_commits_runs_start_all_the_same(
    work_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    git(empty, "init", "--quiet")
    (empty / "a.py").write_text("")
    assert context.git_tags(empty / "a.py") == {}
    monkeypatch.setenv("PATH", str(empty))
    assert context.git_tags(work_tree / "train.py") == {}


def test_programs_that_a_repository_configures_are_not_run(work_tree: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap.sh"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    trap.chmod(0o755)
    git(work_tree, "config", "core.fsmonitor", str(trap))
    assert "mlflow.source.git.commit" in context.git_tags(work_tree / "train.py")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:pass@example.org:8443/x.git", "https://example.org:8443/x.git"),
        ("https://token@example.org/x", "https://example.org/x"),
        ("ssh://git@example.org/x", "ssh://git@example.org/x"),
        ("ssh://git:pass@example.org/x", "ssh://git@example.org/x"),
        ("git@example.org:team/x.git", "git@example.org:team/x.git"),
        ("/srv/x.git", "/srv/x.git"),
    ],
)
def test_no_credentials_stand_in_the_address_of_a_repository(url: str, shown: str) -> None:
    assert context.without_user_info(url) == shown


def test_a_notebook_is_told_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = types.SimpleNamespace(kernel=object(), user_ns={})
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))  # type: ignore[arg-type]
    monkeypatch.setenv("JPY_SESSION_NAME", "/home/ada/Study.ipynb")
    tags = context.resolve_tags()
    assert tags["mlflow.source.name"] == "Study.ipynb"
    assert tags["mlflow.source.type"] == "NOTEBOOK"


def test_the_variable_adds_tags_and_a_broken_one_is_skipped(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_RUN_CONTEXT", '{"mlflow.user": "robot", "job": 7}')
    tags = context.resolve_tags()
    assert tags["mlflow.user"] == "robot"
    assert tags["job"] == "7"
    monkeypatch.setenv("MLFLOW_RUN_CONTEXT", "[1")
    with caplog.at_level(logging.WARNING):
        assert context.resolve_tags()["mlflow.user"] == getpass.getuser()
    assert "MLFLOW_RUN_CONTEXT is skipped" in caplog.text


class Cluster(context.RunContextProvider):
    def in_context(self) -> bool:
        return True

    def tags(self) -> dict[str, str]:
        return {"cluster": "big", "mlflow.source.type": "JOB"}


class Elsewhere(Cluster):
    def in_context(self) -> bool:
        return False


class Broken(Cluster):
    def tags(self) -> dict[str, str]:
        raise RuntimeError("no network")


def test_plug_ins_add_tags_and_failing_ones_are_skipped(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    this = sys.modules[__name__]
    monkeypatch.setitem(sys.modules, "plugins_of_a_test", this)
    entries = [
        EntryPoint("a", "plugins_of_a_test:Elsewhere", "mlflow.run_context_provider"),
        EntryPoint("b", "plugins_of_a_test:Missing", "mlflow.run_context_provider"),
        EntryPoint("c", "plugins_of_a_test:Broken", "mlflow.run_context_provider"),
        EntryPoint("d", "plugins_of_a_test:Cluster", "millstream.run_context_provider"),
    ]
    found: Any = EntryPoints(entries)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda: found)
    with caplog.at_level(logging.WARNING):
        tags = context.resolve_tags()
    assert tags["cluster"] == "big"
    assert tags["mlflow.source.type"] == "JOB"
    assert "no network" in caplog.text
    assert "'b'" in caplog.text
