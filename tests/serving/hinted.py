"""Models whose signature comes from type hints; the official package cannot read hints that are kept as text, as `annotations` of
`__future__` would have it."""

import datetime
from typing import Any, Optional

import pydantic


class Person(pydantic.BaseModel):
    name: str
    age: Optional[int] = None  # noqa: UP045 - the only form that the official package knows


def hinted(base: type) -> dict[str, Any]:
    class Texts(base):  # type: ignore[misc, valid-type]
        def predict(self, model_input: list[str], params: Any = None) -> list[str]:
            return [text.upper() for text in model_input]

    class People(base):  # type: ignore[misc, valid-type]
        def predict(self, model_input: list[Person], params: Any = None) -> list[str]:
            return [f"{type(person).__name__} {person.name} {person.age}" for person in model_input]

    class Times(base):  # type: ignore[misc, valid-type]
        def predict(self, model_input: list[datetime.datetime], params: Any = None) -> list[str]:
            return [repr(time) for time in model_input]

    class Blobs(base):  # type: ignore[misc, valid-type]
        def predict(self, model_input: list[dict[str, bytes]], params: Any = None) -> list[str]:
            return [repr(blob) for blob in model_input]

    return {"texts": Texts(), "people": People(), "times": Times(), "blobs": Blobs()}
