"""`millstream webhooks ...`"""

from __future__ import annotations

from typing import TextIO

import click

from millstream import settings
from millstream.cli.experiments import open_client
from millstream.cli.output import json_option, print_answer, print_json, print_table, show_time
from millstream.entities import Webhook, WebhookDeliveryStatus, WebhookStatus

_id_option = click.option("--webhook-id", required=True, help="The webhook.")
_STATUS = click.Choice([status.value for status in WebhookStatus], case_sensitive=False)
_event_option = click.option(
    "-e", "--event", "events", multiple=True, help="Such as model_version.created. May be given more than once."
)
_secret_option = click.option(
    "--secret-file",
    type=click.File("r"),
    help="File that holds the secret, '-' for standard input: arguments can be seen by other users.",
)


@click.group()
def webhooks() -> None:
    """Have other machines told of what happens in the model registry."""


@webhooks.command()
@click.option("-n", "--name", required=True)
@click.option("-u", "--url", required=True, help="Where to send, https.")
@_event_option
@click.option("-d", "--description")
@_secret_option
@click.option("--status", type=_STATUS, default="ACTIVE", show_default=True)
@json_option
def create(
    name: str,
    url: str,
    events: tuple[str, ...],
    description: str | None,
    secret_file: TextIO | None,
    status: str,
    as_json: bool,
) -> None:
    """Create a webhook and print its id."""
    made = open_client().create_webhook(name, url, events, description, _read(secret_file), status)
    print_answer(made, made.webhook_id, as_json)


@webhooks.command(name="list")
@click.option("--max-results", type=click.IntRange(1, 1000), default=100, show_default=True)
@json_option
def list_all(max_results: int, as_json: bool) -> None:
    """List webhooks, the newest first."""
    found = open_client().list_webhooks(max_results)
    if as_json:
        print_json(list(found))
        return
    rows = [
        [show_time(each.creation_timestamp), each.name, each.webhook_id, each.status.value, each.url, _events(each)]
        for each in found
    ]
    print_table(["Date", "Name", "ID", "Status", "URL", "Events"], rows)
    if found.token:
        click.echo(f"There are more than {max_results} webhooks; ask for them with --max-results.", err=True)


@webhooks.command()
@_id_option
@json_option
def get(webhook_id: str, as_json: bool) -> None:
    """Show a webhook as JSON."""
    print_json(open_client().get_webhook(webhook_id))


@webhooks.command()
@_id_option
@click.option("-n", "--name")
@click.option("-u", "--url", help="Where to send, https.")
@_event_option
@click.option("-d", "--description")
@_secret_option
@click.option("--no-secret", is_flag=True, help="Send without signature from now on.")
@click.option("--status", type=_STATUS)
@json_option
def update(
    webhook_id: str,
    name: str | None,
    url: str | None,
    events: tuple[str, ...],
    description: str | None,
    secret_file: TextIO | None,
    no_secret: bool,
    status: str | None,
    as_json: bool,
) -> None:
    """Change what is given; --event replaces all events."""
    if no_secret and secret_file is not None:
        raise click.UsageError("--no-secret and --secret-file contradict each other.")
    secret = "" if no_secret else _read(secret_file)
    changed = open_client().update_webhook(webhook_id, name, description, url, events, secret, status)
    print_answer(changed, f"Webhook {webhook_id} has been changed.", as_json)


@webhooks.command()
@_id_option
@json_option
def delete(webhook_id: str, as_json: bool) -> None:
    """Remove a webhook for good."""
    open_client().delete_webhook(webhook_id)
    print_answer({"webhook_id": webhook_id}, f"Webhook {webhook_id} has been deleted.", as_json)


@webhooks.command()
@_id_option
@click.option("-e", "--event", help="Such as model_version.created; the first it subscribes to if not given.")
@json_option
@click.pass_context
def test(context: click.Context, webhook_id: str, event: str | None, as_json: bool) -> None:
    """Deliver an invented event at once; exit status 1 if that failed."""
    result = open_client().test_webhook(webhook_id, event)
    sentence = f"Delivered: the receiver answered with status {result.response_status}."
    print_answer(result, sentence if result.success else f"Not delivered. {result.error_message}", as_json)
    if not result.success:
        context.exit(1)


@webhooks.command()
@_id_option
@click.option("--status", type=click.Choice([each.value for each in WebhookDeliveryStatus], case_sensitive=False))
@click.option("--max-results", type=click.IntRange(1, 1000), default=100, show_default=True)
@json_option
def deliveries(webhook_id: str, status: str | None, max_results: int, as_json: bool) -> None:
    """List what was, or is to be, delivered to a webhook."""
    found = open_client().list_webhook_deliveries(webhook_id, status, max_results)
    if as_json:
        print_json(list(found))
        return
    rows = [
        [
            show_time(each.creation_timestamp), str(each.event), each.delivery_id, each.status.value, each.attempts,
            show_time(each.next_attempt_timestamp), each.error_message,
        ]
        for each in found
    ]  # fmt: skip
    print_table(["Date", "Event", "ID", "Status", "Attempts", "Next", "Last error"], rows)


@webhooks.command()
@_id_option
@click.option("--delivery-id", required=True, help="The delivery.")
@json_option
def redeliver(webhook_id: str, delivery_id: str, as_json: bool) -> None:
    """Try a delivery that has failed once more."""
    again = open_client().redeliver_webhook(webhook_id, delivery_id)
    print_answer(again, f"Delivery {delivery_id} will be tried again.", as_json)


@webhooks.command()
@click.option(
    "--backend-store-uri",
    envvar=settings.BACKEND_STORE_URI.variables,
    metavar="URI",
    help="The database; the default store if not given.",
)
@click.option(
    "--registry-store-uri",
    envvar=settings.REGISTRY_STORE_URI.variables,
    metavar="URI",
    help="The database of the registry, if it has one of its own.",
)
@json_option
def deliver(backend_store_uri: str | None, registry_store_uri: str | None, as_json: bool) -> None:
    """Deliver what is due now, from here: for stores that no server runs on."""
    from millstream.store.outbox import SqlOutbox
    from millstream.store.tracking import open_store
    from millstream.webhooks.dispatcher import Dispatcher

    def report(message: str, error: Exception | None) -> None:
        click.echo(message if error is None else f"{message} {error}", err=True)

    with open_store(registry_store_uri or backend_store_uri or settings.DEFAULT_STORE_URI) as store:
        counts = Dispatcher(SqlOutbox(store.webhooks.db), report).run_once()
    sentence = f"Delivered {counts.delivered}, given up {counts.failed}, to be tried again later {counts.postponed}."
    print_answer(counts, sentence, as_json)


@webhooks.command()
@json_option
def new_key(as_json: bool) -> None:
    """Print a fresh key for MILLSTREAM_WEBHOOK_SECRET_ENCRYPTION_KEY."""
    from millstream.webhooks.secrets import new_key as make

    key = make()
    print_answer({"key": key}, key, as_json)


def _read(secret_file: TextIO | None) -> str | None:
    """The secret without the line's end that editors add."""
    return secret_file.read().removesuffix("\n").removesuffix("\r") if secret_file is not None else None


def _events(webhook: Webhook) -> str:
    return ", ".join(map(str, webhook.events))
