"""Where a webhook may lead, and that nothing else is ever connected to."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from millstream.errors import InvalidValue, WebhookUrlRefused
from millstream.webhooks import addresses
from millstream.webhooks.messages import Message
from millstream.webhooks.sending import Attempt

from .conftest import Receiver

PUBLIC = "192.0.1.1"


class NameServer:
    """Stands in for the system's resolver: gives the answers that it is told, one a question, the last one for ever."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.questions = 0

    def __call__(self, host: str, port: int, **options: Any) -> list[tuple[Any, ...]]:
        self.questions += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if not answer:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (address, port, 0, 0) if ":" in address else (address, port),
            )
            for address in answer
        ]


def answer_with(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> NameServer:
    server = NameServer(*answers)
    monkeypatch.setattr(socket, "getaddrinfo", server)
    return server


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/", "ftp://example.com/", "file:///etc/passwd", "javascript:alert(1)", "//example.com/", "example.com/hook", "",
        "https://", "https:///hook", "https://user:word@example.com/", "https://user@example.com/", "https://@example.com/",
        " https://example.com/", "https://example.com/a b", "https://example.com/\n", "https://exa\tmple.com/", "https://example.com/#part",
        "https://example.com/a;b", "https://example.com\\@evil.example/", "https://exämple.com/", "https://example.com:0/",
        "https://example.com:99999/", "https://example.com:http/", "https://[::1/", "https://[fe80::1%25eth0]/", "https://" + "a" * 2050,
    ],
)  # fmt: skip
def test_what_is_no_plain_https_url_is_refused(url: str) -> None:
    with pytest.raises(WebhookUrlRefused):
        addresses.parse(url)


@pytest.mark.parametrize(
    ("url", "host_header", "target"),
    [
        ("https://example.com", "example.com", "/"),
        ("HTTPS://Example.com/Hook?a=%20b&c", "example.com", "/Hook?a=%20b&c"),
        ("https://example.com:8443/x", "example.com:8443", "/x"),
        ("https://[2606:4700::1111]/x", "[2606:4700::1111]", "/x"),
    ],
)
def test_a_url_is_taken_apart_once(url: str, host_header: str, target: str) -> None:
    receiver = addresses.parse(url)
    assert (receiver.host_header, receiver.target) == (host_header, target)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.5.4", "192.168.0.1", "169.254.169.254", "100.64.0.1", "192.0.0.1", "198.18.0.1",
        "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "::", "::1", "fe80::1", "fc00::1", "fec0::1", "ff02::1", "2001:db8::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1", "2002:7f00:1::",
        "2002:a00:1::1", "2001:0:7f00:1::", "fe80::1%eth0", "nonsense",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public_are_refused(address: str) -> None:
    with pytest.raises(WebhookUrlRefused, match="WEBHOOK_ALLOW_PRIVATE_IPS"):
        addresses.check_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", PUBLIC, "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]
)
def test_public_addresses_are_not(address: str) -> None:
    addresses.check_public(address)


@pytest.mark.parametrize(
    "host", ["127.1", "2130706433", "0x7f.1", "0177.0.0.1", "localhost", "[::1]", "[::ffff:7f00:1]"]
)
def test_loopback_is_recognised_in_every_spelling(host: str) -> None:
    with pytest.raises(WebhookUrlRefused):
        addresses.resolve(addresses.parse(f"https://{host}/"))


def test_one_private_address_among_public_ones_is_enough_to_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    answer_with(monkeypatch, [PUBLIC, "10.0.0.1"])
    with pytest.raises(WebhookUrlRefused):
        addresses.resolve(addresses.parse("https://example.com/"))


def test_an_unknown_host_is_refused_and_said_to_be_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    answer_with(monkeypatch, [])
    with pytest.raises(InvalidValue, match="no name server knows"):
        addresses.resolve(addresses.parse("https://example.com/"))


def test_a_name_that_leads_elsewhere_when_it_is_delivered_to_is_not_followed(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    monkeypatch.setenv("MLFLOW_WEBHOOK_ALLOWED_SCHEMES", "http")
    names = answer_with(monkeypatch, [PUBLIC], ["127.0.0.1"])
    url = f"http://rebinding.example:{receiver.port}/"
    addresses.resolve(addresses.parse(url))  # when the webhook is made, all is well
    outcome = Attempt(Message(url, "id", "{}")).run()
    assert outcome.error is not None
    assert "not on the public internet" in outcome.error
    assert not outcome.may_work_later
    assert names.questions == 2  # one for each check and connection: there is no gap between the two
    assert receiver.got == []


def test_the_peer_that_was_reached_is_checked_again(monkeypatch: pytest.MonkeyPatch, receiver: Receiver) -> None:
    """Should the addresses that were checked ever not be those that are connected to."""
    monkeypatch.setenv("MLFLOW_WEBHOOK_ALLOWED_SCHEMES", "http")
    answer_with(monkeypatch, [PUBLIC])
    real = socket.socket.connect
    monkeypatch.setattr(socket.socket, "connect", lambda sock, address: real(sock, ("127.0.0.1", receiver.port)))
    outcome = Attempt(Message("http://example.com/", "id", "{}")).run()
    assert outcome.error is not None
    assert "not on the public internet" in outcome.error
    assert receiver.got == []


def test_proxies_of_the_environment_are_not_used(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver, allow_loopback: None
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert Attempt(Message(receiver.url(), "id", "{}")).run().response_status == 200


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status: int, receiver: Receiver, allow_loopback: None) -> None:
    receiver.answers = [(status, {"Location": receiver.url("/inside")})]
    outcome = Attempt(Message(receiver.url(), "id", "{}")).run()
    assert outcome.response_status == status
    assert outcome.error is not None
    assert "redirect" in outcome.error
    assert not outcome.may_work_later
    assert [delivery.path for delivery in receiver.got] == ["/hook"]
