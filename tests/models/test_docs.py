"""What docs/models.md says is so: its examples run, and every cell of its table of conversions is tried."""

from __future__ import annotations

import datetime as dt
import decimal
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from millstream.errors import InvalidValue
from millstream.models.enforcement import enforce_inputs
from millstream.models.types import ColSpec, Schema

PAGE = (Path(__file__).parents[2] / "docs" / "models.md").read_text()
TABLE = PAGE.split("a test tries every cell -->")[1].split("<!-- end of conversions")[0].strip().splitlines()
WANTED = [cell.strip() for cell in TABLE[0].strip("|").split("|")][1:]
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in TABLE[2:]]
ALONE = {
    "int64": pd.Series([1, 2], dtype="int64"),
    "int64 of 0 and 1 alone": pd.Series([0, 1], dtype="int64"),
    "objects that are integers": pd.Series([1, 2], dtype=object),
    "text": pd.Series(["x"]),
    "text that is numbers": pd.Series(["1.5"]),
    "text that is times": pd.Series(["2020-01-01T02:03:04"]),
    "bytes": pd.Series([b"x"]),
    "True and None": pd.Series([True, None], dtype=object),
    "Decimal": pd.Series([decimal.Decimal("1.5")]),
    "datetime64 of any unit": pd.Series(pd.to_datetime(["2020-01-01"]).astype("datetime64[s]")),
    "datetime64 with a zone": pd.Series(pd.to_datetime(["2020-01-01"]).tz_localize("UTC")),
    "date": pd.Series([dt.date(2020, 1, 1)]),
    "categories": pd.Series(["x"], dtype="category"),
}


def columns_of(given: str) -> list[pd.Series]:
    if given in ALONE:
        return [ALONE[given]]
    return [
        pd.Series(np.array([1, 5]).astype(dtype)) if dtype != "bool" else pd.Series([True])
        for dtype in given.split(", ")
    ]


def test_the_examples_of_the_page_run_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) > 5
    exec("\n".join(blocks), {"__name__": "page"})


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
@pytest.mark.parametrize("wanted", WANTED)
def test_every_cell_of_the_table_of_conversions_is_so(row: list[str], wanted: str) -> None:
    says = row[1 + WANTED.index(wanted)]
    assert says in ("yes", "")
    schema = Schema([ColSpec(wanted, "c")])  # type: ignore[arg-type]
    for column in columns_of(row[0]):
        frame = pd.DataFrame({"c": column})
        if says:
            enforced = enforce_inputs(frame, schema)["c"]
            assert len(enforced) == len(column)
        else:
            with pytest.raises(InvalidValue, match=f"the model takes {wanted}"):
                enforce_inputs(frame, schema)


def test_the_types_of_the_page_are_the_types() -> None:
    from millstream.models.types import DataType

    listed = re.findall(r"^\| `([a-z]+)` \| [a-z0-9]+", PAGE, re.MULTILINE)
    assert [each for each in listed if each in DataType.__members__] == list(DataType.__members__)
