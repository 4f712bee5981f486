"""What a model really imports, seen in a clean process that loads it and, if asked to, lets it predict its example.

The model's author runs this when saving, so the child may load the model's pickles. Python modules of the program itself
can be imported there (the child has the parent's `sys.path`), but not its memory: what a model needs at loading time must be
importable, which is just what a reader of the model will find out otherwise.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from millstream import settings
from millstream.environments.capture import Captured, Request
from millstream.environments.installed import pinned, required_by
from millstream.environments.lines import OFFICIAL, OURS, parse
from millstream.environments.shape import import_shape
from millstream.errors import EnvironmentFailed

logger = logging.getLogger("millstream")

ALWAYS_PINNED = frozenset({"numpy", "scipy", "pandas"})
"""Pinned although others require them: a saved array or frame is read by these very versions."""


def infer_requirements(
    model_root: Path, flavor: str, defaults: Sequence[str], *, runs_example: bool = True
) -> list[str]:
    """The requirements of a saved model, sorted by name.

    Args:
        model_root: the model directory, with its MLmodel.
        flavor: how to load it where it has no `python_function`.
        defaults: what every model of this flavor needs: names, or whole requirement lines. They are always in the result.
        runs_example: let it predict its input example too, if it has one: that shows what is imported only then. A failure
            of that changes nothing.
    Returns:
        `name==<installed version>` of what it imports and others in the list do not bring along anyway. When the model
        cannot be loaded in time: `defaults` with their installed versions, after one warning.
    Raises:
        EnvironmentFailed: it could not be loaded, and REQUIREMENTS_INFERENCE_RAISE_ERRORS is set.
    """
    try:
        captured = capture(model_root, flavor, runs_example=runs_example)
    except EnvironmentFailed as error:
        if settings.REQUIREMENTS_INFERENCE_RAISE_ERRORS.get():
            raise
        fallback = sorted(pinned(default) for default in defaults)
        logger.warning(
            "What the model imports could not be seen, so its requirements are those of its flavor (%s). Give "
            "pip_requirements to name them yourself. %s",
            ", ".join(fallback), error.message,
        )  # fmt: skip
        return fallback
    return select(captured, defaults)


def infer_pip_requirements(
    model_uri: str | os.PathLike[str], flavor: str, fallback: Sequence[str] | None = None
) -> list[str]:
    """MLflow's name of the inference, for a model at any URI, whose code runs: trust its author.

    Args:
        fallback: what to give when the model cannot be loaded.
    Raises:
        EnvironmentFailed: it cannot be loaded, and there is no `fallback`.
    """
    from millstream.models import flavors
    from millstream.models.locations import fetch

    always = flavors.flavor(flavor).requirements if flavor in flavors.FLAVORS else ()
    try:
        return select(capture(fetch(model_uri), flavor), always)
    except EnvironmentFailed:
        if fallback is None:
            raise
        return list(fallback)


def select(captured: Captured, defaults: Sequence[str]) -> list[str]:
    """The lines to write for what was seen."""
    always = {line.name: line.text for line in parse(pinned(default) for default in defaults).lines}
    needed = (set(captured.needed) | set(always)) - OFFICIAL - {OURS}
    brought = {name: required_by([name]) - {name} for name in needed}
    by_others = required_by([OURS]).union(*brought.values())
    kept = {name for name in needed if name not in by_others or name in captured.direct}
    kept |= ALWAYS_PINNED & set(captured.loaded) & needed.union(*brought.values())
    return sorted([pinned(name) for name in kept - set(always)] + list(always.values()))


_seen: dict[tuple[str, str, bool], Captured] = {}
"""What was captured in this process, by the shape of the model; see `shape`."""

_MAX_SEEN = 256


def capture(model_root: Path, flavor: str, *, runs_example: bool = True) -> Captured:
    """What a model imports: seen in a clean process, or known from a model of the same shape. Raises EnvironmentFailed."""
    shape = import_shape(model_root)
    if shape is None:
        return _see(model_root, flavor, runs_example)
    key = (shape, flavor, runs_example)
    if key not in _seen:
        captured = _see(model_root, flavor, runs_example)
        if captured.direct or captured.local_files:  # code of the user's, which may change
            return captured
        if len(_seen) >= _MAX_SEEN:
            _seen.clear()
        _seen[key] = captured
    return _seen[key]


def _see(model_root: Path, flavor: str, runs_example: bool) -> Captured:
    timeout_s = (
        settings.INPUT_EXAMPLE_INFERENCE_TIMEOUT.get()
        if runs_example and (model_root / "input_example.json").exists()
        else settings.REQUIREMENTS_INFERENCE_TIMEOUT.get()
    )
    with tempfile.TemporaryDirectory(prefix="millstream-inference-") as folder:
        request = Request(
            model_root=str(model_root.resolve()),
            flavor=flavor,
            path=[os.path.abspath(entry) for entry in sys.path],
            answer=str(Path(folder) / "answer.json"),
            runs_example=runs_example,
        )
        run_child("millstream.environments.capture", msgspec.json.encode(request), timeout_s)
        try:
            return msgspec.json.decode(Path(request.answer).read_bytes(), type=Captured)
        except (OSError, msgspec.DecodeError):
            raise EnvironmentFailed("The process that loads the model ended without an answer", "") from None


def run_child(module: str, request: bytes, timeout_s: float) -> None:
    """Run `main()` of a module that loads a model, in a process that finds the modules that this one does.

    Args:
        request: what it reads from its standard input.
    Raises:
        EnvironmentFailed: it cannot be started, fails, or takes too long; then all that it started is ended too.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    try:
        child = subprocess.Popen(
            [sys.executable, "-c", f"from {module} import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,  # so that all that the model starts can be ended with it
        )
    except OSError as error:
        raise EnvironmentFailed(
            f"No process can be started with Python at {sys.executable!r} ({error.strerror})", ""
        ) from None
    try:
        output, _ = child.communicate(request, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)  # not reaped yet, so the number is still its own
        child.communicate()
        raise EnvironmentFailed(f"The model took longer than {timeout_s:g} s to load", "") from None
    if child.returncode:
        lines = output.decode(errors="replace").strip().splitlines()
        raise EnvironmentFailed("The model cannot be loaded in a process of its own", "\n".join(lines[-15:]))
