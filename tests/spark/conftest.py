"""Spark's own session, one for a test process. Without pyspark nothing here is collected: `make test-spark` has an environment for it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from millstream.models.spark.session import has_java
from tests.models.flavors.cases import spark_session
from tests.models.flavors.conftest import store as store

collect_ignore_glob = [] if find_spec("pyspark") is not None else ["test_*.py"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="Of the tests of Spark, only those that `make test` runs.")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "quick: runs in `make test` as well")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    ours = [item for item in items if here in item.path.parents]
    if not has_java():
        for item in ours:
            item.add_marker(pytest.mark.skip(reason="NO JAVA: nothing of Spark is tested (openjdk-17-jre-headless)"))
    if config.getoption("--quick"):
        config.hook.pytest_deselected(items=[item for item in ours if not item.get_closest_marker("quick")])
        items[:] = [item for item in items if item not in ours or item.get_closest_marker("quick")]


@pytest.fixture(scope="session")
def spark() -> Iterator[Any]:
    session = spark_session()
    logging.getLogger("py4j").setLevel(logging.ERROR)
    yield session
    session.stop()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    """A `tests.spark.cluster.Cluster`."""
    from tests.spark.cluster import running_cluster

    with running_cluster() as found:
        yield found
