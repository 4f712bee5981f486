"""HTML that is safe by construction: everything put into an element is escaped, except what this module itself made."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from urllib.parse import quote, urlencode

_VOID = frozenset({"meta", "link", "input", "br", "hr", "circle", "polyline", "path"})


class Html(str):
    """Text that is HTML already; made by `element` and `join` only."""

    __slots__ = ()


def element(
    tag: str, /, *children: Html | str | int | Iterable[Html] | None, **attributes: str | int | bool | None
) -> Html:
    """An element; children and attribute values that are plain text are escaped.

    Args:
        attributes: `_` ends a name that Python keeps for itself (`class_`), `_` inside becomes `-`; None and False leave
            the attribute away, True writes it without value.
    """
    head = [tag]
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        name = name.rstrip("_").replace("_", "-")
        head.append(name if value is True else f'{name}="{escape(str(value))}"')
    opening = Html(f"<{' '.join(head)}>")
    if tag in _VOID:
        return opening
    return Html(f"{opening}{join(*children)}</{tag}>")


def join(*children: Html | str | int | Iterable[Html] | None) -> Html:
    """Children one after the other, plain text escaped."""
    parts: list[str] = []
    for child in children:
        if child is None:
            continue
        if isinstance(child, Html):
            parts.append(child)
        elif isinstance(child, str | int):
            parts.append(escape(str(child)))
        else:
            parts.extend(item if isinstance(item, Html) else escape(str(item)) for item in child)
    return Html("".join(parts))


def address(path: str, /, *segments: str, **query: str | None) -> str:
    """A link: `path`, further segments and the query, each encoded; None leaves a field of the query away."""
    text = path + "".join("/" + quote(segment, safe="") for segment in segments)
    fields = {name: value for name, value in query.items() if value}
    return f"{text}?{urlencode(fields)}" if fields else text
