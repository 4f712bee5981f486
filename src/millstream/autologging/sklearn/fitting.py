"""What a training of a scikit-learn estimator records."""

from __future__ import annotations

from typing import Any

from millstream.autologging.sklearn import afterwards, scores, searches
from millstream.autologging.sklearn.estimators import is_search, names_of
from millstream.autologging.sklearn.scores import Data
from millstream.autologging.training import Steps, Training, first_rows
from millstream.errors import InvalidState

CHECKED_VALUES = 2048
"""So many values of the inputs are looked at to see whether a training changed them."""


def fit(training: Training) -> Steps:
    """The observer of `fit`, `fit_transform` and `fit_predict`."""
    estimator = training.instance
    data = _data(training)
    training.start(names_of(estimator))
    with training.attempt("the params"):
        training.log_params(estimator.get_params(deep=not is_search(estimator)))
    dataset = example = before = None
    if data.x is not None:
        with training.attempt("the dataset"):
            if training.settings.log_datasets:
                dataset = training.log_dataset(data.x, "train", data.y)
        with training.attempt("the example"):
            if training.settings.log_models:
                example = first_rows(data.x)  # the only copy: a training may change its inputs in place
            before = _sample(data)
    training.start_model()
    afterwards.forget(estimator)

    yield

    with training.attempt("metrics of the training"):
        if before is not None and before != _sample(data):
            raise InvalidState(
                "The training changed its inputs in place, so metrics over them would mean nothing. Let it copy them "
                "(copy_X=True, copy=True) to get metrics."
            )
        scores.log(training, data, dataset)
    with training.attempt("estimator.html"):
        training.log_text(_html(estimator), "estimator.html")
    if is_search(estimator):
        searches.log(training, dataset, example)
    _log_model(training, estimator, example)
    if training.settings.own["log_post_training_metrics"]:
        afterwards.remember(estimator, training, dataset)


def _data(training: Training) -> Data:
    given = training.arguments()
    more = given.get("fit_params") or given.get("params") or given.get("kwargs") or {}
    x = given.get("X")
    return Data(x, given.get("y", given.get("Y")), given.get("sample_weight", more.get("sample_weight")))


def _sample(data: Data) -> list[bytes]:
    """A few values of the inputs, spread over all of them; cheap enough to be taken twice."""
    import numpy as np

    found = []
    for part in (data.x, data.y):
        values = part
        if hasattr(part, "iloc"):
            step = max(1, len(part) * (part.shape[1] if part.ndim > 1 else 1) // CHECKED_VALUES)
            values = part.iloc[::step].to_numpy()
        elif hasattr(part, "data") and hasattr(part, "indptr"):  # sparse
            values = part.data
        if not isinstance(values, np.ndarray) or values.size == 0:
            continue
        if isinstance(part, np.ndarray) and values.size > CHECKED_VALUES:
            rows = max(1, values.shape[0] * CHECKED_VALUES // values.size)
            values = values[:: max(1, values.shape[0] // rows)]
        found.append(repr(values.tolist()).encode() if values.dtype.hasobject else values.tobytes())
    return found


def _html(estimator: Any) -> str:
    from sklearn.utils import estimator_html_repr

    return str(estimator_html_repr(estimator))


def _log_model(training: Training, estimator: Any, example: Any) -> None:
    training.log_model(
        estimator,
        example,
        _prediction_of(estimator),
        registered_model_name=training.settings.registered_model_name,
        serialization_format=training.settings.own["serialization_format"],
    )


def _prediction_of(estimator: Any) -> Any:
    """What a signature's outputs are inferred from: predictions, else transformed rows; None if there is neither."""
    return getattr(estimator, "predict", None) or getattr(estimator, "transform", None)
