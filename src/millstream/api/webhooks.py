"""Webhooks: the endpoints and their handlers.

Those that write ask name servers first, so they begin their transaction themselves (`is_write=False`).
"""

from __future__ import annotations

from msgspec import Struct, field

from millstream.api.endpoint import MILLSTREAM, Empty, endpoint
from millstream.api.stores import WebhookStore
from millstream.entities import (
    Int64,
    Webhook,
    WebhookDelivery,
    WebhookDeliveryStatus,
    WebhookEvent,
    WebhookStatus,
    WebhookTestResult,
)


class CreateWebhook(Struct, omit_defaults=True):
    name: str
    url: str
    events: list[WebhookEvent]
    description: str = ""
    secret: str = ""
    status: WebhookStatus = WebhookStatus.ACTIVE

    def __repr__(self) -> str:  # the secret stays out of logs
        return f"CreateWebhook(name={self.name!r})"


class UpdateWebhook(Struct, omit_defaults=True):
    webhook_id: str
    name: str = ""
    url: str = ""
    events: list[WebhookEvent] = field(default_factory=list)
    description: str | None = None
    secret: str | None = None
    status: WebhookStatus | None = None

    def __repr__(self) -> str:
        return f"UpdateWebhook(webhook_id={self.webhook_id!r})"


class WebhookId(Struct, omit_defaults=True):
    webhook_id: str


class WebhookAnswer(Struct, omit_defaults=True):
    webhook: Webhook


class ListWebhooks(Struct, omit_defaults=True):
    max_results: Int64 = 100
    page_token: str = ""


class WebhookPage(Struct, omit_defaults=True):
    webhooks: list[Webhook] = field(default_factory=list)
    next_page_token: str | None = None


class TestWebhook(Struct, omit_defaults=True):
    webhook_id: str
    event: WebhookEvent | None = None


class TestAnswer(Struct, omit_defaults=True):
    result: WebhookTestResult


class ListDeliveries(Struct, omit_defaults=True):
    webhook_id: str
    status: WebhookDeliveryStatus | None = None
    max_results: Int64 = 100
    page_token: str = ""


class DeliveryPage(Struct, omit_defaults=True):
    deliveries: list[WebhookDelivery] = field(default_factory=list)
    next_page_token: str | None = None


class DeliveryId(Struct, omit_defaults=True):
    webhook_id: str
    delivery_id: str


class DeliveryAnswer(Struct, omit_defaults=True):
    delivery: WebhookDelivery


@endpoint("POST", "webhooks", access="webhook:update", is_write=False, calls_out=True)
def create(store: WebhookStore, req: CreateWebhook) -> WebhookAnswer:
    """Have an address told of events. The secret signs what is sent and is never given back."""
    return WebhookAnswer(store.create_webhook(req.name, req.url, req.events, req.description, req.secret, req.status))


@endpoint("GET", "webhooks", access="webhook:read")
def list_all(store: WebhookStore, req: ListWebhooks) -> WebhookPage:
    """All webhooks, the newest first."""
    page = store.list_webhooks(req.max_results, req.page_token)
    return WebhookPage(list(page), page.token)


@endpoint("GET", "webhooks/{webhook_id}", access="webhook:read")
def get(store: WebhookStore, req: WebhookId) -> WebhookAnswer:
    """One webhook."""
    return WebhookAnswer(store.get_webhook(req.webhook_id))


@endpoint("PATCH", "webhooks/{webhook_id}", access="webhook:update", is_write=False, calls_out=True)
def update(store: WebhookStore, req: UpdateWebhook) -> WebhookAnswer:
    """Change what is given; `events` replaces the list, an empty `secret` removes it."""
    return WebhookAnswer(
        store.update_webhook(req.webhook_id, req.name, req.url, req.events, req.description, req.secret, req.status)
    )


@endpoint("DELETE", "webhooks/{webhook_id}", access="webhook:delete")
def delete(store: WebhookStore, req: WebhookId) -> Empty:
    """Remove a webhook for good."""
    store.delete_webhook(req.webhook_id)
    return Empty()


@endpoint("POST", "webhooks/{webhook_id}/test", access="webhook:update", is_write=False, calls_out=True)
def test(store: WebhookStore, req: TestWebhook) -> TestAnswer:
    """Deliver an invented event at once; a delivery that fails is an answer too, not an error."""
    return TestAnswer(store.test_webhook(req.webhook_id, req.event))


@endpoint("GET", "webhooks/{webhook_id}/deliveries", access="webhook:read", prefixes=MILLSTREAM)
def list_deliveries(store: WebhookStore, req: ListDeliveries) -> DeliveryPage:
    """What was, or is to be, delivered to a webhook; done deliveries are kept for a week."""
    page = store.list_webhook_deliveries(req.webhook_id, req.status, req.max_results, req.page_token)
    return DeliveryPage(list(page), page.token)


@endpoint(
    "POST", "webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver", access="webhook:update", prefixes=MILLSTREAM
)
def redeliver(store: WebhookStore, req: DeliveryId) -> DeliveryAnswer:
    """Try a delivery that is done with once more."""
    return DeliveryAnswer(store.redeliver_webhook(req.webhook_id, req.delivery_id))
