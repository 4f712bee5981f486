"""Secrets of webhooks, encrypted where they are stored.

The key is the setting `WEBHOOK_SECRET_ENCRYPTION_KEY` (a Fernet key, as MLflow's), else a file beside an SQLite store that
only its owner may read. Other databases have no such place, and several servers share them: there the setting is needed.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from millstream import settings
from millstream.errors import InvalidValue, StoreError

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

KEY_SUFFIX = ".webhook-key"


class NoKey(InvalidValue):
    def __init__(self) -> None:
        super().__init__(
            "A webhook's secret is stored encrypted, and this server has no key for that. An operator has to set "
            "MILLSTREAM_WEBHOOK_SECRET_ENCRYPTION_KEY, the same for all servers (`millstream webhooks new-key` makes one)."
        )


def new_key() -> str:
    """A fresh key, as the setting takes it."""
    from cryptography.fernet import Fernet

    return Fernet.generate_key().decode()


def find_key(database_file: Path | None, *, create: bool) -> bytes:
    """The key of a store.

    Args:
        database_file: of an SQLite store; None for others.
        create: make the key file if there is none.
    Raises:
        NoKey: there is none, and no place to make one.
        StoreError: the key file cannot be made or read.
    """
    setting = settings.WEBHOOK_SECRET_ENCRYPTION_KEY.get()
    if setting:
        return setting.strip().encode()
    if database_file is None:
        raise NoKey
    file = database_file.with_name(database_file.name + KEY_SUFFIX)
    try:
        if create and not file.exists():
            _make_file(file)
        return file.read_bytes().strip()
    except FileNotFoundError:
        raise NoKey from None
    except OSError as error:
        raise StoreError(
            f"The key of the webhooks' secrets, {str(file)!r}, cannot be used: {error.strerror}."
        ) from error


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


def encrypt(secret: str, key: bytes) -> str:
    """Raises InvalidValue if the key is none."""
    return _box(key).encrypt(secret.encode()).decode()


def decrypt(stored: str, key: bytes) -> str:
    """Raises InvalidValue if the secret was encrypted with another key."""
    from cryptography.fernet import InvalidToken

    try:
        return _box(key).decrypt(stored.encode()).decode()
    except InvalidToken:
        raise InvalidValue(
            "The webhook's secret was encrypted with another key. Bring that key back, or set the secret again."
        ) from None


def _box(key: bytes) -> Fernet:
    from cryptography.fernet import Fernet

    try:
        return Fernet(key)
    except ValueError:
        raise InvalidValue(
            "The key of the webhooks' secrets is not one: 32 bytes in URL-safe base64. `millstream webhooks new-key` makes one."
        ) from None
