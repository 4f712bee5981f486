"""What docs/autologging.md says is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import millstream
from millstream.autologging.libraries import COMMON, LIBRARIES
from tests.autologging.conftest import INSTALLED

PAGE = (Path(__file__).parents[2] / "docs" / "autologging.md").read_text()


@pytest.mark.skipif("sklearn" not in INSTALLED, reason="scikit-learn is in the environment of `make test`")
def test_the_examples_of_the_page_run_one_after_the_other() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 3
    exec("\n".join(blocks), {"__name__": "page"})
    assert len(millstream.search_runs(output_format="list")) == 2


@pytest.mark.parametrize("name", sorted({*COMMON, *(name for each in LIBRARIES.values() for name in each.own)}))
def test_every_setting_is_on_the_page(name: str) -> None:
    assert f"`{name}" in PAGE
