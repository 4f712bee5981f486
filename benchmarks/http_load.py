"""A client process that sends pre-encoded requests over kept connections as fast as the server answers.

Reads one JSON line that says what to send, prints `ready` when everything is encoded, connects and starts at the next
line, and prints one JSON line with requests, errors, start and end (on the machine's monotonic clock, in seconds), and the
median and the 99th percentile of the time from a request to its whole answer.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import selectors
import socket
import sys
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit


class Connection:
    """One kept connection; a request is sent whole, its answer read whole."""

    def __init__(self, address: tuple[str, int], requests: Iterator[bytes]) -> None:
        self.socket = socket.create_connection(address, timeout=120)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.requests = requests
        self._received = bytearray()
        self.sent_at = 0.0

    def send_next(self) -> bool:
        request = next(self.requests, None)
        if request is None:
            return False
        self.sent_at = time.monotonic()
        self.socket.sendall(request)
        return True

    def receive(self) -> int | None:
        """The status once an answer is complete."""
        data = self.socket.recv(262_144)
        if not data:
            raise ConnectionError("the server closed the connection")
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = bytes(self._received[:end]).lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self._received) < end + 4 + length:
            return None
        status = int(self._received[9:12])
        del self._received[: end + 4 + length]
        return status


def encoded(host: str, path: str, body: bytes, content_type: str = "application/json") -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def requests_of(plan: dict[str, Any], index: int, host: str) -> list[bytes]:
    """All requests of one connection."""
    count, api = plan["requests"], "/api/2.0/mlflow/"
    run = plan["run_ids"][index] if plan.get("run_ids") else ""
    now = plan["now_ms"]
    made = []
    if plan["kind"] == "same":  # one body again and again
        body = base64.b64decode(plan["body"])
        return [encoded(host, plan["path"], body, plan["content_type"])] * count
    if plan["kind"] == "log-batch":
        keys, steps = 10, plan["points"] // 10
        for number in range(count):
            parts = [
                b'{"key":"metric_%d","value":%r,"timestamp":%d,"step":%d}'.replace(
                    b"%r", repr((step * 31 % 997) / 997).encode()
                )
                % (key, now + step, step)
                for step in range(number * steps, (number + 1) * steps)
                for key in range(keys)
            ]
            made.append(
                encoded(
                    host, api + "runs/log-batch", b'{"run_id":"%s","metrics":[%s]}' % (run.encode(), b",".join(parts))
                )
            )
    elif plan["kind"] == "log-metric":
        for step in range(count):
            body = b'{"run_id":"%s","run_uuid":"%s","key":"loss","value":%s,"timestamp":%d,"step":%d}' % (
                run.encode(), run.encode(), repr(1 / (step + 1)).encode(), now + step, step,
            )  # fmt: skip
            made.append(encoded(host, api + "runs/log-metric", body))
    elif plan["kind"] == "create-run":
        for number in range(count):
            body = json.dumps({
                "experiment_id": plan["experiment_id"], "user_id": "bench", "run_name": f"run-{index}-{number}", "start_time": now + number,
                "tags": [{"key": "mlflow.user", "value": "bench"}, {"key": "mlflow.source.type", "value": "LOCAL"},
                         {"key": "mlflow.source.name", "value": "train.py"}],
            }).encode()  # fmt: skip
            made.append(encoded(host, api + "runs/create", body))
    else:
        raise ValueError(plan["kind"])
    return made


def main() -> None:
    with contextlib.suppress(PermissionError):  # so that no time is counted in which this process waits for a core
        os.nice(-10)
    plan = json.loads(sys.stdin.readline())
    parts = urlsplit(plan["url"])
    address, host = (parts.hostname or "127.0.0.1", parts.port or 80), f"{parts.hostname}:{parts.port}"
    first = plan.get("first_connection", 0)
    encoded_requests = [requests_of(plan, index, host) for index in range(first, first + plan["connections"])]
    print("ready", flush=True)
    sys.stdin.readline()
    connections = [Connection(address, iter(requests)) for requests in encoded_requests]  # an idle one would be closed
    print(json.dumps(_drive(connections, plan["seconds"])), flush=True)


def _drive(connections: list[Connection], seconds: float) -> dict[str, Any]:
    selector = selectors.DefaultSelector()
    began = time.monotonic()
    deadline = began + seconds
    done = errors = 0
    times: list[float] = []
    active = 0
    for connection in connections:
        selector.register(connection.socket, selectors.EVENT_READ, connection)
        active += connection.send_next()
    ended = began
    while active:
        for key, _ in selector.select():
            answering: Connection = key.data
            status = answering.receive()
            if status is None:
                continue
            ended = time.monotonic()
            times.append(ended - answering.sent_at)
            done += 1
            errors += status != 200
            if ended >= deadline or not answering.send_next():
                active -= 1
                selector.unregister(answering.socket)
                answering.socket.close()
    times.sort()
    return {
        "requests": done, "errors": errors, "began": began, "ended": ended,
        "p50_s": times[len(times) // 2], "p99_s": times[min(len(times) - 1, len(times) * 99 // 100)],
    }  # fmt: skip


if __name__ == "__main__":
    main()
