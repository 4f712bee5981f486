"""Secrets at rest: the key, its file, and what it is bound to."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from millstream.errors import InvalidValue, StoreError
from millstream.webhooks import secrets

KEY = "A" * 43 + "="


@pytest.fixture(autouse=True)
def no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MILLSTREAM_WEBHOOK_SECRET_ENCRYPTION_KEY", "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY"):
        monkeypatch.delenv(name, raising=False)


def test_a_secret_is_read_back_by_its_webhook_alone(tmp_path: Path) -> None:
    database = tmp_path / "store.db"
    stored = secrets.seal("grüß", "one", database)
    assert "gr" not in stored
    assert secrets.unseal(stored, "one", database) == "grüß"
    assert secrets.seal("grüß", "one", database) != stored
    with pytest.raises(InvalidValue, match="another key"):
        secrets.unseal(stored, "other", database)


def test_the_key_file_is_the_owners_alone_and_made_once(tmp_path: Path) -> None:
    database = tmp_path / "store.db"
    keys: list[bytes] = []
    threads = [threading.Thread(target=lambda: keys.append(secrets.find_key(database, create=True))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(keys)) == 1
    assert len(keys) == 16
    assert [path.name for path in tmp_path.iterdir()] == ["store.db.webhook-key"]
    assert stat.S_IMODE((tmp_path / "store.db.webhook-key").stat().st_mode) == 0o600


def test_a_lost_key_file_is_not_replaced_silently(tmp_path: Path) -> None:
    stored = secrets.seal("hush", "one", tmp_path / "store.db")
    (tmp_path / "store.db.webhook-key").unlink()
    with pytest.raises(InvalidValue, match="new-key"):
        secrets.unseal(stored, "one", tmp_path / "store.db")
    assert list(tmp_path.iterdir()) == []


def test_the_setting_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY", KEY)
    stored = secrets.seal("hush", "one", tmp_path / "store.db")
    assert list(tmp_path.iterdir()) == []
    assert secrets.unseal(stored, "one", None) == "hush"


def test_a_server_database_needs_the_setting() -> None:
    with pytest.raises(secrets.NoKey, match="the same for all servers"):
        secrets.seal("hush", "one", None)


@pytest.mark.parametrize("key", ["short", "A" * 44, "ä" * 44, "A" * 42 + "=="])
def test_what_is_no_key_is_refused(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY", key)
    with pytest.raises(InvalidValue, match="32 bytes"):
        secrets.seal("hush", "one", None)


def test_a_new_key_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY", secrets.new_key())
    assert secrets.unseal(secrets.seal("hush", "one", None), "one", None) == "hush"
    assert secrets.new_key() != secrets.new_key()


def test_a_folder_in_the_place_of_the_key_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "store.db.webhook-key").mkdir()
    with pytest.raises(StoreError, match=r"store\.db\.webhook-key"):
        secrets.seal("hush", "one", tmp_path / "store.db")
