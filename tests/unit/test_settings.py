from __future__ import annotations

import pytest

from docs.generate import HERE, PAGES
from millstream import settings
from millstream.errors import InvalidValue


@pytest.mark.parametrize("name", PAGES)
def test_the_generated_pages_are_up_to_date(name: str) -> None:
    assert (HERE / name).read_text(encoding="utf-8") == PAGES[name](), "run `make docs`"


def test_our_variable_wins_over_mlflows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "theirs")
    assert settings.TRACKING_URI.get() == "theirs"
    monkeypatch.setenv("MILLSTREAM_TRACKING_URI", "ours")
    assert settings.TRACKING_URI.get() == "ours"


def test_a_setting_of_ours_alone_does_not_listen_to_mlflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_SYNC", "true")
    assert settings.SYNC.get() is False


@pytest.mark.parametrize(("text", "value"), [("true", True), ("1", True), ("FALSE", False), ("0", False), ("", False)])
def test_booleans_are_read_in_any_case(monkeypatch: pytest.MonkeyPatch, text: str, value: bool) -> None:
    monkeypatch.setenv("MILLSTREAM_SYNC", text)
    assert settings.SYNC.get() is value


def test_a_value_that_does_not_parse_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "many")
    with pytest.raises(InvalidValue, match="MLFLOW_HTTP_REQUEST_MAX_RETRIES='many'"):
        settings.HTTP_REQUEST_MAX_RETRIES.get()


def test_an_empty_number_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLSTREAM_PORT", "")
    assert settings.PORT.get() == 5000
