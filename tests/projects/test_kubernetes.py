"""Projects as jobs of Kubernetes, on a small API server that holds all it gets and gives against the official client's models."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from millstream import projects
from millstream.client.client import MillstreamClient
from millstream.entities import Run
from millstream.errors import InvalidProject, InvalidProjectParameter, InvalidValue, MillstreamError, MissingLibrary
from millstream.projects import output
from millstream.projects.backends import kube_cluster, kube_job, kube_output, kubernetes, project_image
from millstream.projects.backends.kube_cluster import KubernetesFailed
from millstream.projects.running import RunFailed
from tests.projects import kube_server
from tests.projects.conftest import Docker, Project, kill_runner, wait_for
from tests.projects.kube_server import Fault

MLPROJECT = """\
name: churn
docker_env:
  image: base/python
  environment: [["GREETING", "hello"]]
entry_points:
  main:
    parameters: {depth: {type: float, default: 4}}
    command: "echo depth {depth} && echo $GREETING from $MLFLOW_TRACKING_URI | tr a-z A-Z"
  many: {command: "for i in 1 2 3 4 5 6; do echo line $i; sleep 0.02; done"}
  fail: {command: "echo before; exit 3"}
  wait: {command: "echo waiting; exec sleep 60"}
  data: {parameters: {table: {type: path, default: data.csv}}, command: "echo {table}"}
"""
TEMPLATE: dict[str, Any] = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "{replaced}", "namespace": "training", "labels": {"team": "a"}},
    "spec": {
        "backoffLimit": 0,
        "ttlSecondsAfterFinished": 100,
        "template": {
            "spec": {
                "restartPolicy": "Never",
                "imagePullSecrets": [{"name": "registry"}],
                "containers": [
                    {
                        "name": "{replaced}",
                        "image": "{replaced}",
                        "command": ["{replaced}"],
                        "args": ["would go to bash"],
                        "env": [
                            {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
                            {"name": "MLFLOW_RUN_ID", "value": "of the template"},
                        ],
                        "resources": {"limits": {"memory": "512Mi"}},
                    },
                    {"name": "proxy", "image": "proxy:1"},
                ],
            }
        },
    },
}
TRACKING = "http://tracking.example:5000"


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[kube_server.Server]:
    server = kube_server.Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [
            {"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}},
            {"name": "nowhere", "cluster": {"server": "http://127.0.0.1:1"}},
        ],
        "users": [
            {"name": "u", "user": {"token": kube_server.TOKEN}},
            {"name": "stranger", "user": {"token": "wrong"}},
        ],
        "contexts": [
            {"name": "here", "context": {"cluster": "c", "user": "u"}},
            {"name": "stranger", "context": {"cluster": "c", "user": "stranger"}},
        ],
    }
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    monkeypatch.setenv("KUBE_MLFLOW_TRACKING_URI", TRACKING)
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(kube_cluster, "BACKOFF_S", 0.02)
    monkeypatch.setattr(kube_output, "BACKOFF_S", 0.02)
    monkeypatch.setattr(kube_output, "LOOK_S", 0.05)
    monkeypatch.setattr(kubernetes, "_POLL_S", 0.05)
    yield server
    server.close()
    thread.join()
    assert server.errors == []


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(TEMPLATE))
    return {"kube-job-template-path": str(tmp_path / "job.yaml"), "image": "registry.example/churn:7"}


@pytest.fixture
def root(project: Project) -> Path:
    return project(MLPROJECT)


def last(client: MillstreamClient) -> Run:
    return client.search_runs(["0"], order_by=["attributes.start_time DESC"], max_results=1)[0]


def created(cluster: kube_server.Server) -> dict[str, Any]:
    return next(event["object"] for _, event in cluster.events if event["type"] == "ADDED")


def test_a_job_is_the_template_with_the_projects_command_in_its_first_container(
    tracking: MillstreamClient, cluster: kube_server.Server, root: Path, config: dict[str, Any]
) -> None:
    done = projects.run(str(root), parameters={"depth": "$(id); 'x'"}, backend="kubernetes", backend_config=config)
    job = created(cluster)
    assert re.fullmatch(r"churn-\d{4}(-\d\d){5}-\d{6}", job["metadata"]["name"])
    assert job["metadata"]["namespace"] == "training"
    assert job["metadata"]["labels"] == {"team": "a", "millstream-run-id": done.run_id}
    assert {key: job["spec"][key] for key in ("backoffLimit", "ttlSecondsAfterFinished")} == {
        "backoffLimit": 0,
        "ttlSecondsAfterFinished": 100,
    }
    pod = job["spec"]["template"]["spec"]
    assert (pod["restartPolicy"], pod["imagePullSecrets"]) == ("Never", [{"name": "registry"}])
    first, second = pod["containers"]
    assert second == {"name": "proxy", "image": "proxy:1"}
    line = """echo depth '$(id); '"'"'x'"'"'' && echo $GREETING from $MLFLOW_TRACKING_URI | tr a-z A-Z"""
    assert first == {
        "name": "churn",
        "image": "registry.example/churn:7",
        "command": ["bash", "-c", line],
        "env": [
            {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
            {"name": "MLFLOW_RUN_ID", "value": done.run_id},
            {"name": "MILLSTREAM_RUN_ID", "value": done.run_id},
            {"name": "MLFLOW_TRACKING_URI", "value": TRACKING},
            {"name": "MILLSTREAM_TRACKING_URI", "value": TRACKING},
            {"name": "MLFLOW_EXPERIMENT_ID", "value": "0"},
            {"name": "MILLSTREAM_EXPERIMENT_ID", "value": "0"},
            {"name": "GREETING", "value": "hello"},
        ],
        "resources": {"limits": {"memory": "512Mi"}},
    }


def test_the_output_of_the_pod_is_shown_and_kept(
    tracking: MillstreamClient,
    cluster: kube_server.Server,
    root: Path,
    config: dict[str, Any],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    done = projects.run(str(root), backend="kubernetes", backend_config=config)
    printed = "depth 4\nHELLO FROM HTTP://TRACKING.EXAMPLE:5000\n"
    assert capfd.readouterr().out == printed
    assert Path(tracking.download_artifacts(done.run_id, output.ARTIFACT, str(tmp_path / "got"))).read_text() == printed
    run = tracking.get_run(done.run_id)
    assert (run.info.status, run.data.params) == ("FINISHED", {"depth": "4"})
    assert run.data.tags["mlflow.project.backend"] == "kubernetes"
    assert run.data.tags["mlflow.docker.image.uri"] == "registry.example/churn:7"


def test_the_configuration_wins_over_the_template(
    tracking: MillstreamClient, cluster: kube_server.Server, root: Path, config: dict[str, Any]
) -> None:
    more = {
        "namespace": "other",
        "service-account": "trainer",
        "kube-context": "here",
        "resources": {"requests": {"cpu": "2"}, "limits": {"nvidia.com/gpu": 1}},
    }
    projects.run(str(root), backend="kubernetes", backend_config=config | more)
    job = created(cluster)
    pod = job["spec"]["template"]["spec"]
    assert job["metadata"]["namespace"] == "other"
    assert pod["serviceAccountName"] == "trainer"
    assert pod["containers"][0]["resources"] == {"requests": {"cpu": "2"}, "limits": {"nvidia.com/gpu": "1"}}


def test_an_image_of_the_project_is_built_and_pushed_and_the_job_names_its_digest(
    tracking: MillstreamClient,
    cluster: kube_server.Server,
    docker: Docker,
    root: Path,
    config: dict[str, Any],
) -> None:
    config = {
        "kube-job-template-path": config["kube-job-template-path"],
        "repository-uri": "registry.example/team/churn",
    }
    done = projects.run(str(root), backend="kubernetes", backend_config=config)
    assert docker.called("build")["context"]["Dockerfile"].startswith("FROM base/python\n")
    name = docker.called("push")["arguments"][-1]
    assert re.fullmatch(r"registry\.example/team/churn:[0-9a-f]{12}", name)
    reference = f"{name}@sha256:{'d' * 64}"
    assert created(cluster)["spec"]["template"]["spec"]["containers"][0]["image"] == reference
    tags = tracking.get_run(done.run_id).data.tags
    assert tags["mlflow.docker.image.uri"] == reference
    assert tags["mlflow.docker.image.id"].startswith("sha256:4")


def test_a_failed_job_says_how_its_container_ended(
    tracking: MillstreamClient, cluster: kube_server.Server, root: Path, config: dict[str, Any]
) -> None:
    with pytest.raises(
        RunFailed, match=r"exit status 3\. The job churn-.* failed: BackoffLimitExceeded: Job has reached"
    ):
        projects.run(str(root), "fail", backend="kubernetes", backend_config=config)
    run = last(tracking)
    assert run.info.status == "FAILED"
    assert "exit status 3" in run.data.tags["millstream.project.error"]


# ---------------------------------------------------------------- what goes wrong on the way


@pytest.mark.parametrize(
    "faults",
    [
        [Fault("POST", "jobs", 429), Fault("POST", "jobs", 503), Fault("POST", "jobs", 500)],
        [Fault("POST", "jobs", 0)],
        [Fault("GET", "jobs", 429), Fault("GET", "jobs", 502), Fault("GET", "jobs", 0)],
        [Fault("GET", "pods", 500), Fault("GET", "/log", 504), Fault("GET", "/log", 0)],
    ],
    ids=["create", "create-broken", "watch", "output"],
)
def test_what_may_work_later_is_tried_again(
    tracking: MillstreamClient,
    cluster: kube_server.Server,
    root: Path,
    config: dict[str, Any],
    faults: list[Fault],
    capfd: pytest.CaptureFixture[str],
) -> None:
    cluster.faults = [*faults]
    projects.run(str(root), "many", backend="kubernetes", backend_config=config)
    assert cluster.faults == []
    assert capfd.readouterr().out == "".join(f"line {i}\n" for i in range(1, 7))
    assert len(cluster.jobs) == 1


def test_a_job_whose_creation_was_not_answered_is_not_created_twice(
    tracking: MillstreamClient, cluster: kube_server.Server, root: Path, config: dict[str, Any]
) -> None:
    cluster.faults = [Fault("POST", "jobs", 0, after=True)]
    projects.run(str(root), backend="kubernetes", backend_config=config)
    assert [verb for verb, _, _ in cluster.requests].count("POST") == 2
    assert len(cluster.jobs) == 1


def test_a_name_that_is_taken_is_left_alone_and_another_one_is_taken(
    tracking: MillstreamClient, cluster: kube_server.Server, root: Path, config: dict[str, Any]
) -> None:
    cluster.taken = {"somebody"}
    projects.run(str(root), backend="kubernetes", backend_config=config)
    foreign, own = cluster.jobs.values()
    assert foreign["metadata"]["labels"] == {"of": "somebody"}
    assert own["metadata"]["name"] != foreign["metadata"]["name"]
    assert own["status"]["conditions"][0]["type"] == "Complete"


def test_a_watch_that_breaks_is_begun_anew(
    tracking: MillstreamClient, cluster: kube_server.Server, root: Path, config: dict[str, Any]
) -> None:
    cluster.break_watch_after = 0
    projects.run(str(root), "many", backend="kubernetes", backend_config=config)
    assert cluster.break_watch_after is None
    assert last(tracking).info.status == "FINISHED"


def test_output_whose_connection_breaks_goes_on_where_it_was(
    tracking: MillstreamClient,
    cluster: kube_server.Server,
    root: Path,
    config: dict[str, Any],
    capfd: pytest.CaptureFixture[str],
) -> None:
    cluster.break_log_after = 3
    projects.run(str(root), "many", backend="kubernetes", backend_config=config)
    assert cluster.break_log_after is None
    assert capfd.readouterr().out == "".join(f"line {i}\n" for i in range(1, 7))
    assert any("sinceSeconds" in query for _, path, query in cluster.requests if path.endswith("/log"))


@pytest.mark.parametrize(("status", "says"), [(403, "fault 403"), (422, "fault 422")])
def test_a_job_that_is_refused_fails_the_run(
    tracking: MillstreamClient, cluster: kube_server.Server, root: Path, config: dict[str, Any], status: int, says: str
) -> None:
    cluster.faults = [Fault("POST", "jobs", status)]
    with pytest.raises(KubernetesFailed, match=f"cannot be created in the namespace 'training': {says}"):
        projects.run(str(root), backend="kubernetes", backend_config=config)
    assert last(tracking).info.status == "FAILED"
    assert cluster.jobs == {}


def test_a_cluster_that_does_not_know_the_user_fails_the_run(
    tracking: MillstreamClient, cluster: kube_server.Server, root: Path, config: dict[str, Any]
) -> None:
    with pytest.raises(KubernetesFailed, match="no token"):
        projects.run(str(root), backend="kubernetes", backend_config=config | {"kube-context": "stranger"})
    assert last(tracking).info.status == "FAILED"


def test_what_keeps_a_pod_from_running_is_said_once(
    tracking: MillstreamClient,
    cluster: kube_server.Server,
    root: Path,
    config: dict[str, Any],
    capfd: pytest.CaptureFixture[str],
) -> None:
    cluster.start_pods = False
    raised: list[RunFailed] = []

    def run() -> None:
        with pytest.raises(RunFailed) as error:
            projects.run(str(root), backend="kubernetes", backend_config=config)
        raised.append(error.value)

    submitting = threading.Thread(target=run)
    submitting.start()
    (pod,) = wait_for(lambda: list(cluster.pods.values()))
    state = pod["status"]["containerStatuses"][0]["state"]
    state["waiting"] = {"reason": "ImagePullBackOff", "message": "no such image"}
    pod["status"]["conditions"] = [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available"}
    ]
    looks = len(cluster.requests)
    wait_for(lambda: len(cluster.requests) > looks + 4)
    cluster.delete(next(iter(cluster.jobs)))
    submitting.join()
    assert "was deleted" in raised[0].message
    said = capfd.readouterr().err
    assert said.count("waits: ImagePullBackOff: no such image\n") == 1
    assert said.count("waits: Unschedulable: 0/3 nodes are available\n") == 1
    run = last(tracking)
    assert run.info.status == "KILLED"


def test_cancelling_deletes_the_job_and_its_pods(
    tracking: MillstreamClient, cluster: kube_server.Server, root: Path, config: dict[str, Any]
) -> None:
    submitted = projects.run(str(root), "wait", backend="kubernetes", backend_config=config, synchronous=False)
    wait_for(lambda: any(cluster.logs.values()))
    assert submitted.get_status() == "RUNNING"
    submitted.cancel()
    assert tracking.get_run(submitted.run_id).info.status == "KILLED"
    assert cluster.jobs == {}
    assert all(process.poll() is not None for process in cluster.processes)


def test_the_job_of_a_killed_runner_is_deleted(
    tracking: MillstreamClient, cluster: kube_server.Server, root: Path, config: dict[str, Any]
) -> None:
    submitted = projects.run(str(root), "wait", backend="kubernetes", backend_config=config, synchronous=False)
    kill_runner(tracking, submitted.run_id, project_image.IMAGE_URI_TAG)
    wait_for(lambda: tracking.get_run(submitted.run_id).info.status == "FAILED")
    assert cluster.jobs == {}
    reason = tracking.get_run(submitted.run_id).data.tags["millstream.project.error"]
    assert reason == "The process that ran it was killed. What it had started on kubernetes was cancelled."


def test_a_run_whose_job_cannot_be_deleted_is_ended_all_the_same(
    tracking: MillstreamClient, cluster: kube_server.Server, root: Path, config: dict[str, Any]
) -> None:
    submitted = projects.run(str(root), "wait", backend="kubernetes", backend_config=config, synchronous=False)
    cluster.faults = [Fault("DELETE", "/jobs/", 403)]
    kill_runner(tracking, submitted.run_id, project_image.IMAGE_URI_TAG)
    wait_for(lambda: tracking.get_run(submitted.run_id).info.status == "FAILED")
    reason = tracking.get_run(submitted.run_id).data.tags["millstream.project.error"]
    assert "What it had started on kubernetes could not be cancelled: " in reason


def test_an_interrupted_wait_deletes_the_job(
    tracking: MillstreamClient, cluster: kube_server.Server, root: Path, config: dict[str, Any]
) -> None:
    def is_deleted() -> bool:
        return any(verb == "DELETE" for verb, _, _ in cluster.requests)

    def interrupt() -> None:
        wait_for(lambda: any(cluster.logs.values()) and any("watch" in query for _, _, query in cluster.requests))
        for _ in range(5):  # a signal that comes just before a system call does not end it: one presses ^C again
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            with contextlib.suppress(AssertionError):
                wait_for(is_deleted, 5)
                break

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        projects.run(str(root), "wait", backend="kubernetes", backend_config=config)
    assert cluster.jobs == {}
    assert last(tracking).info.status in ("FAILED", "KILLED")


# ---------------------------------------------------------------- refused before there is a run


def without(*keys: str) -> Callable[[dict[str, Any]], None]:
    def change(template: dict[str, Any]) -> None:
        for key in keys[:-1]:
            template = template[key]
        del template[keys[-1]]

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (without("metadata", "namespace"), "needs a namespace"),
        (without("kind"), "is no Job"),
        (lambda template: template["metadata"].update(labels=["x"]), r"mappings in metadata and metadata\.labels"),
        (lambda template: template["spec"]["template"]["spec"]["containers"][0].update(env={"A": "1"}), "in 'env'"),
        (without("spec", "template", "spec", "containers"), "needs a container"),
        (without("spec", "template"), r"needs a mapping in spec\.template\."),
        (lambda template: template.update(spec=[]), r"needs a mapping in spec\."),
        (lambda template: template["metadata"].update(namespace="../x"), "needs a namespace"),
        (lambda template: template["spec"]["template"]["spec"].update(containers=["x"]), "needs a container"),
    ],
)
def test_a_template_that_is_none_is_refused_before_there_is_a_run(
    tracking: MillstreamClient,
    cluster: kube_server.Server,
    root: Path,
    config: dict[str, Any],
    tmp_path: Path,
    change: Callable[[dict[str, Any]], None],
    says: str,
) -> None:
    template = json.loads(json.dumps(TEMPLATE))
    change(template)
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(template))
    with pytest.raises(InvalidValue, match=says):
        projects.run(str(root), backend="kubernetes", backend_config=config)
    assert cluster.requests == []
    assert tracking.search_runs(["0"]) == []


@pytest.mark.parametrize(
    ("change", "config_change", "error", "says"),
    [
        (None, {"kube-job-template-path": None}, InvalidValue, "kube-job-template-path"),
        (None, {"kube-job-template-path": "no/such.yaml"}, InvalidValue, "cannot be read"),
        (None, {"image": None}, InvalidValue, "either 'repository-uri'"),
        (None, {"repository-uri": "registry.example/x"}, InvalidValue, "either 'repository-uri'"),
        (None, {"image": None, "repository-uri": "registry.example/x:1"}, InvalidValue, "without a tag"),
        (None, {"image": "--x"}, InvalidValue, "no name of an image"),
        (None, {"kube-contxt": "x"}, InvalidValue, "kube-context"),
        (None, {"kube-context": "no-such"}, InvalidValue, "no context 'no-such'"),
        (("name: churn\n", ""), {}, InvalidProject, "needs a name"),
        (("name: churn", "name: The_Project"), {}, InvalidProject, "names a container"),
        (("docker_env", "no_env"), {"image": None, "repository-uri": "r.example/x"}, InvalidProject, "docker_env"),
        (("data.csv", "s3://bucket/data.csv"), {"entry": "data"}, InvalidProjectParameter, "nothing downloads"),
        (None, {"entry": "none"}, MillstreamError, "no entry point"),
        (None, {"uri": ""}, InvalidValue, "of this machine"),
        (None, {"uri": "http://localhost:5000"}, InvalidValue, "of this machine"),
    ],
)
def test_what_no_job_can_be_made_of_is_refused_before_there_is_a_run(
    tracking: MillstreamClient,
    cluster: kube_server.Server,
    project: Project,
    config: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    change: tuple[str, str] | None,
    config_change: dict[str, Any],
    error: type[Exception],
    says: str,
) -> None:
    root = project(MLPROJECT.replace(*change) if change else MLPROJECT)
    changed = {key: value for key, value in (config | config_change).items() if value is not None}
    entry = changed.pop("entry", "main")
    if "uri" in changed:
        monkeypatch.setenv("KUBE_MLFLOW_TRACKING_URI", changed.pop("uri"))
    with pytest.raises(error, match=says):
        projects.run(str(root), entry, backend="kubernetes", backend_config=changed)
    assert cluster.requests == []
    assert tracking.search_runs(["0"]) == []


def test_a_missing_client_or_cluster_is_said_before_there_is_a_run(
    tracking: MillstreamClient,
    cluster: kube_server.Server,
    root: Path,
    config: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(InvalidValue, match="No cluster is known"):
        projects.run(str(root), backend="kubernetes", backend_config=config)
    monkeypatch.setitem(sys.modules, "kubernetes", None)
    with pytest.raises(MissingLibrary, match=r"millstream\[kubernetes\]"):
        projects.run(str(root), backend="kubernetes", backend_config=config)
    assert tracking.search_runs(["0"]) == []


def test_a_jobs_name_is_short_enough_for_the_label_of_its_pods() -> None:
    name = kube_job.job_name("a" * 35 + "-b" * 14, datetime(2026, 11, 26, 7, 8, 9, 12, UTC))
    assert name == "a" * 35 + "-2026-11-26-07-08-09-000012"
    assert len(kube_job.job_name("a" * 63, datetime.now(UTC))) == 63


def test_times_of_output_are_in_order_whatever_their_number_of_decimals() -> None:
    stamps = [
        b"2026-11-26T10:00:00Z",
        b"2026-11-26T10:00:00.09Z",
        b"2026-11-26T10:00:00.1Z",
        b"2026-11-26T10:00:00.12Z",
    ]
    assert sorted(stamps, key=kube_output._comparable) == stamps


def test_every_key_of_the_configuration_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "projects.md").read_text()
    assert [key for key in kube_job.KubernetesConfig.__struct_encode_fields__ if f"`{key}`" not in page] == []
