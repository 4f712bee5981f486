"""The server as a process: its start, its signals, its workers, and a model that it follows; `millstream models` on the command line."""

from __future__ import annotations

import http.client
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from millstream.cli.main import main
from millstream.version import VERSION
from tests.compat.servers import clean_environment, free_port

SLOW_MODEL = """
import time
from millstream.models.pyfunc import PythonModel
from millstream.models import set_model

class Slow(PythonModel):
    def predict(self, context, model_input, params=None):
        print("noise of the model")
        time.sleep(float(model_input["wait"].iloc[0]))
        return [len(model_input)]

set_model(Slow())
"""


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that takes as long as it is told to."""
    from millstream.models import pyfunc
    from millstream.models.signature import ModelSignature
    from millstream.models.types import ColSpec, Schema

    folder = tmp_path_factory.mktemp("slow")
    script = folder / "model.py"
    script.write_text(SLOW_MODEL)
    signature = ModelSignature(Schema([ColSpec("double", "wait")]))
    pyfunc.save_model(folder / "m", python_model=str(script), signature=signature, pip_requirements=[])
    return folder / "m"


class Process:
    def __init__(
        self, model: str | Path, *options: str, env: dict[str, str] | None = None, cwd: Path | None = None
    ) -> None:
        self.port = free_port()
        command = [
            sys.executable, "-m", "millstream.cli.main", "models", "serve", "-m", str(model), "-p", str(self.port),
            "--env-manager", "local", "--trust", *options,
        ]  # fmt: skip
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment(**(env or {})), cwd=cwd
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline().decode()
        if "is served at" not in line:
            assert self.process.stderr is not None
            raise AssertionError(line + self.process.stderr.read().decode())
        self.log: list[str] = []
        for stream in (self.process.stdout, self.process.stderr):
            threading.Thread(target=self._drain, args=(stream,), daemon=True).start()

    def _drain(self, stream: Any) -> None:
        for line in stream:
            self.log.append(line.decode())

    def score(self, body: Any, timeout: float = 30) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("POST", "/invocations", json.dumps(body), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text.startswith(b"{") else text
        finally:
            connection.close()

    def get(self, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)


@pytest.fixture
def launch() -> Iterator[Callable[..., Process]]:
    started: list[Process] = []

    def start(*args: Any, **kwargs: Any) -> Process:
        started.append(Process(*args, **kwargs))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
        each.process.communicate()


def wait(seconds: float) -> Any:
    return {"inputs": {"wait": [seconds]}}


def test_a_stopped_server_answers_what_is_in_work(slow: Path, launch: Callable[..., Process]) -> None:
    server = launch(slow)
    assert server.score(wait(0)) == (200, {"predictions": [1]})
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(server.score(wait(1))))
    thread.start()
    time.sleep(0.4)
    assert server.stop() == 0
    thread.join()
    assert answers == [(200, {"predictions": [1]})]
    assert any('"stopped"' in line for line in server.log)


def test_health_answers_while_all_threads_predict_and_hung_models_do_not_keep_the_server(
    slow: Path, launch: Callable[..., Process]
) -> None:
    server = launch(slow, "--threads", "2", "--timeout", "0.3", "--max-waiting", "0")
    answers: list[Any] = []
    threads = [threading.Thread(target=lambda: answers.append(server.score(wait(60)))) for _ in range(2)]
    for thread in threads:
        thread.start()
    time.sleep(0.1)
    began = time.monotonic()
    assert server.get("/ping")[0] == 200
    assert time.monotonic() - began < 1
    for thread in threads:
        thread.join()
    assert {status for status, _ in answers} <= {504, 429}
    assert server.stop() == 0


def test_workers_share_a_port_count_together_and_are_replaced_when_they_fall(
    slow: Path, launch: Callable[..., Process]
) -> None:
    server = launch(slow, "--workers", "2")
    workers = psutil.Process(server.process.pid).children()
    assert len(workers) == 2
    for _ in range(10):
        assert server.score(wait(0))[0] == 200
    workers[0].kill()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        alive = [child for child in psutil.Process(server.process.pid).children() if child.is_running()]
        if len(alive) == 2 and workers[0].pid not in {child.pid for child in alive}:
            break
        time.sleep(0.1)
    assert server.score(wait(0))[0] == 200
    children = psutil.Process(server.process.pid).children()
    server.process.kill()  # without a word of farewell
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []


def test_a_model_that_is_not_trusted_is_not_served(slow: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "millstream.cli.main",
        "models",
        "serve",
        "-m",
        str(slow),
        "-p",
        "0",
        "--env-manager",
        "local",
    ]
    done = subprocess.run(command, capture_output=True, text=True, env=clean_environment(), timeout=60)
    assert done.returncode == 1
    assert "trust" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_slow_client_is_cut_off_and_large_headers_are_refused(slow: Path, launch: Callable[..., Process]) -> None:
    import socket

    server = launch(slow)
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        sock.sendall(b"POST /invocations HTTP/1.1\r\nHost: localhost\r\n" + b"x: " + b"y" * 70_000 + b"\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 431")
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        sock.sendall(b"nonsense\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 400")
    assert server.score(wait(0))[0] == 200


# ---------------------------------------------------------------- millstream models


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("MLFLOW_", "MILLSTREAM_"))]:
        monkeypatch.delenv(name)


def run(*arguments: str) -> None:
    """`millstream models` with these arguments, which succeeds."""
    with pytest.raises(SystemExit) as ended:
        main(["models", *arguments])
    assert ended.value.code == 0


def predict(*arguments: str, capsys: pytest.CaptureFixture[str]) -> Any:
    run("predict", "--env-manager", "local", "--trust", *arguments)
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_predict_reads_json_and_csv_and_writes_a_file(
    slow: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    request = tmp_path / "in.json"
    request.write_text(json.dumps(wait(0)))
    assert predict("-m", str(slow), "-i", str(request), capsys=capsys) == {"predictions": [1]}
    table = tmp_path / "in.csv"
    table.write_text("wait\n0\n0\n")
    assert predict("-m", str(slow), "-i", str(table), "-t", "csv", capsys=capsys) == {"predictions": [2]}
    out = tmp_path / "out.json"
    run("predict", "-m", str(slow), "-i", str(request), "-o", str(out), "--trust", "--env-manager", "local")
    assert json.loads(out.read_text()) == {"predictions": [1]}


def test_predict_in_another_process_is_not_disturbed_by_what_the_model_prints(
    slow: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    request = tmp_path / "in.json"
    request.write_text(json.dumps(wait(0)))
    run("predict", "-m", str(slow), "-i", str(request), "--trust", "--env-manager", "local", "--env", "A=b")
    read = capfd.readouterr()
    assert json.loads(read.out) == {"predictions": [1]}
    assert "noise of the model" in read.err


@pytest.mark.parametrize(
    ("body", "message"),
    [('{"nothing": 1}', "exactly one of"), ('{"inputs": {"wait": ["x"]}}', "convert"), ("{", "not JSON")],
)
def test_predict_says_what_is_wrong(
    slow: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], body: str, message: str
) -> None:
    request = tmp_path / "in.json"
    request.write_text(body)
    for more in ([], ["--env", "A=b"]):
        with pytest.raises(SystemExit):
            main(["models", "predict", "-m", str(slow), "-i", str(request), "--trust", "--env-manager", "local", *more])
        assert message in capsys.readouterr().err


def test_predict_from_python_takes_data_of_any_kind(slow: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import pandas as pd

    from millstream.errors import InvalidValue
    from millstream.serving import predict

    for data in (pd.DataFrame({"wait": [0.0, 0.0]}), {"dataframe_records": [{"wait": 0}, {"wait": 0}]}):
        text = data if not isinstance(data, dict) else json.dumps(data)
        predict(str(slow), text, env_manager="local", trust=True)
        assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {"predictions": [2]}
    with pytest.raises(InvalidValue, match="not both"):
        predict(str(slow), [1], "file", env_manager="local")
    with pytest.raises(InvalidValue, match="content type"):
        predict(str(slow), [1], content_type="xml", env_manager="local")
    with pytest.raises(InvalidValue, match="another environment"):
        predict(str(slow), [1], env_manager="local", pip_requirements_override=["numpy"])
    with pytest.raises(InvalidValue, match="no environment manager"):
        predict(str(slow), [1], env_manager="poetry")


def test_predict_writes_what_pandas_says_is_missing_as_null(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import pandas as pd

    from millstream.models import pyfunc

    class Holes(pyfunc.PythonModel):
        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            return pd.DataFrame({"n": pd.array([1, None], dtype="Int64"), "b": pd.array([None, True], dtype="boolean")})

    pyfunc.save_model(tmp_path / "m", python_model=Holes(), pip_requirements=[])
    request = tmp_path / "in.json"
    request.write_text('{"inputs": [1]}')
    rows = [{"n": 1, "b": None}, {"n": None, "b": True}]
    assert predict("-m", str(tmp_path / "m"), "-i", str(request), capsys=capsys) == {"predictions": rows}


def test_lines_are_scored_one_after_the_other(slow: Path, tmp_path: Path) -> None:
    from millstream.errors import BadRequest
    from millstream.serving.lines import LineScorer
    from millstream.serving.pool import DeadlineExceeded

    scorer = LineScorer(sys.executable, str(slow), trust=True)
    try:
        assert scorer.invoke(json.dumps(wait(0)), 60) == [1]
        with pytest.raises(BadRequest):
            scorer.invoke('{"inputs": {"wait": ["x"]}}')
        with pytest.raises(DeadlineExceeded):
            scorer.invoke(json.dumps(wait(0.6)), 0.1)
        assert scorer.invoke(json.dumps(wait(0))) == [1], "the late reply is not taken for another's"
    finally:
        scorer.close()


def test_replies_to_lines_go_to_the_file_that_a_line_names(slow: Path, tmp_path: Path) -> None:
    out = tmp_path / "replies"
    lines = [{"id": str(number), "data": json.dumps(wait(0)), "output_file": str(out)} for number in range(2)]
    text = "".join(json.dumps(line) + "\n" for line in [*lines, {"id": 3}, {"id": "x", "data": "{"}])
    command = [sys.executable, "-m", "millstream.serving.lines", str(slow), "1"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, env=clean_environment())
    assert done.returncode == 0, done.stderr
    assert [json.loads(line) for line in out.read_text().splitlines()] == [
        {"predictions": [1], "id": "0"},
        {"predictions": [1], "id": "1"},
    ]
    replies = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(reply["id"], reply["error_code"]) for reply in replies] == [("", "BAD_REQUEST"), ("x", "BAD_REQUEST")]


# ---------------------------------------------------------------- images


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A command `docker` that writes down how it was called, and what lay in its folder."""
    folder = tmp_path / "bin"
    folder.mkdir()
    calls = tmp_path / "calls.json"
    shim = folder / "docker"
    shim.write_text(
        f"#!{sys.executable}\nimport json, os, sys\n"
        f"json.dump({{'argv': sys.argv[1:], 'files': sorted(os.listdir(sys.argv[-1])), "
        f"'dockerfile': open(sys.argv[-1] + '/Dockerfile').read()}}, open({str(calls)!r}, 'w'))\n"
        "sys.exit(int(os.environ.get('DOCKER_STATUS', '0')))\n"
    )
    shim.chmod(shim.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return calls


def test_an_image_is_built_from_the_model_its_requirements_and_this_millstream(slow: Path, docker: Path) -> None:
    run("build-docker", "-m", str(slow), "-n", "registry.example:5000/churn:3")
    call = json.loads(docker.read_text())
    assert call["argv"][:3] == ["build", "-t", "registry.example:5000/churn:3"]
    assert len(call["argv"]) == 4
    assert call["files"] == ["Dockerfile", "constraints.txt", "model_dir", "requirements.txt", "wheels"]
    text = call["dockerfile"]
    assert text.startswith(f"FROM python:{sys.version.split()[0]}-slim\n")
    assert "COPY --chown=10001 model_dir /opt/ml/model" in text
    assert "USER scorer" in text
    assert "EXPOSE 8080" in text
    assert "TRUST_PICKLES" not in text, "only if it was said"


def test_an_image_for_any_model_makes_the_environment_when_it_starts(docker: Path) -> None:
    run("build-docker", "--trust", "--install-java")
    text = json.loads(docker.read_text())["dockerfile"]
    assert "model_dir" not in text
    assert "MILLSTREAM_DISABLE_ENV_CREATION=false" in text
    assert "MILLSTREAM_TRUST_PICKLES=true" in text
    assert "default-jre-headless" in text
    assert "uv" in text


@pytest.mark.parametrize("name", ["-v", "--privileged", "A B", "", "x;y", "../x"])
def test_a_name_that_is_no_image_is_refused(
    slow: Path, docker: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from millstream.errors import InvalidValue
    from millstream.serving import build_docker, generate_dockerfile

    with pytest.raises(InvalidValue, match="name of an image"):
        build_docker(str(slow), name)
    with pytest.raises(InvalidValue, match="name of an image"):
        generate_dockerfile(str(slow), docker.parent / "out", base_image=name or "\n")
    assert not docker.exists()


def test_docker_that_fails_or_is_not_there_is_said(slow: Path, docker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from millstream.errors import MillstreamError, MissingLibrary
    from millstream.serving import build_docker

    monkeypatch.setenv("DOCKER_STATUS", "3")
    with pytest.raises(MillstreamError, match="status 3"):
        build_docker(str(slow), "x")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MissingLibrary, match="docker"):
        build_docker(str(slow), "x")


def test_a_dockerfile_is_written_beside_what_it_copies_and_written_again(
    slow: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from millstream.errors import InvalidValue
    from millstream.serving import generate_dockerfile

    for manager, installer in (("local", "pip install"), ("uv", "uv pip install"), ("conda", "conda env update")):
        run("generate-dockerfile", "-m", str(slow), "-d", str(tmp_path / "d"), "--env-manager", manager)
        assert installer in (tmp_path / "d" / "Dockerfile").read_text()
        assert (tmp_path / "d" / "model_dir" / "MLmodel").is_file()
        assert "mlflow" not in (tmp_path / "d" / "requirements.txt").read_text()
    (tmp_path / "e" / "model_dir").mkdir(parents=True)
    with pytest.raises(InvalidValue, match="no model"):
        generate_dockerfile(str(slow), tmp_path / "e")


def test_the_container_serves_on_the_images_port(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from millstream.serving import container

    assert container.port() == 8080
    monkeypatch.setenv("DISABLE_NGINX", "true")
    assert container.port() == 8000
    assert container.workers() >= 1
    monkeypatch.setenv("MLFLOW_MODELS_WORKERS", "7")
    assert container.workers() == 7
    assert not container.is_healthy()
    with pytest.raises(SystemExit, match="no model"):
        container.main(str(tmp_path))


# ---------------------------------------------------------------- requirements, environments


def test_requirements_of_a_model_are_changed_in_place(
    slow: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil

    folder = tmp_path / "m"
    shutil.copytree(slow, folder)
    run("update-pip-requirements", "-m", str(folder), "add", "requests==2.32.0", "numpy")
    assert "requests==2.32.0" in (folder / "requirements.txt").read_text()
    run("update-pip-requirements", "-m", str(folder), "remove", "requests")
    assert "requests" not in (folder / "requirements.txt").read_text()


def test_the_local_environment_needs_no_making(slow: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("prepare-env", "-m", str(slow), "--env-manager", "local", "--json")
    assert json.loads(capsys.readouterr().out) == {
        "python": sys.executable,
        "manager": "local",
        "key": "",
        "was_cached": True,
    }


@pytest.mark.parametrize("pair", ["A", "=x", ""])
def test_variables_must_be_pairs(pair: str) -> None:
    from millstream.errors import InvalidValue
    from millstream.serving.surroundings import variables

    assert variables(["A=b=c", "B="]) == {"A": "b=c", "B": ""}
    with pytest.raises(InvalidValue, match="NAME=VALUE"):
        variables([pair])


def test_the_help_names_mlflows_options(capsys: pytest.CaptureFixture[str]) -> None:
    expected = {
        "serve": ["--model-uri", "--port", "--host", "--timeout", "--workers", "--env-manager", "--install-mlflow"],
        "predict": [
            "--model-uri",
            "--input-path",
            "--output-path",
            "--content-type",
            "--pip-requirements-override",
            "--env",
        ],
        "prepare-env": ["--model-uri", "--env-manager"],
        "build-docker": ["--model-uri", "--name", "--install-java", "--env-manager"],
        "generate-dockerfile": ["--model-uri", "--output-directory", "--env-manager"],
        "update-pip-requirements": ["--model-uri"],
    }
    for command, options in expected.items():
        with pytest.raises(SystemExit):
            main(["models", command, "--help"])
        text = capsys.readouterr().out
        assert all(option in text for option in options), command


def test_what_is_left_to_do_at_exit_is_done_before_another_environment_takes_over(slow: Path) -> None:
    code = (
        "import atexit\nfrom millstream.serving import surroundings\n"
        "atexit.register(print, 'tidied up')\n"
        f"environment = surroundings.prepare_env({str(slow)!r}, 'local')\n"
        "surroundings.become(environment, 'millstream.cli.main', '--version')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=clean_environment(), timeout=60, check=True
    )
    tidied, version = done.stdout.splitlines()
    assert (tidied, VERSION in version) == ("tidied up", True)
