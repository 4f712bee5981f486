"""What searches over params (`GridSearchCV` and its kin) record besides: the best candidate, all results, and a child run for
each of the best candidates."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from millstream.autologging.sklearn.estimators import names_of
from millstream.autologging.training import AUTOLOGGING_TAG, Training, is_number
from millstream.entities import PARENT_RUN_TAG
from millstream.tracking.context import resolve_tags

BEST_MODEL_NAME = "best_estimator"


def log(training: Training, dataset: tuple[str, str] | None, example: Any) -> None:
    """Record a search that has ended."""
    search = training.instance
    with training.attempt("the best candidate"):
        _log_best(training, dataset)
    with training.attempt("cv_results.csv"):
        training.log_text(_as_csv(search.cv_results_), "cv_results.csv")
    best_id = None
    if training.settings.log_models and hasattr(search, "best_estimator_"):
        with training.attempt("the announcement of the best model"):
            best_id = training.announce(BEST_MODEL_NAME)
    with training.attempt("the runs of candidates"):
        _log_candidates(training, dataset, best_id)
    if best_id is not None:
        training.log_model(
            search.best_estimator_,
            example,
            getattr(search.best_estimator_, "predict", None),
            name=BEST_MODEL_NAME,
            model_id=best_id,
            params=training.texts(search.best_estimator_.get_params(deep=True)),
            serialization_format=training.settings.own["serialization_format"],
        )


def _log_best(training: Training, dataset: tuple[str, str] | None) -> None:
    search = training.instance
    if hasattr(search, "best_params_"):
        training.log_params({f"best_{name}": value for name, value in search.best_params_.items()})
    if hasattr(search, "best_score_"):
        training.log_metrics({"best_cv_score": search.best_score_}, dataset=dataset)


def _as_csv(results: Mapping[str, Any]) -> str:
    """A row for each candidate; a param that a candidate does not have is empty."""
    import numpy as np

    columns = [
        [None if hidden else value for value, hidden in zip(np.asarray(values).tolist(), np.ma.getmaskarray(values), strict=True)]
        if isinstance(values, np.ndarray)
        else list(values)
        for values in results.values()
    ]  # fmt: skip
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(results)
    writer.writerows(zip(*columns, strict=True))
    return out.getvalue()


def _log_candidates(training: Training, dataset: tuple[str, str] | None, best_id: str | None) -> None:
    search, results = training.instance, training.instance.cv_results_
    ranks = results.get(_rank_name(search, results))
    candidates = list(range(len(results["params"])))
    if ranks is not None:
        candidates.sort(key=lambda at: ranks[at])
    most = training.settings.own["max_tuning_runs"]
    if most is not None and most < len(candidates):
        candidates = candidates[: max(0, most)]
    best = getattr(search, "best_index_", None)
    for at in candidates:
        with training.attempt("the run of a candidate"):
            _log_candidate(training, at, dataset, best_id if at == best else None)


def _rank_name(search: Any, results: Mapping[str, Any]) -> str:
    """The column that orders candidates: with several scores the one that the search refits by, else the first."""
    refit = getattr(search, "refit", None)
    if isinstance(refit, str) and f"rank_test_{refit}" in results:
        return f"rank_test_{refit}"
    return next((name for name in results if name.startswith("rank_test_")), "")


def _log_candidate(training: Training, at: int, dataset: tuple[str, str] | None, model_id: str | None) -> None:
    search, results, opened = training.instance, training.instance.cv_results_, training.opened
    tags = {AUTOLOGGING_TAG: "sklearn", PARENT_RUN_TAG: opened.run_id, **names_of(search.estimator)}
    params = {**search.estimator.get_params(deep=True), **results["params"][at]}
    metrics = {
        name: values[at]
        for name, values in results.items()
        if not name.startswith(("param", "split")) and is_number(values[at])
    }
    run = opened.recorder.create_run(
        opened.run.info.experiment_id,
        tags=resolve_tags(tags),
        start_time=opened.run.info.start_time,
        user_id=opened.run.info.user_id,
    )
    child = run.info.run_id
    opened.recorder.log_params(child, training.texts(params))
    opened.recorder.log_inputs(child, training.inputs)
    for name, value in metrics.items():
        opened.recorder.series(child, name, model_id, *(dataset or (None, None)))(float(value))
    opened.recorder.end_run(child, wait=False)
