"""A served stage or alias that moves: the new version takes the old one's place, or does not, and the server says so."""

from __future__ import annotations

import asyncio
import logging
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from millstream.artifacts.model_uris import ModelUri
from millstream.client import MillstreamClient
from millstream.errors import InvalidValue, MillstreamError
from millstream.models import pyfunc
from millstream.models.trust import BrokenPickle, UntrustedModel
from millstream.serving import create_app
from millstream.serving.following import Follower, Named, movable
from millstream.serving.scorer import Options
from tests.api.test_telemetry import values
from tests.artifacts.conftest import ProxyServer
from tests.serving.conftest import Asker


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MillstreamClient:
    monkeypatch.setenv("MILLSTREAM_TRACKING_URI", f"sqlite:///{tmp_path}/store.db")
    monkeypatch.setenv("MILLSTREAM_JOURNAL_DIR", str(tmp_path / "journal"))
    monkeypatch.chdir(tmp_path)
    return MillstreamClient()


def failures(app: Any) -> int:
    """Attempts to load another version that failed."""
    found: int = app.telemetry.counts.totals.get("millstream_model_reload_failures_total", 0)
    return found


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


def test_a_version_whose_files_are_refused_leaves_the_old_one_and_is_tried_once(
    client: MillstreamClient, version: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    client.set_registered_model_alias("m", "a", version(1))
    app = create_app("models:/m@a", trust=True, follow_s=0.05)

    async def script(app: Any) -> None:
        client.set_registered_model_alias("m", "a", version(2, breaks=True))
        await until(lambda: failures(app) == 1)
        assert await answer(app) == 1
        await asyncio.sleep(0.3)
        assert failures(app) == 1
        client.set_registered_model_alias("m", "a", version(3))
        first = app.scorer
        await until(lambda: app.scorer is not first)
        assert await answer(app) == 3

    running(app, script)
    assert "the old one stays" in caplog.text


def test_a_version_that_cannot_be_loaded_now_is_tried_again_more_and_more_rarely(
    client: MillstreamClient, version: Callable[..., str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client.set_registered_model_alias("m", "a", version(1))
    app = create_app("models:/m@a", trust=True, follow_s=0.05)

    async def script(app: Any) -> None:
        second = version(2)
        (tmp_path / "model-2").rename(tmp_path / "away")
        began = time.monotonic()
        client.set_registered_model_alias("m", "a", second)
        await until(lambda: failures(app) >= 4)
        assert time.monotonic() - began > 0.3, "after 0.05, 0.1 and 0.2 s, and not at each look"
        assert await answer(app) == 1
        (tmp_path / "away").rename(tmp_path / "model-2")
        first = app.scorer
        await until(lambda: app.scorer is not first)
        assert await answer(app) == 2

    running(app, script)
    assert "the old one stays" in caplog.text


def test_the_pauses_between_attempts_end_at_a_minute_or_at_the_interval() -> None:
    for interval_s, wanted in ((10.0, [10, 20, 40, 60, 60]), (300.0, [300, 300])):
        follower = Follower("models:/m@a", interval_s, None, Options())
        named = Named("1", 1, "/a")
        for pause_s in wanted:
            follower._failure = follower._failure_of(named, OSError())
            assert follower._failure.pause_s == pause_s
        assert follower._failure_of(Named("1", 2, "/a"), OSError()).pause_s == interval_s
        follower._failure = follower._failure_of(named, UntrustedModel(Path("f"), "a pickle"))
        assert not follower._is_due(named)


def test_a_model_that_is_deleted_and_made_again_counts_from_one_and_is_another(
    client: MillstreamClient, version: Callable[..., str]
) -> None:
    client.set_registered_model_alias("m", "a", version(1))
    app = create_app("models:/m@a", trust=True, follow_s=0.05)

    async def script(app: Any) -> None:
        assert await answer(app) == 1
        client.delete_registered_model("m")
        client.create_registered_model("m")
        assert version(2) == "1"
        client.set_registered_model_alias("m", "a", "1")
        first = app.scorer
        await until(lambda: app.scorer is not first)
        assert await answer(app) == 2

    running(app, script)


def test_downloads_of_attempts_that_failed_do_not_stay_on_the_disk(
    version: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version(1, breaks=True)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    server = ProxyServer(str(tmp_path / "artifacts"), f"sqlite:///{tmp_path}/server.db")
    try:
        monkeypatch.setenv("MILLSTREAM_TRACKING_URI", server.uri)
        client = MillstreamClient()
        run_id = client.create_run("0").info.run_id
        client.log_artifacts(run_id, str(tmp_path / "model-1"), "net")
        client.flush()
        client.create_registered_model("far")
        client.create_model_version("far", f"runs:/{run_id}/net", run_id)
        monkeypatch.setattr(tempfile, "tempdir", str(temporary))
        with pytest.raises(BrokenPickle, match="millstream-model-"):
            create_app("models:/far/latest", trust=True, follow_s=1)
    finally:
        server.stop()
    assert list(temporary.iterdir()) == []


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
