"""The application for browsers: its built files, and the one page that all of its addresses answer with.

`ui/` is built into `server/ui/` when the package is built. Names of built files hold a hash of their content, so browsers keep
them for ever. Where nothing was built, its addresses lead to the plain pages.
"""

from __future__ import annotations

import gzip
import mimetypes
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from millstream.asgi.security import Headers
from millstream.errors import EndpointNotFound
from millstream.server import pages
from millstream.server.call import Answer, Call
from millstream.server.routes import Route
from millstream.server.security import PAGE, PUBLIC

if TYPE_CHECKING:
    from millstream.server.app import Application

BUILT = Path(__file__).with_name("ui")
FILES = "/static-files/ui"
ADDRESSES = (
    "/", "/experiments/{place:path}", "/runs", "/runs/{place:path}", "/compare", "/models", "/models/{place:path}", "/trash",
    "/settings",
)  # fmt: skip
"""Paths of the application's pages; its router knows what each shows."""

CSP = (
    b"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    b"media-src 'self' blob:; connect-src 'self'; frame-src 'self' blob:; font-src 'self'; form-action 'none'; "
    b"base-uri 'none'; object-src 'none'; frame-ancestors 'self'"
)
"""No inline script and no eval. Styles may be inline: charts place their labels by them."""

_COMPRESSED = frozenset({".js", ".css", ".svg", ".html", ".json"})
_FOREVER = b"public, max-age=31536000, immutable"


def routes(app: Application) -> list[Route]:
    """The routes of the application's page and files."""

    async def page(call: Call) -> Answer:
        if not is_built():
            return _to_plain(call)
        headers: Headers = [
            (b"content-security-policy", CSP),
            (b"referrer-policy", b"same-origin"),
            (b"cache-control", b"no-cache"),
        ]
        return Answer(_page(call.root), b"text/html; charset=utf-8", headers=headers)

    async def file(call: Call) -> Answer:
        body, packed, kind = _file(call.path_params["path"])
        headers: Headers = [(b"cache-control", _FOREVER), (b"vary", b"accept-encoding")]
        if packed is not None and _takes_gzip(call):
            body = packed
            headers.append((b"content-encoding", b"gzip"))
        return Answer(body, kind, headers=headers)

    found = [Route(f"ui.page{number}", "GET", path, page, PAGE) for number, path in enumerate(ADDRESSES)]
    return [*found, Route("ui.file", "GET", FILES + "/{path:path}", file, PUBLIC)]


def is_built() -> bool:
    return (BUILT / "index.html").is_file()


def _to_plain(call: Call) -> Answer:
    place = call.path.decode("latin-1")
    known = place.startswith(("/experiments/", "/runs/"))
    target = f"{call.root}{pages.PLACE}{place if known else '/'}"
    return Answer(b"", b"text/plain", 302, [(b"location", quote(target, safe="/%").encode())])


@cache
def _page(root: str) -> bytes:
    """The built page, told under which path the server is reached."""
    text = (BUILT / "index.html").read_text(encoding="utf-8")
    text = text.replace('name="millstream-root" content=""', f'name="millstream-root" content="{root}"')
    text = text.replace('="./', f'="{root}{FILES}/').replace('href="plain/"', f'href="{root}{pages.PLACE}/"')
    return text.encode()


@cache
def _built_files() -> dict[str, Path]:
    """Path below `server/ui` -> file. What is asked for is looked up here, never joined to a path."""
    return {file.relative_to(BUILT).as_posix(): file for file in BUILT.rglob("*") if file.is_file()}


@cache
def _file(path: str) -> tuple[bytes, bytes | None, bytes]:
    """A built file, the same packed with gzip if that pays, and its media type."""
    place = _built_files().get(path)
    if place is None:
        raise EndpointNotFound(
            "There is no such file of the pages. Load the page again: a newer version may be installed."
        )
    body = place.read_bytes()
    kind = mimetypes.guess_type(place.name)[0] or "application/octet-stream"
    packed = gzip.compress(body, 9, mtime=0) if place.suffix in _COMPRESSED and len(body) > 1000 else None
    return body, packed, f"{kind}; charset=utf-8".encode() if kind.startswith("text/") else kind.encode()


def _takes_gzip(call: Call) -> bool:
    return any(name == b"accept-encoding" and b"gzip" in value for name, value in call.scope["headers"])
