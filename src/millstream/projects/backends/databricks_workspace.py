"""A Databricks workspace: files that are uploaded once by their content, and one-time runs of jobs.

Databricks' own SDK signs the requests (tokens, OAuth, the clouds' logins, profiles of ~/.databrickscfg) and tries again what may work
later. Contents go as the caller gives them, not through the SDK's classes, which drop what is newer than themselves.
"""

from __future__ import annotations

import configparser
import contextlib
import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from msgspec import Struct

from millstream.errors import InvalidValue, MillstreamError, MissingLibrary

PLACES = ("/Workspace/", "/Volumes/", "dbfs:/")
"""Where files can be uploaded to."""

RETRY_TIMEOUT_S = 120
_DBFS_BLOCK_BYTES = 700_000
"""DBFS takes a megabyte of base64 at a time."""


class DatabricksFailed(MillstreamError):
    """A workspace could not do what was asked of it.

    Attributes:
        is_passing: there was no answer; it may be another time.
    """

    code = "INVALID_STATE"

    def __init__(self, what: str, reason: str, is_passing: bool = False) -> None:
        super().__init__(f"{what}: {reason.strip().rstrip('.')}.")
        self.is_passing = is_passing


class State(Struct, frozen=True):
    """How a one-time run stands.

    Attributes:
        life_cycle: QUEUED, PENDING, RUNNING, TERMINATED ...
        result: SUCCESS, FAILED, CANCELED ...; "" before it has ended.
        message: of Databricks, for people.
        page: its address in a browser.
        task_run_id: of its only task, whose output can be had.
    """

    life_cycle: str
    result: str
    message: str
    page: str
    job_id: int | None
    task_run_id: int | None

    @property
    def has_ended(self) -> bool:
        return self.life_cycle in ("TERMINATED", "INTERNAL_ERROR", "SKIPPED")


def check_library() -> None:
    """Raises MissingLibrary if the SDK is not installed."""
    try:
        found = importlib.util.find_spec("databricks.sdk")
    except ModuleNotFoundError:  # `databricks` is a folder of many packages
        found = None
    if found is None:
        raise MissingLibrary("databricks-sdk", "The backend 'databricks'", "'millstream[databricks]'")


class Workspace:
    """One workspace."""

    def __init__(self, profile: str | None = None) -> None:
        """
        Args:
            profile: of ~/.databrickscfg; None is what the environment says (DATABRICKS_HOST and others), else DEFAULT.
        Raises:
            InvalidValue: nothing says which workspace, or who asks.
        """
        from databricks.sdk.core import ApiClient, Config

        if profile is not None:
            _check_profile(profile)
        try:
            config = Config(profile=profile, retry_timeout_seconds=RETRY_TIMEOUT_S)
        except ValueError as error:
            raise InvalidValue(
                f"No workspace of Databricks can be reached: {error} Set DATABRICKS_HOST and DATABRICKS_TOKEN, or name a "
                "profile of ~/.databrickscfg in DATABRICKS_CONFIG_PROFILE or as 'profile' in the backend's configuration."
            ) from None
        self.host: str = config.host
        self._api = ApiClient(config)

    def own_folder(self) -> str:
        """Where Millstream keeps its files in the user's folder of the workspace."""
        user = self._ask("GET", "/api/2.0/preview/scim/v2/Me", "Who asks")["userName"]
        return f"/Workspace/Users/{user}/.millstream"

    # ------------------------------------------------------------ files

    def upload(self, file: Path, path: str) -> bool:
        """Upload a file if there is none of its size at the path; whether that was necessary.

        Args:
            path: below one of `PLACES`, named after the file's content.
        """
        size = file.stat().st_size
        if path.startswith("/Volumes/"):
            if self._size_in_volume(path) == size:
                return False
            with file.open("rb") as content, _failing(f"Uploading to {path!r}"):
                self._api.do(
                    "PUT",
                    f"/api/2.0/fs/files{path}",
                    query={"overwrite": "true"},
                    headers={"Content-Type": "application/octet-stream"},
                    data=content,
                )
        elif path.startswith("dbfs:/"):
            if self._size_at("/api/2.0/dbfs/get-status", path.removeprefix("dbfs:"), "file_size") == size:
                return False
            self._put_into_dbfs(file, path.removeprefix("dbfs:"))
        else:
            if self._size_at("/api/2.0/workspace/get-status", path, "size") == size:
                return False
            self._ask(
                "POST", "/api/2.0/workspace/mkdirs", f"Uploading to {path!r}", {"path": str(PurePosixPath(path).parent)}
            )
            with file.open("rb") as content, _failing(f"Uploading to {path!r}"):
                self._api.do(
                    "POST",
                    "/api/2.0/workspace/import",
                    data={"path": path, "format": "AUTO", "overwrite": "true"},
                    files={"content": content},
                )
        return True

    def _size_at(self, endpoint: str, path: str, key: str) -> int | None:
        """The size of a file; None if there is none."""
        from databricks.sdk.errors import NotFound

        with _failing(f"Looking for {path!r}"), contextlib.suppress(NotFound):
            found: Any = self._api.do("GET", endpoint, query={"path": path})
            return int(found.get(key, -1))
        return None

    def _size_in_volume(self, path: str) -> int | None:
        from databricks.sdk.errors import NotFound

        with _failing(f"Looking for {path!r}"), contextlib.suppress(NotFound):
            found: Any = self._api.do("HEAD", f"/api/2.0/fs/files{path}", response_headers=["content-length"])
            return int(found.get("content-length", -1))
        return None

    def _put_into_dbfs(self, file: Path, path: str) -> None:
        import base64

        what = f"Uploading to 'dbfs:{path}'"
        handle = self._ask("POST", "/api/2.0/dbfs/create", what, {"path": path, "overwrite": True})["handle"]
        with file.open("rb") as content:
            while block := content.read(_DBFS_BLOCK_BYTES):
                data = base64.b64encode(block).decode()
                self._ask("POST", "/api/2.0/dbfs/add-block", what, {"handle": handle, "data": data})
        self._ask("POST", "/api/2.0/dbfs/close", what, {"handle": handle})

    # ------------------------------------------------------------ runs

    def submit(self, body: dict[str, Any]) -> int:
        """Start a one-time run; its id. A second time with the same `idempotency_token` it is the same run."""
        return int(self._ask("POST", "/api/2.2/jobs/runs/submit", "The run cannot be submitted", body)["run_id"])

    def state(self, run_id: int) -> State:
        run = self._ask("GET", "/api/2.2/jobs/runs/get", f"The run {run_id} cannot be read", query={"run_id": run_id})
        state, tasks = run.get("state", {}), run.get("tasks") or [{}]
        return State(
            state.get("life_cycle_state", ""),
            state.get("result_state", ""),
            state.get("state_message", ""),
            run.get("run_page_url", ""),
            run.get("job_id"),
            tasks[0].get("run_id"),
        )

    def output(self, task_run_id: int) -> tuple[str, str]:
        """What the run of a task has printed (of much only the end), and the error that it ended with."""
        found = self._ask(
            "GET", "/api/2.2/jobs/runs/get-output", "The output cannot be read", query={"run_id": task_run_id}
        )
        return found.get("logs") or "", found.get("error") or ""

    def cancel(self, run_id: int) -> None:
        """Begin to end a run; one that has ended stays as it is."""
        self._ask("POST", "/api/2.2/jobs/runs/cancel", f"The run {run_id} cannot be cancelled", {"run_id": run_id})

    def _ask(
        self, verb: str, path: str, what: str, body: dict[str, Any] | None = None, query: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        with _failing(what):
            answer: dict[str, Any] = self._api.do(verb, path, query=query, body=body)
            return answer


def _check_profile(profile: str) -> None:
    """Raises InvalidValue where the SDK would go on without the profile: if it is not there, or the environment says otherwise."""
    file = Path(os.environ.get("DATABRICKS_CONFIG_FILE") or "~/.databrickscfg").expanduser()
    known = configparser.ConfigParser(interpolation=None)
    known.read(file)
    if profile not in (*known.sections(), known.default_section):
        raise InvalidValue(f"{str(file)!r} has no profile {profile!r}.")
    for name in ("DATABRICKS_HOST", "DATABRICKS_TOKEN"):
        if os.environ.get(name):
            raise InvalidValue(
                f"{name} is set and would count more than the profile {profile!r}. Unset it, or name no profile."
            )


@contextlib.contextmanager
def _failing(what: str) -> Iterator[None]:
    """The SDK's errors as ours."""
    import requests
    from databricks.sdk.errors import DatabricksError

    try:
        yield
    except DatabricksError as error:
        raise DatabricksFailed(what, str(error)) from None
    except (TimeoutError, requests.RequestException) as error:  # the former after tries for RETRY_TIMEOUT_S
        raise DatabricksFailed(what, f"the workspace does not answer ({error})", is_passing=True) from None
    except ValueError as error:  # a login that broke
        raise DatabricksFailed(what, str(error)) from None
