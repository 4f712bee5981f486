"""Parameters: defaults, what must be given, types, and paths and URIs before the command runs."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import pytest

from millstream.errors import InvalidProjectParameter, MillstreamError
from millstream.projects.parameters import complete, resolve
from millstream.projects.submission import EntryPoint, Parameter

ENTRY = EntryPoint(
    "main",
    "",
    (Parameter("depth", "float", "4"), Parameter("table", "path"), Parameter("note"), Parameter("n", "int", "1")),
)


def test_defaults_fill_in_and_further_parameters_follow_in_their_order() -> None:
    given = {"zeta": 1, "note": "a b", "alpha": None, "table": Path("x.csv")}
    values = complete(ENTRY, given)
    assert list(values.items()) == [
        ("depth", "4"), ("table", "x.csv"), ("note", "a b"), ("n", "1"), ("zeta", "1"), ("alpha", "None"),
    ]  # fmt: skip


def test_all_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(
        InvalidProjectParameter, match=re.escape("'main' needs a value for table, note. Give it: -P table=")
    ):
        complete(ENTRY, {"depth": 3})


def test_an_empty_value_is_a_value() -> None:
    assert complete(ENTRY, {"table": "", "note": ""})["note"] == ""


def test_a_script_declares_nothing_so_it_takes_everything() -> None:
    assert complete(None, {"b": 1, "a": 2}) == {"b": "1", "a": "2"}


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("depth", "deep", "declared as float, and 'deep' is none"),
        ("n", "1.5", "declared as int, and '1.5' is none"),
        ("n", "", "declared as int, and '' is none"),
    ],
)
def test_a_value_that_is_not_of_its_type_is_warned_of_or_refused_where_that_is_asked_for(
    name: str, value: str, reason: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.WARNING, "millstream")
    given = {"table": "x", "note": "y", name: value}
    assert complete(ENTRY, given)[name] == value
    assert [reason in record.getMessage() for record in caplog.records] == [True]
    monkeypatch.setenv("MILLSTREAM_PROJECT_STRICT_TYPES", "true")
    with pytest.raises(InvalidProjectParameter, match=re.escape(reason)):
        complete(ENTRY, given)


def test_values_of_their_types_and_words_that_are_no_types_are_taken_silently(caplog: pytest.LogCaptureFixture) -> None:
    entry = EntryPoint("main", "", (Parameter("a", "float"), Parameter("b", "int"), Parameter("c", "bool")))
    for value in ("1", "-2e3", "nan", "inf"):
        complete(entry, {"a": value, "b": "7", "c": "whatever"})
    assert not caplog.records


@pytest.mark.parametrize(
    ("name", "value"), [("a", "b\0c"), ("a", "\udcff"), ("", "x"), ("a\nb", "x"), ("a\0", "x")]
)  # fmt: skip
def test_what_no_program_can_be_given_is_refused(name: str, value: str) -> None:
    with pytest.raises(InvalidProjectParameter):
        complete(None, {name: value})


# ---------------------------------------------------------------- paths and URIs

PLACES = EntryPoint("main", "", (Parameter("a"), Parameter("data", "path"), Parameter("where", "uri", "s3://bucket/x")))


def resolved(data: str, folder: Path, where: str = "s3://bucket/x", storage: Path | None = None) -> dict[str, str]:
    return resolve(PLACES, {"a": "rel", "data": data, "where": where, "more": "rel"}, storage, folder)


def test_paths_become_absolute_from_where_the_caller_is(tmp_path: Path) -> None:
    (tmp_path / "t.csv").touch()
    (tmp_path / "sub").mkdir()
    expected = {"a": "rel", "data": str(tmp_path / "t.csv"), "where": "s3://bucket/x", "more": "rel"}
    assert resolved("t.csv", tmp_path) == expected
    assert resolved("../t.csv", tmp_path / "sub") == expected
    assert resolved(str(tmp_path / "t.csv"), Path("/")) == expected
    assert resolved((tmp_path / "t.csv").as_uri(), Path("/")) == expected
    assert resolved("sub", tmp_path)["data"] == str(tmp_path / "sub")


def test_a_file_uri_is_decoded(tmp_path: Path) -> None:
    file = tmp_path / "a b#c.csv"
    file.touch()
    assert resolved(file.as_uri(), Path("/"))["data"] == str(file)


@pytest.mark.parametrize("value", ["none.csv", "", "file:///none/at/all"])
def test_a_path_where_nothing_is_is_refused(tmp_path: Path, value: str) -> None:
    with pytest.raises(InvalidProjectParameter, match="'data' takes a path"):
        resolved(value, tmp_path)


@pytest.mark.parametrize("value", ["bucket/x", "", "/data/x.csv"])
def test_a_uri_has_a_scheme(tmp_path: Path, value: str) -> None:
    with pytest.raises(InvalidProjectParameter, match="'where' takes a URI"):
        resolved(".", tmp_path, value)


def test_what_is_elsewhere_is_downloaded_into_a_fresh_folder_by_the_parameters_place(tmp_path: Path, site: str) -> None:
    (tmp_path / "site" / "t.csv").write_text("1,2")
    storage = tmp_path / "storage"
    first, second = (Path(resolved(f"{site}/t.csv", tmp_path, storage=storage)["data"]) for _ in range(2))
    assert first.read_text() == second.read_text() == "1,2"
    assert first != second
    assert first.relative_to(storage).parts[1:] == ("param_1", "t.csv")


def test_nothing_is_made_where_nothing_is_downloaded(tmp_path: Path) -> None:
    resolved(".", tmp_path, storage=tmp_path / "storage")
    assert not (tmp_path / "storage").exists()


def test_a_failed_download_is_an_error(tmp_path: Path, site: str) -> None:
    with pytest.raises(MillstreamError, match=re.escape("none.csv")):
        resolved(f"{site}/none.csv", tmp_path)


def test_a_name_that_is_no_text_is_told() -> None:
    numbers: Any = {1: 2}
    with pytest.raises(InvalidProjectParameter, match="1 is none: names are texts"):
        complete(None, numbers)
