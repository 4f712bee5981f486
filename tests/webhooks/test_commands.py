"""`millstream webhooks ...`, as a person types it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from millstream.cli.main import cli
from millstream.client import MillstreamClient
from millstream.client.transport import close_transports
from millstream.webhooks import secrets

from .conftest import Receiver

Call = Callable[..., Result]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allow_loopback: None) -> Call:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'runs.db'}")
    monkeypatch.setenv("MLFLOW_BACKEND_STORE_URI", f"sqlite:///{tmp_path / 'runs.db'}")
    monkeypatch.setenv("MILLSTREAM_JOURNAL_DIR", str(tmp_path / "journal"))
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: str, status: int = 0, stdin: str | None = None) -> Result:
        result = CliRunner().invoke(cli, ["webhooks", *arguments], input=stdin, catch_exceptions=False)
        assert result.exit_code == status, result.output
        return result

    return invoke


def test_a_webhook_from_its_making_to_its_end(call: Call, receiver: Receiver) -> None:
    secret = ("--secret-file", "-")
    made = call("create", "-n", "ci", "-u", receiver.url(), "-e", "registered_model.created", *secret, stdin="hush\n")
    hook = made.stdout.strip()
    one = ("--webhook-id", hook)
    shown = json.loads(call("get", *one).output)
    assert (shown["name"], shown["url"], shown["status"]) == ("ci", receiver.url(), "ACTIVE")
    assert "secret" not in shown
    assert hook in call("list", "--json").output
    assert "registered_model.created" in call("list").output
    assert call("test", *one).output == "Delivered: the receiver answered with status 200.\n"
    assert receiver.got[0].is_signed_with("hush")

    MillstreamClient().create_registered_model("m")
    (waiting,) = json.loads(call("deliveries", *one, "--json").output)
    assert waiting["status"] == "PENDING"
    receiver.answers = [404]
    told = call("deliver")
    assert "Delivered 0, given up 1, to be tried again later 0." in told.output
    assert "status 404" in told.output
    assert "404" in call("deliveries", *one, "--status", "failed").output
    call("redeliver", *one, "--delivery-id", waiting["delivery_id"])
    assert json.loads(call("deliver", "--json").output) == {"delivered": 1, "failed": 0, "postponed": 0}

    assert (
        json.loads(call("update", *one, "--status", "DISABLED", "--no-secret", "--json").output)["status"] == "DISABLED"
    )
    call("update", *one, "--no-secret", *secret, stdin="x", status=2)
    call("delete", *one)
    assert call("list", "--json").output == "[]\n"


def test_a_trial_that_fails_is_an_exit_status(call: Call, receiver: Receiver) -> None:
    hook = call("create", "-n", "ci", "-u", receiver.url(), "-e", "prompt.created").stdout.strip()
    receiver.answers = [500]
    result = call("test", "--webhook-id", hook, "-e", "model_version.created", status=1)
    assert result.output == "Not delivered. The receiver answered with status 500.\n"


def test_a_new_key_is_printed(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLSTREAM_WEBHOOK_SECRET_ENCRYPTION_KEY", call("new-key").output.strip())
    assert secrets.unseal(secrets.seal("hush", "one", None), "one", None) == "hush"


@pytest.fixture(autouse=True)
def closed() -> object:
    yield
    close_transports()
