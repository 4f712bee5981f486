"""A client process that sends pre-encoded requests over kept connections as fast as the server answers.

Reads one JSON line that says what to send, prints `ready` when everything is encoded, connects and starts at the next
line, and prints one JSON line with requests, errors, start and end (on the machine's monotonic clock, in seconds).
"""

from __future__ import annotations

import json
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

    def send_next(self) -> bool:
        request = next(self.requests, None)
        if request is None:
            return False
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


def encoded(host: str, path: str, body: bytes) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def requests_of(plan: dict[str, Any], index: int, host: str) -> list[bytes]:
    """All requests of one connection."""
    count, api = plan["requests"], "/api/2.0/mlflow/"
    run = plan["run_ids"][index] if plan.get("run_ids") else ""
    now = plan["now_ms"]
    made = []
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
            done += 1
            errors += status != 200
            if ended >= deadline or not answering.send_next():
                active -= 1
                selector.unregister(answering.socket)
                answering.socket.close()
    return {"requests": done, "errors": errors, "began": began, "ended": ended}


if __name__ == "__main__":
    main()
