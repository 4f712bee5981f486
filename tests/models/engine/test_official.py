"""Python functions both ways with the official package 3.17, in its own environment."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

import millstream
from tests.compat.environments import OFFICIAL
from tests.compat.servers import clean_environment
from tests.models.engine import python_functions


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("both ways")


@pytest.fixture(scope="module")
def there(folder: Path) -> dict[str, Any]:
    """What the official package answers with its own models, below `theirs`, and with ours, below `ours`."""
    with pytest.MonkeyPatch.context() as patch, millstream.as_mlflow():
        patch.chdir(folder)
        python_functions.save_all("millstream", folder / "ours")
    done = subprocess.run(
        [str(OFFICIAL["3.17"].python()), python_functions.__file__, "theirs", "ours", "answers.json"],
        cwd=folder,
        env=clean_environment(HOME=str(folder)),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answers: dict[str, Any] = json.loads((folder / "answers.json").read_text())
    return answers


def test_the_official_package_answers_with_ours_as_with_its_own(there: dict[str, Any]) -> None:
    assert there["ours"] == there["theirs"]


@pytest.mark.parametrize("whose", ["ours", "theirs"])
def test_we_answer_with_both_as_the_official_package_does(there: dict[str, Any], folder: Path, whose: str) -> None:
    with millstream.as_mlflow():
        here = python_functions.call_all("millstream", folder / whose, trust=True)
    assert here == there["theirs"]


def test_inputs_that_do_not_fit_are_refused_everywhere(there: dict[str, Any]) -> None:
    for whose in ("ours", "theirs"):
        refusing = {name for name, found in there[whose].items() if found.get("refuses")}
        assert refusing == {"adding", "speaking", "derived", "longer", "kind"}
