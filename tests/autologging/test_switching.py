"""Switching on and off, settings, sessions, runs, and libraries that are imported later."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any, cast

import pytest

import millstream
from millstream import autologging
from millstream.autologging import imports, switching
from millstream.errors import InvalidValue, MissingLibrary
from tests.autologging.conftest import INSTALLED, only_run, runs
from tests.autologging.scenarios import classes, table

pytestmark = pytest.mark.skipif("sklearn" not in INSTALLED, reason="scikit-learn is in the environment of `make test`")


def train(**params: Any) -> Any:
    from sklearn.linear_model import Ridge

    return Ridge(**params).fit(*table())


def run_script(code: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", code],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'script.db'}"},
    )
    assert done.returncode == 0, done.stderr
    assert "Autologging" not in done.stderr
    return done.stdout


def test_a_run_is_started_and_ended_when_none_is_active() -> None:
    millstream.sklearn.autolog(log_models=False, extra_tags={"team": "blue"})
    train()
    run = only_run()
    assert (run.info.status, run.data.tags["mlflow.autologging"], run.data.tags["team"]) == (
        "FINISHED",
        "sklearn",
        "blue",
    )
    assert millstream.active_run() is None


def test_a_run_of_the_users_is_used_and_left_open() -> None:
    millstream.sklearn.autolog(log_models=False, extra_tags={"team": "blue"})
    with millstream.start_run() as own:
        train(alpha=0.3)
        active = millstream.active_run()
        assert active is not None
        assert active.info.run_id == own.info.run_id
    run = only_run()
    assert run.data.params["alpha"] == "0.3"
    assert "mlflow.autologging" not in run.data.tags
    assert "team" not in run.data.tags


def test_a_second_training_in_a_run_keeps_the_first_ones_params() -> None:
    millstream.sklearn.autolog(log_models=False)
    with millstream.start_run():
        train(alpha=0.3)
        train(alpha=0.4, solver="svd")
    run = only_run()
    assert run.data.params["alpha"] == "0.3"
    assert len(millstream.MillstreamClient().get_metric_history(run.info.run_id, "training_score")) == 2


def test_params_of_a_run_that_is_resumed_are_not_changed() -> None:
    with millstream.start_run() as own:
        millstream.log_param("alpha", "mine")
    millstream.sklearn.autolog(log_models=False)
    with millstream.start_run(run_id=own.info.run_id):
        train()
    assert only_run().data.params["alpha"] == "mine"


def test_exclusive_leaves_runs_of_the_users_alone() -> None:
    millstream.sklearn.autolog(log_models=False, exclusive=True)
    with millstream.start_run():
        train()
    assert only_run().data.params == {}


def test_calling_again_applies_the_new_settings_alone() -> None:
    millstream.sklearn.autolog(log_models=False, extra_tags={"a": "1"})
    millstream.sklearn.autolog(log_models=False, log_datasets=False)
    train()
    run = only_run()
    assert "a" not in run.data.tags
    assert run.inputs is not None
    assert run.inputs.dataset_inputs == []


def test_what_is_no_setting_or_no_value_is_refused() -> None:
    with pytest.raises(TypeError, match=r"sklearn\.autolog\(\) has no argument 'logmodels'"):
        millstream.sklearn.autolog(logmodels=True)
    with pytest.raises(InvalidValue, match=r"log_models=...\) is True or False, not 'yes'"):
        millstream.sklearn.autolog(log_models="yes")
    with pytest.raises(InvalidValue, match="extra_tags"):
        millstream.sklearn.autolog(extra_tags=["a"])
    with pytest.raises(InvalidValue, match="registered_model_name"):
        millstream.sklearn.autolog(registered_model_name=3)
    with pytest.raises(InvalidValue, match="'onnx' has no autologging"):
        millstream.onnx.autolog()


class Without:
    """A finder of modules that finds all that the given ones find, but one."""

    def __init__(self, name: str, finders: list[Any]) -> None:
        self._name = name
        self._finders = finders

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name == self._name:
            return None
        found = (finder.find_spec(name, path, target) for finder in self._finders)
        return next((spec for spec in found if spec is not None), None)


def test_a_library_that_is_not_installed_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "lightgbm", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Without("lightgbm", list(sys.meta_path))])
    with pytest.raises(MissingLibrary, match=r"'lightgbm'.* pip install lightgbm"):
        autologging.switch("lightgbm")
    autologging.switch("lightgbm", disable=True)


def test_the_umbrella_takes_what_it_knows_and_leaves_what_was_chosen() -> None:
    millstream.sklearn.autolog(log_models=False, max_tuning_runs=2)
    millstream.autolog(log_models=True, silent=True, exclude_flavors=["xgboost"])
    assert autologging.settings_of("sklearn").own["max_tuning_runs"] == 2
    assert not autologging.settings_of("sklearn").log_models
    assert autologging.settings_of("xgboost").disable
    assert autologging.settings_of("lightgbm").silent
    millstream.autolog(disable=True)
    assert not autologging.settings_of("sklearn").disable
    assert autologging.settings_of("lightgbm").disable


def test_versions_that_are_not_tested_are_said_or_left_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import sklearn

    monkeypatch.setattr(sklearn, "__version__", "99.0")
    millstream.sklearn.autolog(log_models=False)
    train()
    assert "sklearn 99.0 is not among the versions" in caplog.text
    assert len(runs()) == 1
    millstream.sklearn.autolog(log_models=False, disable_for_unsupported_versions=True)
    train()
    assert "nothing is recorded" in caplog.text
    assert len(runs()) == 1


# ---------------------------------------------------------------- sessions


def test_nothing_is_recorded_where_it_is_disabled() -> None:
    millstream.sklearn.autolog(log_models=False)
    assert not autologging.autologging_is_disabled("sklearn")
    with autologging.disable_autologging():
        assert autologging.autologging_is_disabled("sklearn")
        train()
        inside = threading.Thread(target=train)
        inside.start()
        inside.join()
    assert runs() == []
    train()
    assert len(runs()) == 1


def test_disabling_counts_for_its_own_context_alone() -> None:
    millstream.sklearn.autolog(log_models=False)
    entered, trained = threading.Event(), threading.Event()

    def disabled() -> None:
        with autologging.disable_autologging():
            entered.set()
            trained.wait(30)

    other = threading.Thread(target=disabled)
    other.start()
    entered.wait(30)
    train()
    trained.set()
    other.join()
    assert len(runs()) == 1


def test_threads_of_the_users_are_recorded_side_by_side() -> None:
    millstream.sklearn.autolog(log_models=False)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda alpha: train(alpha=alpha), [0.1, 0.2, 0.3, 0.4]))
    assert sorted(run.data.params["alpha"] for run in runs()) == ["0.1", "0.2", "0.3", "0.4"]
    assert all("training_score" in run.data.metrics for run in runs())


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_workers_of_a_training_record_nothing_of_their_own(backend: str) -> None:
    import joblib
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    millstream.sklearn.autolog(log_models=False, max_tuning_runs=0)
    import sklearn.metrics

    scorer = sklearn.metrics.make_scorer(sklearn.metrics.f1_score)  # patched, and sent to the workers
    with joblib.parallel_config(backend=backend, n_jobs=2):
        GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2, scoring=scorer).fit(*classes(2))
    assert only_run().data.tags["estimator_name"] == "GridSearchCV"


def test_a_forked_child_records_runs_of_its_own() -> None:
    millstream.sklearn.autolog(log_models=False)
    train(alpha=0.1)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            train(alpha=0.2)
            millstream.flush()
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert sorted(run.data.params["alpha"] for run in runs()) == ["0.1", "0.2"]


def test_a_training_inside_of_a_training_is_part_of_it() -> None:
    from sklearn.base import BaseEstimator, clone
    from sklearn.ensemble import BaggingRegressor
    from sklearn.linear_model import Ridge

    class Both(BaseEstimator):
        def fit(self, x: Any, y: Any) -> Any:
            clone(Ridge()).fit(x, y)
            return self

    millstream.sklearn.autolog(log_models=False)
    BaggingRegressor(Ridge(), n_estimators=2).fit(*table())
    assert only_run().data.tags["estimator_name"] == "BaggingRegressor"
    Both().fit(*table())  # an estimator of the user's own: what it trains is recorded
    assert runs()[-1].data.tags["estimator_name"] == "Ridge"


# ---------------------------------------------------------------- libraries that are imported later


def test_libraries_that_are_imported_later_are_recorded(tmp_path: Path) -> None:
    out = run_script(
        "import sys, millstream\n"
        "millstream.autolog(log_models=False, silent=True)\n"
        "assert not {'sklearn', 'xgboost', 'numpy', 'pandas'} & set(sys.modules)\n"
        "from sklearn.linear_model import Ridge\n"
        "Ridge().fit([[1.0], [2.0], [3.0]], [1.0, 2.0, 3.0])\n"
        "import xgboost, numpy\n"
        "xgboost.train({}, xgboost.DMatrix(numpy.ones((4, 1)), numpy.ones(4)), 1)\n"
        "import statsmodels.api\n"
        "statsmodels.api.OLS([1.0, 2.0, 4.0], [1.0, 2.0, 3.0]).fit()\n"
        "found = millstream.search_runs(output_format='list')\n"
        "print(sorted(run.data.tags['mlflow.autologging'] for run in found))\n"
        "import sklearn.linear_model._ridge as m\n"
        "assert m.__spec__.loader.get_source(m.__name__)\n",
        tmp_path,
    )
    assert out.strip().endswith("['sklearn', 'statsmodels', 'xgboost']")


def test_an_error_while_a_library_is_patched_does_not_break_its_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "watched_library.py").write_text("value = 1\n")
    (tmp_path / "broken_library.py").write_text("raise ImportError('broken')\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    def report(module: Any) -> None:
        raise RuntimeError("cannot patch")

    imports.watch(["watched_library", "broken_library"], report)
    try:
        import watched_library  # type: ignore[import-not-found]

        with pytest.raises(ImportError, match="broken"):
            import broken_library  # type: ignore[import-not-found]  # noqa: F401
    finally:
        imports.unwatch(report)
    assert watched_library.value == 1
    assert "exec_module" not in vars(watched_library.__spec__.loader)
    assert "cannot patch" in caplog.text
    assert not any(isinstance(finder, imports._Finder) for finder in sys.meta_path)


class Slotted:
    """A finder that is its modules' loader, and takes no attributes."""

    __slots__ = ()

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return ModuleSpec(name, cast(Any, self)) if name == "slotted_library" else None

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: Any) -> None:
        module.value = 1


def test_a_module_whose_loader_cannot_be_watched_is_imported_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Slotted()])
    reported: list[Any] = []
    imports.watch(["slotted_library"], reported.append)
    try:
        module = importlib.import_module("slotted_library")
    finally:
        imports.unwatch(reported.append)
        sys.modules.pop("slotted_library", None)
    assert module.value == 1
    assert reported == []


def test_switching_off_takes_the_import_hook_and_the_thread_hook_away() -> None:
    millstream.autolog(log_models=False)
    assert any(isinstance(finder, imports._Finder) for finder in sys.meta_path)
    millstream.autolog(disable=True)
    assert not any(isinstance(finder, imports._Finder) for finder in sys.meta_path)
    assert switching._switched == {}
