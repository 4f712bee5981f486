"""Asks the official scoring server all requests of the corpus and writes golden.json: python -m tests.serving.record

The models are saved by the official package and served by `mlflow models serve --env-manager local`, each in a server of its own.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.compat.environments import OFFICIAL
from tests.compat.servers import clean_environment, free_port
from tests.serving.corpus import Case, cases

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def environment() -> dict[str, str]:
    folder = OFFICIAL["3.17"].python().parent
    return clean_environment(PYTHONPATH=str(ROOT), PATH=f"{folder}:{os.environ['PATH']}")


@contextlib.contextmanager
def official(model: Path) -> Iterator[int]:
    """`mlflow models serve` of one model; gives its port once it answers."""
    port = free_port()
    command = [
        str(OFFICIAL["3.17"].python().with_name("mlflow")), "models", "serve", "-m", str(model), "-p", str(port),
        "--env-manager", "local",
    ]  # fmt: skip
    with open(model.with_suffix(".log"), "wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, env=environment(), cwd=model.parent, start_new_session=True
        )
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                connection.request("GET", "/ping")
                if connection.getresponse().status == 200:
                    break
            except OSError:
                pass
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(model.with_suffix(".log").read_text()[-3000:])
            time.sleep(0.1)
        yield port
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


def ask(port: int, case: Case) -> dict[str, Any]:
    """Status, content type and body of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = dict(case.headers)
    if case.content_type is not None:
        headers["Content-Type"] = case.content_type
    connection.request("POST", "/invocations", body=case.body, headers=headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    try:
        body = json.loads(text)
    except ValueError:
        body = {"text": text}
    if isinstance(body, dict):
        body.pop("stack_trace", None)
    return {"status": answer.status, "type": answer.getheader("content-type"), "body": body}


def main() -> None:
    wanted = set(sys.argv[1:])
    golden_file = HERE / "golden.json"
    golden = json.loads(golden_file.read_text()) if golden_file.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        code = (
            f"from pathlib import Path; from tests.serving.models import save_all; save_all('mlflow', Path({folder!r}))"
        )
        subprocess.run([str(OFFICIAL["3.17"].python()), "-c", code], check=True, cwd=ROOT, env=environment())
        by_model: dict[str, list[Case]] = {}
        for case in cases():
            by_model.setdefault(case.model, []).append(case)
        for model, asked in by_model.items():
            if wanted and model not in wanted:
                continue
            with official(Path(folder) / model) as port:
                for case in asked:
                    golden[case.name] = ask(port, case)
            print(model, len(asked), flush=True)
    names = {case.name for case in cases()}
    golden = {name: answer for name, answer in sorted(golden.items()) if name in names}
    golden_file.write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
