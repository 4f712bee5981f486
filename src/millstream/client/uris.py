"""Tracking URIs: which there are, what they mean, and their one spelling.

| given | meaning |
|---|---|
| `http://...`, `https://...` | a server |
| `sqlite:///file.db`, `postgresql://...`, `mysql://...` | a database, no server needed |
| a path, `file:...` | a folder of this machine: a database and artifacts inside |
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from millstream.errors import InvalidValue
from millstream.settings import DEFAULT_STORE_URI, TRACKING_URI

DEFAULT_DATABASE = DEFAULT_STORE_URI.removeprefix("sqlite:///")
ARTIFACT_FOLDER = "mlartifacts"
DATABASE_SCHEMES = ("sqlite", "postgresql", "postgres", "mysql", "mariadb", "mssql")

NOT_SERVED = ("databricks", "databricks-uc", "uc")
"""What MLflow code may name, and what would else be taken for a folder."""


def default_uri() -> str:
    """The tracking URI when nobody set one: the setting, else a database in the working directory."""
    return TRACKING_URI.get() or DEFAULT_STORE_URI


def scheme_of(uri: str) -> str:
    """Lower-case scheme without a driver (`postgresql+psycopg` is `postgresql`); "" for a plain path."""
    match = re.match(r"([A-Za-z][A-Za-z0-9.\-]+)(\+[A-Za-z0-9_\-]+)?:", uri)  # two letters at least: C:\ is a path
    return match.group(1).lower() if match else ""


def is_http(uri: str) -> bool:
    return scheme_of(uri) in ("http", "https")


def normalize(uri: str | os.PathLike[str]) -> str:
    """The same place in one spelling, whatever the working directory.

    Raises InvalidValue for a scheme that no tracking store has.
    """
    text = os.fspath(uri).strip()
    scheme = scheme_of(text)
    if scheme in ("http", "https"):
        parts = urlsplit(text)
        if not parts.hostname:
            raise InvalidValue(f"The tracking URI {text!r} names no host. Write it as http://host:port.")
        return urlunsplit((scheme, parts.netloc, parts.path.rstrip("/"), "", ""))
    if scheme == "sqlite":
        prefix, _, rest = text.partition(":///")
        path, question, query = rest.partition("?")
        if not path or path == ":memory:":
            raise InvalidValue("An SQLite database in memory is gone with the process. Name a file: sqlite:///runs.db")
        return f"{prefix.lower()}:///{_absolute(path)}{question}{query}"
    if scheme in DATABASE_SCHEMES:
        return text
    if scheme == "file":
        return str(folder_of(text))
    if text in NOT_SERVED:
        raise InvalidValue(
            f"{text!r} names a hosted service that Millstream does not log to. Name a server, a database or a folder."
        )
    if scheme == "":
        if re.fullmatch(r"[\w.\-]+:\d+/?", text):
            raise InvalidValue(f"The tracking URI {text!r} is no folder. Write a server's address as http://{text}.")
        return str(_absolute(text))
    raise InvalidValue(
        f"No tracking store has the scheme {scheme!r}. Use http(s)://, sqlite:///, postgresql://, mysql:// or a folder."
    )


def folder_of(uri: str) -> Path:
    """The folder that a path or a `file:` URI names."""
    if scheme_of(uri) != "file":
        return _absolute(uri)
    parts = urlsplit(uri)
    if parts.netloc not in ("", "localhost"):
        raise InvalidValue(f"{uri!r} names a folder of another machine. Use file:///path.")
    return _absolute(unquote(parts.path))


def is_file_store(folder: Path) -> bool:
    """Whether MLflow keeps experiments, deleted or not, or registered models in the folder, each with a `meta.yaml`."""
    for parent in (folder, folder / ".trash", folder / "models"):
        try:
            with os.scandir(parent) as entries:
                if any(os.path.exists(os.path.join(entry.path, "meta.yaml")) for entry in entries if entry.is_dir()):
                    return True
        except OSError:  # it is not there, or no folder
            continue
    return False


def _absolute(path: str) -> Path:
    return Path(os.path.abspath(os.path.expanduser(path or ".")))


_SECRET = re.compile("password|passwd|pwd|secret|token", re.IGNORECASE)
"""In the name of a parameter: drivers take `?password=`."""


def redact(uri: str) -> str:
    """The URI without credentials, for journals and messages."""
    front, question, query = uri.partition("?")
    if question:
        kept = "&".join(pair for pair in query.split("&") if not _SECRET.search(pair.partition("=")[0]))
        uri = f"{front}?{kept}" if kept else front
    parts = urlsplit(uri)
    if "@" not in parts.netloc:
        return uri
    user, _, host = parts.netloc.rpartition("@")
    name = user.partition(":")[0]
    keeps_user = scheme_of(uri) not in ("http", "https")
    return urlunsplit((parts.scheme, f"{name}@{host}" if keeps_user and name else host, *parts[2:]))
