"""Options that several commands have: said once, so that they read and behave alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from millstream import settings

F = TypeVar("F", bound=Callable[..., Any])


def several(*options: Callable[[Any], Any]) -> Callable[[F], F]:
    """Options as one decorator, in the order in which help lists them."""

    def add(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return add


def pairs(option: str, given: Iterable[str]) -> dict[str, str]:
    """NAME=VALUE texts of an option that may be repeated, each name once. Raises click.UsageError."""
    found: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.UsageError(f"{option} takes NAME=VALUE, and {text!r} is not of that form.")
        if name in found:
            raise click.UsageError(f"{option} gives {name!r} twice.")
        found[name] = value
    return found


def listening(workers: settings.Setting[int], workers_help: str) -> Callable[[F], F]:
    """Where a server listens, and with how many processes."""
    return several(
        click.option(
            "-h",
            "--host",
            envvar=settings.HOST.variables,
            default="127.0.0.1",
            show_default=True,
            help="Address to listen on.",
        ),
        click.option(
            "-p",
            "--port",
            envvar=settings.PORT.variables,
            default=5000,
            show_default=True,
            type=click.IntRange(0, 65535),
            help="Port to listen on; 0 takes a free one.",
        ),
        click.option(
            "-w",
            "--workers",
            envvar=workers.variables,
            default=1,
            show_default=True,
            type=click.IntRange(1, 256),
            help=workers_help,
        ),
    )


admission = several(
    click.option(
        "--allowed-hosts",
        envvar=settings.SERVER_ALLOWED_HOSTS.variables,
        metavar="NAMES",
        help="Further host names that clients may use, by comma.",
    ),
    click.option(
        "--cors-allowed-origins",
        envvar=settings.SERVER_CORS_ALLOWED_ORIGINS.variables,
        metavar="ORIGINS",
        help="Other sites whose pages may change things here, by comma.",
    ),
    click.option(
        "--disable-security-middleware",
        envvar=settings.SERVER_DISABLE_SECURITY_MIDDLEWARE.variables,
        is_flag=True,
        help="Skip the checks of Host and Origin.",
    ),
)
"""Who may ask a server: names, and pages of other sites."""
