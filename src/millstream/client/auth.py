"""How a client shows a server who it is: Basic, Bearer, a credentials file, plug-ins, extra headers."""

from __future__ import annotations

import base64
import configparser
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from millstream.errors import InvalidValue
from millstream.settings import TRACKING_AUTH, TRACKING_PASSWORD, TRACKING_TOKEN, TRACKING_USERNAME

log = logging.getLogger("millstream")

HEADER_PLUGINS = "mlflow.request_header_provider"
AUTH_PLUGINS = "mlflow.request_auth_provider"

Sign = Callable[[str, str, dict[str, str], bytes | None], dict[str, str]]
"""(verb, URL, headers, body) -> headers to send."""


def credentials_file() -> tuple[str, str] | None:
    """User and password of `~/.millstream/credentials` or `~/.mlflow/credentials` (INI, section `mlflow`)."""
    for folder, section in ((".millstream", "millstream"), (".mlflow", "mlflow")):
        path = Path.home() / folder / "credentials"
        parser = configparser.ConfigParser(interpolation=None)
        try:
            if not parser.read(path, encoding="utf-8"):
                continue
        except (configparser.Error, OSError, UnicodeDecodeError) as error:
            log.warning("The credentials in %s cannot be read: %s.", path, error)
            continue
        for name in (section, "mlflow"):
            if parser.has_section(name):
                user = parser.get(name, "mlflow_tracking_username", fallback=None)
                password = parser.get(name, "mlflow_tracking_password", fallback=None)
                if user and password is not None:
                    return user, password
    return None


def user_name() -> str | None:
    """The user of the credentials, if any are configured."""
    name = TRACKING_USERNAME.get()
    if name:
        return name
    found = credentials_file()
    return found[0] if found else None


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def authorization(uri: str) -> str | None:
    """The Authorization header for a server: the URI's own credentials, else the settings', else the file's, else a token."""
    parts = urlsplit(uri)
    if parts.username:
        return _basic(unquote(parts.username), unquote(parts.password or ""))
    user, password = TRACKING_USERNAME.get(), TRACKING_PASSWORD.get()
    if not (user and password):
        found = credentials_file()
        if found:
            user, password = user or found[0], password or found[1]
    if user and password:
        return _basic(user, password)
    token = TRACKING_TOKEN.get()
    return f"Bearer {token}" if token else None


def extra_headers() -> dict[str, str]:
    """Headers of plug-ins. One that fails is skipped with a line."""
    from importlib.metadata import entry_points

    headers: dict[str, str] = {}
    for point in entry_points(group=HEADER_PLUGINS):
        try:
            provider: Any = point.load()()
            if provider.in_context():
                for name, value in provider.request_headers().items():
                    headers[name] = f"{headers[name]} {value}" if name in headers else str(value)
        except Exception as error:  # a stranger's code may raise anything
            log.warning("The header plug-in %s failed and is skipped: %s: %s", point.name, type(error).__name__, error)
    return headers


class _Prepared:
    """What auth plug-ins, written for `requests`, expect of the request they sign."""

    def __init__(self, verb: str, url: str, headers: dict[str, str], body: bytes | None) -> None:
        self.method = verb
        self.url = url
        self.headers = headers
        self.body = body


def signer() -> Sign | None:
    """The plug-in that the setting TRACKING_AUTH names. Raises InvalidValue if there is none of that name."""
    name = TRACKING_AUTH.get()
    if not name:
        return None
    from importlib.metadata import entry_points

    for point in entry_points(group=AUTH_PLUGINS):
        provider: Any = point.load()()
        if provider.get_name() != name:
            continue

        def sign(
            verb: str, url: str, headers: dict[str, str], body: bytes | None, provider: Any = provider
        ) -> dict[str, str]:
            prepared = _Prepared(verb, url, dict(headers), body)
            answer = provider.get_auth()(prepared)
            return dict((answer if answer is not None else prepared).headers)

        return sign
    raise InvalidValue(
        f"No installed plug-in signs requests as {name!r} (TRACKING_AUTH). Install the package that brings it, or unset it."
    )
