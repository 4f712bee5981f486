from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("compat")
    group.addoption(
        "--official",
        action="store_true",
        help="also run the official server, compare with it and with its recorded answers",
    )
    group.addoption("--regenerate", action="store_true", help="record the official server's answers anew")
    group.addoption("--loggers", action="store_true", help="also run third-party loggers (installs torch and friends)")
