"""What may stand in the registry: names, aliases, version numbers, stages, tags, and who changes them.

Every function raises InvalidValue that names the field.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Sequence

from msgspec import Struct

from millstream.entities import ModelVersionStages, ModelVersionTag, RegisteredModelTag
from millstream.errors import InvalidValue
from millstream.store import rules

MAX_NAME = 256
MAX_ALIAS = 255
MAX_TAG_VALUE = 100_000
MAX_DESCRIPTION = 100_000
MAX_COMMENT = 10_000

STAGES = tuple(stage.value for stage in ModelVersionStages)
"""By number, as stored, counted from 0."""

ARCHIVED = STAGES.index("Archived")
LATEST = "latest"

_ALIAS = re.compile(r"[\w-]+")
_NUMBER = re.compile(r" *-?[0-9]{1,19} *")
_VERSION_ALIAS = re.compile(r"[vV]\d+")
_CANONICAL_STAGES = {stage.lower(): number for number, stage in enumerate(STAGES)}


class Author(Struct, frozen=True):
    """Who makes a change and why, as far as the request says."""

    user: str = ""
    comment: str = ""


def check_name(name: str, what: str = "The registered model's name") -> str:
    """A name for a new registered model."""
    rules.check_text(name, what, MAX_NAME)
    if not name.strip():
        raise InvalidValue(f"{what} must not be blank.")
    if "/" in name or ":" in name or posixpath.normpath(name) != name or name in (".", ".."):
        raise InvalidValue(f"{what} {name!a} must not hold '/' or ':', and must not be '.' or '..'.")
    return name


def known_name(name: str) -> str:
    """A name that is looked up: it may be any text, for what is no name is not found."""
    return rules.check_text(name, "name")


def version_number(version: str) -> int:
    """The number of a version given as text; a negative one is a number, of no version."""
    if type(version) is str and _NUMBER.fullmatch(version):
        number = int(version)
        if abs(number) < 2**63:
            return number
    raise InvalidValue(f"version {ascii(str(version))[:100]} must be a whole number as text, such as '3'.")


def stage_number(stage: str) -> int:
    """The number of a stage, named in any letter case."""
    number = _CANONICAL_STAGES.get(stage.lower())
    if number is None:
        raise InvalidValue(f"There is no stage {ascii(stage)[:100]}. The stages are {', '.join(STAGES)}.")
    return number


def stage_numbers(stages: Sequence[str]) -> list[int]:
    """As `stage_number`, for several; none means all."""
    return sorted({stage_number(stage) for stage in stages}) or list(range(len(STAGES)))


def check_archiving(stage: int) -> None:
    """Whether the other versions of a stage can be archived when one comes into it."""
    if STAGES[stage] not in ("Staging", "Production"):
        raise InvalidValue(
            f"archive_existing_versions goes with Staging and Production only, not with {STAGES[stage]}. Leave it out."
        )


def check_alias(alias: str) -> str:
    """An alias that is set."""
    if not rules.check_text(alias, "alias", MAX_ALIAS) or _ALIAS.fullmatch(alias) is None:
        raise InvalidValue(f"The alias {alias!a} may hold letters, digits, '_' and '-' only, and at least one.")
    if alias.lower() == LATEST or _VERSION_ALIAS.fullmatch(alias):
        raise InvalidValue(f"The alias {alias!a} is reserved: 'latest' and 'v' with a number mean versions.")
    return alias


def known_alias(alias: str) -> str:
    """An alias that is looked up or deleted."""
    if not rules.check_text(alias, "alias", MAX_ALIAS) or _ALIAS.fullmatch(alias) is None:
        raise InvalidValue(f"{alias!a} is no alias: they hold letters, digits, '_' and '-' only.")
    return alias


def check_description(description: str | None) -> str | None:
    return None if description is None else rules.check_text(description, "description", MAX_DESCRIPTION)


def check_tag(key: str, value: str) -> None:
    rules.check_key(key, "Tag key")
    rules.check_text(value, f"Tag {key!a}: the value", MAX_TAG_VALUE)


def check_tags(tags: Iterable[RegisteredModelTag | ModelVersionTag]) -> dict[str, str]:
    """Tags as a dict; the last of a repeated key wins."""
    found: dict[str, str] = {}
    for tag in tags:
        check_tag(tag.key, tag.value)
        found[tag.key] = tag.value
    return found


def author(user: str, comment: str) -> Author:
    """Who makes a change and why, as the request says."""
    return Author(rules.check_text(user, "user", 256), rules.check_text(comment, "comment", MAX_COMMENT))
