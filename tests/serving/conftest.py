"""Applications in this process, asked without a socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.serving.models import save_all


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body; fails unless it is strict JSON."""

        def refuse(token: str) -> None:
            raise AssertionError(f"not strict JSON: {token}")

        return json.loads(self.body, parse_constant=refuse)

    @property
    def predictions(self) -> Any:
        assert self.status == 200, self.body
        return self.json()["predictions"]

    def error(self) -> tuple[int, str]:
        """Status and code; checks the shape that errors have."""
        assert self.headers["content-type"] == "application/json", self.body
        assert self.headers["x-content-type-options"] == "nosniff"
        answer = self.json()
        assert set(answer) == {"error_code", "message"}, answer
        assert 10 < len(answer["message"]) < 1100
        for inside in ("Traceback", ".py", "site-packages"):
            assert inside not in answer["message"], answer
        return self.status, answer["error_code"]


@dataclass
class Asker:
    """Sends requests to an application as a server would."""

    app: Any
    defaults: Mapping[str, str] = field(default_factory=lambda: {"host": "localhost:5000"})

    async def ask(self, verb: str, path: str, body: bytes = b"", **headers: str | None) -> Reply:
        sent: dict[str, str | None] = {**self.defaults, "content-length": str(len(body)), **headers}
        scope = {
            "type": "http",
            "method": verb,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "scheme": "http",
            "client": ("127.0.0.1", 50000),
            "headers": [
                (name.replace("_", "-").encode(), value.encode("latin-1"))
                for name, value in sent.items()
                if value is not None
            ],
        }
        messages = [{"type": "http.request", "body": body, "more_body": False}]
        got: list[Any] = []

        async def receive() -> Any:
            return messages.pop(0) if messages else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            got.append(message)

        await self.app(scope, receive, send)
        start = got[0]
        answered = {name.decode(): value.decode() for name, value in start["headers"]}
        return Reply(start["status"], answered, b"".join(message["body"] for message in got[1:]))

    def get(self, path: str, **headers: str | None) -> Reply:
        return asyncio.run(self.ask("GET", path, **headers))

    def post(self, body: bytes, content_type: str | None = "application/json", **headers: str | None) -> Reply:
        return asyncio.run(self.ask("POST", "/invocations", body, content_type=content_type, **headers))

    def score(self, body: Any, **headers: str | None) -> Reply:
        return self.post(json.dumps(body).encode(), **headers)


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The models of the corpus, saved by us."""
    return save_all("millstream", tmp_path_factory.mktemp("models"))
