"""A served stage or alias that moves: the new version takes the old one's place, or does not, and the server says so."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from millstream.artifacts.model_uris import ModelUri
from millstream.client import MillstreamClient
from millstream.errors import InvalidValue, MillstreamError
from millstream.models import pyfunc
from millstream.serving import create_app
from millstream.serving.following import movable
from tests.api.test_telemetry import values
from tests.serving.conftest import Asker


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MillstreamClient:
    monkeypatch.setenv("MILLSTREAM_TRACKING_URI", f"sqlite:///{tmp_path}/store.db")
    monkeypatch.setenv("MILLSTREAM_JOURNAL_DIR", str(tmp_path / "journal"))
    monkeypatch.chdir(tmp_path)
    return MillstreamClient()


@pytest.fixture
def version(client: MillstreamClient, tmp_path: Path) -> Callable[..., str]:
    """Registers a model that answers with a number; gives the version."""
    client.create_registered_model("m")

    def make(answer: int, breaks: bool = False) -> str:
        folder = tmp_path / f"model-{answer}"

        class Constant(pyfunc.PythonModel):
            def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
                return [answer]

        pyfunc.save_model(folder, python_model=Constant(), pip_requirements=[])
        if breaks:
            (folder / "python_model.pkl").write_bytes(b"no pickle")
        return str(client.create_model_version("m", str(folder)).version)

    return make


async def until(condition: Callable[[], bool], seconds: float = 15) -> None:
    for _ in range(int(seconds * 50)):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come to pass")


def running(app: Any, script: Callable[[Any], Any]) -> None:
    """Run a script beside the application's background tasks."""

    async def main() -> None:
        app._start()
        try:
            await script(app)
        finally:
            await app._stop()

    asyncio.run(main())


async def answer(app: Any) -> int:
    reply = await Asker(app).ask("POST", "/invocations", b'{"inputs": [1]}', content_type="application/json")
    found: int = reply.predictions[0]
    return found


@pytest.mark.parametrize(("uri", "move"), [
    ("models:/m@champion", lambda client, version: client.set_registered_model_alias("m", "champion", version)),
    ("models:/m/Production", lambda client, version: client.transition_model_version_stage("m", version, "Production", archive_existing_versions=True)),
    ("models:/m/latest", lambda client, version: None),
])  # fmt: skip
def test_the_server_follows_an_alias_a_stage_and_the_latest_version(
    client: MillstreamClient, version: Callable[..., str], uri: str, move: Callable[[Any, str], None], caplog: pytest.LogCaptureFixture
) -> None:  # fmt: skip
    move(client, version(1))
    app = create_app(uri, trust=True, follow_s=0.05)
    caplog.set_level(logging.INFO, "millstream.server")

    async def script(app: Any) -> None:
        assert await answer(app) == 1
        move(client, version(2))
        first = app.scorer
        await until(lambda: app.scorer is not first)
        assert await answer(app) == 2

    running(app, script)
    assert "another version is served" in caplog.text
    assert values(Asker(app).get("/metrics").body)["millstream_model_reloads_total"] == 1


def test_a_version_that_cannot_be_loaded_leaves_the_old_one_and_is_tried_once(
    client: MillstreamClient, version: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    client.set_registered_model_alias("m", "a", version(1))
    app = create_app("models:/m@a", trust=True, follow_s=0.05)
    failures = lambda: app.telemetry.counts.totals["millstream_model_reload_failures_total"]  # noqa: E731

    async def script(app: Any) -> None:
        client.set_registered_model_alias("m", "a", version(2, breaks=True))
        await until(lambda: failures() == 1)
        assert await answer(app) == 1
        await asyncio.sleep(0.3)
        assert failures() == 1
        client.set_registered_model_alias("m", "a", version(3))
        first = app.scorer
        await until(lambda: app.scorer is not first)
        assert await answer(app) == 3

    running(app, script)
    assert "the old one stays" in caplog.text


def test_a_registry_that_is_away_changes_nothing(
    client: MillstreamClient, version: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    client.set_registered_model_alias("m", "a", version(1))
    app = create_app("models:/m@a", trust=True, follow_s=0.05)

    async def script(app: Any) -> None:
        client.delete_registered_model_alias("m", "a")
        await until(lambda: "cannot be asked" in caplog.text)
        assert await answer(app) == 1
        client.set_registered_model_alias("m", "a", version(2))
        first = app.scorer
        await until(lambda: app.scorer is not first)
        assert await answer(app) == 2

    running(app, script)
    assert caplog.text.count("cannot be asked") == 1, "said once"


def test_a_request_in_work_ends_with_the_model_it_began_with(
    client: MillstreamClient, version: Callable[..., str]
) -> None:
    client.set_registered_model_alias("m", "a", version(1))
    app = create_app("models:/m@a", trust=True, follow_s=60)
    old = app.scorer

    async def script(app: Any) -> None:
        task = asyncio.create_task(answer(app))
        await asyncio.sleep(0)
        app._replace(old)
        assert await task == 1

    running(app, script)


def test_there_must_be_a_version_to_begin_with(client: MillstreamClient, version: Callable[..., str]) -> None:
    version(1)
    with pytest.raises(MillstreamError, match="Production"):
        create_app("models:/m/Production", follow_s=1)
    with pytest.raises(MillstreamError):
        create_app("models:/nobody@x", follow_s=1)


@pytest.mark.parametrize(
    "uri", ["models:/m/3", "runs:/x/m", "/a/folder", "models:/m", "models:/m@", "models:/@a", "models:/m/a/b", ""]
)
def test_what_cannot_move_cannot_be_followed(uri: str) -> None:
    with pytest.raises(InvalidValue, match="cannot be followed"):
        movable(uri)


def test_stages_and_aliases_can_move() -> None:
    assert movable("models:/a b/Staging") == ModelUri("a b", "Staging")
    assert movable("models:/m@champion") == ModelUri("m", alias="champion")
    assert movable("models:/team@home@champion") == ModelUri("team@home", alias="champion")
