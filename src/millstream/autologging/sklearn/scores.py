"""Metrics and plots of a trained scikit-learn estimator over its own training data, under MLflow's names.

A classifier or regressor predicts once (and once more for probabilities); what follows from those is not computed again.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from millstream.autologging import charts
from millstream.autologging.training import Training

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

PREFIX = "training_"


class Data(NamedTuple):
    """What an estimator was trained with."""

    x: Any
    y: Any
    weights: Any


def log(training: Training, data: Data, dataset: tuple[str, str] | None) -> None:
    """Log what the estimator's kind has metrics for: classifiers, regressors, and whatever else has a `score`."""
    from sklearn.base import is_classifier, is_regressor

    estimator = training.instance
    if data.x is None or data.y is None or not hasattr(estimator, "predict"):
        return
    if is_classifier(estimator):
        predicted = estimator.predict(data.x)
        metrics = _classifier(training, estimator, data, predicted)
    elif is_regressor(estimator):
        metrics = regression(data.y, estimator.predict(data.x), data.weights)
    else:
        return
    with training.attempt("training_score"):
        try:
            metrics["score"] = _score(estimator, data, metrics)
        except ValueError:
            if _outputs_of(data.y) is not Outputs.SEVERAL:  # a `score` that is the accuracy is not defined for those
                raise
    training.log_metrics({PREFIX + name: value for name, value in metrics.items()}, dataset=dataset)


def _score(estimator: Any, data: Data, metrics: dict[str, Any]) -> float:
    """`estimator.score`; where that is the mixin's, it is a metric that is known already."""
    from sklearn.base import ClassifierMixin, RegressorMixin

    score = getattr(type(_last(estimator)), "score", None)
    if score is ClassifierMixin.score and "accuracy_score" in metrics:
        return float(metrics["accuracy_score"])
    if score is RegressorMixin.score and "r2_score" in metrics:
        return float(metrics["r2_score"])
    if data.weights is not None:
        try:
            return float(estimator.score(data.x, data.y, sample_weight=data.weights))
        except TypeError:  # takes none
            pass
    return float(estimator.score(data.x, data.y))


def _last(estimator: Any) -> Any:
    """What a pipeline, or a search by the estimator's own score, leaves the scoring to."""
    while True:
        if hasattr(estimator, "steps") and hasattr(estimator, "named_steps"):
            estimator = estimator.steps[-1][1]
        elif hasattr(estimator, "best_estimator_") and getattr(estimator, "scoring", "") is None:
            estimator = estimator.best_estimator_
        else:
            return estimator


# ---------------------------------------------------------------- regressors


def regression(y: Any, predicted: Any, weights: Any = None) -> dict[str, float]:
    """The metrics of a regressor as `sklearn.metrics` defines them, means over outputs where there are several.

    Four calls of sklearn's would check the same arrays four times, 0.4 ms each.
    """
    import numpy as np

    true = np.asarray(y, dtype=np.float64)
    true = true.reshape(len(true), -1)
    errors = true - np.asarray(predicted, dtype=np.float64).reshape(len(true), -1)
    weight = None if weights is None else np.asarray(weights, dtype=np.float64)
    column = 1.0 if weight is None else weight[:, None]
    squares = np.average(errors**2, axis=0, weights=weight)
    residual = (column * errors**2).sum(axis=0)
    total = (column * (true - np.average(true, axis=0, weights=weight)) ** 2).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        r2 = np.where(total != 0, 1 - residual / total, np.where(residual == 0, 1.0, 0.0))
    return {
        "mean_squared_error": float(squares.mean()),
        "mean_absolute_error": float(np.average(np.abs(errors), axis=0, weights=weight).mean()),
        "r2_score": float(r2.mean()) if len(true) > 1 else float("nan"),
        "root_mean_squared_error": float(np.sqrt(squares.mean())),
    }


# ---------------------------------------------------------------- classifiers


class Outputs(Enum):
    """How much a classifier says of each row, and so what sklearn can measure of it."""

    ONE = "a class, for which there is all"
    LABELS = "each of several labels or not, for which there are precision, recall, F1 and accuracy"
    SEVERAL = "several classes, for which there is nothing"


def _outputs_of(y: Any) -> Outputs:
    import numpy as np
    from sklearn.utils.multiclass import type_of_target

    shape = np.shape(y)
    if len(shape) < 2 or shape[1] == 1:
        return Outputs.ONE
    return Outputs.LABELS if type_of_target(y) == "multilabel-indicator" else Outputs.SEVERAL


def _classifier(training: Training, estimator: Any, data: Data, predicted: Any) -> dict[str, Any]:
    """Metrics and plots of a classifier. Arrays go into sklearn's functions: those look long at anything else."""
    import numpy as np
    from sklearn import metrics

    label = training.settings.own["pos_label"]
    average = {"average": "weighted"} if label is None else {"average": "binary", "pos_label": label}
    outputs = _outputs_of(data.y)
    if outputs is Outputs.SEVERAL:
        return {}
    true, weights = data.y if hasattr(data.y, "tocsr") else np.asarray(data.y), data.weights
    found: dict[str, Any] = {}
    with training.attempt("precision, recall and F1"):
        precision, recall, f1, _ = metrics.precision_recall_fscore_support(
            true, predicted, sample_weight=weights, **average
        )
        found.update(precision_score=precision, recall_score=recall, f1_score=f1)
    with training.attempt("the accuracy"):
        found["accuracy_score"] = metrics.accuracy_score(true, predicted, sample_weight=weights)
    if outputs is Outputs.LABELS:
        return found
    with training.attempt("training_confusion_matrix.png"):
        labels = np.unique(np.concatenate([true.ravel(), np.asarray(predicted).ravel()])).tolist()
        counts = metrics.confusion_matrix(true, predicted, labels=labels, sample_weight=weights)
        _log_png(training, charts.confusion_matrix(counts.tolist(), labels), "confusion_matrix")
    shares = margins = None
    with training.attempt("metrics of probabilities"):
        if hasattr(estimator, "predict_proba"):
            shares = estimator.predict_proba(data.x)
            found["log_loss"] = metrics.log_loss(true, shares, sample_weight=weights)
        if len(getattr(estimator, "classes_", ())) == 2:
            margins = shares[:, 1] if shares is not None else _margins(estimator, data.x)
        elif shares is not None:
            found["roc_auc"] = metrics.roc_auc_score(true, shares, average="weighted", multi_class="ovo")
    if margins is not None:
        with training.attempt("the curves"):
            area = _log_curves(training, true, margins, estimator.classes_[1], weights)
            if shares is not None:
                found["roc_auc"] = area
    return found


def _margins(estimator: Any, x: Any) -> Any:
    """What ranks the rows of a classifier of two classes that has no probabilities."""
    return estimator.decision_function(x) if hasattr(estimator, "decision_function") else None


def _log_curves(training: Training, true: Array, margins: Array, positive: Any, weights: Any) -> float:
    """The ROC and precision-recall curves of two classes; returns the area below the first."""
    import numpy as np
    from sklearn import metrics

    rates = metrics.roc_curve(true, margins, pos_label=positive, sample_weight=weights)
    area = float(metrics.auc(rates[0], rates[1]))
    png = charts.curve(rates[0], rates[1], "False positive rate", "True positive rate", f"AUC = {area:.3f}")
    _log_png(training, png, "roc_curve")
    precision, recall, _ = metrics.precision_recall_curve(true, margins, pos_label=positive, sample_weight=weights)
    average = float(-np.sum(np.diff(recall) * precision[:-1]))
    _log_png(
        training,
        charts.curve(recall, precision, "Recall", "Precision", f"AP = {average:.3f}"),
        "precision_recall_curve",
    )
    return area


def _log_png(training: Training, png: bytes | None, name: str) -> None:
    if png is not None:
        training.log_bytes(png, f"{PREFIX}{name}.png")
