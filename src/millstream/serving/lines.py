"""Scoring over standard input, one JSON line a request: for callers that want a model in another process or environment without a port.

    {"id": "7", "data": "{\\"inputs\\": [1]}", "output_file": "/tmp/x/7"}

`data` is the JSON text of a request. The reply, `{"predictions": ..., "id": "7"}` or `{"error_code": ..., "message": ..., "id": "7"}`, is
appended to `output_file` as one line; without such a file it is a line on standard output. What the model prints goes to standard error.
The process ends with its input. `LineScorer` is the other end.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from itertools import count
from queue import Empty, SimpleQueue
from typing import Any, BinaryIO

import msgspec
from msgspec import Struct

from millstream.errors import MillstreamError, Unavailable, from_wire
from millstream.serving.media import Form
from millstream.serving.pool import DeadlineExceeded


class LineRequest(Struct):
    """One line of input."""

    id: str
    data: str
    output_file: str | None = None


class LineScorer:
    """A process that scores lines. One request at a time.

    Args:
        python: the interpreter; its environment has Millstream and what the model needs.
        model_uri: what to load there.
        env: its environment variables; those of this process if not given.
    """

    def __init__(
        self, python: str, model_uri: str, *, trust: bool | None = None, env: Mapping[str, str] | None = None
    ) -> None:
        command = [python, "-m", "millstream.serving.lines", model_uri, {True: "1", False: "0", None: ""}[trust]]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env)
        self._replies: SimpleQueue[bytes] = SimpleQueue()
        self._lock = threading.Lock()
        self._ids = count(1)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._replies.put(line)
        self._replies.put(b"")

    def invoke(self, data: str, timeout_s: float = 60.0) -> Any:
        """The predictions for the JSON text of a request.

        Raises:
            MillstreamError: what the model or the request was refused for.
            Unavailable: the process has ended. DeadlineExceeded: no reply came in time.
        """
        with self._lock:
            number = str(next(self._ids))
            line = msgspec.json.encode({"id": number, "data": data}) + b"\n"
            assert self._process.stdin is not None
            try:
                self._process.stdin.write(line)
                self._process.stdin.flush()
            except OSError:
                raise Unavailable("The scoring process has ended. Its standard error says why.") from None
            while True:
                try:
                    reply = self._replies.get(timeout=timeout_s)
                except Empty:
                    raise DeadlineExceeded(timeout_s) from None
                if not reply:
                    self._replies.put(b"")
                    raise Unavailable("The scoring process has ended. Its standard error says why.")
                answer = msgspec.json.decode(reply)
                if answer.get("id") == number:  # else the late reply to a request that was given up
                    break
        if "error_code" in answer:
            raise from_wire(int(answer.get("status", 0)), answer["error_code"], answer["message"])
        return answer["predictions"]

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def serve_lines(model_uri: str, trust: bool | None, source: BinaryIO, replies: BinaryIO) -> None:
    """Answer the lines of `source` until it ends. Raises MillstreamError when the model cannot be loaded."""
    from millstream.serving import loading

    scorer = loading.load(model_uri, trust)
    for line in source:
        if not line.strip():
            continue
        name, file = "", None
        try:
            request = msgspec.json.decode(line, type=LineRequest)
            name, file = request.id, request.output_file
            reply = _reply(name, scorer.answer(request.data.encode(), Form.JSON))
        except Exception as error:
            reply = _refusal(name, error)
        if file is not None:
            with open(file, "ab") as out:
                out.write(reply + b"\n")
        else:
            replies.write(reply + b"\n")
            replies.flush()


def _reply(name: str, answer: bytes) -> bytes:
    if not answer.startswith(b'{"predictions":'):  # chat-like requests are answered bare
        answer = b'{"predictions":' + answer + b"}"
    return answer[:-1] + b',"id":' + msgspec.json.encode(name) + b"}"


def _refusal(name: str, error: Exception) -> bytes:
    known = error if isinstance(error, MillstreamError) else MillstreamError(f"{type(error).__name__}: {error}")
    if isinstance(error, msgspec.MsgspecError):
        known = MillstreamError(f"The line is no request: {error}.", "BAD_REQUEST")
    body = {"error_code": known.error_code, "message": known.message, "status": known.status, "id": name}
    return msgspec.json.encode(body)


def _main() -> None:
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the model prints must not come between the replies
    try:
        serve_lines(
            sys.argv[1],
            {"1": True, "0": False}.get(sys.argv[2] if len(sys.argv) > 2 else ""),
            sys.stdin.buffer,
            replies,
        )
    except MillstreamError as error:
        print(f"Error: {error.message}", file=sys.stderr)
        raise SystemExit(1) from None


if __name__ == "__main__":
    _main()
