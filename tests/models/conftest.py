from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("models").addoption(
        "--old-pandas",
        action="store_true",
        help="also run the tests of schemas under pandas 2, in an environment made for it",
    )
