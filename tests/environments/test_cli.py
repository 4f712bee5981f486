"""`millstream envs`."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from millstream.cli.main import cli
from millstream.environments import EnvironmentSpec, cache, prepare
from millstream.environments.lines import parse
from millstream.serving.surroundings import with_pandas


@pytest.fixture
def call() -> Callable[..., tuple[int, str]]:
    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(cli, ["envs", *arguments], env={"COLUMNS": "200"})
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.stdout

    return run


def test_environments_are_listed_and_removed(
    call: Callable[..., tuple[int, str]], wheels: Callable[..., list[str]]
) -> None:
    made = prepare(EnvironmentSpec("", parse(wheels("alpha==1.0")).lines), "uv")
    _, out = call("list", "--json")
    (entry,) = json.loads(out)
    assert (entry["key"], entry["path"], entry["manager"]) == (made.key, str(made.prefix), "uv")
    assert entry["size_bytes"] > 1000
    assert made.key in call("list")[1]
    assert call("gc") == (0, "Nothing to remove.\n")
    old = time.time() - 31 * 86_400
    os.utime(made.prefix.parent / cache.READY, (old, old))
    assert call("gc", "--dry-run")[1].startswith(f"Would remove {made.key} (--no-index")
    assert [row["key"] for row in json.loads(call("gc", "--json")[1])] == [made.key]
    assert json.loads(call("list", "--json")[1]) == []


def test_the_place_of_a_models_environment_is_told(
    call: Callable[..., tuple[int, str]], tmp_path: Path, env_root: Path
) -> None:
    assert call("path") == (0, f"{env_root}\n")
    model = tmp_path / "model"
    model.mkdir()
    (model / "requirements.txt").write_text("six==1.17.0\n")
    status, out = call("path", "-m", str(model))
    assert status == 1
    made = prepare(with_pandas(EnvironmentSpec.read(model)), install_millstream=True)
    assert call("path", "-m", str(model)) == (0, f"{made.prefix}\n")
    assert Path(out.strip()).name == "env"
    assert json.loads(call("path", "-m", str(model), "--json")[1])["ready"] is True
