"""Recording never changes a training: not its result, errors, warnings or random numbers, whatever fails in it."""

from __future__ import annotations

import errno
import logging
import pickle
import random
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import millstream
from millstream.artifacts.local import LocalSink
from millstream.autologging import switch
from millstream.client.transport import LocalTransport
from millstream.errors import Unavailable
from tests.autologging.conftest import INSTALLED, only_run, runs
from tests.autologging.scenarios import QUIET, classes, table

pytestmark = pytest.mark.skipif("sklearn" not in INSTALLED, reason="scikit-learn is in the environment of `make test`")


class Outcome(NamedTuple):
    """All that a program can see of a training."""

    result: Any
    error: str | None
    warnings: list[tuple[str, type[Warning]]]
    random_numbers: tuple[float, float]


def outcome(train: Callable[[], Any]) -> Outcome:
    random.seed(1)
    np.random.seed(1)
    result = error = None
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        try:
            result = train()
        except Exception as failure:
            error = f"{type(failure).__name__}: {failure}"
    told = [(str(each.message), each.category) for each in seen if each.category is not ResourceWarning]
    return Outcome(result, error, told, (random.random(), float(np.random.rand())))


def unrecorded(train: Callable[[], Any]) -> Outcome:
    """Without recording; the second time, as the import of a library may draw random numbers."""
    outcome(train)
    return outcome(train)


def sklearn_classifier() -> Any:
    from sklearn.linear_model import LogisticRegression

    x, y = classes(2)
    model = LogisticRegression(max_iter=2).fit(x, y)  # warns: it does not converge
    return model.predict_proba(x).tolist(), model.score(x, y)


def sklearn_random_forest() -> Any:
    from sklearn.ensemble import RandomForestRegressor

    x, y = table()
    return RandomForestRegressor(n_estimators=3).fit(x, y).predict(x).tolist()  # draws global random numbers


def sklearn_search() -> Any:
    from sklearn.model_selection import GridSearchCV
    from sklearn.tree import DecisionTreeClassifier

    x, y = classes(3)
    search = GridSearchCV(DecisionTreeClassifier(random_state=0), {"max_depth": [1, 2]}, cv=2).fit(x, y)
    return search.best_params_, search.predict(x).tolist()


def sklearn_failure() -> Any:
    from sklearn.linear_model import LinearRegression

    x, y = table()
    return LinearRegression().fit(x, y[:5])


def sklearn_metrics() -> Any:
    import sklearn.metrics
    from sklearn.linear_model import LinearRegression

    x, y = table()
    predicted = LinearRegression().fit(x, y).predict(x)
    return sklearn.metrics.r2_score(y, predicted), sklearn.metrics.max_error(y_true=y, y_pred=predicted)


def xgboost_booster() -> Any:
    import xgboost

    x, y = table()
    data = xgboost.DMatrix(x, y)
    booster = xgboost.train({"max_depth": 2, "nthread": 1}, data, 3, evals=[(data, "train")], verbose_eval=False)
    return booster.predict(data).tolist()


def xgboost_estimator() -> Any:
    import xgboost

    x, y = classes(2)
    model = xgboost.XGBClassifier(n_estimators=2, n_jobs=1)
    return model.fit(x, y, eval_set=[(x, y)], verbose=False).predict(x).tolist()


def lightgbm_booster() -> Any:
    import lightgbm

    x, y = table()
    data = lightgbm.Dataset(x, y)
    stop = lightgbm.early_stopping(2, verbose=False)
    held_out = lightgbm.Dataset(x, y, reference=data)
    # callbacks by position: what recording adds must find its place
    booster = lightgbm.train(dict(QUIET), data, 3, [held_out], None, None, None, False, [stop])
    return booster.predict(x).tolist()


def statsmodels_fit() -> Any:
    import statsmodels.api as sm

    x, y = classes(2)
    return sm.Logit(y, x).fit(disp=0, maxiter=2).params.tolist()  # warns: it does not converge


TRAININGS = {
    "sklearn": (sklearn_classifier, sklearn_random_forest, sklearn_search, sklearn_failure, sklearn_metrics),
    "xgboost": (xgboost_booster, xgboost_estimator),
    "lightgbm": (lightgbm_booster,),
    "statsmodels": (statsmodels_fit,),
}
MOST_CALLS = {
    sklearn_classifier: 12,
    sklearn_random_forest: 9,
    sklearn_search: 35,  # three runs
    sklearn_failure: 4,
    sklearn_metrics: 11,
    xgboost_booster: 8,
    xgboost_estimator: 7,
    lightgbm_booster: 11,
    statsmodels_fit: 9,
}
"""Calls of the store by which a training is recorded where each metric is one (MILLSTREAM_SYNC)."""

CASES = [(flavor, train) for flavor, trainings in TRAININGS.items() if flavor in INSTALLED for train in trainings]
each_training = pytest.mark.parametrize(("flavor", "train"), CASES, ids=[train.__name__ for _, train in CASES])


@each_training
def test_a_recorded_training_is_as_an_unrecorded_one(flavor: str, train: Callable[[], Any]) -> None:
    alone = unrecorded(train)
    switch(flavor, log_models=False)
    recorded = outcome(train)
    switch(flavor, disable=True)
    assert recorded == alone
    assert outcome(train) == alone
    assert len(runs()) >= 1


@each_training
def test_a_store_that_fails_at_any_call_changes_nothing(
    flavor: str, train: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    alone = unrecorded(train)
    monkeypatch.setenv("MILLSTREAM_SYNC", "1")  # every record is a call then
    calls = 0
    fails_at = -1
    call = LocalTransport.call

    def counted(self: LocalTransport, *args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == fails_at or (fails_at < 0 and calls >= -fails_at and fails_at != -1):
            raise Unavailable("The store is down.")
        return call(self, *args, **kwargs)

    monkeypatch.setattr(LocalTransport, "call", counted)
    switch(flavor, log_models=False)
    assert outcome(train) == alone
    needed = calls
    assert 3 < needed <= MOST_CALLS[train]
    for at in range(1, needed + 1, max(1, needed // 8)):
        calls, fails_at = 0, at
        with caplog.at_level(logging.CRITICAL):
            assert outcome(train) == alone, f"the call {at} of {needed}"
    calls, fails_at = 0, -2  # it goes down and stays so
    with caplog.at_level(logging.CRITICAL):
        assert outcome(train) == alone


@each_training
def test_a_full_disk_changes_nothing(flavor: str, train: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    alone = unrecorded(train)

    def full(self: LocalSink, *args: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(LocalSink, "write", full)
    monkeypatch.setattr(LocalSink, "write_all", full)
    switch(flavor, log_models=False)
    assert outcome(train) == alone
    for run in runs():
        if "mlflow.parentRunId" not in run.data.tags and alone.error is None:
            assert run.info.status == "FINISHED"
            assert "No space left on device" in run.data.tags["millstream.autologging.error"]


class Hostile:
    """What an estimator's params may be: without a text, without a pickle."""

    def __repr__(self) -> str:
        raise RuntimeError("no text")

    def __reduce__(self) -> Any:
        raise TypeError("no pickle")


def test_params_without_a_text_and_models_without_a_pickle_leave_the_rest() -> None:
    from sklearn.linear_model import Ridge

    class Odd(Ridge):
        def __init__(self, alpha: float = 1.0, odd: Any = None) -> None:
            super().__init__(alpha)
            self.odd = odd

        def __sklearn_clone__(self) -> Any:
            return self

    switch("sklearn")
    x, y = table()
    odd = Odd(0.5, Hostile())
    assert odd.fit(x, y) is odd
    run = only_run()
    assert run.info.status == "FINISHED"
    assert run.data.params["alpha"] == "0.5"
    assert run.data.metrics["training_r2_score"] > 0.9
    assert "the param 'odd': RuntimeError: no text" in run.data.tags["millstream.autologging.error"]
    (model,) = millstream.search_logged_models(output_format="list")
    assert model.status.name == "FAILED"


def test_a_get_params_that_raises_leaves_the_metrics() -> None:
    from sklearn.linear_model import Ridge

    class Odd(Ridge):
        def get_params(self, deep: bool = True) -> Any:
            if deep:
                raise RuntimeError("no params")
            return super().get_params(deep=False)

    switch("sklearn", log_models=False)
    x, y = table()
    Odd().fit(x, y)
    run = only_run()
    assert run.data.params == {}
    assert "training_score" in run.data.metrics
    assert "no params" in run.data.tags["millstream.autologging.error"]


def test_an_interrupt_in_the_training_fails_its_run_and_goes_on() -> None:
    from sklearn.linear_model import Ridge

    def interrupted(self: Any, x: Any, y: Any) -> Any:
        raise KeyboardInterrupt

    original = Ridge.fit
    try:
        Ridge.fit = interrupted
        switch("sklearn", log_models=False)
        with pytest.raises(KeyboardInterrupt):
            Ridge().fit(*table())
        switch("sklearn", disable=True)
    finally:
        Ridge.fit = original
    assert only_run().info.status == "FAILED"
    assert millstream.active_run() is None


def test_an_interrupt_while_recording_ends_the_run_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.linear_model import Ridge

    switch("sklearn", log_models=False)

    def interrupted(self: Any, *args: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(LocalSink, "write_all", interrupted)
    monkeypatch.setattr(LocalSink, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Ridge().fit(*table())
    assert only_run().info.status == "FAILED"
    assert millstream.active_run() is None


def test_the_users_error_is_the_very_object_that_was_raised() -> None:
    from sklearn.linear_model import Ridge

    raised = ValueError("mine")
    raised.__cause__ = cause = KeyError("first")

    class Failing(Ridge):
        def _validate_params(self) -> None:
            raise raised

    switch("sklearn", log_models=False)
    with pytest.raises(ValueError, match="mine") as caught:
        Failing().fit(*table())
    assert caught.value is raised
    assert raised.__cause__ is cause
    assert raised.__context__ is None


def test_an_error_of_the_same_kind_is_said_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sklearn.linear_model import Ridge

    def full(self: LocalSink, *args: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(LocalSink, "write", full)
    monkeypatch.setattr(LocalSink, "write_all", full)
    switch("sklearn", log_models=False)
    for _ in range(3):
        Ridge().fit(*table())
    said = [each.message for each in caplog.records if each.name == "millstream.autologging"]
    assert len(said) == 1
    assert "left out the files of the run: OSError" in said[0]
    assert "The training itself is not affected" in said[0]
    caplog.clear()
    switch("sklearn", log_models=False, silent=True)
    Ridge().fit(*table())
    assert not caplog.records


def test_inputs_are_not_copied_and_a_change_in_place_leaves_out_metrics() -> None:
    from sklearn.linear_model import Ridge

    x, y = table(5000)
    data = np.asfortranarray(x.to_numpy()) + 5
    switch("sklearn", log_models=False)
    Ridge(copy_X=False).fit(data, y.to_numpy())
    run = only_run()
    assert "training_score" not in run.data.metrics
    assert "changed its inputs in place" in run.data.tags["millstream.autologging.error"]


def test_recording_takes_no_memory_for_the_inputs() -> None:
    import tracemalloc

    from sklearn.dummy import DummyRegressor

    x = np.random.default_rng(0).normal(size=(200_000, 20))  # 32 MB
    y = np.zeros(len(x))
    switch("sklearn", log_models=False)
    DummyRegressor().fit(x[:10], y[:10])  # what is imported on first use
    tracemalloc.start()
    DummyRegressor().fit(x, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < x.nbytes / 2


def test_patched_things_are_what_they_were_for_pickle_and_inspect() -> None:
    import inspect

    import sklearn.metrics
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline

    names = ("__name__", "__qualname__", "__module__", "__doc__")

    def looks(things: list[Any]) -> list[Any]:
        return [(inspect.signature(each), *(getattr(each, name) for name in names)) for each in things]

    def things() -> list[Any]:
        return [LogisticRegression.fit, LogisticRegression.predict, Pipeline.fit, sklearn.metrics.f1_score]

    before = looks(things())
    switch("sklearn", log_models=False)
    assert looks(things()) == before
    assert pickle.loads(pickle.dumps(sklearn.metrics.f1_score)) is sklearn.metrics.f1_score
    assert pickle.loads(pickle.dumps(LogisticRegression.fit)) is LogisticRegression.fit
    model = LogisticRegression().fit(*classes(2))
    assert pickle.loads(pickle.dumps(model.predict))(classes(2)[0]).tolist() == model.predict(classes(2)[0]).tolist()
    assert not hasattr(Pipeline([("model", LogisticRegression())]), "transform")  # what is not available stays so
    assert "def f1_score" in inspect.getsource(sklearn.metrics.f1_score)


def test_a_disabled_library_is_as_it_was() -> None:
    import sklearn.cluster
    import sklearn.linear_model
    import sklearn.metrics
    import sklearn.pipeline

    def everything() -> dict[tuple[str, str], Any]:
        import sys

        return {
            (cls.__module__ + cls.__qualname__, name): value
            for module in list(sys.modules.values())
            if getattr(module, "__name__", "").startswith("sklearn")
            for cls in list(vars(module).values())
            if isinstance(cls, type)
            for name, value in vars(cls).items()
            if name in ("fit", "fit_predict", "fit_transform", "predict", "score", "transform")
        }

    def functions() -> list[int]:
        return [id(getattr(sklearn.metrics, name)) for name in sklearn.metrics.__all__]

    import threading

    start = threading.Thread.start
    before, before_functions = everything(), functions()
    switch("sklearn")
    assert everything() != before
    assert functions() != before_functions
    assert threading.Thread.start is not start
    switch("sklearn", log_models=False)
    switch("sklearn", disable=True)
    assert everything() == before
    assert functions() == before_functions
    assert threading.Thread.start is start
