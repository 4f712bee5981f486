"""Plug-ins as pip installs them, models, and a state folder whose servers end with the test."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from millstream.deployments import local, targets


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings, working folder and target of the test's own."""
    for name in list(os.environ):
        if name.startswith(("MLFLOW_", "MILLSTREAM_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MILLSTREAM_DEPLOYMENTS_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("MILLSTREAM_JOURNAL_DIR", str(tmp_path / "journal"))
    monkeypatch.setenv("MILLSTREAM_TRUST_PICKLES", "true")  # the models of these tests are our own code
    monkeypatch.setattr(targets, "_target", None)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def client(environment: None) -> Iterator[local.LocalDeploymentClient]:
    client = local.LocalDeploymentClient("local")
    yield client
    for each in client.list_deployments():
        client.delete_deployment(each["name"])


MODEL = """
from millstream.models import set_model
from millstream.models.pyfunc import PythonModel


class Times(PythonModel):
    def predict(self, context, model_input, params=None):
        is_table = hasattr(model_input, "columns") or isinstance(model_input, dict)
        column = model_input["x"] if is_table else [row[0] for row in model_input]
        return [float(value) * FACTOR for value in column]


set_model(Times())
"""


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the models `double` and `triple`, which multiply the column `x`. They are code: light to serve."""
    from millstream.models import pyfunc

    folder = tmp_path_factory.mktemp("models")
    for name, factor in (("double", "2.0"), ("triple", "3.0")):
        code = folder / f"{name}.py"
        code.write_text(MODEL.replace("FACTOR", factor))
        pyfunc.save_model(folder / name, python_model=str(code), pip_requirements=[])
    return folder


Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a plug-in: its module and the dist-info that names its entry point."""
    site = tmp_path / "site-packages"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    before = set(sys.modules)

    def install(scheme: str, module: str, source: str, group: str = "mlflow.deployments") -> None:
        (site / f"{module}.py").write_text(textwrap.dedent(source))
        info = site / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{group}]\n{scheme} = {module}\n")

    yield install
    for name in set(sys.modules) - before:
        if name.startswith("plugin_"):
            del sys.modules[name]
