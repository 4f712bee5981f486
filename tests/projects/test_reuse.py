"""Runs that need not be done again: found when nothing has changed, done when anything has."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import millstream
from millstream import projects
from millstream.client.client import MillstreamClient
from millstream.projects import reuse as reuse_module
from tests.projects.conftest import Project

MLPROJECT = """\
entry_points:
  main: {parameters: {alpha: float, table: path}, command: "cat {table} # {alpha}"}
  other: {parameters: {alpha: float, table: path}, command: "cat {table} # {alpha}"}
"""


class World:
    """A project and a table, and runs of them."""

    def __init__(self, root: Path, table: Path) -> None:
        self.root, self.table = root, table
        self.table.write_text("1\n")

    def run(self, *, reuse: bool = True, entry_point: str = "main", alpha: float = 0.5, name: str | None = None) -> str:
        parameters = {"alpha": alpha, "table": str(self.table)}
        return projects.run(
            str(self.root), entry_point, parameters=parameters, reuse=reuse, env_manager="local", experiment_name=name
        ).run_id


@pytest.fixture
def world(tracking: MillstreamClient, project: Project, tmp_path: Path) -> World:
    return World(project(MLPROJECT, {"code.py": "1\n"}), tmp_path / "table.csv")


def test_an_equal_run_is_not_done_again(world: World, tracking: MillstreamClient) -> None:
    first = world.run(reuse=False)
    assert world.run() == first
    assert len(tracking.search_runs(["0"])) == 1
    assert world.run(reuse=False) != first


@pytest.mark.parametrize(
    "change",
    [
        lambda world: (world.root / "code.py").write_text("2\n"),
        lambda world: (world.root / "new.py").write_text(""),
        lambda world: (world.root / "code.py").rename(world.root / "renamed.py"),
        lambda world: (world.root / "code.py").chmod(0o755),
        lambda world: (world.root / "MLproject").write_text(MLPROJECT + "# more\n"),
        lambda world: world.table.write_text("2\n"),
    ],
    ids=["content", "new file", "name", "executable", "MLproject", "input"],
)
def test_a_change_of_code_or_input_makes_a_new_run(change: Callable[[World], object], world: World) -> None:
    first = world.run()
    change(world)
    second = world.run()
    assert second != first
    assert world.run() == second


def test_other_parameters_entry_points_or_experiments_make_a_new_run(world: World) -> None:
    runs = [world.run(), world.run(alpha=0.6), world.run(entry_point="other"), world.run(name="elsewhere")]
    assert len(set(runs)) == 4


def test_another_environment_makes_a_new_run(
    world: World, tracking: MillstreamClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from millstream.environments import this_python

    first = world.run()
    before = this_python.installed_distributions()
    monkeypatch.setattr(this_python, "installed_distributions", lambda: [*before, "six_of_tomorrow-9.dist-info"])
    assert world.run() != first


def test_a_run_that_failed_is_done_again(tracking: MillstreamClient, project: Project, tmp_path: Path) -> None:
    root = project(f"entry_points: {{main: {{command: 'test -e {tmp_path}/there'}}}}\n")
    with pytest.raises(projects.RunFailed):
        projects.run(str(root), reuse=True, env_manager="local")
    (tmp_path / "there").touch()
    again = projects.run(str(root), reuse=True, env_manager="local")
    assert again.get_status() == "FINISHED"
    assert len(tracking.search_runs(["0"])) == 2


@pytest.mark.parametrize("store", ["sqlite:///{root}/runs.db", "{root}/store"])
def test_a_store_in_the_projects_own_folder_does_not_count(store: str, world: World) -> None:
    millstream.set_tracking_uri(store.format(root=world.root))
    assert world.run() == world.run()


def test_what_git_ignores_does_not_count(world: World) -> None:
    subprocess.run(["git", "init", "-q", str(world.root)], check=True)
    (world.root / ".gitignore").write_text("cache/\n")
    first = world.run()
    (world.root / "cache").mkdir()
    (world.root / "cache" / "x").write_text("1")
    assert world.run() == first


def test_much_data_is_read_only_if_reuse_was_asked_for(
    world: World, tracking: MillstreamClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reuse_module, "QUICK_BYTES", 10)
    plain = world.run(reuse=False)
    assert "millstream.project.fingerprint" not in tracking.get_run(plain).data.tags
    first = world.run()
    assert first != plain
    assert world.run() == first


def test_a_sweep_takes_the_runs_that_there_are(world: World, tracking: MillstreamClient) -> None:
    first = world.run(alpha=0.5)
    sweep = projects.sweep(
        str(world.root),
        grid={"alpha": [0.5, 0.6]},
        parameters={"table": str(world.table)},
        reuse=True,
        env_manager="local",
    )
    assert sweep.trials[0].run_id == first
    assert sweep.trials[1].run_id not in (first, None)
    assert len(tracking.search_runs(["0"])) == 3


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with links to a file and a folder elsewhere."""
    data, real = tmp_path / "data", tmp_path / "real"
    (real / "sub").mkdir(parents=True)
    data.mkdir()
    (real / "file").write_text("1")
    (real / "sub" / "x").write_text("1")
    (data / "file").symlink_to(real / "file")
    (data / "sub").symlink_to(real / "sub")
    (data / "around").symlink_to(data)
    (data / "nowhere").symlink_to(tmp_path / "missing")
    return data


def digest(folder: Path, files: int | None = None) -> object:
    return reuse_module._input(folder, reuse_module._Room(None, files))


@pytest.mark.parametrize("name", ["file", "sub/x", "sub/new"])
def test_what_links_of_an_input_lead_to_counts(folder: Path, tmp_path: Path, name: str) -> None:
    first = digest(folder)
    assert digest(folder) == first
    (tmp_path / "real" / name).write_text("2")
    assert digest(folder) != first


def test_a_pipe_in_an_input_is_not_read(folder: Path) -> None:
    first = digest(folder)
    os.mkfifo(folder / "pipe")
    second = digest(folder)
    assert second != first
    assert digest(folder) == second


def test_folders_that_link_to_each_other_are_read_once(folder: Path) -> None:
    for name in "abcdefghijkl":
        (folder / name).mkdir()
    for name in "abcdefghijkl":
        for other in "abcdefghijkl":
            (folder / name / other).symlink_to(folder / other)
    assert digest(folder, 200) == digest(folder)


def test_many_files_are_looked_at_only_if_reuse_was_asked_for(
    folder: Path, world: World, tracking: MillstreamClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reuse_module, "QUICK_FILES", 3)
    world.table = folder
    monkeypatch.setattr(Path, "write_text", lambda *_: 0)  # the world's table is a folder here
    (world.root / "MLproject").write_bytes(MLPROJECT.replace("cat", "ls").encode())
    plain = world.run(reuse=False)
    assert "millstream.project.fingerprint" not in tracking.get_run(plain).data.tags
    first = world.run()
    assert first != plain
    assert world.run() == first
