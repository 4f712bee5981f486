"""The models of `cases` whose libraries are installed here, each made and saved once."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import millstream
from millstream.client import recorder
from millstream.client.transport import close_transports
from millstream.tracking import active, experiments, uris
from tests.models.flavors.cases import CASES, Case

os.environ.setdefault("KERAS_BACKEND", "torch")


@dataclass(frozen=True)
class Saved:
    """A case's model, trained and saved to `path`."""

    case: Case
    model: Any
    example: Any
    path: Path

    @property
    def api(self) -> Any:
        """The public functions of its flavor."""
        return millstream.pyfunc if self.case.flavor == "python_function" else getattr(millstream, self.case.flavor)

    def arguments(self) -> dict[str, Any]:
        """What save_model and log_model take for it; the environment is given, so that it is not looked for each time."""
        key = "python_model" if self.case.flavor == "python_function" else self.api.FLAVOR.model_argument
        return {
            key: self.model,
            "input_example": self.example,
            "pip_requirements": self.api.get_default_pip_requirements(),
            **self.case.options,
        }


INSTALLED = {name: case for name, case in CASES.items() if find_spec(case.package) is not None}


@pytest.fixture(scope="session")
def all_saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Saved]:
    """Gives the saved model of a case, by name."""
    return cache(lambda name: save(INSTALLED[name], tmp_path_factory.mktemp("models")))


@pytest.fixture(params=list(INSTALLED))
def saved(request: pytest.FixtureRequest, all_saved: Callable[[str], Saved]) -> Saved:
    return all_saved(request.param)


def save(case: Case, folder: Path) -> Saved:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the libraries, while they are imported and train
        model, example = case.make()
    made = Saved(case, model, example, folder / case.name.replace(" ", "-"))
    made.api.save_model(path=made.path, **made.arguments())
    return made


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A local store of this test's own, chosen for the fluent API."""
    monkeypatch.setenv("MILLSTREAM_JOURNAL_DIR", str(tmp_path / "journals"))
    monkeypatch.chdir(tmp_path)
    uri = f"sqlite:///{tmp_path / 'store.db'}"
    millstream.set_tracking_uri(uri)
    yield uri
    while active.here.stack:
        millstream.end_run()
    active.forget_appenders()
    experiments._chosen = None
    experiments._by_name.clear()
    uris._default = None
    uris._clients.clear()
    recorder.close_all()
    recorder._recorders.clear()
    close_transports()
