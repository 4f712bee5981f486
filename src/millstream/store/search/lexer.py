"""Text of a filter or an ordering, cut into tokens in one pass of linear time."""

from __future__ import annotations

import re
from typing import NoReturn

from msgspec import Struct

from millstream.errors import InvalidValue

MAX_BYTES = 10_240
"""Longest filter or order clause, in bytes of UTF-8."""

_TOKEN = re.compile(
    r"""(?P<blank>[ \t\r\n\f\v]+)
      | (?P<word>[^\W\d]\w*(?:[./:-]\w+)*)
      | (?P<number>-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
      | (?P<operator>==|<>|!=|<=|>=|=|<|>)
      | (?P<mark>[(),.])
    """,
    re.VERBOSE,
)
_HINTS = {
    ";": "One filter is one expression: remove ';'",
    "+": "Write numbers without a plus sign",
    "-": "Put a key that holds such characters into back-ticks",
    "/": "Put a key that holds such characters into back-ticks; comments are not possible",
    ":": "Put a key that holds such characters into back-ticks",
    "*": "Use LIKE with '%' as a wildcard",
}


class Token(Struct, frozen=True):
    """A piece of the text: `text` is what stands there, without the quotes of a `quoted` one."""

    kind: str  # word, number, operator, mark, quoted, end
    text: str
    start: int  # characters before it
    end: int
    quote: str = ""

    @property
    def keyword(self) -> str:
        """The word in upper case; empty for anything but a word."""
        return self.text.upper() if self.kind == "word" else ""


class Source(Struct, frozen=True):
    """A text and what to call it in errors."""

    text: str
    label: str

    def fail(self, position: int, problem: str) -> NoReturn:
        """Raise InvalidValue that says where: `position` counts the characters before the place."""
        raise InvalidValue(f"{self.label}, character {position + 1}: {problem}.")

    def tokens(self) -> list[Token]:
        """The tokens, closed by one of kind `end`. Raises InvalidValue."""
        text = self.text
        if len(text) > MAX_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
            raise InvalidValue(f"{self.label} is longer than {MAX_BYTES} bytes. Split it into several searches.")
        tokens: list[Token] = []
        position = 0
        while position < len(text):
            if text[position] in "'\"`":
                token = self._quoted(position)
            else:
                match = _TOKEN.match(text, position)
                if match is None:
                    character = text[position]
                    hint = _HINTS.get(character, "Remove it, or put the key or value that holds it into quotes")
                    self.fail(position, f"{character!r} cannot stand here. {hint}")
                kind = match.lastgroup or ""
                if kind == "blank":
                    position = match.end()
                    continue
                token = Token(kind, match.group(), position, match.end())
                self._check_word_ends(token)
            tokens.append(token)
            position = token.end
        tokens.append(Token("end", "", len(text), len(text)))
        return tokens

    def _quoted(self, start: int) -> Token:
        quote = self.text[start]
        end = self.text.find(quote, start + 1)
        while end >= 0 and quote != "`" and self.text[end + 1 : end + 2] == quote:
            end = self.text.find(quote, end + 2)  # two quotes do not end a text, and stand for themselves
        if end < 0:
            self.fail(start, f"the quote {quote} is never closed. Add the closing {quote}")
        inside = self.text[start + 1 : end]
        for offset, character in enumerate(inside):
            if character == "\0" or "\ud800" <= character <= "\udfff":
                self.fail(start + 1 + offset, f"{character!r} cannot be stored, so nothing can match it. Remove it")
        return Token("quoted", inside, start, end + 1, quote)

    def _check_word_ends(self, token: Token) -> None:
        if token.kind == "number" and re.match(r"\w", self.text[token.end : token.end + 1]):
            self.fail(token.start, "a number is followed directly by a letter. Put text into quotes")
