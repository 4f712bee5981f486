"""Webhooks through the client: what may be one, what is kept, what is never given back."""

from __future__ import annotations

import uuid

import pytest

from millstream.client import MillstreamClient
from millstream.entities import Webhook, WebhookAction, WebhookEntity, WebhookEvent, WebhookStatus
from millstream.errors import InvalidState, InvalidValue, NotFound
from millstream.store.search import tokens

ADDRESS = "https://192.0.1.1/hook"
"""Public, and by number: no name server is asked."""


@pytest.fixture
def made(client: MillstreamClient) -> Webhook:
    return client.create_webhook("hook", ADDRESS, ["model_version.created"], description="for the tests")


def test_a_webhook_is_what_it_was_made_with(client: MillstreamClient, made: Webhook) -> None:
    assert (made.name, made.url, made.description, made.status) == ("hook", ADDRESS, "for the tests", "ACTIVE")
    assert made.events == [WebhookEvent("model_version", "created")]  # type: ignore[arg-type]
    assert made.creation_timestamp == made.last_updated_timestamp > 0
    assert uuid.UUID(made.webhook_id)
    assert client.get_webhook(made.webhook_id) == made


def test_events_come_in_every_form_and_are_sorted(client: MillstreamClient) -> None:
    tag_set = WebhookEvent(WebhookEntity.MODEL_VERSION_TAG, WebhookAction.SET)
    made = client.create_webhook("hook", ADDRESS, [tag_set, "model_version.created"])
    assert [str(event) for event in made.events] == ["model_version.created", "model_version_tag.set"]
    assert (made.events[1].entity, made.events[1].action) == ("model_version_tag", "set")


def test_what_is_not_given_stays(client: MillstreamClient, made: Webhook) -> None:
    changed = client.update_webhook(made.webhook_id, name="other")
    assert (changed.name, changed.url, changed.description) == ("other", ADDRESS, "for the tests")
    assert (changed.events, changed.status) == (made.events, "ACTIVE")
    changed = client.update_webhook(
        made.webhook_id,
        description="",
        url="https://192.0.1.2/",
        events=["registered_model.created"],
        status=WebhookStatus.DISABLED,
    )
    assert (changed.name, changed.url, changed.description) == ("other", "https://192.0.1.2/", None)
    assert ([str(event) for event in changed.events], changed.status) == (["registered_model.created"], "DISABLED")
    assert changed.last_updated_timestamp >= made.last_updated_timestamp


def test_a_rejected_change_changes_nothing(client: MillstreamClient, made: Webhook) -> None:
    with pytest.raises(InvalidValue):
        client.update_webhook(made.webhook_id, name="fine", url="https://127.0.0.1/")
    assert client.get_webhook(made.webhook_id) == made


def test_a_deleted_webhook_is_gone(client: MillstreamClient, made: Webhook) -> None:
    client.delete_webhook(made.webhook_id)
    for call in (client.get_webhook, client.delete_webhook, client.update_webhook, client.test_webhook):
        with pytest.raises(NotFound, match="list_webhooks"):
            call(made.webhook_id)
    with pytest.raises(NotFound):
        client.list_webhook_deliveries(made.webhook_id)


def test_lists_go_from_new_to_old_by_pages(client: MillstreamClient) -> None:
    ids = [client.create_webhook(f"n{i}", ADDRESS, ["prompt.created"]).webhook_id for i in range(5)]
    first = client.list_webhooks(max_results=2)
    second = client.list_webhooks(max_results=2, page_token=first.token)
    assert [each.webhook_id for each in [*first, *second]] == ids[:0:-1]
    assert first.token != second.token
    for bad in (-1, 1001):
        with pytest.raises(InvalidValue, match="max_results"):
            client.list_webhooks(max_results=bad)
    with pytest.raises(InvalidValue, match="token"):
        client.list_webhooks(page_token="nonsense")
    with pytest.raises(InvalidValue, match="token"):
        client.list_webhook_deliveries(ids[0], page_token=first.token)
    for values in ([], ["1"], [1, 2], [-1]):
        made_up = tokens.encode(tokens.fingerprint("webhooks"), values)
        with pytest.raises(InvalidValue, match="token"):
            client.list_webhooks(page_token=made_up)


@pytest.mark.parametrize("name", ["", "-a", "a-", "a b", "ü", "n" * 64, "a\n"])
def test_names_have_a_form(client: MillstreamClient, name: str) -> None:
    with pytest.raises(InvalidValue, match="name"):
        client.create_webhook(name, ADDRESS, ["model_version.created"])


@pytest.mark.parametrize("events", [[], ["model_version.updated"], ["run.created"], ["x"], ["prompt.created"] * 2])
def test_events_have_to_exist_and_are_named_once(client: MillstreamClient, events: list[str]) -> None:
    with pytest.raises(InvalidValue, match=r"event"):
        client.create_webhook("hook", ADDRESS, events)


def test_one_event_is_not_a_list_of_letters(client: MillstreamClient) -> None:
    with pytest.raises(InvalidValue, match="is a list"):
        client.create_webhook("hook", ADDRESS, "model_version.created")


@pytest.mark.parametrize(
    "url", ["http://192.0.1.1/", "https://localhost/", "https://u:p@192.0.1.1/", "https://192.0.1.1/%2e%2e/a"]
)
def test_urls_that_lead_inside_are_refused(client: MillstreamClient, url: str) -> None:
    with pytest.raises(InvalidValue, match="url is refused"):
        client.create_webhook("hook", url, ["model_version.created"])


def test_secrets_are_written_and_never_read(
    client: MillstreamClient, database: str, tracking_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not database.startswith("sqlite"):
        with pytest.raises(InvalidValue, match="MILLSTREAM_WEBHOOK_SECRET_ENCRYPTION_KEY"):
            client.create_webhook("hook", ADDRESS, ["model_version.created"], secret="hush")
        if tracking_uri.startswith("http"):
            return  # its server has no key
        monkeypatch.setenv("MILLSTREAM_WEBHOOK_SECRET_ENCRYPTION_KEY", "A" * 43 + "=")
    made = client.create_webhook("hook", ADDRESS, ["model_version.created"], secret="hush")
    assert made.secret is None
    assert "hush" not in repr(made)
    assert "hush" not in repr(client.update_webhook(made.webhook_id, secret="hush"))
    client.update_webhook(made.webhook_id, secret="")
    with pytest.raises(InvalidValue, match="secret"):
        client.update_webhook(made.webhook_id, secret="s" * 1001)


def test_statuses_have_names(client: MillstreamClient, made: Webhook) -> None:
    with pytest.raises(InvalidValue, match="ACTIVE or DISABLED"):
        client.update_webhook(made.webhook_id, status="asleep")
    with pytest.raises(InvalidValue, match="PENDING, DELIVERED or FAILED"):
        client.list_webhook_deliveries(made.webhook_id, status="lost")


def test_without_a_server_events_wait_for_one(client: MillstreamClient, tracking_uri: str) -> None:
    if tracking_uri.startswith("http"):
        return  # it would deliver them to an address that nobody has
    hook = client.create_webhook("hook", ADDRESS, ["registered_model.created"])
    client.create_registered_model(f"model-{uuid.uuid4()}")
    (waiting,) = client.list_webhook_deliveries(hook.webhook_id, status="PENDING")
    assert (str(waiting.event), waiting.attempts) == ("registered_model.created", 0)
    assert client.list_webhook_deliveries(hook.webhook_id, status="FAILED") == []
    with pytest.raises(InvalidState, match="still being tried"):
        client.redeliver_webhook(hook.webhook_id, waiting.delivery_id)
