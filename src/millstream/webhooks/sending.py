"""One attempt to deliver: connect to an address that was checked, send, read the status, close.

No redirect is followed, no proxy of the environment is used, and what the receiver says beyond its status is not kept.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from email.utils import parsedate_to_datetime

from millstream import settings
from millstream.errors import MillstreamError
from millstream.webhooks import addresses, payloads
from millstream.webhooks.addresses import HostUnknown, Receiver, Resolved
from millstream.webhooks.messages import Message, Outcome

MAX_BODY_READ = 64 << 10
"""Bytes of an answer that are read before the connection is closed, so that a receiver may finish its sentence."""


class Attempt:
    """One attempt, which another thread may end."""

    def __init__(self, message: Message) -> None:
        self._message = message
        self._connection: _PinnedConnection | None = None
        self._is_late = False
        self.was_cut = False

    def run(self) -> Outcome:
        """Send, and wait for the answer as long as `WEBHOOK_REQUEST_TIMEOUT` says. Raises nothing."""
        try:
            receiver = addresses.parse(self._message.url)
            resolved = addresses.resolve(receiver)
        except HostUnknown as error:
            return Outcome(error=error.message, may_work_later=True)
        except MillstreamError as error:
            return Outcome(error=error.message)
        timeout_s = settings.WEBHOOK_REQUEST_TIMEOUT.get()
        clock = threading.Timer(timeout_s, self._end_late)  # sockets know a longest silence only, not a longest answer
        clock.daemon = True
        clock.start()
        try:
            with contextlib.closing(_PinnedConnection(receiver, resolved, timeout_s)) as connection:
                self._connection = connection
                if self.was_cut:
                    connection.cut()
                return self._exchange(connection, receiver)
        except MillstreamError as error:  # the peer is not the one that was checked
            return Outcome(error=error.message)
        except Exception as error:
            reason = f"it took longer than {timeout_s:g} s" if self._is_late else _reason(error)
            return Outcome(error=f"No answer: {reason}.", may_work_later=True)
        finally:
            clock.cancel()

    def cut(self) -> None:
        """Give up: `run` returns soon, and what it returns says nothing."""
        self.was_cut = True
        if self._connection is not None:
            self._connection.cut()

    def _end_late(self) -> None:
        self._is_late = True
        if self._connection is not None:
            self._connection.cut()

    def _exchange(self, connection: _PinnedConnection, receiver: Receiver) -> Outcome:
        message, raw = self._message, self._message.body.encode()
        connection.putrequest("POST", receiver.target, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", receiver.host_header)
        for name, value in payloads.headers(message.delivery_id, int(time.time()), raw, message.secret).items():
            connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(raw)))
        connection.endheaders(raw)
        answer = connection.getresponse()
        if self._is_late:  # headers that were cut look like headers that have ended
            raise TimeoutError
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
            answer.read(MAX_BODY_READ)
        return _judge(answer.status, answer.getheader("Retry-After"))


def _judge(status: int, retry_after: str | None) -> Outcome:
    if 200 <= status < 300:
        return Outcome(status)
    if 300 <= status < 400:
        return Outcome(
            status, f"The receiver answered with a redirect ({status}), and none is followed. Change the url."
        )
    may_work_later = status == 429 or status >= 500
    return Outcome(
        status,
        f"The receiver answered with status {status}.",
        may_work_later,
        _seconds(retry_after) if may_work_later else None,
    )


def _seconds(retry_after: str | None) -> float | None:
    """Retry-After, a number of seconds or a date, as seconds from now."""
    if retry_after is None:
        return None
    try:
        if retry_after.strip().isdigit():
            return float(retry_after)
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not to be trusted ({error.verify_message.rstrip('.')})"
    if isinstance(error, ssl.SSLError):
        return "the TLS handshake failed"
    if isinstance(error, TimeoutError):
        return "it took too long"
    if isinstance(error, OSError):
        return (error.strerror or "the connection broke").lower()
    return "it did not speak HTTP"


class _PinnedConnection(http.client.HTTPConnection):
    """A connection to one of the addresses that were checked; the certificate has to be that of the host's name."""

    def __init__(self, receiver: Receiver, resolved: Sequence[Resolved], timeout_s: float) -> None:
        super().__init__(receiver.host, receiver.port, timeout=timeout_s)
        self._receiver = receiver
        self._resolved = resolved
        self._timeout_s = timeout_s
        self._is_cut = False

    def connect(self) -> None:
        last: OSError | None = None
        for each in self._resolved:
            try:
                self._connect_to(each)
                break
            except OSError as error:
                self.sock.close()
                last = error
        else:
            assert last is not None
            raise last
        if self._receiver.scheme == "https":
            self.sock = ssl.create_default_context().wrap_socket(
                self.sock, server_hostname=self._receiver.host, do_handshake_on_connect=False
            )
            self.sock.do_handshake()  # after `cut` can find the socket

    def _connect_to(self, resolved: Resolved) -> None:
        self.sock = socket.socket(resolved.family, socket.SOCK_STREAM)
        if self._is_cut:
            raise TimeoutError
        self.sock.settimeout(self._timeout_s)
        self.sock.connect(resolved.address)
        if not settings.WEBHOOK_ALLOW_PRIVATE_IPS.get():
            addresses.check_public(self.sock.getpeername()[0])

    def cut(self) -> None:
        """End it, from any thread and in any state."""
        self._is_cut = True
        if self.sock is not None:
            with contextlib.suppress(OSError, ValueError):
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)  # without the farewell of TLS, which may wait
