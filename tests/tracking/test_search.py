"""Searching runs, as frames, tables and lists; experiments and which of them is active."""

from __future__ import annotations

import uuid

import numpy as np
import pandas as pd
import pytest

import millstream
from millstream.entities import Experiment, ViewType
from millstream.errors import AlreadyExists, InvalidValue, NotFound
from millstream.tracking import search

INFO = ["run_id", "experiment_id", "status", "artifact_uri", "start_time", "end_time"]


@pytest.fixture
def runs(experiment: Experiment) -> list[str]:
    ids = []
    for number in range(3):
        with millstream.start_run(run_name=f"run {number}") as run:
            millstream.log_metric("acc", number / 10)
            millstream.log_param("n", number)
            if number:
                millstream.log_metric("late", 1.0)
                millstream.set_tag("kind", "late")
        ids.append(run.info.run_id)
    return ids


def test_a_frame_has_the_columns_of_mlflow_in_their_order(runs: list[str]) -> None:
    frame = millstream.search_runs(order_by=["metrics.acc ASC"])
    assert list(frame["run_id"]) == runs
    columns = list(frame.columns)
    assert columns[:6] == INFO
    groups = [name.split(".")[0] for name in columns[6:]]
    assert groups == sorted(groups)
    assert {"metrics.acc", "metrics.late", "params.n", "tags.kind", "tags.mlflow.runName"} <= set(columns)
    assert frame["metrics.acc"].dtype == np.float64
    assert np.isnan(frame["metrics.late"][0])
    assert pd.isna(frame["tags.kind"][0])
    assert list(frame["params.n"]) == ["0", "1", "2"]
    assert list(frame["status"]) == ["FINISHED"] * 3
    assert isinstance(frame["start_time"].dtype, pd.DatetimeTZDtype)
    assert str(frame["start_time"].dt.tz) == "UTC"


def test_an_open_run_has_no_end_time(experiment: Experiment) -> None:
    with millstream.start_run():
        frame = millstream.search_runs()
        assert frame["status"][0] == "RUNNING"
        assert frame["end_time"][0] is pd.NaT


def test_a_search_without_result_has_the_info_columns(experiment: Experiment) -> None:
    frame = millstream.search_runs()
    assert list(frame.columns) == INFO
    assert len(frame) == 0
    assert millstream.search_runs(output_format="polars").columns == INFO
    assert millstream.search_runs(output_format="arrow").column_names == INFO
    assert millstream.search_runs(output_format="list") == []


def test_filters_order_and_limits_are_the_stores(runs: list[str]) -> None:
    def ids(**options: object) -> list[str]:
        found = millstream.search_runs(output_format="list", **options)  # type: ignore[call-overload]
        return [run.info.run_id for run in found]

    assert ids(filter_string="metrics.acc > 0.05", order_by=["metrics.acc DESC"]) == [runs[2], runs[1]]
    assert ids(max_results=1, order_by=["params.n ASC"]) == [runs[0]]
    assert ids(max_results=0) == []
    millstream.delete_run(runs[0])
    assert set(ids()) == set(runs[1:])
    assert ids(run_view_type=ViewType.DELETED_ONLY) == [runs[0]]
    assert set(ids(run_view_type=3)) == set(runs)


def test_results_come_page_by_page(runs: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "PAGE", 2)
    assert len(millstream.search_runs()) == 3
    assert len(millstream.search_runs(max_results=2)) == 2


def test_polars_and_arrow_hold_what_pandas_holds(runs: list[str]) -> None:
    import polars
    import pyarrow

    pandas_frame = millstream.search_runs()
    polars_frame = millstream.search_runs(output_format="polars")
    table = millstream.search_runs(output_format="arrow")
    assert isinstance(polars_frame, polars.DataFrame)
    assert isinstance(table, pyarrow.Table)
    assert polars_frame.columns == table.column_names == list(pandas_frame.columns)
    assert (
        polars_frame["metrics.acc"].to_list() == table["metrics.acc"].to_pylist() == list(pandas_frame["metrics.acc"])
    )
    assert polars_frame["metrics.late"].to_list()[-1] is None
    assert polars_frame["start_time"].to_list() == table["start_time"].to_pylist()
    assert polars_frame["start_time"].to_list() == [time.to_pydatetime() for time in pandas_frame["start_time"]]


def test_an_unknown_format_is_a_value_error(local_experiment: Experiment) -> None:
    with pytest.raises(ValueError, match="csv"):
        millstream.search_runs(output_format="csv")


def test_only_what_is_selected_comes_back(runs: list[str]) -> None:
    frame = millstream.search_runs(select=["metrics.acc"])
    assert list(frame.columns) == [*INFO, "metrics.acc"]


def test_experiments_are_named_by_id_or_by_name(runs: list[str], experiment: Experiment) -> None:
    other = millstream.create_experiment(f"other {uuid.uuid4()}")
    millstream.set_experiment(experiment_id=other)
    assert len(millstream.search_runs()) == 0
    assert len(millstream.search_runs([experiment.experiment_id])) == 3
    assert len(millstream.search_runs(experiment_names=[experiment.name])) == 3
    with pytest.warns(UserWarning, match="nobody"):
        assert len(millstream.search_runs(experiment_names=[experiment.name, "nobody"])) == 3
    assert set(runs) <= set(millstream.search_runs(search_all_experiments=True)["run_id"])
    with pytest.raises(InvalidValue):
        millstream.search_runs([other], experiment_names=[experiment.name])


def test_an_experiment_is_made_once_and_chosen_for_all_threads(tracking_uri: str) -> None:
    import os
    import threading

    name = f"made {uuid.uuid4()}"
    experiment = millstream.set_experiment(name)
    assert millstream.set_experiment(name).experiment_id == experiment.experiment_id
    assert os.environ["MLFLOW_EXPERIMENT_ID"] == experiment.experiment_id
    seen: list[str] = []

    def work() -> None:
        with millstream.start_run() as run:
            seen.append(run.info.experiment_id)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [experiment.experiment_id]
    with pytest.raises(AlreadyExists):
        millstream.create_experiment(name)
    millstream.delete_experiment(experiment.experiment_id)
    with pytest.raises(InvalidValue, match="deleted"):
        millstream.set_experiment(name)
    with pytest.raises(AlreadyExists):
        millstream.create_experiment(name)
    deleted = millstream.get_experiment_by_name(name)
    assert deleted is not None
    assert deleted.lifecycle_stage == "deleted"
    millstream.restore_experiment(experiment.experiment_id)
    assert millstream.get_experiment(experiment.experiment_id).lifecycle_stage == "active"


def test_set_experiment_takes_a_name_or_an_id(tracking_uri: str) -> None:
    for arguments in ({}, {"experiment_name": "a", "experiment_id": "1"}):
        with pytest.raises(InvalidValue):
            millstream.set_experiment(**arguments)
    with pytest.raises(NotFound):
        millstream.set_experiment(experiment_id="123456789")
    assert millstream.get_experiment_by_name(f"nobody {uuid.uuid4()}") is None


def test_variables_choose_the_experiment(tracking_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"from variable {uuid.uuid4()}"
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", name)
    with millstream.start_run() as run:
        pass
    experiment = millstream.get_experiment_by_name(name)
    assert experiment is not None
    assert run.info.experiment_id == experiment.experiment_id
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "0")
    with pytest.raises(InvalidValue, match="Set one of them"):
        millstream.start_run()
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME")
    with millstream.start_run() as run:
        assert run.info.experiment_id == "0"
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "987654321")
    with pytest.raises(NotFound):
        millstream.start_run()


def test_the_chosen_experiment_follows_to_another_server_by_name(server: str, local_store: str) -> None:
    name = f"moving {uuid.uuid4()}"
    millstream.set_tracking_uri(local_store)
    for _ in range(3):
        millstream.create_experiment(str(uuid.uuid4()))
    here = millstream.set_experiment(name)
    millstream.set_tracking_uri(server)
    with millstream.start_run() as run:
        pass
    there = millstream.get_experiment(run.info.experiment_id)
    assert there.name == name
    millstream.set_tracking_uri(local_store)
    with millstream.start_run() as run:
        assert run.info.experiment_id == here.experiment_id


def test_tags_of_the_active_experiment_are_set_and_deleted(experiment: Experiment) -> None:
    millstream.set_experiment_tag("a", 1)
    millstream.set_experiment_tags({"b": 2, "c": 3})
    millstream.delete_experiment_tag("c")
    assert millstream.get_experiment(experiment.experiment_id).tags == {"a": "1", "b": "2"}


def test_experiments_are_searched_and_all_pages_come_back(tracking_uri: str) -> None:
    mark = uuid.uuid4().hex
    for number in range(3):
        millstream.create_experiment(f"{mark} {number}", tags={"n": number})
    found = millstream.search_experiments(filter_string=f"name LIKE '{mark}%'", order_by=["name ASC"])
    assert [each.name for each in found] == [f"{mark} {number}" for number in range(3)]
    assert found[1].tags == {"n": "1"}
    assert len(millstream.search_experiments(max_results=2, filter_string=f"name LIKE '{mark}%'")) == 2
    millstream.delete_experiment(found[0].experiment_id)
    assert len(millstream.search_experiments(ViewType.DELETED_ONLY, filter_string=f"name LIKE '{mark}%'")) == 1
