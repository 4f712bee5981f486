"""Both ways with the official package, in its own environment: what we save loads and predicts there, what it saves here.

`make test` tries scikit-learn, XGBoost and Python functions with MLflow 3.17; `make test-flavors` all cases, and those that 2.22
has a format for with 2.22.
"""

from __future__ import annotations

import json
import pickle
import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import millstream
from tests.compat.environments import OFFICIAL
from tests.compat.servers import clean_environment
from tests.models.flavors.cases import plain, same
from tests.models.flavors.conftest import INSTALLED, Saved

ALWAYS = ("sklearn", "sklearn forest", "sklearn pickled", "xgboost booster", "xgboost classifier", "python callable", "python model", "spark pipeline",
          "spark transformer")  # fmt: skip
SCRIPT = Path(__file__).with_name("official.py")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:keras.*", "ignore::DeprecationWarning:torch.*")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "both" not in metafunc.fixturenames:
        return
    everything = metafunc.config.getoption("--all-flavors")
    pairs = [
        (release, name)
        for release in (("3.17", "2.22") if everything else ("3.17",))
        for name, case in INSTALLED.items()
        if (everything or name in ALWAYS) and (case.old or release != "2.22")
    ]
    metafunc.parametrize("both", pairs, ids=[f"{release} {name}" for release, name in pairs], indirect=True)


class Both:
    """One case: ours, and what the official package of one release made of it and of its own."""

    def __init__(self, ours: Saved, theirs: Path, there: dict[str, Any]) -> None:
        self.ours = ours
        self.theirs = theirs
        self.there = there

    def here(self, path: Path) -> Any:
        return millstream.pyfunc.load_model(str(path), trust=self.ours.case.needs_trust)


@pytest.fixture(scope="session")
def official(
    all_saved: Callable[[str], Saved], tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Callable[[str], tuple[Path, dict[str, Any]]]:
    """Runs the official package of a release once, over all cases."""
    done: dict[str, tuple[Path, dict[str, Any]]] = {}

    def run(release: str) -> tuple[Path, dict[str, Any]]:
        if release not in done:
            done[release] = _run(release, tmp_path_factory.mktemp(release), all_saved, request)
        return done[release]

    return run


def _run(
    release: str, folder: Path, all_saved: Callable[[str], Saved], request: pytest.FixtureRequest
) -> tuple[Path, dict[str, Any]]:
    everything = request.config.getoption("--all-flavors")
    names = [
        name for name, case in INSTALLED.items() if (everything or name in ALWAYS) and (case.old or release != "2.22")
    ]
    models = {
        name: {"theirs": str(folder / name.replace(" ", "-")), "ours": str(all_saved(name).path)} for name in names
    }
    job = {"libraries": [sysconfig.get_path("purelib")], "models": models}
    (folder / "job.json").write_text(json.dumps(job))
    python = OFFICIAL[release].python()
    done = subprocess.run(
        [str(python), str(SCRIPT), str(folder / "job.json"), str(folder / "results.pkl")],
        env=clean_environment(KERAS_BACKEND="torch", HOME=str(folder)),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answers: dict[str, Any] = pickle.loads((folder / "results.pkl").read_bytes())
    assert answers["version"].startswith(release)
    return folder, answers


@pytest.fixture
def both(
    request: pytest.FixtureRequest,
    all_saved: Callable[[str], Saved],
    official: Callable[[str], tuple[Path, dict[str, Any]]],
) -> Both:
    release, name = request.param
    folder, answers = official(release)
    return Both(all_saved(name), folder / name.replace(" ", "-"), answers[name])


def test_what_we_save_predicts_the_same_there(both: Both) -> None:
    there = both.there["ours"]
    assert "error" not in there, there["error"]
    case = both.ours.case
    if case.flavor != "python_function":
        assert same(there["native"], plain(case.native(both.ours.model, both.ours.example)))
    if case.has_function:
        assert same(there["prediction"], plain(both.here(both.ours.path).predict(both.ours.example)))


def test_what_it_saves_predicts_the_same_here(both: Both) -> None:
    there = both.there["theirs"]
    assert "error" not in there, there["error"]
    case = both.ours.case
    if case.flavor != "python_function":
        native = both.ours.api.load_model(str(both.theirs), trust=case.needs_trust)
        assert same(there["native"], plain(case.native(native, both.ours.example)))
    if case.has_function:
        assert same(there["prediction"], plain(both.here(both.theirs).predict(both.ours.example)))


def test_signatures_and_examples_are_equal(both: Both) -> None:
    if not both.ours.case.has_function:
        return
    ours, theirs = both.here(both.ours.path), both.here(both.theirs)
    signature = None if ours.metadata.signature is None else ours.metadata.signature.to_dict()
    assert both.there["ours"]["signature"] == signature
    other = None if theirs.metadata.signature is None else theirs.metadata.signature.to_dict()
    assert both.there["theirs"]["signature"] == other
    assert (other == signature) == (not both.ours.case.differs)
    if not both.ours.case.differs:
        for example in (theirs.input_example, ours.input_example, both.there["ours"]["example"]):
            assert same(plain(example), both.there["theirs"]["example"])


ADDED = {"code", "serialization_format", "skops_trusted_types", "model_id"}
"""Keys that some releases and flavors write and others do not, with the value that their absence means."""


def test_the_sections_of_mlmodel_have_the_same_keys(both: Both) -> None:
    from millstream.models import get_model_info

    ours, theirs = get_model_info(str(both.ours.path)).flavors, get_model_info(str(both.theirs)).flavors
    assert set(ours) == set(theirs)
    for name, section in ours.items():
        assert set(section) ^ set(theirs[name]) <= ADDED, name
