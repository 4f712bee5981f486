"""Plug-ins that others have published: found by their entry points, called as they expect it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from millstream import deployments
from millstream.cli.main import cli
from millstream.deployments import plugins
from millstream.errors import InvalidValue, Unsupported

PLUGIN = """
    import json
    import numpy as np
    from {base} import BaseDeploymentClient, PredictionsResponse

    CALLS = []

    def run_local({run_local}):
        CALLS.append(("run_local", name, model_uri, flavor, config))
        print("running", name, model_uri, flavor, config)

    def target_help():
        return "Give it a name."

    class Client(BaseDeploymentClient):
        def create_deployment(self, name, model_uri, flavor=None, config=None, endpoint=None):
            CALLS.append(("create", name, model_uri, flavor, config, endpoint))
            return {{"name": name, "flavor": flavor, "config": config, "endpoint": endpoint}}

        def update_deployment(self, name, model_uri=None, flavor=None, config=None, endpoint=None):
            return {{"name": name, "flavor": flavor or "python_function"}}

        def delete_deployment(self, name):  # an old one: without config and endpoint
            CALLS.append(("delete", name))

        def list_deployments(self):
            return [{{"name": "one"}}, {{"name": "two"}}]

        def get_deployment(self, name, endpoint=None):
            return {{"name": name, "target": self.target_uri}}

        def predict(self, deployment_name=None, inputs=None, endpoint=None):
            columns = list(inputs.columns)
            return PredictionsResponse.from_json(json.dumps({{"predictions": [deployment_name, endpoint, columns]}}))

        def explain(self, deployment_name=None, df=None, endpoint=None):
            return np.array([1.5, 2.5])

        def create_endpoint(self, name, config=None):
            return {{"name": name, "config": config}}

        def list_endpoints(self):
            return [{{"name": "front"}}]
"""

IMPORT_BASE = "from millstream.deployments import BaseDeploymentClient as Base"
DOCUMENTED = "target, name, model_uri, flavor=None, config=None"
AS_CALLED = "name, model_uri, flavor, config"


def source(base: str = "millstream.deployments", run_local: str = DOCUMENTED) -> str:
    return PLUGIN.format(base=base, run_local=run_local)


def call(*arguments: str, status: int = 0) -> Result:
    result = CliRunner().invoke(cli, ["deployments", *arguments], catch_exceptions=False)
    assert result.exit_code == status, result.output
    return result


@pytest.fixture
def frame(tmp_path: Path) -> str:
    (tmp_path / "in.json").write_text('[{"a": 1, "b": 2}]')
    return str(tmp_path / "in.json")


@pytest.mark.parametrize("group", ["mlflow.deployments", "millstream.deployments"])
def test_a_plugin_is_found_by_its_entry_point(install: Callable[..., None], group: str) -> None:
    install("elsewhere", "plugin_found", source(), group)
    client = deployments.get_deploy_client("elsewhere:/region-1")
    assert client is not None
    assert client.get_deployment("m") == {"name": "m", "target": "elsewhere:/region-1"}
    assert "elsewhere" in plugins.names()


def test_every_command_reaches_the_plugin(install: Callable[..., None], frame: str, tmp_path: Path) -> None:
    install("elsewhere", "plugin_commands", source())
    target = ("-t", "elsewhere")
    made = call(
        "create",
        "--name",
        "m",
        *target,
        "-m",
        "runs:/1/m",
        "-f",
        "sklearn",
        "-C",
        "a=1",
        "-C",
        "b=x=y",
        "--endpoint",
        "e",
    )
    assert made.output == "sklearn deployment m is created\n"
    from_json = json.loads(call("create", "--name", "m", *target, "-m", "x", "-C", "a=1", "--json").output)
    assert from_json == {"name": "m", "flavor": None, "config": {"a": "1"}, "endpoint": None}
    assert call("update", "--name", "m", *target).output == "Deployment m is updated (with flavor python_function)\n"
    assert call("delete", "--name", "m", *target).output == "Deployment m is deleted\n"
    assert call("list", *target).output == "one\ntwo\n"
    assert call("get", "--name", "m", *target).output == "name: m\ntarget: elsewhere\n"
    one = json.loads(call("predict", "--name", "m", *target, "-I", frame).output)
    assert one == {"predictions": ["m", None, ["a", "b"]]}
    call("predict", "--endpoint", "e", *target, "-I", frame, "-O", str(tmp_path / "out.json"))
    assert json.loads((tmp_path / "out.json").read_text()) == {"predictions": [None, "e", ["a", "b"]]}
    assert json.loads(call("explain", "--name", "m", *target, "-I", frame).output) == [1.5, 2.5]
    assert call("create-endpoint", "--endpoint", "front", *target, "-C", "a=1").output == "Endpoint front is created\n"
    assert call("list-endpoints", *target).output == "front\n"
    assert call("help", *target).output == "Give it a name.\n"
    sys_module = sys.modules["plugin_commands"]
    assert sys_module.CALLS[0] == ("create", "m", "runs:/1/m", "sklearn", {"a": "1", "b": "x=y"}, "e")


@pytest.mark.parametrize("run_local", [DOCUMENTED, AS_CALLED, "**given"])
def test_run_local_is_called_with_and_without_the_target(
    install: Callable[..., None], run_local: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = source(run_local=run_local)
    if run_local == "**given":
        text = text.replace(
            'CALLS.append(("run_local"',
            'name, model_uri, flavor, config = (given[k] for k in ("name", "model_uri", "flavor", "config"))\n        CALLS.append(("run_local"',
        )
    install("elsewhere", "plugin_run_local", text)
    deployments.run_local("elsewhere", "m", "models:/m/1", config={"a": "1"})
    assert capsys.readouterr().out == "running m models:/m/1 None {'a': '1'}\n"
    assert (
        "running m x sklearn {'b': '2'}"
        in call("run-local", "--name", "m", "-t", "elsewhere", "-m", "x", "-f", "sklearn", "-C", "b=2").output
    )


def test_options_that_an_old_plugin_does_not_know_are_named(install: Callable[..., None]) -> None:
    install("elsewhere", "plugin_old", source())
    with pytest.raises(Unsupported, match="--endpoint"):
        call("list", "-t", "elsewhere", "--endpoint", "e")
    with pytest.raises(Unsupported, match="--config"):
        call("delete", "--name", "m", "-t", "elsewhere", "-C", "a=1")


def test_what_a_plugin_does_not_offer_says_so(install: Callable[..., None]) -> None:
    install("elsewhere", "plugin_partial", source())
    client = deployments.get_deploy_client("elsewhere")
    assert client is not None
    for method, arguments in (
        (client.predict_stream, ("m", [])), (client.update_endpoint, ("e",)), (client.delete_endpoint, ("e",)), (client.get_endpoint, ("e",)),
    ):  # fmt: skip
        with pytest.raises(Unsupported, match="elsewhere"):
            method(*arguments)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("def target_help(): return ''", r"no function run_local\(\)"),
        ("def run_local(): ...", r"no function target_help\(\)"),
        ("def run_local(): ...\ndef target_help(): ...", "brings 0"),
        (
            f"{IMPORT_BASE}\ndef run_local(): ...\ndef target_help(): ...\nclass A(Base): ...\nclass B(Base): ...",
            "brings 2",
        ),
        ("import no_such_module_at_all", "importing plugin_broken failed"),
        ("1/0", "importing plugin_broken failed"),
    ],
)
def test_a_broken_plugin_is_named_with_what_it_lacks(install: Callable[..., None], text: str, reason: str) -> None:
    install("elsewhere", "plugin_broken", text)
    with pytest.raises(plugins.BrokenPlugin, match=reason):
        deployments.get_deploy_client("elsewhere")


def test_an_unknown_target_lists_those_there_are() -> None:
    for attempt in (deployments.get_deploy_client, deployments.set_deployments_target):
        with pytest.raises(InvalidValue, match=r"There are: .*local"):
            attempt("nowhere")


def test_the_target_is_set_for_a_process_or_by_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    assert deployments.get_deploy_client() is None
    with pytest.raises(InvalidValue, match="set_deployments_target"):
        deployments.get_deployments_target()
    monkeypatch.setenv("MLFLOW_DEPLOYMENTS_TARGET", "local")
    client = deployments.get_deploy_client()
    assert client is not None
    assert client.target_uri == "local"
    deployments.set_deployments_target("local:/srv")
    assert deployments.get_deployments_target() == "local:/srv"


@pytest.mark.parametrize("config", ["novalue", "=x", "a=1 -C a=2"])
def test_settings_on_the_command_line_are_pairs_and_given_once(config: str) -> None:
    options = [part for each in config.split(" -C ") for part in ("-C", each)]
    call("create", "--name", "m", "-t", "local", "-m", "x", *options, status=2)


def test_predict_takes_a_name_or_an_endpoint(frame: str) -> None:
    call("predict", "-t", "local", "-I", frame, status=2)
    call("predict", "-t", "local", "-I", frame, "--name", "a", "--endpoint", "b", status=2)
    call("predict", "-t", "local", "-I", "missing.json", "--name", "a", status=2)


def test_a_plugin_that_imports_mlflow_gets_millstream_where_mlflow_is_not_installed(
    install: Callable[..., None], tmp_path: Path
) -> None:
    install("elsewhere", "plugin_of_mlflow", source("mlflow.deployments", AS_CALLED))
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from millstream.deployments import BaseDeploymentClient, get_deploy_client\n"
        "client = get_deploy_client('elsewhere')\n"
        "assert isinstance(client, BaseDeploymentClient)\n"
        "print(client.get_deployment('m'))\n"
    )
    done: Any = subprocess.run(
        [sys.executable, "-I", "-c", program, str(tmp_path / "site-packages")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "{'name': 'm', 'target': 'elsewhere'}\n", done.stderr


def test_the_names_of_mlflow_are_these() -> None:
    program = "import millstream as mlflow; print(mlflow.deployments.get_deploy_client('local').target_uri)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout == "local\n", done.stderr
