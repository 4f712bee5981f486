"""The fluent API without an answer from the server."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

import millstream
from millstream.entities import RunStatus

Script = Callable[..., subprocess.CompletedProcess[str]]

PROGRAM = """
import numpy as np
import pandas as pd
import millstream
millstream.set_experiment("made offline")
with millstream.start_run(run_name="outer", tags={"a": 1}) as outer:
    millstream.log_param("p", 1)
    for step in range(100):
        millstream.log_metric("loss", float(step), step=step)
    millstream.log_text("text", "notes/a.txt")
    millstream.log_image(np.zeros((4, 4), np.uint8), key="k", step=2)
    millstream.log_input(millstream.data.from_pandas(pd.DataFrame({"x": [1]}), source="/x", name="d"), context="train")
    with millstream.start_run(nested=True) as inner:
        millstream.log_metric("x", 1.0)
    assert millstream.active_run().info.run_name == "outer"
print(outer.info.run_id, inner.info.run_id)
"""


def test_runs_that_were_made_offline_are_complete_once_they_are_sent(
    script: Script, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MILLSTREAM_TRACKING_URI", server)
    done = script(PROGRAM, MILLSTREAM_OFFLINE="1", MILLSTREAM_FLUSH_TIMEOUT="1")
    outer, inner = done.stdout.split()
    script("from millstream.client.sync import sync; sync()")
    run = millstream.get_run(outer)
    assert run.info.status == RunStatus.FINISHED
    assert run.data.metrics == {"loss": 99.0}
    assert run.data.params == {"p": "1"}
    assert run.data.tags["a"] == "1"
    assert run.inputs is not None
    assert [link.dataset.name for link in run.inputs.dataset_inputs] == ["d"]
    assert millstream.get_run(inner).data.tags["mlflow.parentRunId"] == outer
    assert millstream.get_experiment(run.info.experiment_id).name == "made offline"
    assert millstream.artifacts.load_text(f"runs:/{outer}/notes/a.txt") == "text"
    assert len(millstream.MillstreamClient().list_artifacts(outer, "images")) == 2


def test_a_training_goes_on_while_the_server_is_down_and_says_where_it_is_kept(script: Script) -> None:
    done = script(
        PROGRAM,
        MILLSTREAM_TRACKING_URI="http://127.0.0.1:9",
        MILLSTREAM_FLUSH_TIMEOUT="0.5",
        MLFLOW_HTTP_REQUEST_MAX_RETRIES="0",
    )
    assert len(done.stdout.split()) == 2
    assert "does not answer" in done.stderr
    assert "journals" in done.stderr
    assert "millstream sync" in done.stderr
