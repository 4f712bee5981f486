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
    "[": "an array's subscript, where bash computes",
    "#": "a comment",
    _LOST: "a line that is not followed so far (after a here-document, or in a `case` within parentheses)",
}
"""What a value may stand in besides code."""

_AFTER_BACKSLASH = "the place after a backslash"
_AFTER_DOLLAR = "the place after a $, which makes it the name of a variable (write {name} without the $)"
_NEVER = (_AFTER_BACKSLASH, _AFTER_DOLLAR)

_CODE = ("", "(", "=(")
"""Where the shell reads words: the line itself, `(...)` or `$(...)`, and the list of `name=(...)`."""

_WHATEVER_IS_WITHIN = (_LOST, "((", "[[", "[", "`")
"""What makes a place unsafe also for code within it: its result is read once more."""

_CLOSINGS = {
    '"': '"', "'": "'", "$'": "'", "`": "`", "${": "}", "(": ")", "=(": ")", "[[(": ")", "((": "))", "[[": "]]", "[": "]", "#": "\n"
}  # fmt: skip
_JOIN = r"(?:\\\n)*"
_OPENINGS = re.compile(
    rf"""\${_JOIN}\({_JOIN}\(|\${_JOIN}[({{\['"]|\({_JOIN}\(|\[{_JOIN}\[(?=[\s\\()<>&|;])|<{_JOIN}<{_JOIN}<|<{_JOIN}<|["'`(#\[]"""
)
"""Also with lines continued within them, which bash joins first."""

_SPACE = frozenset(" \t\n")
_WORD_ENDS = frozenset(" \t\n;|&()<>")
_COMMAND_ENDS = frozenset("\n;|&()")

_PREFIXES = frozenset(
    ("if", "then", "else", "elif", "do", "while", "until", "!", "{", "time", "-p", "coproc", "command", "builtin")
)
"""Words that a command may follow."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\[.*\])?\+?=", re.DOTALL)
_COMPUTING = frozenset(("let", "read", "unset"))
"""Commands of which any argument may be an expression, or a variable with a subscript that is one."""
_DECLARING = frozenset(("declare", "typeset", "local", "readonly"))
_DECLARED_ALIKE = re.compile(r"-\w*[aAin]")
"""Options of those that make bash read the values themselves: of arrays, numbers and references."""
_NAMING = frozenset(("test", "[", "printf"))
"""Commands of which only the argument after -v is such a variable."""


class _Reader:
    """Reads shell code piece by piece; `stack` is what is open, the innermost last.

    It need not understand all of bash: where it would lose track it says so, and what follows counts as no code.
    """

    def __init__(self) -> None:
        self.stack = [""]
        self.before = "\n"  # the character before; "x" for one that has no meaning
        self.is_escaped = False
        self.word = ""  # so far; what is quoted, escaped or a value is a NUL in it
        self.command: list[str] = []  # the words before it
        self.is_target = False  # the word is one of a redirection
        self._outer: list[tuple[str, list[str], bool]] = []
        self._cut: list[str] = []  # the words before the last &, which may be the beginning of &>

    def place(self) -> str | None:
        """What is around the next character: None for code, where quotes do what they should."""
        if self.is_escaped:
            return _AFTER_BACKSLASH
        if self.before == "$" and self.stack[-1] not in ("'", "#"):
            return _AFTER_DOLLAR
        for opened in _WHATEVER_IS_WITHIN:
            if opened in self.stack:
                return _PLACES[opened]
        return self._argument() if self.stack[-1] in _CODE else _PLACES[self.stack[-1]]

    def _argument(self) -> str | None:
        """The command that takes the next character for a name or an expression."""
        if self.stack[-1] == "=(":
            outer = self._outer[-1][1]
            is_number = any(word in _DECLARING for word in outer) and any(re.match(r"-\w*i", word) for word in outer)
            return "a list of numbers, which bash computes" if is_number else None
        words = self._words()
        if not words or self.is_target:
            return None
        name, options = words[0], words[1:]
        is_assigned = _ASSIGNMENT.match(self.word) is not None
        computes = (
            name in _COMPUTING
            or (name in _DECLARING and (not is_assigned or any(map(_DECLARED_ALIKE.match, options))))
            or (name in _NAMING and (options[-1:] == ["-v"] or self.word == "-v"))
        )
        return f"an argument of `{name}`, where bash may compute" if computes else None

    def _words(self) -> list[str]:
        """The words of the command before this one, from its name on."""
        words = self.command
        first = next((at for at, word in enumerate(words) if not (word in _PREFIXES or _ASSIGNMENT.match(word))), None)
        return [] if first is None else words[first:]

    def pass_value(self) -> None:
        self.before = "x"
        self.word += "\0"

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
            elif self._closes(text, position):
                self._pop()
                if state == "#":
                    self._note(character)
                else:
                    self.before = "x" if state == "[[(" else character
                position += len(_CLOSINGS[state])
            else:
                self._note_case(character)
                position += 1 if state in ("'", "$'", "`", "#") else self._open(text, position)

    def _closes(self, text: str, position: int) -> bool:
        closing = _CLOSINGS.get(self.stack[-1])
        if closing is None or not text.startswith(closing, position):
            return False
        if closing != "]]":
            return True
        following = text[position + 2 : position + 3]  # a value there would go on with the word
        return self.before in _SPACE and (following in _WORD_ENDS or not following)

    def _push(self, kind: str) -> None:
        self.stack.append(kind)
        self._outer.append((self.word, self.command, self.is_target))
        self.word, self.command, self.is_target = "", [], False

    def _pop(self) -> None:
        kind = self.stack.pop()
        self.word, self.command, self.is_target = self._outer.pop()
        if kind == "[":
            self.word += "]"
        elif kind != "#" and not (kind == "(" and not self.word):
            self.word += "\0"

    def _note(self, character: str) -> None:
        if character not in _WORD_ENDS:
            self.word += character
        else:
            self._end_word(character)
        self.before = character

    def _end_word(self, character: str) -> None:
        if self.word:
            if not self.is_target:
                self.command.append(self.word)
            self.is_target = False
        self.word = ""
        if character in "<>":
            if character == ">" and self.before == "&":
                self.command = self._cut
            self.is_target = True
        elif character in _COMMAND_ENDS and not (character == "&" and self.before in ("<", ">")):
            self._cut, self.command, self.is_target = self.command, [], False

    def _note_case(self, character: str) -> None:
        """Its patterns end with parentheses that close nothing."""
        if character in _WORD_ENDS and self.word == "case" and self.stack[-1] in ("(", "=("):
            self._push(_LOST)

    def _open(self, text: str, position: int) -> int:
        """Note what begins at a position; how many characters that takes."""
        found = _OPENINGS.match(text, position)
        opening = found[0].replace("\\\n", "") if found else ""
        state, before, word = self.stack[-1], self.before, self.word
        is_letter = state == '"' and (opening[:1] not in ("$", "`") or opening in ("$'", '$"'))
        if opening == "(" and state in _CODE and _ASSIGNMENT.fullmatch(word):
            self._push("=(")
            self.before = "("
            return len(found[0]) if found else 1
        if opening == "[" and not is_letter and self._is_subscript():
            self.word += "["
            self._push("[")
            self.before = "["
            return 1
        if not (opening == "(" and state in _CODE and before in ("<", ">")):  # as an argument: <(...)
            self._note(text[position])
        if not opening or is_letter or opening == "[":
            return 1
        if opening in ("(", "((") and state not in _CODE:
            if state in ("((", "[[", "[[("):
                self._push("(" if state == "((" else "[[(")
            return 1
        if opening == "#":
            if before not in _WORD_ENDS or state not in (*_CODE, "[[", "[[("):
                return 1
            opening = "#" if state in _CODE else "<<"  # where [[...]] ends is unclear
        if opening == "'" and state == "${" and '"' in self.stack:  # a letter or a quote, as the rest of it says
            opening = "<<"
        if opening != "<<<":
            kind = {"$((": "((", "$(": "(", '$"': '"', "<<": _LOST, "$[": _LOST}
            self._push(kind.get(opening, opening))
        self.before = opening[-1]
        return len(found[0]) if found else 1

    def _is_subscript(self) -> bool:
        """Whether a [ begins one: in an assignment, in a list of values, or in another one."""
        if self.stack[-1] == "=(":
            return not self.word
        is_first = self.stack[-1] in _CODE and not self.is_target and not self._words()
        return self.stack[-1] == "[" or (is_first and _NAME.fullmatch(self.word) is not None)
