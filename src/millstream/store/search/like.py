"""LIKE patterns: `%` is any run of characters, `_` any one character, and nothing escapes them."""

from __future__ import annotations


def prefix_of(pattern: str) -> tuple[str, str]:
    """What a match begins with, and the pattern's remainder from the first wildcard on."""
    ends = [end for end in (pattern.find("%"), pattern.find("_")) if end >= 0]
    end = min(ends, default=len(pattern))
    return pattern[:end], pattern[end:]


def successor(prefix: str) -> str | None:
    """The least text by code point that is greater than every text with this prefix; None if there is none."""
    while prefix:
        code = ord(prefix[-1]) + 1
        if 0xD800 <= code <= 0xDFFF:
            code = 0xE000
        if code <= 0x10FFFF:
            return prefix[:-1] + chr(code)
        prefix = prefix[:-1]
    return None


def to_glob(pattern: str) -> str:
    """The pattern of SQLite's GLOB that means the same, letter case included."""
    parts = {"%": "*", "_": "?", "*": "[*]", "?": "[?]", "[": "[[]"}
    return "".join(parts.get(character, character) for character in pattern)


def matches(pattern: str, text: str) -> bool:
    """Whether a text matches, in time proportional to pattern times text."""
    reached = {0}  # how many characters of the text the pattern so far may have taken
    for character in pattern:
        if character == "%":
            reached = set(range(min(reached), len(text) + 1)) if reached else set()
        else:
            reached = {at + 1 for at in reached if at < len(text) and character in ("_", text[at])}
        if not reached:
            return False
    return len(text) in reached
