"""Predicting once, from a file or from data, as the server would answer: `millstream models predict`.

With another environment than the running one, the model predicts in a process of that environment. The process gets its task as a file
and leaves its outcome as one, so whatever the model prints does no harm.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from millstream.errors import BadRequest, InvalidValue, MillstreamError, from_wire
from millstream.serving import surroundings
from millstream.serving.media import Form
from millstream.serving.scorer import ModelFailed, Options

CONTENT_TYPES = {"json": Form.JSON, "csv": Form.CSV, "parquet": Form.PARQUET, "arrow": Form.ARROW_STREAM}


def predict(
    model_uri: str,
    input_data: Any = None,
    input_path: str | os.PathLike[str] | None = None,
    content_type: str = "json",
    output_path: str | os.PathLike[str] | None = None,
    env_manager: str | None = None,
    install_mlflow: bool = False,
    pip_requirements_override: Sequence[str] | None = None,
    extra_envs: Mapping[str, str] | None = None,
    *,
    trust: bool | None = None,
    bare_tokens: bool = False,
) -> None:
    """Predict once and write the answer as the server would send it.

    Args:
        input_data: a frame, array, list, dict or scalar, or the text of a request.
        input_path: a file with a request in its place; standard input if neither is given.
        content_type: of the file: json, csv, parquet or arrow.
        output_path: a file for the answer; standard output if not given.
        env_manager: uv, virtualenv or conda make the model's environment again and predict in it; local is the running one.
            None is uv, or virtualenv where there is no uv.
        install_mlflow: kept for compatibility; Millstream is always installed beside the model's requirements.
        pip_requirements_override: requirement lines in place of the model's own for the same distributions.
        extra_envs: environment variables for the process that predicts.
        trust: whether code that came with the model may run; None asks the setting.
        bare_tokens: write NaN and infinities as MLflow does.
    Raises:
        InvalidValue: two inputs, or none that can be read.
        BadRequest: the input is none of the forms, or the model failed at it.
        EnvironmentFailed: the environment cannot be made.
    """
    if content_type not in CONTENT_TYPES:
        raise InvalidValue(f"The content type is {content_type!r}; it can be {', '.join(CONTENT_TYPES)}.")
    if input_data is not None and input_path is not None:
        raise InvalidValue("Give input_data or input_path, not both.")
    body = _body(input_data) if input_data is not None else surroundings.read_input(_text(input_path))
    if pip_requirements_override and surroundings.is_local(env_manager):
        raise InvalidValue(
            "Other requirements need another environment: pip_requirements_override with uv, not with local."
        )
    task = Task(model_uri, CONTENT_TYPES[content_type], trust, bare_tokens)
    if surroundings.is_local(env_manager) and not extra_envs:
        answer = task.run(body)
    else:
        answer = _in_process(task, body, env_manager, pip_requirements_override or (), dict(extra_envs or {}))
    if output_path is not None:
        Path(output_path).write_bytes(answer)
    else:
        print(answer.decode(), flush=True)


def validate_serving_input(model_uri: str, serving_input: str | Mapping[str, Any], *, trust: bool | None = None) -> Any:
    """What a model predicts for a request, as the server would read it: to be sure that the request is right.

    Args:
        serving_input: the text of a request, or the object in it.
        trust: whether code that came with the model may run; None asks the setting.
    Raises:
        BadRequest, InvalidValue: the request is none that the model takes.
        ModelFailed: the model failed at it.
    """
    from millstream.serving.loading import load

    text = serving_input if isinstance(serving_input, str) else json.dumps(serving_input)
    scorer = load(model_uri, trust, warms=False)
    return scorer.predict(scorer.read(text.encode(), Form.JSON))


def _text(path: str | os.PathLike[str] | None) -> str | None:
    return None if path is None else os.fspath(path)


def _body(data: Any) -> bytes:
    """Data as a request. Text that is a request already is taken as it is."""
    from millstream.models.examples import serving_payload
    from millstream.serving.forms import CHAT_KEYS, DATA_KEYS

    if isinstance(data, str):
        try:
            value = json.loads(data)
        except ValueError:
            value = None
        if isinstance(value, dict) and any(key in value for key in (*DATA_KEYS, *CHAT_KEYS)):
            return data.encode()
    return serving_payload(data).encode()


class Task(Struct, frozen=True):
    """What to predict with."""

    model_uri: str
    form: Form
    trust: bool | None
    bare_tokens: bool

    def run(self, body: bytes) -> bytes:
        """The answer to a request, in this process. Raises MillstreamError."""
        from millstream.serving import loading

        scorer = loading.load(self.model_uri, self.trust, Options(bare_tokens=self.bare_tokens), warms=False)
        try:
            return scorer.answer(body, self.form)
        except ModelFailed as error:
            cause = error.__cause__
            raise BadRequest(f"The model failed at this input: {type(cause).__name__}: {cause}") from cause


class _Outcome(Struct):
    answer: bytes = b""
    status: int = 0
    error_code: str = ""
    message: str = ""


def _in_process(
    task: Task, body: bytes, env_manager: str | None, overrides: Sequence[str], more: dict[str, str]
) -> bytes:
    from millstream.models.locations import fetch

    root = fetch(task.model_uri).absolute()  # once, and what is downloaded here needs no credentials there
    environment = surroundings.prepare_env(str(root), env_manager, overrides)
    with tempfile.TemporaryDirectory(prefix="millstream-predict-") as folder:
        where = Path(folder)
        (where / "task").write_bytes(msgspec.json.encode(msgspec.structs.replace(task, model_uri=str(root))))
        (where / "body").write_bytes(body)
        command = [str(environment.python), "-m", "millstream.serving.prediction", folder]
        done = subprocess.run(
            command, stdout=sys.stderr.fileno() if _has_fd(sys.stderr) else None, env={**environment.variables(), **more}, check=False
        )  # fmt: skip
        outcome_file = where / "outcome"
        if not outcome_file.exists():
            raise MillstreamError(
                f"The process that was to predict ended with status {done.returncode}; it says why above."
            )
        outcome = msgspec.json.decode(outcome_file.read_bytes(), type=_Outcome)
    if outcome.error_code:
        raise from_wire(outcome.status, outcome.error_code, outcome.message)
    return outcome.answer


def _has_fd(stream: Any) -> bool:
    try:
        stream.fileno()
    except (OSError, AttributeError, ValueError):
        return False
    return True


def _main(folder: Path) -> None:
    task = msgspec.json.decode((folder / "task").read_bytes(), type=Task)
    try:
        outcome = _Outcome(task.run((folder / "body").read_bytes()))
    except MillstreamError as error:
        outcome = _Outcome(status=error.status, error_code=error.error_code, message=error.message)
    (folder / "outcome").write_bytes(msgspec.json.encode(outcome))


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
