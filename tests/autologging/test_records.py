"""Every scenario records what the official autologgers record of it, but for the differences that are named.

`golden/` holds what mlflow 3.17.2 recorded; `record.py` says how to make it anew.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import millstream
from millstream.autologging import switch
from millstream.autologging.training import ERROR_TAG
from tests.autologging import scenarios
from tests.autologging.conftest import INSTALLED, only_run
from tests.autologging.differences import DIFFERENCES, expected

HERE = Path(__file__).parent
CASES = [(library, name) for library in INSTALLED for name in scenarios.names(library)]

WITHOUT_INFERENCE = dict.fromkeys(
    ("MILLSTREAM_REQUIREMENTS_INFERENCE_TIMEOUT", "MILLSTREAM_INPUT_EXAMPLE_INFERENCE_TIMEOUT"), "0.001"
)
"""Models get the requirements of their flavor: a record does not hold them, and seeing what each model imports takes three
quarters of the time."""


@pytest.fixture(scope="session")
def recorded() -> Callable[[str], dict[str, Any]]:
    """What we record of a library's scenarios, all run in one process."""

    @cache
    def record(library: str) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, str(HERE / "record.py"), "millstream", library],
            capture_output=True,
            text=True,
            env={**os.environ, "KERAS_BACKEND": "torch", "OMP_NUM_THREADS": "1", **WITHOUT_INFERENCE},
            timeout=600,
        )
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    return record


@cache
def golden(library: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((HERE / "golden" / f"{library}.json").read_text())
    return found


def unlike(wanted: Any, got: Any, place: str = "") -> list[str]:
    """Where two records differ; numbers may by what platforms differ."""
    if isinstance(wanted, dict) and isinstance(got, dict):
        return [
            line
            for key in sorted({*wanted, *got})
            for line in unlike(wanted.get(key, "nothing"), got.get(key, "nothing"), f"{place}/{key}")
        ]
    if isinstance(wanted, list) and isinstance(got, list) and len(wanted) == len(got):
        return [
            line
            for at, (one, other) in enumerate(zip(wanted, got, strict=True))
            for line in unlike(one, other, f"{place}[{at}]")
        ]
    if isinstance(wanted, float) and isinstance(got, float) and math.isclose(wanted, got, rel_tol=1e-4, abs_tol=1e-9):
        return []
    return [] if wanted == got else [f"{place}: wanted {wanted!r}, got {got!r}"]


@pytest.mark.parametrize(("library", "name"), CASES, ids=[name for _, name in CASES])
def test_a_training_is_recorded_as_by_the_official_package(
    library: str, name: str, recorded: Callable[[str], dict[str, Any]]
) -> None:
    assert not unlike(expected(library, name, golden(library)[name]), recorded(library)[name])


@pytest.mark.skipif("sklearn" not in INSTALLED, reason="scikit-learn is in the environment of `make test`")
@pytest.mark.parametrize(
    ("classifier", "kinds", "wanted"),
    [
        ("RandomForestClassifier", 2, ["accuracy_score", "f1_score", "precision_score", "recall_score", "score"]),
        ("RandomForestClassifier", 3, []),
        ("KNeighborsClassifier", 3, []),
        ("MLPClassifier", 2, ["accuracy_score", "f1_score", "precision_score", "recall_score", "score"]),
        ("MultiOutputClassifier", 3, ["score"]),
    ],
)
def test_a_classifier_of_several_outputs_has_the_metrics_that_there_are_for_those(
    classifier: str, kinds: int, wanted: list[str]
) -> None:
    import numpy as np
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.multioutput import MultiOutputClassifier
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.neural_network import MLPClassifier

    made: dict[str, Any] = {
        "RandomForestClassifier": RandomForestClassifier(3),
        "KNeighborsClassifier": KNeighborsClassifier(),
        "MLPClassifier": MLPClassifier(tol=1e9, n_iter_no_change=1),
        "MultiOutputClassifier": MultiOutputClassifier(RandomForestClassifier(3)),
    }
    switch("sklearn", log_models=False)
    x = np.arange(60.0).reshape(20, 3)
    made[classifier].fit(x, np.stack([np.arange(20) % kinds, np.arange(20) // 3 % kinds], axis=1))
    run = only_run()
    assert ERROR_TAG not in run.data.tags
    assert sorted(run.data.metrics) == [f"training_{name}" for name in wanted]


@pytest.mark.skipif("statsmodels" not in INSTALLED, reason="statsmodels is in the environment of `make test`")
def test_a_summary_that_has_no_text_of_its_own_is_written_as_it_prints() -> None:
    import numpy as np
    from statsmodels.tsa.api import VAR

    switch("statsmodels", log_models=False)
    VAR(np.random.default_rng(0).normal(size=(60, 2))).fit(1)
    run = only_run()
    assert ERROR_TAG not in run.data.tags
    text = millstream.artifacts.load_text(f"runs:/{run.info.run_id}/model_summary.txt")
    assert "Summary of Regression Results" in text


@pytest.mark.parametrize("difference", DIFFERENCES, ids=[each.reason[:40] for each in DIFFERENCES])
def test_every_named_difference_is_one(difference: Any) -> None:
    def changes(library: str, name: str) -> bool:
        before = json.dumps(golden(library)[name], sort_keys=True)
        record = json.loads(before)
        difference.change(name, record)
        return json.dumps(record, sort_keys=True) != before

    for library in difference.libraries:
        assert any(changes(library, name) for name in scenarios.names(library)), library
