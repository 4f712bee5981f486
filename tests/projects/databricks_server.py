"""A small workspace of Databricks: files, and one-time runs of Python files, which run as processes of this machine.

What arrives and what is answered has to be what the classes of the official SDK read and write, without a field more.
"""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from databricks.sdk.service import files, jobs, workspace

TOKEN = "dapi-of-the-test"


def valid(kind: Any, content: dict[str, Any]) -> dict[str, Any]:
    """What the SDK's class makes of it, which has to be the same."""
    found = kind.from_dict(content).as_dict()
    assert found == content, f"{kind.__name__}: {content} is read as {found}"
    return content


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = folder  # of its files
        self.requests: list[tuple[str, str]] = []
        self.submitted: list[dict[str, Any]] = []
        self.runs: dict[int, Run] = {}
        self.faults: list[tuple[str, int]] = []  # paths, and what is answered once in place of what was asked for
        self.errors: list[BaseException] = []
        self.handles: dict[int, Path] = {}

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exception()
        if error is not None and not isinstance(error, ConnectionError):
            self.errors.append(error)

    def asked(self, path: str) -> int:
        return len([each for _, each in self.requests if each.startswith(path)])

    def place(self, path: str) -> Path:
        """Where it keeps a file."""
        return self.folder / path.removeprefix("dbfs:").lstrip("/")

    def close(self) -> None:
        for run in self.runs.values():
            run.process.kill()
            run.ended.wait(10)
        self.shutdown()
        self.server_close()


class Run:
    """A one-time run."""

    def __init__(self, server: Server, number: int, body: dict[str, Any]) -> None:
        (task,) = body["tasks"]
        self.number, self.is_cancelled, self.looks = number, False, 0
        self.address = f"http://127.0.0.1:{server.server_port}/?o=1#job/77/run/{number}"
        python = task["spark_python_task"]
        # the places of the cluster are folders of this machine
        (order,) = [
            re.sub(r'"(/(?:Workspace|Volumes|dbfs))/', rf'"{server.folder}\1/', each) for each in python["parameters"]
        ]
        if not (server.folder / "dbfs").exists():
            (server.folder / "dbfs").symlink_to(server.folder)
        self.process = subprocess.Popen(
            [sys.executable, str(server.place(python["python_file"])), order],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
        self.printed = ""
        self.ended = threading.Event()
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self) -> None:
        self.printed, _ = self.process.communicate()
        self.ended.set()

    def cancel(self) -> None:
        self.is_cancelled = True
        os.killpg(self.process.pid, signal.SIGTERM)
        self.ended.wait(10)

    def state(self) -> dict[str, str]:
        self.looks += 1
        if not self.ended.is_set():
            return {"life_cycle_state": "PENDING" if self.looks == 1 else "RUNNING", "state_message": "In run"}
        result = "CANCELED" if self.is_cancelled else "SUCCESS" if self.process.returncode == 0 else "FAILED"
        return {"life_cycle_state": "TERMINATED", "result_state": result, "state_message": f"it says {result}"}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self.serve()

    do_POST = do_PUT = do_HEAD = do_GET  # noqa: N815  # the names are http.server's

    def serve(self) -> None:
        url = urlsplit(self.path)
        body = self.read()
        self.server.requests.append((self.command, url.path))
        for fault in self.server.faults:
            if url.path.startswith(fault[0]):
                self.server.faults.remove(fault)
                return self.refuse(fault[1], "FAULT", f"fault {fault[1]}")
        if url.path.startswith("/.well-known"):
            return self.answer({"workspace_id": "1", "oidc_endpoint": "http://127.0.0.1/oidc"})
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.refuse(401, "UNAUTHENTICATED", "Invalid access token")
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path.startswith("/api/2.0/fs/files/"):
            return self.volume(unquote(url.path.removeprefix("/api/2.0/fs/files")), body)
        name = f"{self.command.lower()}_{url.path.removeprefix('/api/').split('/', 1)[1].replace('/', '_').replace('-', '_')}"
        action = getattr(self, name, None)
        if action is None:
            return self.refuse(404, "ENDPOINT_NOT_FOUND", name)
        return action(query if self.command == "GET" else body)

    def read(self) -> Any:
        """The body: JSON, the parts of a form, or bytes."""
        if self.headers.get("Transfer-Encoding") == "chunked":
            data = b""
            while size := int(self.rfile.readline(), 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind = self.headers.get("Content-Type", "")
        if kind.startswith("application/json"):
            return json.loads(data)
        if kind.startswith("multipart/form-data"):
            return dict(self.parts(data, kind.partition("boundary=")[2].encode()))
        return data

    def parts(self, data: bytes, boundary: bytes) -> Iterator[tuple[str, str | bytes]]:
        """The fields of a form, and its files as bytes."""
        for part in data.split(b"--" + boundary)[1:-1]:
            head, _, content = part[2:-2].partition(b"\r\n\r\n")
            name = re.search(rb'name="([^"]+)"', head)
            assert name is not None
            yield name[1].decode(), content if b"filename=" in head else content.decode()

    # ------------------------------------------------------------ files

    def get_preview_scim_v2_Me(self, query: dict[str, str]) -> None:  # noqa: N802  # named after its path
        self.answer({"userName": "ada@example.com"})

    def get_workspace_get_status(self, query: dict[str, str]) -> None:
        file = self.server.place(query["path"])
        if not file.exists():
            return self.refuse(404, "RESOURCE_DOES_NOT_EXIST", f"Path ({query['path']}) doesn't exist.")
        content = {"object_type": "FILE", "path": query["path"], "size": file.stat().st_size}
        return self.answer(valid(workspace.ObjectInfo, content))

    def post_workspace_mkdirs(self, body: dict[str, Any]) -> None:
        self.server.place(body["path"]).mkdir(parents=True, exist_ok=True)
        self.answer({})

    def post_workspace_import(self, form: dict[str, Any]) -> None:
        assert (form["format"], form["overwrite"]) == ("AUTO", "true")
        self.server.place(form["path"]).write_bytes(form["content"])
        self.answer({})

    def volume(self, path: str, content: bytes) -> None:
        file = self.server.place(path)
        if self.command == "PUT":
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            return self.answer({}, 204)
        if not file.exists():
            return self.refuse(404, "NOT_FOUND", "no such file")
        return self.answer({}, length=file.stat().st_size)

    def get_dbfs_get_status(self, query: dict[str, str]) -> None:
        file = self.server.place(query["path"])
        if not file.exists():
            return self.refuse(404, "RESOURCE_DOES_NOT_EXIST", "No file or directory exists")
        content = {"path": query["path"], "is_dir": False, "file_size": file.stat().st_size}
        return self.answer(valid(files.FileInfo, content))

    def post_dbfs_create(self, body: dict[str, Any]) -> None:
        file = self.server.place(body["path"])
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"")
        self.server.handles[len(self.server.handles)] = file
        self.answer(valid(files.CreateResponse, {"handle": len(self.server.handles) - 1}))

    def post_dbfs_add_block(self, body: dict[str, Any]) -> None:
        assert len(body["data"]) <= 1 << 20
        with self.server.handles[body["handle"]].open("ab") as file:
            file.write(base64.b64decode(body["data"]))
        self.answer({})

    def post_dbfs_close(self, body: dict[str, Any]) -> None:
        self.answer({})

    # ------------------------------------------------------------ runs

    def post_jobs_runs_submit(self, body: dict[str, Any]) -> None:
        for task in body["tasks"]:
            valid(jobs.SubmitTask, task)
        assert body.keys() <= {"run_name", "idempotency_token", "tasks", "timeout_seconds"}
        known = [each["idempotency_token"] for each in self.server.submitted]
        if body["idempotency_token"] not in known:
            self.server.submitted.append(body)
            number = 100 + len(self.server.submitted)
            self.server.runs[number] = Run(self.server, number, body)
        self.answer(valid(jobs.SubmitRunResponse, {"run_id": 100 + len(self.server.submitted)}))

    def get_jobs_runs_get(self, query: dict[str, str]) -> None:
        run = self.server.runs[int(query["run_id"])]
        task = {"task_key": "project", "run_id": run.number + 1000}
        state = run.state()
        content = {"run_id": run.number, "job_id": 77, "run_page_url": run.address, "state": state, "tasks": [task]}
        self.answer(valid(jobs.Run, content))

    def get_jobs_runs_get_output(self, query: dict[str, str]) -> None:
        run = self.server.runs[int(query["run_id"]) - 1000]
        content: dict[str, Any] = {"logs": run.printed, "logs_truncated": False}
        if run.process.returncode:
            content["error"] = f"SystemExit: {run.process.returncode}"
        self.answer(valid(jobs.RunOutput, content))

    def post_jobs_runs_cancel(self, body: dict[str, Any]) -> None:
        assert body.keys() == {"run_id"}
        self.server.runs[body["run_id"]].cancel()
        self.answer({})

    # ------------------------------------------------------------ answers

    def answer(self, content: dict[str, Any], status: int = 200, length: int | None = None) -> None:
        data = json.dumps(content).encode() if self.command != "HEAD" and status != 204 else b""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if status != 204:
            self.send_header("Content-Length", str(len(data) if length is None else length))
        self.send_header("Retry-After", "0")
        self.end_headers()
        self.wfile.write(data)

    def refuse(self, status: int, code: str, message: str) -> None:
        self.answer({"error_code": code, "message": message}, status)

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""
