"""How git is called: by argument lists, with nobody's settings but the user's, and without ever waiting for somebody to type."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from urllib.parse import urlsplit, urlunsplit

from millstream import settings
from millstream.errors import ProjectNotFetched

OLDEST = (2, 31)
"""The first git that takes settings from variables, which hides credentials and reaches every name of a filter."""

REMOTE = "http:https:ssh:git"
LOCAL = f"{REMOTE}:file"
NONE = "none"
"""Transports that git may use: an allow-list of its own, which no setting of a repository overrides."""

_OPTIONS = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "safe.bareRepository": "explicit",  # a folder in a project that looks like one is none
    "protocol.version": "2",  # lets a commit be asked for by its hash
    "gc.auto": "0",
    "maintenance.auto": "false",
    "advice.detachedHead": "false",
    "diff.noprefix": "false",
    "diff.mnemonicPrefix": "false",
}
_KEPT_VARIABLES = re.compile(
    "GIT_(SSH|SSH_COMMAND|SSH_VARIANT|ASKPASS|EXEC_PATH|SSL_.*|HTTP_.*|PROXY_.*|CONFIG_(GLOBAL|SYSTEM|NOSYSTEM|COUNT|KEY_.*|VALUE_.*))"
)
"""The user's way to repositories. The other variables of git would lead it to another repository, as in a hook."""

INSPECTION_TIMEOUT_S = 60.0


class Git:
    """Calls git.

    Args:
        uri: the project, for errors.
        transports: what may be used, as GIT_ALLOW_PROTOCOL takes it.
        options: further settings; they reach git by variables, which nobody else sees.
    """

    def __init__(self, uri: str, transports: str, options: Mapping[str, str] | None = None) -> None:
        self.uri = uri
        self.inherited: tuple[int, ...] = ()
        self._program = _program(uri)
        self._environment = _environment(transports, options or {})

    def __call__(self, *arguments: str, files: bool = False) -> str:
        """What a command prints.

        Args:
            files: repositories on this machine may be fetched from, too.
        Raises: ProjectNotFetched: it failed, or took too long.
        """
        environment = self._environment | ({"GIT_ALLOW_PROTOCOL": LOCAL} if files else {})
        process = self._start(arguments, environment, subprocess.PIPE)
        timeout_s = settings.PROJECT_FETCH_TIMEOUT.get()
        try:
            out, err = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise ProjectNotFetched(
                self.uri, f"git took longer than {timeout_s:g} s (MILLSTREAM_PROJECT_FETCH_TIMEOUT)"
            ) from None
        finally:
            _end(process)
        if process.returncode:
            reason = err.decode(errors="replace").strip() or f"git ended with status {process.returncode}"
            raise ProjectNotFetched(self.uri, reason[-2000:])
        return os.fsdecode(out)

    def try_(self, *arguments: str) -> str | None:
        """What a command prints; None if it fails."""
        try:
            return self(*arguments)
        except ProjectNotFetched:
            return None

    def succeeds(self, *arguments: str) -> bool:
        return self.try_(*arguments) is not None

    def start_of_output(self, count: int, *arguments: str) -> bytes:
        """The first bytes that a command prints, which is then ended. Raises ProjectNotFetched."""
        process = self._start(arguments, self._environment, subprocess.DEVNULL)
        assert process.stdout is not None
        timer = threading.Timer(INSPECTION_TIMEOUT_S, lambda: os.killpg(process.pid, signal.SIGKILL))
        timer.start()
        try:
            content = process.stdout.read(count)
            status = process.wait() if len(content) < count else 0
        finally:
            timer.cancel()
            _end(process)
        if status:
            raise ProjectNotFetched(
                self.uri, f"git {arguments[2]} failed or took longer than {INSPECTION_TIMEOUT_S:g} s"
            )
        return content

    def _start(self, arguments: Sequence[str], environment: Mapping[str, str], errors: int) -> subprocess.Popen[bytes]:
        options = [part for name, value in _OPTIONS.items() for part in ("-c", f"{name}={value}")]
        return subprocess.Popen(
            [self._program, *options, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            pass_fds=self.inherited,
            start_new_session=True,  # without a terminal, so nothing that it starts asks there and waits
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    """See that nothing is left of a command."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def _environment(transports: str, options: Mapping[str, str]) -> dict[str, str]:
    found = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or _KEPT_VARIABLES.fullmatch(name)
    }
    count = int(found.get("GIT_CONFIG_COUNT") or 0)
    for index, (name, value) in enumerate(options.items(), count):
        found[f"GIT_CONFIG_KEY_{index}"], found[f"GIT_CONFIG_VALUE_{index}"] = name, value
    return found | {
        "GIT_CONFIG_COUNT": str(count + len(options)),
        "GIT_ALLOW_PROTOCOL": transports,
        "GIT_TERMINAL_PROMPT": "0",
        "GCM_INTERACTIVE": "never",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_OPTIONAL_LOCKS": "0",
    }


def _program(uri: str) -> str:
    try:
        return _checked_program()
    except (OSError, ValueError) as error:
        raise ProjectNotFetched(uri, f"{error}. Install git {OLDEST[0]}.{OLDEST[1]} or later") from None


@cache
def _checked_program() -> str:
    said = subprocess.run(["git", "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"(\d+)\.(\d+)", said)
    if found is None or (int(found[1]), int(found[2])) < OLDEST:
        raise ValueError(f"{said.strip() or 'git'} is too old")
    return "git"


def without_credentials(url: str) -> tuple[str, dict[str, str]]:
    """An address without the user and password in it, and the settings that put them in again when git connects."""
    parts = urlsplit(url)
    user_info, at, host = parts.netloc.rpartition("@")
    if not at or parts.scheme not in ("http", "https"):
        return url, {}
    clean = urlunsplit(parts._replace(netloc=host))
    return clean, {f"url.{parts.scheme}://{user_info}@{host}/.insteadOf": f"{parts.scheme}://{host}/"}
