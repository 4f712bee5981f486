"""The methods of `MillstreamClient` about webhooks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

from millstream.api import webhooks
from millstream.api.endpoint import Endpoint
from millstream.entities import (
    PagedList,
    Webhook,
    WebhookDelivery,
    WebhookDeliveryStatus,
    WebhookEvent,
    WebhookStatus,
    WebhookTestResult,
)
from millstream.errors import InvalidValue

Req = TypeVar("Req", bound=Struct)
Res = TypeVar("Res")


class WebhookMethods:
    """Mixed into the client, which brings `_registry_call`. Events are written `model_version.created`."""

    if TYPE_CHECKING:

        def _registry_call(self, endpoint: Endpoint[Req, Res], req: Req) -> Res: ...

    def create_webhook(
        self,
        name: str,
        url: str,
        events: Sequence[str | WebhookEvent],
        description: str | None = None,
        secret: str | None = None,
        status: WebhookStatus | str | None = None,
    ) -> Webhook:
        """Have an address told of events.

        Args:
            url: https, on the public internet (an operator may allow more).
            secret: signs what is sent, so that the receiver can check where it comes from; it cannot be read back.
            status: ACTIVE if None.
        """
        req = webhooks.CreateWebhook(
            name,
            url,
            _events(events),
            description or "",
            secret or "",
            WebhookStatus.ACTIVE if status is None else _status(status),
        )
        return self._registry_call(webhooks.create, req).webhook

    def get_webhook(self, webhook_id: str) -> Webhook:
        return self._registry_call(webhooks.get, webhooks.WebhookId(webhook_id)).webhook

    def list_webhooks(self, max_results: int | None = None, page_token: str | None = None) -> PagedList[Webhook]:
        """All webhooks, the newest first; `.token` of the list asks for the next page (of 100 unless said otherwise)."""
        req = webhooks.ListWebhooks(100 if max_results is None else max_results, page_token or "")
        page = self._registry_call(webhooks.list_all, req)
        return PagedList(page.webhooks, page.next_page_token)

    def update_webhook(
        self,
        webhook_id: str,
        name: str | None = None,
        description: str | None = None,
        url: str | None = None,
        events: Sequence[str | WebhookEvent] | None = None,
        secret: str | None = None,
        status: WebhookStatus | str | None = None,
    ) -> Webhook:
        """Change what is given; `events` replaces the list, an empty `secret` removes it."""
        req = webhooks.UpdateWebhook(
            webhook_id,
            name or "",
            url or "",
            _events(events or ()),
            description,
            secret,
            None if status is None else _status(status),
        )
        return self._registry_call(webhooks.update, req).webhook

    def delete_webhook(self, webhook_id: str) -> None:
        """Remove a webhook for good; what has not been delivered to it never will be."""
        self._registry_call(webhooks.delete, webhooks.WebhookId(webhook_id))

    def test_webhook(self, webhook_id: str, event: str | WebhookEvent | None = None) -> WebhookTestResult:
        """Deliver an invented event at once (the first that the webhook subscribes to if None), and say how that went."""
        (chosen,) = _events([event]) if event is not None else (None,)
        return self._registry_call(webhooks.test, webhooks.TestWebhook(webhook_id, chosen)).result

    def list_webhook_deliveries(
        self,
        webhook_id: str,
        status: WebhookDeliveryStatus | str | None = None,
        max_results: int = 100,
        page_token: str | None = None,
    ) -> PagedList[WebhookDelivery]:
        """What was, or is to be, delivered to a webhook, the newest event first. Millstream servers only."""
        try:
            wanted = None if status is None else WebhookDeliveryStatus(status)
        except ValueError:
            raise InvalidValue(f"{status!r} is no status of a delivery: PENDING, DELIVERED or FAILED.") from None
        req = webhooks.ListDeliveries(webhook_id, wanted, max_results, page_token or "")
        page = self._registry_call(webhooks.list_deliveries, req)
        return PagedList(page.deliveries, page.next_page_token)

    def redeliver_webhook(self, webhook_id: str, delivery_id: str) -> WebhookDelivery:
        """Try a delivery that has failed (or arrived) once more. Millstream servers only."""
        return self._registry_call(webhooks.redeliver, webhooks.DeliveryId(webhook_id, delivery_id)).delivery


def _events(events: Sequence[str | WebhookEvent]) -> list[WebhookEvent]:
    if isinstance(events, str):
        raise InvalidValue(f"events is a list: [{events!r}].")
    return [event if isinstance(event, WebhookEvent) else WebhookEvent.from_str(event) for event in events]


def _status(status: WebhookStatus | str) -> WebhookStatus:
    try:
        return WebhookStatus(status)
    except ValueError:
        raise InvalidValue(f"{status!r} is no status of a webhook: ACTIVE or DISABLED.") from None
