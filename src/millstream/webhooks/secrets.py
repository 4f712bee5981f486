"""Secrets of webhooks, encrypted where they are stored (XChaCha20-Poly1305 by libsodium, bound to their webhook).

The key is the setting `WEBHOOK_SECRET_ENCRYPTION_KEY` (32 bytes in URL-safe base64: a key for MLflow's setting of that name
fits), else a file beside an SQLite store that only its owner may read. Other databases have no such place, and several
servers share them: there the setting is needed.
"""

from __future__ import annotations

import base64
import binascii
import os
import tempfile
from pathlib import Path

from millstream import settings
from millstream.errors import InvalidValue, StoreError

KEY_SUFFIX = ".webhook-key"
KEY_BYTES = 32


class NoKey(InvalidValue):
    def __init__(self) -> None:
        super().__init__(
            "A webhook's secret is stored encrypted, and this server has no key for that. An operator has to set "
            "MILLSTREAM_WEBHOOK_SECRET_ENCRYPTION_KEY, the same for all servers (`millstream webhooks new-key` makes one)."
        )


def new_key() -> str:
    """A fresh key, as the setting takes it."""
    return base64.urlsafe_b64encode(os.urandom(KEY_BYTES)).decode()


def find_key(database_file: Path | None, *, create: bool) -> bytes:
    """The key of a store.

    Args:
        database_file: of an SQLite store; None for others.
        create: make the key file if there is none.
    Raises:
        NoKey: there is none, and no place to make one.
        InvalidValue: what is there is no key.
        StoreError: the key file cannot be made or read.
    """
    setting = settings.WEBHOOK_SECRET_ENCRYPTION_KEY.get()
    if setting:
        return _read_key(setting)
    if database_file is None:
        raise NoKey
    file = database_file.with_name(database_file.name + KEY_SUFFIX)
    try:
        if create and not file.exists():
            _make_file(file)
        return _read_key(file.read_text())
    except FileNotFoundError:
        raise NoKey from None
    except OSError as error:
        raise StoreError(
            f"The key of the webhooks' secrets, {str(file)!r}, cannot be used: {error.strerror}."
        ) from error


def _read_key(text: str) -> bytes:
    try:
        key = base64.urlsafe_b64decode(text.strip())
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise InvalidValue(
            "The key of the webhooks' secrets is not one: 32 bytes in URL-safe base64. `millstream webhooks new-key` makes one."
        )
    return key


def _make_file(file: Path) -> None:
    """Write a new key whole, or leave the file that another process has made meanwhile."""
    fd, fresh = tempfile.mkstemp(prefix=file.name, dir=file.parent)  # mode 0600
    try:
        with os.fdopen(fd, "wb") as stream:
            stream.write(new_key().encode() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        try:
            os.link(fresh, file)
        except FileExistsError:
            pass
    finally:
        os.unlink(fresh)


def seal(secret: str, webhook_id: str, database_file: Path | None) -> str:
    """The secret as it is stored. Raises as `find_key`."""
    from nacl.secret import Aead

    key = find_key(database_file, create=True)
    return base64.b64encode(Aead(key).encrypt(secret.encode(), webhook_id.encode())).decode()


def unseal(stored: str, webhook_id: str, database_file: Path | None) -> str:
    """The secret as it was set.

    Raises:
        InvalidValue: it was encrypted with another key, or for another webhook.
    """
    from nacl.exceptions import CryptoError
    from nacl.secret import Aead

    key = find_key(database_file, create=False)
    try:
        return Aead(key).decrypt(base64.b64decode(stored), webhook_id.encode()).decode()
    except CryptoError:
        raise InvalidValue(
            "The webhook's secret was encrypted with another key. Bring that key back, or set the secret again."
        ) from None
