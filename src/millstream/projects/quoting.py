"""Values put into a shell line so that they arrive as they are, and nothing in them is run.

MLflow quotes each value for the shell and puts it wherever the line says. That holds only where the shell reads code: between
`"..."` a quoted `$(rm -rf ~)` runs, between `'...'` a quoted apostrophe ends the text, in a comment a newline ends the comment. So
the line is read as bash reads it, as far as to know what is around each value: between quotes and the like only values that are the
same with and without quotes are put in, and any other is an error that says so.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from msgspec import Struct

PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./-]*")
"""Values that no shell and no place in a line gives a meaning: what `shlex.quote` leaves as it is."""


class Slot(Struct, frozen=True):
    """Where a value goes.

    Attributes:
        value: as it shall arrive.
        name: of the parameter, for errors.
        is_word: it stands for a word of its own, so anywhere but in code it is out of place, whatever its value.
    """

    value: str
    name: str
    is_word: bool = False


class Unquotable(ValueError):
    """A value cannot be put where the line wants it. `place` says what that is: "a comment"."""

    def __init__(self, slot: Slot, place: str) -> None:
        super().__init__(f"{slot.name} in {place}")
        self.slot, self.place = slot, place


def fill(pieces: Sequence[str | Slot]) -> str:
    """The line: text as it is, values quoted. Raises Unquotable for the first value that cannot be."""
    reader = _Reader()
    line = []
    for piece in _joined(pieces):
        if isinstance(piece, str):
            reader.read(piece)
            line.append(piece)
            continue
        place = reader.place()
        if place is not None and (piece.is_word or place in _NEVER or not PLAIN.fullmatch(piece.value)):
            raise Unquotable(piece, place)
        line.append(shlex.quote(piece.value) if place is None else piece.value)
        reader.pass_value()
    return "".join(line)


def _joined(pieces: Sequence[str | Slot]) -> list[str | Slot]:
    """With texts that follow each other as one, so that `$` and `{` are seen together."""
    joined: list[str | Slot] = []
    for piece in pieces:
        if isinstance(piece, str) and joined and isinstance(joined[-1], str):
            joined[-1] += piece
        else:
            joined.append(piece)
    return joined


_LOST = "lost"
"""From here on anything may be: the line of a here-document and what follows it, `case` within parentheses, `$[...]`."""

_PLACES = {
    '"': "double quotes",
    "'": "single quotes",
    "$'": "$'...' quotes",
    "`": "backticks",
    "${": "${...}",
    "((": "((...)), where bash computes",
    "[[": "[[...]], where bash may compute",
    "#": "a comment",
    _LOST: "a line that is not followed so far (after a here-document, or in a `case` within parentheses)",
}
"""What a value may stand in besides code."""

_AFTER_BACKSLASH = "the place after a backslash"
_AFTER_DOLLAR = "the place after a $, which makes it the name of a variable (write {name} without the $)"
_NEVER = (_AFTER_BACKSLASH, _AFTER_DOLLAR)

_CODE = ("", "(")
"""Where the shell reads words: the line itself, and `(...)` or `$(...)`."""

_WHATEVER_IS_WITHIN = (_LOST, "((", "[[", "`")
"""What makes a place unsafe also for code within it: its result is read once more."""

_CLOSINGS = {'"': '"', "'": "'", "$'": "'", "`": "`", "${": "}", "(": ")", "((": "))", "[[": "]]", "#": "\n"}
_OPENINGS = re.compile(r"""\$\(\(|\$\(|\$\{|\$\[|\$'|\$"|\(\(|\[\[(?=\s)|<<<|<<|["'`(#]""")
_WORD_ENDS = frozenset(" \t\n;|&()<>")


class _Reader:
    """Reads shell code piece by piece; `stack` is what is open, the innermost last.

    It need not understand all of bash: where it would lose track it says so, and what follows counts as no code.
    """

    def __init__(self) -> None:
        self.stack = [""]
        self.before = "\n"  # the character before; "x" for one that has no meaning
        self.is_escaped = False
        self.word = ""

    def place(self) -> str | None:
        """What is around the next character: None for code, where quotes do what they should."""
        if self.is_escaped:
            return _AFTER_BACKSLASH
        if self.before == "$" and self.stack[-1] not in ("'", "#"):
            return _AFTER_DOLLAR
        for opened in _WHATEVER_IS_WITHIN:
            if opened in self.stack:
                return _PLACES[opened]
        return None if self.stack[-1] in _CODE else _PLACES[self.stack[-1]]

    def pass_value(self) -> None:
        self.before, self.word = "x", ""

    def read(self, text: str) -> None:
        position = 0
        while position < len(text):
            character, state = text[position], self.stack[-1]
            if self.is_escaped:
                self.is_escaped = False
                if character != "\n":  # which vanishes together with the backslash
                    self.pass_value()
                position += 1
            elif character == "\\" and state not in ("'", "#"):
                self.is_escaped = True
                position += 1
            elif state in _CLOSINGS and text.startswith(_CLOSINGS[state], position):
                self.stack.pop()
                self._note(character)
                position += len(_CLOSINGS[state])
            else:
                self._note_case(character)
                position += 1 if state in ("'", "$'", "`", "#") else self._open(text, position)

    def _note(self, character: str) -> None:
        self.before = character
        self.word = "" if character in _WORD_ENDS else self.word + character

    def _note_case(self, character: str) -> None:
        """Its patterns end with parentheses that close nothing."""
        if character in _WORD_ENDS and self.word == "case" and self.stack[-1] == "(":
            self.stack.append(_LOST)

    def _open(self, text: str, position: int) -> int:
        """Note what begins at a position; how many characters that takes."""
        found = _OPENINGS.match(text, position)
        opening, state, before = found[0] if found else "", self.stack[-1], self.before
        self._note(text[position])
        is_letter = state == '"' and (opening[:1] not in ("$", "`") or opening in ("$'", '$"'))
        if not opening or is_letter:
            return 1
        if opening in ("(", "((") and state not in _CODE:
            if state == "((":
                self.stack.append("(")
            return 1
        if opening == "#" and not (state in _CODE and before in _WORD_ENDS):
            return 1
        if opening == "'" and state == "${" and '"' in self.stack:  # a letter or a quote, as the rest of it says
            opening = "<<"
        if opening != "<<<":
            kind = {"$((": "((", "$(": "(", '$"': '"', "<<": _LOST, "$[": _LOST}
            self.stack.append(kind.get(opening, opening))
        self.before, self.word = opening[-1], ""
        return len(opening)
