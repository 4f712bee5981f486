"""From an event to its delivery, in this process: what is sent, what is tried again, what is given up."""

from __future__ import annotations

import json
import queue
import ssl
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from millstream.entities import WEBHOOK_ACTIONS, Webhook, WebhookDelivery, WebhookEvent, WebhookStatus
from millstream.errors import InvalidState, InvalidValue, NotFound, Unavailable
from millstream.store import outbox
from millstream.store.outbox import SqlOutbox
from millstream.store.tracking import SqlTrackingStore
from millstream.webhooks import dispatcher, payloads
from millstream.webhooks.dispatcher import Dispatcher
from millstream.webhooks.messages import Message
from millstream.webhooks.sending import Attempt

from .conftest import SECRET, Receiver

pytestmark = pytest.mark.usefixtures("allow_loopback")

CREATED = WebhookEvent.from_str("registered_model.created")
TAG_SET = WebhookEvent.from_str("model_version_tag.set")
DATA = {"name": "m", "tags": {"a": "ü"}, "description": None}


def hook(store: SqlTrackingStore, url: str, *events: WebhookEvent, secret: str = "") -> Webhook:
    return store.webhooks.create_webhook("hook", url, events or (CREATED,), "", secret, WebhookStatus.ACTIVE)


def happen(store: SqlTrackingStore, event: WebhookEvent = CREATED, data: dict[str, Any] = DATA, times: int = 1) -> None:
    for _ in range(times):
        store.db.write(lambda session: outbox.add(session, event, data))


def deliver(store: SqlTrackingStore) -> dispatcher.Counts:
    """What `millstream webhooks deliver` does."""
    return Dispatcher(SqlOutbox(store.db), report).run_once()


def report(message: str, error: Exception | None) -> None:
    assert error is None, message


def deliveries(store: SqlTrackingStore, webhook: Webhook) -> list[WebhookDelivery]:
    return store.webhooks.list_webhook_deliveries(webhook.webhook_id, None, 100, "")


def forward(store: SqlTrackingStore, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let time pass for the dispatcher."""
    later = int((time.time() + seconds) * 1000)
    monkeypatch.setattr(dispatcher, "_now", lambda: later)


# ---------------------------------------------------------------- what is sent


def test_an_event_arrives_with_the_body_and_headers_of_the_contract(
    store: SqlTrackingStore, receiver: Receiver
) -> None:
    hook(store, receiver.url("/hook?to=me"), secret=SECRET)
    before = time.time()
    happen(store)
    assert deliver(store).delivered == 1
    (got,) = receiver.got
    assert got.path == "/hook?to=me"
    assert set(got.body) == {"entity", "action", "timestamp", "data"}
    assert (got.body["entity"], got.body["action"], got.body["data"]) == ("registered_model", "created", DATA)
    when = datetime.fromisoformat(got.body["timestamp"])
    assert when.utcoffset() == timedelta(0)
    assert before - 1 < when.timestamp() < time.time() + 1
    assert got.headers["content-type"] == "application/json"
    assert str(uuid.UUID(got.delivery_id)) == got.delivery_id
    assert abs(int(got.headers["x-mlflow-timestamp"]) - before) < 10
    assert got.is_signed_with(SECRET)
    assert not got.is_signed_with("another")


def test_without_a_secret_there_is_no_signature(store: SqlTrackingStore, receiver: Receiver) -> None:
    hook(store, receiver.url())
    happen(store)
    deliver(store)
    assert "x-mlflow-signature" not in receiver.got[0].headers


def test_only_active_webhooks_that_subscribe_hear_of_an_event(store: SqlTrackingStore, receiver: Receiver) -> None:
    hook(store, receiver.url("/both"), CREATED, TAG_SET)
    hook(store, receiver.url("/other"), TAG_SET)
    disabled = hook(store, receiver.url("/disabled"))
    gone = hook(store, receiver.url("/gone"))
    store.webhooks.update_webhook(disabled.webhook_id, "", "", (), None, None, WebhookStatus.DISABLED)
    store.webhooks.delete_webhook(gone.webhook_id)
    happen(store)
    deliver(store)
    assert [got.path for got in receiver.got] == ["/both"]


def test_what_is_rolled_back_is_not_told(store: SqlTrackingStore, receiver: Receiver) -> None:
    hook(store, receiver.url())

    def fail(session: Any) -> None:
        outbox.add(session, CREATED, DATA)
        raise InvalidValue("no")

    with pytest.raises(InvalidValue):
        store.db.write(fail)
    assert deliver(store) == dispatcher.Counts()
    assert receiver.got == []


def test_a_changed_secret_or_url_counts_for_what_still_waits(store: SqlTrackingStore, receiver: Receiver) -> None:
    webhook = hook(store, receiver.url("/old"), secret="old")
    happen(store)
    store.webhooks.update_webhook(webhook.webhook_id, "", receiver.url("/new"), (), None, SECRET, None)
    deliver(store)
    assert receiver.got[0].path == "/new"
    assert receiver.got[0].is_signed_with(SECRET)


def test_tls_certificates_have_to_be_those_of_the_host(
    start_receiver: Callable[..., Receiver], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    outcomes = []
    for name in ("127.0.0.1", "other.example"):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(name).configure_cert(context)
        secured = start_receiver(context=context)
        monkeypatch.delenv("SSL_CERT_FILE", raising=False)
        outcomes.append(Attempt(Message(secured.url(), "id", "{}")).run())  # nobody knows the authority
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        outcomes.append(Attempt(Message(secured.url(), "id", "{}")).run())
    unknown, right, _, wrong = outcomes
    assert right.response_status == 200
    assert "certificate is not to be trusted" in str(unknown.error)
    assert "certificate is not to be trusted" in str(wrong.error)


def test_every_event_can_be_tried_out(receiver: Receiver, store: SqlTrackingStore) -> None:
    for event in (WebhookEvent(entity, action) for entity, actions in WEBHOOK_ACTIONS.items() for action in actions):
        webhook = hook(store, receiver.url(), event, secret=SECRET)
        result = store.webhooks.test_webhook(webhook.webhook_id, None)
        assert (result.success, result.response_status, result.error_message) == (True, 200, None)
        got = receiver.got[-1]
        assert (got.body["entity"], got.body["action"]) == (str(event.entity), str(event.action))
        assert got.body["data"] == payloads.example(event)
        assert got.is_signed_with(SECRET)


def test_a_trial_says_how_it_went_and_not_what_the_receiver_said(store: SqlTrackingStore, receiver: Receiver) -> None:
    webhook = hook(store, receiver.url())
    receiver.answers = [500]
    result = store.webhooks.test_webhook(webhook.webhook_id, TAG_SET)
    assert (result.success, result.response_status) == (False, 500)
    assert result.response_body is None
    assert "secret" not in json.dumps(result.to_dictionary())
    assert receiver.got[0].body["entity"] == "model_version_tag"  # one that it does not subscribe to may be tried too
    receiver.close()
    result = store.webhooks.test_webhook(webhook.webhook_id, None)
    assert (result.success, result.response_status) == (False, None)
    assert "refused" in str(result.error_message)


# ---------------------------------------------------------------- what is tried again


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_receiver_in_trouble_is_tried_again_later(
    store: SqlTrackingStore, receiver: Receiver, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook = hook(store, receiver.url(), secret=SECRET)
    receiver.answers = [status]
    happen(store)
    assert deliver(store) == dispatcher.Counts(postponed=1)
    (waiting,) = deliveries(store, webhook)
    assert (waiting.status, waiting.attempts, waiting.response_status) == ("PENDING", 1, status)
    assert waiting.next_attempt_timestamp is not None
    assert waiting.last_attempt_timestamp is not None
    assert 700 <= waiting.next_attempt_timestamp - waiting.last_attempt_timestamp < 3000
    assert deliver(store) == dispatcher.Counts()  # not yet
    forward(store, 5, monkeypatch)
    assert deliver(store) == dispatcher.Counts(delivered=1)
    first, second = receiver.got
    assert first.delivery_id == second.delivery_id
    assert first.raw == second.raw
    assert second.is_signed_with(SECRET)
    (done,) = deliveries(store, webhook)
    assert (done.status, done.attempts, done.response_status, done.error_message) == ("DELIVERED", 2, 200, None)
    assert done.next_attempt_timestamp is None


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422])
def test_a_receiver_that_does_not_want_it_is_left_alone(
    store: SqlTrackingStore, receiver: Receiver, status: int
) -> None:
    webhook = hook(store, receiver.url())
    receiver.answers = [status]
    happen(store)
    assert deliver(store) == dispatcher.Counts(failed=1)
    (failed,) = deliveries(store, webhook)
    assert (failed.status, failed.response_status) == ("FAILED", status)
    assert failed.error_message == f"The receiver answered with status {status}."


def test_retry_after_is_heeded_within_reason(
    store: SqlTrackingStore, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook = hook(store, receiver.url())
    in_a_minute = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 60))
    for asked, low, high in (("7", 6, 9), (in_a_minute, 55, 62), ("1000000000", 3590, 3610), ("nonsense", 0.5, 3)):
        receiver.answers = [(503, {"Retry-After": asked})]
        happen(store)
        began = time.time()
        deliver(store)
        newest = deliveries(store, webhook)[0]
        assert newest.next_attempt_timestamp is not None
        assert low < newest.next_attempt_timestamp / 1000 - began < high, asked


def test_pauses_double_and_attempts_are_bounded(
    store: SqlTrackingStore, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_WEBHOOK_REQUEST_MAX_RETRIES", "3")
    webhook = hook(store, receiver.url())
    receiver.answers = [503] * 10
    happen(store)
    pauses = []
    passed = 0.0
    for _ in range(3):
        forward(store, passed, monkeypatch)
        assert deliver(store) == dispatcher.Counts(postponed=1)
        (waiting,) = deliveries(store, webhook)
        assert waiting.next_attempt_timestamp is not None
        pauses.append(waiting.next_attempt_timestamp / 1000 - dispatcher._now() / 1000)
        passed += 10
    for pause, expected in zip(pauses, (1, 2, 4), strict=True):
        assert 0.7 * expected <= pause <= 1.3 * expected
    forward(store, passed, monkeypatch)
    assert deliver(store) == dispatcher.Counts(failed=1)
    assert len(receiver.got) == 4
    (failed,) = deliveries(store, webhook)
    assert (failed.status, failed.attempts, failed.error_message) == (
        "FAILED",
        4,
        "The receiver answered with status 503.",
    )


def test_a_failed_delivery_can_be_tried_once_more(store: SqlTrackingStore, receiver: Receiver) -> None:
    webhook = hook(store, receiver.url())
    receiver.answers = [400]
    happen(store)
    deliver(store)
    (failed,) = deliveries(store, webhook)
    again = store.webhooks.redeliver_webhook(webhook.webhook_id, failed.delivery_id)
    assert (again.status, again.attempts) == ("PENDING", 0)
    with pytest.raises(InvalidState, match="still being tried"):
        store.webhooks.redeliver_webhook(webhook.webhook_id, failed.delivery_id)
    with pytest.raises(NotFound):
        store.webhooks.redeliver_webhook(webhook.webhook_id, str(uuid.uuid4()))
    assert deliver(store) == dispatcher.Counts(delivered=1)
    assert receiver.got[0].delivery_id == receiver.got[1].delivery_id


def test_a_receiver_that_is_down_is_waited_for(
    store: SqlTrackingStore, start_receiver: Callable[..., Receiver], monkeypatch: pytest.MonkeyPatch
) -> None:
    down = start_receiver()
    webhook = hook(store, down.url(), secret=SECRET)
    down.close()
    happen(store, times=3)
    assert deliver(store) == dispatcher.Counts(postponed=3)
    assert {each.error_message for each in deliveries(store, webhook)} == {"No answer: connection refused."}
    up = start_receiver(port=down.port)
    forward(store, 5, monkeypatch)
    assert deliver(store) == dispatcher.Counts(delivered=3)
    assert len({got.delivery_id for got in up.got}) == 3


# ---------------------------------------------------------------- slow receivers


def test_an_answer_that_does_not_come_is_waited_for_as_long_as_the_setting_says(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_WEBHOOK_REQUEST_TIMEOUT", "0.4")
    receiver.delay_s = 30
    began = time.monotonic()
    outcome = Attempt(Message(receiver.url(), "id", "{}")).run()
    assert 0.3 < time.monotonic() - began < 3
    assert outcome.may_work_later
    assert "No answer" in str(outcome.error)


def test_an_answer_that_drips_is_cut_too(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setenv("MLFLOW_WEBHOOK_REQUEST_TIMEOUT", "0.5")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        stopping = threading.Event()

        def drip() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\n")
                while not stopping.wait(0.1):  # every byte comes within the time, the end never
                    try:
                        connection.sendall(b"X")
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        began = time.monotonic()
        outcome = Attempt(Message(f"http://127.0.0.1:{listening.getsockname()[1]}/", "id", "{}")).run()
        took = time.monotonic() - began
        stopping.set()
        thread.join()
    assert 0.4 < took < 3
    assert outcome.error == "No answer: it took longer than 0.5 s."


def test_a_slow_receiver_does_not_hold_up_others_and_gets_few_at_once(
    store: SqlTrackingStore, start_receiver: Callable[..., Receiver]
) -> None:
    slow, quick = start_receiver(), start_receiver()
    slow.delay_s = 30  # until it is let go
    hook(store, slow.url())
    happen(store, times=12)
    hook(store, quick.url(), TAG_SET)
    happen(store, TAG_SET, times=3)
    worker = Dispatcher(SqlOutbox(store.db), report)
    worker.start()
    quick.wait_for(3)
    slow.wait_for(dispatcher.AT_ONCE_PER_WEBHOOK)
    assert len(slow.got) == dispatcher.AT_ONCE_PER_WEBHOOK
    slow.stopping.set()
    slow.wait_for(12)
    worker.stop()
    assert slow.most_at_once == dispatcher.AT_ONCE_PER_WEBHOOK


def test_no_more_than_the_setting_says_are_under_way(
    store: SqlTrackingStore, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_WEBHOOK_DELIVERY_MAX_WORKERS", "3")
    receiver.delay_s = 0.05
    for _ in range(4):
        hook(store, receiver.url())
    happen(store, times=3)
    assert deliver(store) == dispatcher.Counts(delivered=12)
    assert receiver.most_at_once <= 3


def test_a_dispatcher_that_stops_gives_back_what_it_had_begun(
    store: SqlTrackingStore, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "STOP_TIMEOUT_S", 0.3)
    webhook = hook(store, receiver.url())
    receiver.delay_s = 30
    happen(store)
    worker = Dispatcher(SqlOutbox(store.db), report)
    worker.start()
    receiver.wait_for(1)
    began = time.monotonic()
    worker.stop()
    assert time.monotonic() - began < 3
    (waiting,) = deliveries(store, webhook)
    assert (waiting.status, waiting.attempts) == ("PENDING", 0)
    receiver.stopping.set()
    assert deliver(store) == dispatcher.Counts(delivered=1)


def test_a_refused_thread_costs_neither_an_attempt_nor_the_place_of_one(
    store: SqlTrackingStore, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_WEBHOOK_DELIVERY_MAX_WORKERS", "1")
    monkeypatch.setattr(dispatcher, "FAILURE_PAUSE_S", 0.1)
    webhook = hook(store, receiver.url())
    told: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()
    worker = Dispatcher(SqlOutbox(store.db), lambda message, error: told.put(error))
    worker.start()
    with no_more_threads():
        happen(store, times=3)
        assert isinstance(told.get(timeout=20), Unavailable)
        assert {each.status for each in deliveries(store, webhook)} == {"PENDING"}
    receiver.wait_for(3)
    worker.stop()
    assert {(each.status, each.attempts) for each in deliveries(store, webhook)} == {("DELIVERED", 1)}


def test_delivering_once_says_that_there_is_no_thread_left_and_leaves_what_is_due(
    store: SqlTrackingStore, receiver: Receiver
) -> None:
    webhook = hook(store, receiver.url())
    happen(store, times=2)
    with no_more_threads(), pytest.raises(Unavailable, match="refuses another thread"):
        deliver(store)
    assert [(each.status, each.attempts) for each in deliveries(store, webhook)] == [("PENDING", 0)] * 2
    assert deliver(store) == dispatcher.Counts(delivered=2)


@contextmanager
def no_more_threads() -> Iterator[None]:
    """The system refuses new threads: none has room for a stack of this size."""
    usual = threading.stack_size(1 << 50)
    try:
        yield
    finally:
        threading.stack_size(usual)


# ---------------------------------------------------------------- leases


def test_what_is_claimed_is_not_claimed_again_until_its_lease_ends(store: SqlTrackingStore, receiver: Receiver) -> None:
    hook(store, receiver.url())
    happen(store, times=3)
    box = SqlOutbox(store.db)
    now = time.time_ns() // 1_000_000
    first = box.claim(now, now + 1000, 2, {}, 10)
    second = box.claim(now, now + 1000, 2, {}, 10)
    assert [len(first), len(second)] == [2, 1]
    assert not {each.key for each in first} & {each.key for each in second}
    assert box.claim(now + 999, now + 2000, 10, {}, 10) == []
    late = box.claim(now + 1000, now + 2000, 10, {}, 10)
    assert [each.attempt for each in late] == [2, 2, 2]
    # who comes back after its lease has ended cannot overwrite what the next one does
    box.finish(first[0], dispatcher.Outcome(200), now + 1001, None)
    box.finish(late[0], dispatcher.Outcome(500, "no", True), now + 1002, now + 5000)
    assert {each.attempt for each in box.claim(now + 5000, now + 6000, 10, {}, 10)} == {3}


def test_what_is_under_way_counts_when_more_is_claimed(store: SqlTrackingStore, receiver: Receiver) -> None:
    hook(store, receiver.url("/one"))
    hook(store, receiver.url("/other"))
    happen(store, times=6)
    box, now = SqlOutbox(store.db), time.time_ns() // 1_000_000
    first = box.claim(now, now + 60_000, 100, {}, 4)
    one, other = sorted({each.webhook for each in first})
    assert Counter(each.webhook for each in first) == {one: 4, other: 4}
    more = box.claim(now, now + 60_000, 100, {one: 3, other: 4}, 4)
    assert [each.webhook for each in more] == [one]


def test_deliveries_that_are_done_with_are_forgotten_after_a_week(store: SqlTrackingStore, receiver: Receiver) -> None:
    webhook = hook(store, receiver.url())
    happen(store)
    deliver(store)
    happen(store)
    box, now = SqlOutbox(store.db), time.time_ns() // 1_000_000
    box.tidy(now + outbox.KEPT_MS - 60_000)
    assert len(deliveries(store, webhook)) == 2
    box.tidy(now + outbox.KEPT_MS + 60_000)
    assert [each.status for each in deliveries(store, webhook)] == ["PENDING"]


def test_a_webhook_that_was_disabled_meanwhile_gets_nothing(store: SqlTrackingStore, receiver: Receiver) -> None:
    webhook = hook(store, receiver.url())
    happen(store)
    store.webhooks.update_webhook(webhook.webhook_id, "", "", (), None, None, WebhookStatus.DISABLED)
    assert deliver(store) == dispatcher.Counts(failed=1)
    assert receiver.got == []
    assert "disabled" in str(deliveries(store, webhook)[0].error_message)


def test_a_lost_key_postpones_deliveries_and_says_so(
    store: SqlTrackingStore, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook = hook(store, receiver.url(), secret=SECRET)
    happen(store)
    monkeypatch.setenv("MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY", "B" * 43 + "=")
    assert deliver(store) == dispatcher.Counts(postponed=1)
    assert receiver.got == []  # never without the signature
    assert "encrypted with another key" in str(deliveries(store, webhook)[0].error_message)
    monkeypatch.setenv("MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY", "A" * 43 + "=")
    forward(store, 5, monkeypatch)
    assert deliver(store) == dispatcher.Counts(delivered=1)
