"""Webhooks of real servers: through HTTP, over kills, with two servers on one database."""

from __future__ import annotations

import contextlib
import sqlite3
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from millstream.store.tracking import open_store

from .conftest import SECRET, Receiver, ServerProcess

MODEL_CREATED = ("REGISTERED_MODEL", "CREATED")
REGISTRY_EVENTS = (
    MODEL_CREATED, ("MODEL_VERSION", "CREATED"), ("MODEL_VERSION_TAG", "SET"), ("MODEL_VERSION_TAG", "DELETED"),
    ("MODEL_VERSION_ALIAS", "CREATED"), ("MODEL_VERSION_ALIAS", "DELETED"),
)  # fmt: skip

Start = Callable[..., ServerProcess]


def statuses(server: ServerProcess, webhook_id: str) -> list[str]:
    return [each["status"] for each in server.deliveries(webhook_id)]


def wait_until_done(server: ServerProcess, webhook_id: str) -> None:
    deadline = time.monotonic() + 10
    while "PENDING" in statuses(server, webhook_id) and time.monotonic() < deadline:
        time.sleep(0.05)


def test_every_event_of_the_registry_is_told_with_its_data(start_server: Start, receiver: Receiver) -> None:
    server = start_server()
    webhook_id = server.create_webhook(receiver.url(), *REGISTRY_EVENTS, secret=SECRET)
    models, versions = "mlflow/registered-models", "mlflow/model-versions"
    tags = [{"key": "a", "value": "b"}]
    server.ask("POST", f"{models}/create", {"name": "m", "tags": tags, "description": "d"})
    server.ask("POST", f"{versions}/create", {"name": "m", "source": "s3://bucket/m", "run_id": "r1", "tags": tags})
    version = {"name": "m", "version": "1"}
    server.ask("POST", f"{versions}/set-tag", {**version, "key": "k", "value": "v"})
    server.ask("DELETE", f"{versions}/delete-tag", {**version, "key": "k"})
    server.ask("POST", f"{models}/alias", {**version, "alias": "champion"})
    server.ask("DELETE", f"{models}/alias", {"name": "m", "alias": "champion"})
    # and what no event is told of
    server.ask("POST", f"{versions}/transition-stage", {**version, "stage": "Staging"})
    server.ask("PATCH", f"{versions}/update", {**version, "description": "x"})
    server.ask("POST", f"{models}/set-tag", {"name": "m", "key": "k", "value": "v"})
    server.ask("POST", f"{models}/rename", {"name": "m", "new_name": "n"})
    server.ask("DELETE", f"{models}/delete", {"name": "n"})
    receiver.wait_for(6)
    wait_until_done(server, webhook_id)
    got = {(each.body["entity"], each.body["action"]): each.body["data"] for each in receiver.got}
    assert got == {
        ("registered_model", "created"): {"name": "m", "tags": {"a": "b"}, "description": "d"},
        ("model_version", "created"): {
            "name": "m", "version": "1", "source": "s3://bucket/m", "run_id": "r1", "tags": {"a": "b"}, "description": None,
        },
        ("model_version_tag", "set"): {"name": "m", "version": "1", "key": "k", "value": "v"},
        ("model_version_tag", "deleted"): {"name": "m", "version": "1", "key": "k"},
        ("model_version_alias", "created"): {"name": "m", "alias": "champion", "version": "1"},
        ("model_version_alias", "deleted"): {"name": "m", "alias": "champion"},
    }  # fmt: skip
    assert len(receiver.got) == 6
    assert all(each.is_signed_with(SECRET) for each in receiver.got)
    assert statuses(server, webhook_id) == ["DELIVERED"] * 6
    with urllib.request.urlopen(f"{server.uri}/metrics") as metrics:
        assert b"\nmillstream_webhooks_delivered 6\n" in metrics.read()


def test_what_was_committed_before_a_kill_is_delivered_by_the_next_server(
    start_server: Start, receiver: Receiver
) -> None:
    server = start_server(poll_s=3600)  # so it never gets to deliver
    server.create_webhook(receiver.url(), MODEL_CREATED, secret=SECRET)
    names = [f"model-{number}" for number in range(20)]
    for name in names:
        server.register(name)
    server.kill()
    assert receiver.got == []
    start_server()
    got = receiver.wait_for(20)
    assert sorted(each.body["data"]["name"] for each in got) == sorted(names)


def test_what_was_under_way_at_a_kill_is_delivered_again_under_its_id(start_server: Start, receiver: Receiver) -> None:
    receiver.delay_s = 30  # it takes the event and does not answer
    server = start_server()
    webhook_id = server.create_webhook(receiver.url(), MODEL_CREATED)
    server.register("m")
    receiver.wait_for(1)
    server.kill()
    receiver.delay_s = 0
    again = start_server()
    first, second = receiver.wait_for(2)
    assert first.delivery_id == second.delivery_id
    wait_until_done(again, webhook_id)
    assert statuses(again, webhook_id) == ["DELIVERED"]


def test_two_servers_on_one_database_share_the_work_and_double_nothing(
    start_server: Start, receiver: Receiver, postgresql_database: Callable[[], str]
) -> None:
    database = postgresql_database()
    one, other = start_server(database), start_server(database)
    webhook_id = one.create_webhook(receiver.url(), MODEL_CREATED, secret=SECRET)
    for number in range(30):
        (one if number % 2 else other).register(f"model-{number}")
    receiver.wait_for(30)
    wait_until_done(one, webhook_id)
    assert len({each.delivery_id for each in receiver.got}) == len(receiver.got) == 30
    assert statuses(other, webhook_id) == ["DELIVERED"] * 30
    one.kill()
    other.register("last")
    assert receiver.wait_for(31)[-1].body["data"]["name"] == "last"


def test_a_receiver_that_is_down_delays_nobody_and_gets_all_when_it_is_back(
    start_server: Start, start_receiver: Callable[..., Receiver]
) -> None:
    down = start_receiver()
    server = start_server()
    webhook_id = server.create_webhook(down.url(), MODEL_CREATED)
    down.close()
    began = time.monotonic()
    for number in range(10):
        server.register(f"model-{number}")
    assert time.monotonic() - began < 5
    deadline = time.monotonic() + 10
    while len([each for each in server.deliveries(webhook_id) if each.get("error_message")]) < 10:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    up = start_receiver(port=down.port)
    assert len({each.delivery_id for each in up.wait_for(10)}) == 10


def test_a_slow_receiver_delays_neither_calls_nor_the_end_of_the_server(
    start_server: Start, receiver: Receiver, tmp_path: Path
) -> None:
    receiver.delay_s = 60
    server = start_server(MLFLOW_WEBHOOK_REQUEST_TIMEOUT="60")
    webhook_id = server.create_webhook(receiver.url(), MODEL_CREATED)
    for number in range(6):
        server.register(f"model-{number}")
    receiver.wait_for(4)
    began = time.monotonic()
    assert len(server.deliveries(webhook_id)) == 6
    assert server.stop() < 30
    assert time.monotonic() - began < 45  # and not until the receiver has answered
    with open_store(f"sqlite:///{tmp_path / 'server' / 'store.db'}") as store:
        left = store.webhooks.list_webhook_deliveries(webhook_id, None, 100, "")
    assert [(each.status, each.attempts) for each in left] == [("PENDING", 0)] * 6


def test_secrets_and_urls_are_nowhere_to_be_read(start_server: Start, receiver: Receiver, tmp_path: Path) -> None:
    server = start_server()
    secret, token = "s3cret-of-the-webhook", "token-in-the-url"
    receiver.answers = [500, 404]
    webhook_id = server.create_webhook(receiver.url(f"/{token}"), MODEL_CREATED, secret=secret)
    server.ask("POST", f"mlflow/webhooks/{webhook_id}/test", {})
    server.register("m")
    receiver.wait_for(2)
    wait_until_done(server, webhook_id)
    with pytest.raises(urllib.error.HTTPError):
        server.ask("PATCH", f"mlflow/webhooks/{webhook_id}", {"secret": secret + "\x00"})
    assert secret not in str(server.ask("GET", f"mlflow/webhooks/{webhook_id}"))
    server.stop()
    log = server.log.read_text()
    assert "is given up" in log
    assert secret not in log
    assert token not in log
    with contextlib.closing(sqlite3.connect(tmp_path / "server" / "store.db")) as connection:
        dump = "\n".join(connection.iterdump())
    assert secret not in dump
    assert token in dump  # so the dump was looked at


def test_private_addresses_are_refused_unless_an_operator_allows_them(start_server: Start, receiver: Receiver) -> None:
    server = start_server(MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS="false")
    with pytest.raises(urllib.error.HTTPError) as refused:
        server.create_webhook(receiver.url(), MODEL_CREATED)
    assert refused.value.code == 400
    server.stop()
    allowed = start_server()
    webhook_id = allowed.create_webhook(receiver.url(), MODEL_CREATED)
    allowed.stop()
    strict = start_server(MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS="false")  # the operator thinks again
    strict.register("m")
    wait_until_done(strict, webhook_id)
    (failed,) = strict.deliveries(webhook_id)
    assert failed["status"] == "FAILED"
    assert "not on the public internet" in failed["error_message"]
    assert receiver.got == []
