"""A small Kubernetes API: jobs, their pods and their logs. What arrives and what is answered has to be what the official client's
models read and write, without a field more; containers' commands run as processes of this machine.
"""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from kubernetes import client

TOKEN = "token-of-the-kubeconfig"
JOBS = re.compile(r"/apis/batch/v1/namespaces/([^/]+)/jobs(?:/([^/]+))?")
PODS = re.compile(r"/api/v1/namespaces/([^/]+)/pods(?:/([^/]+)/log)?")


def valid(kind: str, content: dict[str, Any]) -> dict[str, Any]:
    """What the client's model makes of it, which has to be the same."""
    api = client.ApiClient()
    found = api.sanitize_for_serialization(api.deserialize(json.dumps(content), kind, "application/json"))
    assert found == content, f"{kind}: {content} is read as {found}"
    return content


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


class Fault:
    """Something that goes wrong, once for each time that it is listed.

    Attributes:
        status: what is answered; 0 breaks the connection.
        after: the request is fulfilled first, only its answer is lost.
    """

    def __init__(self, verb: str, path: str, status: int, *, after: bool = False, retry_after: str = "0") -> None:
        self.verb, self.path, self.status, self.after, self.retry_after = (
            verb,
            re.compile(path),
            status,
            after,
            retry_after,
        )


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.changed = threading.Condition()
        self.jobs: dict[str, dict[str, Any]] = {}
        self.pods: dict[str, dict[str, Any]] = {}
        self.logs: dict[str, list[tuple[str, str]]] = {}
        self.ended: set[str] = set()  # pods whose containers have
        self.events: list[tuple[int, dict[str, Any]]] = []
        self.version = 0
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.faults: list[Fault] = []
        self.errors: list[BaseException] = []
        self.start_pods = True
        self.processes: list[subprocess.Popen[str]] = []
        self.taken: set[str] = set()
        self.break_watch_after: int | None = None
        self.break_log_after: int | None = None

    def handle_error(self, request: Any, client_address: Any) -> None:
        import sys

        error = sys.exception()
        if error is not None and not isinstance(error, ConnectionError):
            self.errors.append(error)

    def copy(self, content: dict[str, Any]) -> dict[str, Any]:
        """What it is now, whatever the controllers do next."""
        with self.changed:
            found: dict[str, Any] = json.loads(json.dumps(content))
            return found

    def put(self, kind: str, job: dict[str, Any], status: dict[str, Any] | None = None) -> None:
        """Note a change of a job, and tell those who watch."""
        with self.changed:
            if status is not None:
                job["status"] = status
            self.version += 1
            job["metadata"]["resourceVersion"] = str(self.version)
            self.events.append((self.version, {"type": kind, "object": valid("V1Job", self.copy(job))}))
            self.changed.notify_all()

    # ------------------------------------------------------------ a cluster's controllers

    def begin(self, job: dict[str, Any]) -> None:
        name, container = job["metadata"]["name"], job["spec"]["template"]["spec"]["containers"][0]
        pod = f"{name}-abcde"
        self.logs[pod] = []
        self.pods[pod] = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": pod, "namespace": job["metadata"]["namespace"], "labels": {"job-name": name}},
            "status": {
                "phase": "Pending",
                "containerStatuses": [self.status(container, {"waiting": {"reason": "ContainerCreating"}})],
            },
        }
        self.put("MODIFIED", job, {"active": 1, "startTime": now()})
        if self.start_pods:
            threading.Thread(target=self.work, args=(job, container, pod), daemon=True).start()

    def status(self, container: dict[str, Any], state: dict[str, Any]) -> dict[str, Any]:
        fields = {"name": container["name"], "image": container["image"], "imageID": "", "restartCount": 0}
        return {**fields, "ready": "running" in state, "state": state}

    def work(self, job: dict[str, Any], container: dict[str, Any], pod: str) -> None:
        environment = {each["name"]: each["value"] for each in container["env"] if "value" in each}
        process = subprocess.Popen(
            container["command"], env={"PATH": "/usr/bin:/bin"} | environment, stdout=subprocess.PIPE, text=True
        )
        self.processes.append(process)
        states = self.pods[pod]["status"]["containerStatuses"]
        with self.changed:
            states[0] = self.status(container, {"running": {"startedAt": now()}})
            self.pods[pod]["status"]["phase"] = "Running"
        assert process.stdout is not None
        for line in process.stdout:
            with self.changed:
                stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f").rstrip("0")
                self.logs[pod].append((f"{stamp}Z", line.rstrip("\n")))
                self.changed.notify_all()
        process.stdout.close()
        code = process.wait()
        code = 128 - code if code < 0 else code
        reason = "Completed" if code == 0 else "Error"
        with self.changed:
            states[0] = self.status(container, {"terminated": {"exitCode": code, "reason": reason}})
            self.ended.add(pod)
            self.changed.notify_all()
        if job["metadata"]["name"] not in self.jobs:
            return
        condition = {"status": "True", "lastTransitionTime": now()}
        failure = {"type": "Failed", "reason": "BackoffLimitExceeded", "message": "Job has reached the limit"}
        conditions = [condition | ({"type": "Complete"} if code == 0 else failure)]
        self.put("MODIFIED", job, {"startTime": job["status"]["startTime"], "conditions": conditions})

    def delete(self, name: str) -> None:
        """As with foreground propagation: the job is there until its pods have ended."""
        for process in self.processes:
            process.terminate()
            process.wait()
        job = self.jobs.pop(name)
        self.put("DELETED", job)

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self.serve({"jobs": self.get_jobs, "pods": self.get_pods})

    def do_POST(self) -> None:
        self.serve({"jobs": self.create})

    def do_DELETE(self) -> None:
        self.serve({"jobs": self.delete})

    def serve(self, actions: dict[str, Callable[[str, str | None, dict[str, str]], None]]) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.body = json.loads(self.rfile.read(length)) if length else None
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        self.server.requests.append((self.command, url.path, query))
        self.mute = False
        fault = next(
            (each for each in self.server.faults if each.verb == self.command and each.path.search(self.path)), None
        )
        if fault is not None:
            self.server.faults.remove(fault)
            if not fault.after:
                return self.fail(fault)
            self.mute = True
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.refuse(401, "Unauthorized", "no token")
        for kind, pattern in (("jobs", JOBS), ("pods", PODS)):
            found = pattern.fullmatch(url.path)
            if found is not None and kind in actions:
                actions[kind](found[1], found[2], query)
                break
        else:
            self.refuse(404, "NotFound", self.path)
        if fault is not None:
            self.mute = False
            self.fail(fault)
        return None

    def fail(self, fault: Fault) -> None:
        if fault.status == 0:
            self.close_connection = True
            self.connection.shutdown(2)
        else:
            self.refuse(fault.status, "Fault", f"fault {fault.status}", {"Retry-After": fault.retry_after})

    # ------------------------------------------------------------ requests

    def create(self, namespace: str, name: str | None, query: dict[str, str]) -> None:
        job = self.body
        assert isinstance(job, dict)
        for container in job["spec"]["template"]["spec"]["containers"]:
            for quantities in container.get("resources", {}).values():
                quantities.update({key: str(value) for key, value in quantities.items()})  # as it stores them
        valid("V1Job", job)
        assert job["metadata"]["namespace"] == namespace
        name = job["metadata"]["name"]
        if name in self.server.jobs or self.server.taken:
            taken = self.server.taken.pop() if self.server.taken else None
            if taken is not None:
                self.server.jobs[name] = {**job, "metadata": {**job["metadata"], "labels": {"of": taken}}}
            return self.refuse(409, "AlreadyExists", f"jobs {name!r} already exists")
        self.server.jobs[name] = job
        self.server.put("ADDED", job)
        self.answer(201, json.dumps(self.server.copy(job)))
        self.server.begin(job)
        return None

    def get_jobs(self, namespace: str, name: str | None, query: dict[str, str]) -> None:
        if name is not None:
            if name not in self.server.jobs:
                return self.refuse(404, "NotFound", f"jobs {name!r} not found")
            return self.answer(200, json.dumps(valid("V1Job", self.server.copy(self.server.jobs[name]))))
        wanted = query["fieldSelector"].removeprefix("metadata.name=")
        if query.get("watch") == "True" or query.get("watch") == "true":
            return self.watch(wanted, query)
        found = [job for job in self.server.jobs.values() if job["metadata"]["name"] == wanted]
        metadata = {"resourceVersion": str(self.server.version)}
        content = {"apiVersion": "batch/v1", "kind": "JobList", "metadata": metadata, "items": found}
        return self.answer(200, json.dumps(valid("V1JobList", self.server.copy(content))))

    def watch(self, name: str, query: dict[str, str]) -> None:
        seen, sent = int(query["resourceVersion"]), 0
        self.begin_stream()
        while True:
            with self.server.changed:
                fresh = [
                    each
                    for each in self.server.events
                    if each[0] > seen and each[1]["object"]["metadata"]["name"] == name
                ]
                if not fresh:
                    self.server.changed.wait(0.5)
            for version, event in fresh:
                if self.server.break_watch_after == sent:
                    self.server.break_watch_after = None
                    self.send(json.dumps(event)[:20])
                    self.close_connection = True
                    self.connection.shutdown(2)
                    return None
                self.send(json.dumps(event) + "\n")
                seen, sent = version, sent + 1
            if not fresh and name not in self.server.jobs:
                return self.send("")

    def get_pods(self, namespace: str, pod: str | None, query: dict[str, str]) -> None:
        if pod is not None:
            return self.log(pod, query)
        wanted = query["labelSelector"].removeprefix("job-name=")
        found = [each for each in self.server.pods.values() if each["metadata"]["labels"]["job-name"] == wanted]
        content = {"apiVersion": "v1", "kind": "PodList", "metadata": {}, "items": found}
        return self.answer(200, json.dumps(valid("V1PodList", self.server.copy(content))))

    def log(self, pod: str, query: dict[str, str]) -> None:
        assert query["follow"] in ("True", "true"), query
        assert query["timestamps"] in ("True", "true"), query
        self.begin_stream()
        sent = 0
        while True:
            with self.server.changed:
                lines, is_over = self.server.logs[pod][sent:], pod in self.server.ended
                if not lines and not is_over:
                    self.server.changed.wait(0.5)
            for stamp, text in lines:
                if self.server.break_log_after == sent:
                    self.server.break_log_after = None
                    self.close_connection = True
                    self.connection.shutdown(2)
                    return None
                self.send(f"{stamp} {text}\n")
                sent += 1
            if not lines and is_over:
                return self.send("")

    def delete(self, namespace: str, name: str | None, query: dict[str, str]) -> None:
        assert query["propagationPolicy"] == "Foreground"
        if name not in self.server.jobs:
            return self.refuse(404, "NotFound", f"jobs {name!r} not found")
        self.server.delete(name)
        return self.answer(
            200, json.dumps(valid("V1Status", {"apiVersion": "v1", "kind": "Status", "status": "Success"}))
        )

    # ------------------------------------------------------------ answers

    def begin_stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def send(self, text: str) -> None:
        data = text.encode()
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def answer(self, status: int, text: str, headers: dict[str, str] | None = None) -> None:
        if self.mute:
            return
        data = text.encode()
        self.send_response(status)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(data)),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def refuse(self, status: int, reason: str, message: str, headers: dict[str, str] | None = None) -> None:
        content = {
            "apiVersion": "v1",
            "kind": "Status",
            "status": "Failure",
            "reason": reason,
            "message": message,
            "code": status,
        }
        self.answer(status, json.dumps(valid("V1Status", content)), headers)

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""
