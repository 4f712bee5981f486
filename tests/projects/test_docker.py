"""Projects in containers: what `docker` is told, by a command that records it, by the real one's parser, and by an engine."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from millstream import projects
from millstream.client.client import MillstreamClient
from millstream.entities import Run
from millstream.errors import InvalidProject, InvalidValue, MillstreamError, MissingLibrary
from millstream.images import DockerFailed
from millstream.projects import output
from millstream.projects.running import RunFailed
from millstream.projects.submission import Submission
from tests.projects import docker_shim
from tests.projects.conftest import Docker, Project, wait_for

MLPROJECT = """\
name: churn
docker_env:
  image: registry.example:5000/base/python:3.11
  volumes: ["/data:/data:ro"]
  environment: [["GREETING", "hello, world"], "COPIED"]
entry_points:
  main:
    parameters: {depth: {type: float, default: 4}}
    command: "echo depth {depth} && echo $GREETING from $COPIED"
  log:
    command: "python -c 'import millstream as m; m.start_run(); m.log_metric(\\"seen\\", 1); m.log_text(\\"x\\", \\"x.txt\\")'"
  read: {parameters: {table: path}, command: "cat {table}"}
  fail: {command: "exit 7"}
  wait: {command: "echo waiting; exec sleep 60"}
  die: {command: "kill -9 $$"}
"""
IMAGE = "registry.example:5000/base/python:3.11"


@pytest.fixture
def root(project: Project) -> Path:
    return project(MLPROJECT, {"fit.py": "print('fit')\n"})


def last(client: MillstreamClient) -> Run:
    return client.search_runs(["0"], order_by=["attributes.start_time DESC"], max_results=1)[0]


def runs(client: MillstreamClient) -> int:
    return len(client.search_runs(["0"]))


def test_the_command_line_says_all_that_the_container_gets(
    tracking: MillstreamClient, docker: Docker, root: Path, tmp_path: Path
) -> None:
    done = projects.run(
        str(root),
        parameters={"depth": "2; echo out"},
        docker_args={"memory": "2g", "t": True, "v": "/a b:/c", "init": False},
    )
    call = docker.called("run")
    artifacts = str(Path(tracking.get_experiment("0").artifact_location))
    assert call["arguments"] == [
        "run", "--rm", "--init", f"--name=millstream-{done.run_id}",
        "--memory=2g", "-t", "-v=/a b:/c", "--init=false",
        "--volume=/data:/data:ro",
        f"--mount=type=bind,source={tmp_path},target=/mlflow/tmp/mlruns",
        f"--mount=type=bind,source={artifacts},target={artifacts}",
        "--env=MLFLOW_RUN_ID", "--env=MILLSTREAM_RUN_ID", "--env=MLFLOW_TRACKING_URI", "--env=MILLSTREAM_TRACKING_URI",
        "--env=MLFLOW_EXPERIMENT_ID", "--env=MILLSTREAM_EXPERIMENT_ID",
        "--env=TINI_KILL_PROCESS_GROUP=1", "--env=GREETING=hello, world", "--env=COPIED",
        IMAGE, "bash", "-c", "echo depth '2; echo out' && echo $GREETING from $COPIED",
    ]  # fmt: skip
    told = call["environment"]
    assert told["MLFLOW_RUN_ID"] == told["MILLSTREAM_RUN_ID"] == done.run_id
    assert told["MLFLOW_TRACKING_URI"] == told["MILLSTREAM_TRACKING_URI"] == "sqlite:////mlflow/tmp/mlruns/runs.db"
    assert told["MLFLOW_EXPERIMENT_ID"] == "0"
    assert "secret-of-the-host" not in " ".join(call["arguments"])


def test_the_command_runs_within_the_container_and_what_it_prints_is_kept(
    tracking: MillstreamClient, docker: Docker, root: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    done = projects.run(str(root))
    assert capfd.readouterr().out == "depth 4\nhello, world from secret-of-the-host\n"
    log = Path(tracking.download_artifacts(done.run_id, output.ARTIFACT, str(tmp_path / "got")))
    assert log.read_text() == "depth 4\nhello, world from secret-of-the-host\n"
    run = tracking.get_run(done.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"depth": "4"}
    tags = {name: run.data.tags[f"mlflow.{name}"] for name in ("project.env", "project.backend", "docker.image.uri")}
    assert tags == {"project.env": "docker", "project.backend": "local", "docker.image.uri": IMAGE}
    assert run.data.tags["mlflow.docker.image.id"] == docker_shim.ID


@pytest.mark.parametrize("store", ["sqlite", "folder"])
def test_a_container_logs_to_a_store_of_this_machine(
    tracking: MillstreamClient, docker: Docker, root: Path, tmp_path: Path, store: str
) -> None:
    import millstream
    from millstream.tracking import uris

    if store == "folder":
        millstream.set_tracking_uri(str(tmp_path / "a, folder"))
    done = projects.run(str(root), "log", backend="docker")
    run = uris.client().get_run(done.run_id)
    assert run.data.metrics == {"seen": 1.0}
    assert {info.path for info in uris.client().list_artifacts(done.run_id)} >= {"x.txt"}
    assert run.data.tags["mlflow.project.backend"] == "docker"
    if store == "folder":
        mount = f'--mount=type=bind,"source={tmp_path}/a, folder",target=/mlflow/tmp/mlruns'
        assert mount in docker.called("run")["arguments"]
        assert docker.called("run")["environment"]["MLFLOW_TRACKING_URI"] == "file:///mlflow/tmp/mlruns"


def test_an_image_that_is_not_here_is_pulled_and_one_that_is_here_is_not(
    tracking: MillstreamClient, docker: Docker, root: Path
) -> None:
    projects.run(str(root))
    projects.run(str(root))
    assert docker.actions().count("pull") == 1
    assert docker.called("pull")["arguments"] == ["pull", IMAGE]


@pytest.mark.parametrize(
    ("entry_point", "fails", "reason"),
    [
        ("fail", {}, "exit status 7"),
        ("main", {"run": 125}, "docker could not run the container"),
        ("main", {"pull": 1}, "docker pull ended with status 1"),
    ],
)
def test_a_run_that_fails_says_why(
    tracking: MillstreamClient, docker: Docker, root: Path, entry_point: str, fails: dict[str, int], reason: str
) -> None:
    docker.let_fail(**fails)
    with pytest.raises(MillstreamError, match=reason):
        projects.run(str(root), entry_point)
    run = last(tracking)
    assert run.info.status == "FAILED"
    assert reason in run.data.tags["millstream.project.error"]


def test_the_files_of_path_parameters_are_mounted(
    tracking: MillstreamClient, docker: Docker, root: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "the table, of the year.csv"
    table.write_text("a,b\n")
    done = projects.run(str(root), "read", parameters={"table": str(table)})
    assert capfd.readouterr().out == "a,b\n"
    arguments = docker.called("run")["arguments"]
    assert arguments[-1] == "cat '/mlflow/tmp/params/0/the table, of the year.csv'"
    assert f'--mount=type=bind,"source={table}","target=/mlflow/tmp/params/0/{table.name}"' in arguments
    assert tracking.get_run(done.run_id).data.params == {"table": str(table)}


def test_the_projects_folder_can_be_mounted(tracking: MillstreamClient, docker: Docker, root: Path) -> None:
    projects.run(str(root), "fit.py", backend_config={"mount-project": True})
    arguments = docker.called("run")["arguments"]
    assert f"--mount=type=bind,source={root},target=/mlflow/projects/code/" in arguments
    assert "--workdir=/mlflow/projects/code/" in arguments
    assert arguments[-3:] == ["bash", "-c", "python fit.py"]


# ---------------------------------------------------------------- images


def git(root: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
    done = subprocess.run(["git", "-C", str(root), *identity, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_an_image_is_built_of_the_project_and_named_after_its_commit(
    tracking: MillstreamClient, docker: Docker, root: Path
) -> None:
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "first")
    commit = git(root, "rev-parse", "HEAD")
    done = projects.run(str(root), build_image=True, backend_config={"build-args": {"INDEX": "https://pypi.example"}})
    call = docker.called("build")
    name = f"churn:{commit[:7]}"
    assert call["arguments"][:-1] == ["build", "-t", name, "--build-arg=INDEX=https://pypi.example"]
    assert call["context"] == {
        "files": ["Dockerfile", "project.tar.gz"],
        "Dockerfile": f"FROM {IMAGE}\nADD project.tar.gz /mlflow/projects/code/\nWORKDIR /mlflow/projects/code/\n",
        "project": ["MLproject", "fit.py"],
    }
    assert docker.called("run")["arguments"][-4] == name
    assert tracking.get_run(done.run_id).data.tags["mlflow.docker.image.uri"] == name
    assert "pull" not in docker.actions()


def test_an_image_of_files_that_are_no_commit_is_named_after_the_files(
    tracking: MillstreamClient, docker: Docker, root: Path
) -> None:
    projects.run(str(root), build_image=True)
    (root / "fit.py").write_text("print('other')\n")
    projects.run(str(root), build_image=True)
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "first")
    commit = git(root, "rev-parse", "HEAD")[:7]
    (root / "fit.py").write_text("print('changed since')\n")
    projects.run(str(root), build_image=True)
    first, second, dirty = (call["arguments"][2] for call in docker.calls if call["arguments"][0] == "build")
    assert len({first, second, dirty}) == 3
    assert [len(name) for name in (first, second)] == [len("churn:") + 12] * 2
    assert dirty.startswith(f"churn:{commit}-")


def test_a_login_is_for_this_run_alone(
    tracking: MillstreamClient, docker: Docker, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "home/.docker"
    (own / "contexts").mkdir(parents=True)
    (own / "config.json").write_text(json.dumps({"credsStore": "desktop", "auths": {"other.example": {}}}))
    login = {"username": "ada", "password": "p:w", "registry": "registry.example:5000"}
    projects.run(str(root), docker_auth=login)
    assert docker.called("pull")["config"] == {
        "credsStore": "desktop",
        "auths": {"other.example": {}, "registry.example:5000": {"auth": "YWRhOnA6dw=="}},
        "credHelpers": {"registry.example:5000": ""},
    }
    folder = Path(docker.called("pull")["environment"]["DOCKER_CONFIG"])
    assert not folder.exists()
    assert not any("p:w" in argument for call in docker.calls for argument in call["arguments"])
    assert "DOCKER_CONFIG" not in docker.called("run")["environment"]
    assert json.loads((own / "config.json").read_text()) == {"credsStore": "desktop", "auths": {"other.example": {}}}


# ---------------------------------------------------------------- credentials


def run_with_artifacts_at(tracking: MillstreamClient, root: Path, uri: str) -> None:
    experiment = tracking.create_experiment("elsewhere", artifact_location=uri)
    projects.run(str(root), "silent", experiment_id=experiment)


@pytest.fixture
def silent(project: Project) -> Path:
    """A project that prints nothing, so that nothing has to be stored where its artifacts belong."""
    return project("docker_env: {image: base}\nentry_points: {silent: {command: 'true'}}\n", name="silent")


def test_credentials_for_s3_are_passed_on_and_none_is_on_a_command_line(
    tracking: MillstreamClient, docker: Docker, silent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = {"AWS_ACCESS_KEY_ID": "key-1", "AWS_SECRET_ACCESS_KEY": "key-2", "AWS_SESSION_TOKEN": "key-3"}
    for name, value in {**secrets, "AZURE_STORAGE_ACCESS_KEY": "key-4", "MLFLOW_S3_ENDPOINT_URL": "http://s3"}.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "home/.aws").mkdir()
    run_with_artifacts_at(tracking, silent, "s3://bucket/path")
    call = docker.called("run")
    arguments = call["arguments"]
    assert {f"--env={name}" for name in secrets} < set(arguments)
    assert "--env=MLFLOW_S3_ENDPOINT_URL" in arguments
    assert "--env=AZURE_STORAGE_ACCESS_KEY" not in arguments, "of another kind of storage"
    assert not any("key-" in argument for argument in arguments)
    assert {name: call["environment"][name] for name in secrets} == secrets
    assert f"--mount=type=bind,source={tmp_path}/home/.aws,target=/.aws,readonly" in arguments
    assert "--env=AWS_SHARED_CREDENTIALS_FILE=/.aws/credentials" in arguments


@pytest.mark.parametrize(
    ("uri", "variable", "mounted"),
    [
        ("gs://bucket/path", "GOOGLE_APPLICATION_CREDENTIALS", "/.gcs"),
        ("hdfs://host/path", "MLFLOW_KERBEROS_TICKET_CACHE", "/mlflow/tmp/krb5cc"),
        ("abfss://container@account.dfs.core.windows.net/path", "AZURE_STORAGE_CONNECTION_STRING", None),
    ],
)
def test_credentials_are_those_of_the_runs_storage(
    tracking: MillstreamClient,
    docker: Docker,
    silent: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    uri: str,
    variable: str,
    mounted: str | None,
) -> None:
    file = tmp_path / "credentials.json"
    file.write_text("{}")
    monkeypatch.setenv(variable, str(file))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    run_with_artifacts_at(tracking, silent, uri)
    arguments = docker.called("run")["arguments"]
    assert "--env=AWS_ACCESS_KEY_ID" not in arguments
    if mounted is None:
        assert f"--env={variable}" in arguments
    else:
        assert f"--env={variable}={mounted}" in arguments
        assert f"--mount=type=bind,source={file},target={mounted},readonly" in arguments


def test_the_login_to_a_tracking_server_is_passed_on_with_its_certificate(
    docker: Docker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from millstream.projects.backends.container import Surroundings, add_store

    bundle = tmp_path / "ca.pem"
    bundle.write_text("x")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t")
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(bundle))
    found = Surroundings()
    add_store(found, "https://user:password@tracking.example")
    assert found.variables == {
        "MLFLOW_TRACKING_TOKEN": "t",
        "MLFLOW_TRACKING_URI": "https://user:password@tracking.example",
        "MILLSTREAM_TRACKING_URI": "https://user:password@tracking.example",
    }
    assert found.mounts == {"/mlflow/tmp/tracking-ca.pem": str(bundle)}
    assert found.paths == {"MLFLOW_TRACKING_SERVER_CERT_PATH": "/mlflow/tmp/tracking-ca.pem"}
    other = Surroundings()
    add_store(other, "postgresql://db/runs")
    assert other.variables.keys() == {"MLFLOW_TRACKING_URI", "MILLSTREAM_TRACKING_URI"}


# ---------------------------------------------------------------- refused before there is a run


@pytest.mark.parametrize(
    ("change", "arguments", "error", "says"),
    [
        (("  image: registry", "  image: -v=/:/x --registry"), {}, MillstreamError, "image"),
        (("python:3.11", "python:3.11 --privileged"), {}, InvalidValue, "no name of an image"),
        (("name: churn", "name: 'My Project'"), {"build_image": True}, InvalidValue, "no name of an image"),
        (("name: churn\n", ""), {"build_image": True}, InvalidProject, "needs a name"),
        (('"COPIED"', '"NOT_SET_HERE"'), {}, InvalidProject, "NOT_SET_HERE"),
        (None, {"docker_args": {"-privileged": True}}, InvalidValue, "no option"),
        (None, {"docker_args": {"v=/:/x": True}}, InvalidValue, "no option"),
        (None, {"docker_args": {"name": "other"}}, InvalidValue, "cannot be given"),
        (None, {"docker_args": {"detach": True}}, InvalidValue, "cannot be given"),
        (None, {"backend_config": {"mount_projekt": True}}, InvalidValue, "mount-project"),
        (None, {"backend_config": {"build-args": {"-x": "1"}}}, InvalidValue, "build-args"),
        (None, {"docker_auth": {"username": "ada"}}, InvalidValue, "password"),
        (None, {"entry_point": "no-such"}, MillstreamError, "no entry point"),
        (("docker_env:", "no_env:"), {"backend": "docker"}, InvalidProject, "docker_env"),
    ],
)
def test_what_cannot_run_is_refused_before_there_is_a_run(
    tracking: MillstreamClient,
    docker: Docker,
    project: Project,
    change: tuple[str, str] | None,
    arguments: dict[str, Any],
    error: type[Exception],
    says: str,
) -> None:
    root = project(MLPROJECT.replace(*change) if change else MLPROJECT)
    with pytest.raises(error, match=says):
        projects.run(str(root), **arguments)
    assert docker.calls == []
    assert runs(tracking) == 0


def test_a_machine_without_docker_or_without_an_engine_is_told_before_there_is_a_run(
    tracking: MillstreamClient, docker: Docker, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker.let_fail(version=1)
    with pytest.raises(DockerFailed, match="none answers: version fails"):
        projects.run(str(root))
    (docker.state.parent / "bin/docker").unlink()
    monkeypatch.setenv("PATH", str(docker.state))
    with pytest.raises(MissingLibrary, match=r"docs\.docker\.com"):
        projects.run(str(root))
    assert runs(tracking) == 0


# ---------------------------------------------------------------- cancel


def test_a_cancelled_run_ends_its_container(tracking: MillstreamClient, docker: Docker, root: Path) -> None:
    submitted = projects.run(str(root), "wait", synchronous=False)
    wait_for(lambda: "run" in docker.actions())
    submitted.cancel()
    assert tracking.get_run(submitted.run_id).info.status == "KILLED"
    assert docker.called("rm")["arguments"] == ["rm", "--force", f"millstream-{submitted.run_id}"]


def test_a_container_is_removed_when_the_command_docker_is_killed(
    tracking: MillstreamClient, docker: Docker, root: Path
) -> None:
    with pytest.raises(RunFailed, match="signal 9"):
        projects.run(str(root), "die")
    assert docker.called("rm")["arguments"][-1] == f"millstream-{last(tracking).info.run_id}"


# ---------------------------------------------------------------- the real command


class Engine(BaseHTTPRequestHandler):
    """As much of an engine as it takes to hear what `docker` asks of it; everything is refused."""

    heard: ClassVar[list[tuple[str, Mapping[str, str], dict[str, Any]]]]

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self._answer(200 if self.path.endswith("/_ping") else 404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.heard.append((self.path, dict(self.headers), json.loads(body) if body else {}))
        self._answer(500)

    def _answer(self, status: int) -> None:
        body = b"" if self.command == "HEAD" else json.dumps({"message": "refused"}).encode()
        self.send_response(status)
        for name, value in {"Api-Version": "1.47", "Content-Length": str(len(body)), "Connection": "close"}.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""


@pytest.fixture
def engine(tracking: MillstreamClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Engine]]:
    """An engine for the real command."""
    if shutil.which("docker") is None:
        pytest.skip("there is no command docker on this machine")
    handler = type("HearingEngine", (Engine,), {"heard": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("COPIED", "c")
        monkeypatch.delenv("DOCKER_CONFIG", raising=False)
        yield handler
        server.shutdown()
        thread.join()


def test_the_real_command_understands_the_command_line(engine: type[Engine], root: Path, tmp_path: Path) -> None:
    from millstream.projects.backends.container import Surroundings
    from millstream.projects.backends.docker import run_command
    from millstream.projects.sources import fetch
    from millstream.projects.spec import read_project

    submission = Submission(
        project=read_project(root),
        source=fetch(str(root)),
        entry_point="main",
        parameters={},
        run_id="1",
        experiment_id="0",
        tracking_uri="",
        caller_dir=tmp_path,
        config={"mount-project": True},
        docker_args={"memory": "64m", "u": "1000:1000", "network": "host", "v": "/a b:/c", "init": True},
    )
    surroundings = Surroundings(
        mounts={"/there, or here": str(tmp_path)}, variables={"SECRET": ""}, paths={"FILE": "/there, or here/x"}
    )
    surroundings.lend(tmp_path / 'of "quotes"', "/read")
    command = run_command(submission, surroundings, "the-name", IMAGE, "a && 'b c'; -d")
    environment = {**os.environ, "SECRET": "s e\ncret"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, "refused" in done.stderr) == (125, True), done.stderr
    ((path, _, asked),) = engine.heard
    assert path.endswith("/containers/create?name=the-name")
    assert (asked["Image"], asked["Cmd"], asked["Entrypoint"]) == (IMAGE, ["bash", "-c", "a && 'b c'; -d"], None)
    assert sorted(asked["Env"]) == [
        "COPIED=c", "FILE=/there, or here/x", "GREETING=hello, world", "SECRET=s e\ncret", "TINI_KILL_PROCESS_GROUP=1",
    ]  # fmt: skip
    assert (asked["User"], asked["WorkingDir"], asked["Tty"]) == ("1000:1000", "/mlflow/projects/code/", False)
    host = asked["HostConfig"]
    assert (host["AutoRemove"], host["Init"], host["Memory"], host["NetworkMode"]) == (True, True, 64 << 20, "host")
    assert sorted(host["Binds"]) == ["/a b:/c", "/data:/data:ro"]  # docker keeps them in no order
    assert host["Mounts"] == [
        {"Type": "bind", "Source": str(tmp_path), "Target": "/there, or here"},
        {"Type": "bind", "Source": f'{tmp_path}/of "quotes"', "Target": "/read", "ReadOnly": True},
        {"Type": "bind", "Source": str(root), "Target": "/mlflow/projects/code/"},
    ]


@pytest.mark.parametrize("own", ["{}", '{"credsStore": "no-such-helper"}'])
def test_the_real_command_sends_a_login_to_its_registry(engine: type[Engine], tmp_path: Path, own: str) -> None:
    from millstream import images

    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker/config.json").write_text(own)
    auth = {"username": "ada", "password": "p:w", "registry": "registry.example:5000"}
    with images.logged_in(auth) as login, pytest.raises(DockerFailed):
        images.identify(IMAGE, login)
    ((path, headers, _),) = engine.heard
    assert "/images/create?fromImage=registry.example%3A5000%2Fbase%2Fpython" in path
    sent = json.loads(base64.urlsafe_b64decode(headers["X-Registry-Auth"]))
    assert (sent["username"], sent["password"], sent["serveraddress"]) == ("ada", "p:w", "registry.example:5000")


# ---------------------------------------------------------------- an engine


def has_engine() -> bool:
    try:
        return subprocess.run(["docker", "info"], capture_output=True, timeout=10, check=False).returncode == 0
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False


ON_AN_ENGINE = """\
name: churn
docker_env: {image: "millstream-test-base:1", environment: [["GREETING", "hello, world"]]}
entry_points:
  main:
    parameters: {table: path}
    command: "pwd && cat {table} data.csv && echo $GREETING | cat && echo kept > $KEPT/x.txt; exit 4"
  wait: {command: "trap 'echo told; exit 3' TERM; echo waiting; sleep 60 & wait; sleep 60"}
"""


@pytest.fixture
def base_image(tmp_path: Path) -> Iterator[str]:
    """An image of this machine's bash and a few programs, as nothing can be pulled everywhere."""
    if not has_engine():
        pytest.skip("there is no Docker engine on this machine")
    programs = [str(Path(shutil.which(name) or "").resolve()) for name in ("bash", "cat", "sleep")]
    found = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=True).stdout
    archive = tmp_path / "base.tar"
    with tarfile.open(archive, "w", dereference=True) as image:
        for name in {word for word in found.split() if word.startswith("/") and not word.endswith(":")}:
            image.add(name, name)
        for program in programs:
            image.add(program, f"/bin/{Path(program).name}")
    subprocess.run(["docker", "import", str(archive), "millstream-test-base:1"], capture_output=True, check=True)
    yield "millstream-test-base:1"
    subprocess.run(["docker", "image", "rm", "--force", "millstream-test-base:1"], capture_output=True, check=False)


def test_a_real_engine_runs_the_command_in_an_image_of_the_project(
    tracking: MillstreamClient, base_image: str, project: Project, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = project(ON_AN_ENGINE, {"data.csv": "3,4\n"})
    table, kept = tmp_path / "a, table.csv", tmp_path / "kept"
    table.write_text("1,2\n")
    kept.mkdir()
    options = {"v": f"{kept}:/kept", "e": "KEPT=/kept", "label": "millstream-test=1"}
    with pytest.raises(RunFailed, match="exit status 4"):
        projects.run(str(root), parameters={"table": str(table)}, build_image=True, docker_args=options)
    printed = "/mlflow/projects/code\n1,2\n3,4\nhello, world\n"
    assert printed in capfd.readouterr().out
    assert (kept / "x.txt").read_text() == "kept\n"
    run = last(tracking)
    log = Path(tracking.download_artifacts(run.info.run_id, output.ARTIFACT, str(tmp_path / "got")))
    assert log.read_text() == printed
    assert run.data.tags["mlflow.docker.image.id"].startswith("sha256:")
    subprocess.run(["docker", "image", "rm", run.data.tags["mlflow.docker.image.uri"]], capture_output=True, check=True)


def test_a_real_engine_has_no_container_left_of_a_cancelled_run(
    tracking: MillstreamClient, base_image: str, project: Project, tmp_path: Path
) -> None:
    submitted = projects.run(str(project(ON_AN_ENGINE)), "wait", synchronous=False)

    def containers() -> str:
        command = ["docker", "ps", "--quiet", "--all", f"--filter=name=millstream-{submitted.run_id}"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    wait_for(containers)
    time.sleep(1)  # until its shell has set its trap
    submitted.cancel()
    assert tracking.get_run(submitted.run_id).info.status == "KILLED"
    assert containers() == ""
    log = Path(tracking.download_artifacts(submitted.run_id, output.ARTIFACT, str(tmp_path / "got")))
    assert log.read_text() == "waiting\ntold\n", "it was told to end before it was ended"


def test_every_key_of_the_configuration_is_documented() -> None:
    from millstream.projects.backends.docker import DockerConfig as Config

    page = (Path(__file__).parents[2] / "docs" / "projects.md").read_text()
    assert [key for key in Config.__struct_encode_fields__ if f"`{key}`" not in page] == []
