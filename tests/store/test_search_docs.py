"""The page about search says what is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from millstream.errors import InvalidValue
from millstream.store.search.grammar import RUNS
from millstream.store.search.parser import parse, parse_order

PAGE = (Path(__file__).parents[2] / "docs" / "search.md").read_text()


def test_the_example_runs() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(example, "search.md", "exec"), {})


@pytest.mark.parametrize("filter", ["params.a NOT LIKE 'x'", "metrics.acc LIKE 'x'"])
def test_the_messages_are_those_shown(filter: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        parse(RUNS, filter)
    assert caught.value.message[:100] in PAGE


def test_the_message_of_a_repetition_is_the_one_shown() -> None:
    with pytest.raises(InvalidValue) as caught:
        parse_order(RUNS, ["start_time", "start_time DESC"])
    assert caught.value.message in PAGE
