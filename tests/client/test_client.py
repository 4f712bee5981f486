"""`MillstreamClient` over both transports and two databases."""

import math
import uuid

import pytest

from millstream.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelOutput,
    Metric,
    Param,
    RunStatus,
    RunTag,
    ViewType,
)
from millstream.errors import AlreadyExists, InvalidValue, NotFound, ParamChanged


def points(client, run, key):
    return [(point.value, point.step) for point in client.get_metric_history(run.info.run_id, key)]


# ---------------------------------------------------------------- experiments


def test_an_experiment_is_created_found_renamed_deleted_and_restored(client):
    name = f"e {uuid.uuid4()}"
    experiment_id = client.create_experiment(name, tags={"team": "vision"})
    found = client.get_experiment_by_name(name)
    assert (found.experiment_id, found.tags) == (experiment_id, {"team": "vision"})
    with pytest.raises(AlreadyExists):
        client.create_experiment(name)
    client.rename_experiment(experiment_id, name + "!")
    assert client.get_experiment(experiment_id).name == name + "!"
    client.delete_experiment(experiment_id)
    assert client.get_experiment(experiment_id).lifecycle_stage == "deleted"
    client.restore_experiment(experiment_id)
    client.set_experiment_tag(experiment_id, "k", 1)
    client.delete_experiment_tag(experiment_id, "team")
    assert client.get_experiment(experiment_id).tags == {"k": "1"}


def test_a_missing_experiment_is_none_by_name_and_an_error_by_id(client):
    assert client.get_experiment_by_name("there is none") is None
    with pytest.raises(NotFound):
        client.get_experiment("987654321")


def test_experiments_are_searched_page_by_page(client):
    mark = uuid.uuid4().hex
    ids = {client.create_experiment(f"{mark} {i}") for i in range(5)}
    found, token = [], None
    while True:
        page = client.search_experiments(filter_string=f"name LIKE '{mark}%'", max_results=2, page_token=token)
        found += [experiment.experiment_id for experiment in page]
        token = page.token
        if not token:
            break
    assert set(found) == ids
    assert len(found) == 5


# ---------------------------------------------------------------- runs and what is logged to them


def test_what_is_logged_is_read_back_at_once(client, run):
    run_id = run.info.run_id
    for step in range(3):
        client.log_metric(run_id, "loss", 1 / (step + 1), step=step)
    assert client.log_param(run_id, "lr", 0.1) == 0.1
    client.set_tag(run_id, "kind", "test")
    client.log_batch(
        run_id, [Metric("acc", 0.5, 1000, 7)], [Param("depth", "3")], [RunTag("kind", "changed"), RunTag("x", "y")]
    )
    data = client.get_run(run_id).data
    assert data.metrics == {"loss": pytest.approx(1 / 3), "acc": 0.5}
    assert data.params == {"lr": "0.1", "depth": "3"}
    assert data.tags.items() >= {"kind": "changed", "x": "y"}.items()
    assert points(client, run, "loss") == [(1.0, 0), (0.5, 1), (pytest.approx(1 / 3), 2)]


def test_more_than_a_batch_takes_is_cut_into_batches(client, run, other):
    metrics = [Metric(f"m{i % 7}", i, 1000 + i, i) for i in range(2500)]
    params = [Param(f"p{i}", str(i)) for i in range(250)]
    client.log_batch(run.info.run_id, metrics, params, [RunTag(f"t{i}", "x") for i in range(250)])
    assert client.flush(run.info.run_id)
    data = other.get_run(run.info.run_id).data
    assert data.params == {f"p{i}": str(i) for i in range(250)}
    assert len([key for key in data.tags if key.startswith("t")]) == 250
    assert sum(len(client.get_metric_history(run.info.run_id, f"m{i}")) for i in range(7)) == 2500


@pytest.mark.parametrize("synchronous", [True, False, None])
def test_log_calls_give_what_mlflow_gives(client, run, other, synchronous):
    run_id = run.info.run_id
    operations = client.log_metric(run_id, "m", 1.0, synchronous=synchronous)
    value = client.log_param(run_id, "p", 5, synchronous=synchronous)
    if synchronous is False:
        value.wait()
        operations.wait()
    else:
        assert operations is None
        assert value == 5
    if synchronous is None:
        client.flush()
    data = other.get_run(run_id).data
    assert (data.metrics, data.params) == ({"m": 1.0}, {"p": "5"})


def test_with_the_setting_every_call_waits_and_raises_at_once(client, run, other, monkeypatch):
    monkeypatch.setenv("MILLSTREAM_SYNC", "1")
    client.log_metric(run.info.run_id, "m", 2.0)
    client.recorder.series(run.info.run_id, "m")(3.0, 1)
    client.log_param(run.info.run_id, "p", 1)
    client.set_tag(run.info.run_id, "t", 1)
    data = other.get_run(run.info.run_id).data
    assert (data.metrics, data.params, data.tags["t"]) == ({"m": 3.0}, {"p": "1"}, "1")
    with pytest.raises(NotFound):
        client.log_metric("0" * 32, "m", 1.0)
    client.set_terminated(run.info.run_id)
    assert other.get_run(run.info.run_id).info.status == RunStatus.FINISHED


@pytest.mark.parametrize("synchronous", [True, None])
def test_a_batch_takes_numbers_of_all_kinds_and_logs_nothing_if_one_is_wrong(client, run, synchronous):
    import numpy as np

    run_id = run.info.run_id
    client.log_batch(run_id, [Metric("m", np.float32(0.5), np.int64(1000), np.int64(3))], synchronous=synchronous)
    for wrong in (Metric("m", "text", 1, 1), Metric("m", 1.0, -1, 1), Metric("m", 1.0, 1, 1.5), Metric("", 1.0, 1, 1)):
        with pytest.raises(InvalidValue):
            client.log_batch(run_id, [Metric("m", 7.0, 1, 9), wrong], synchronous=synchronous)
    history = client.get_metric_history(run_id, "m")
    assert [(point.value, point.step, point.timestamp) for point in history] == [(0.5, 3, 1000)]
    assert history.token is None


def test_inputs_and_outputs_of_a_run_are_there_and_empty(client, experiment_id):
    made = client.create_run(experiment_id)
    for run in (made, client.get_run(made.info.run_id)):
        assert run.inputs.dataset_inputs == []
        assert run.outputs.model_outputs == []


def test_a_missing_local_file_is_what_python_and_mlflow_call_it(client, run, tmp_path):
    for log in (client.log_artifact, client.log_artifacts):
        with pytest.raises(FileNotFoundError, match="no file or folder"):
            log(run.info.run_id, tmp_path / "missing")
        with pytest.raises(InvalidValue):
            log(run.info.run_id, tmp_path / "missing")


def test_runs_may_end_while_other_threads_begin_series(client, run, experiment_id):
    import sys
    import threading

    stop = threading.Event()
    failed = []

    def log():
        number = 0
        while not stop.is_set():
            try:
                client.recorder.series(run.info.run_id, f"k{number}")
            except Exception as error:
                failed.append(error)
            number += 1

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread = threading.Thread(target=log)
    thread.start()
    try:
        for _ in range(5):
            client.set_terminated(client.create_run(experiment_id).info.run_id)
    finally:
        stop.set()
        thread.join()
        sys.setswitchinterval(interval)
    assert failed == []


def test_nan_and_infinities_travel(client, run):
    for step, value in enumerate([math.nan, math.inf, -math.inf, -0.0]):
        client.log_metric(run.info.run_id, "m", value, step=step, timestamp=step)
    values = [point.value for point in client.get_metric_history(run.info.run_id, "m")]
    assert math.isnan(values[0])
    assert values[1:] == [1.7976931348623157e308, -1.7976931348623157e308, 0.0]


@pytest.mark.parametrize("key", ["", "a//b", "/a", "a/", "../a", "a#b", "x" * 251, "a\tb", 7])
def test_a_bad_key_raises_at_the_call(client, run, key):
    for log in (client.log_metric, client.log_param, client.set_tag):
        with pytest.raises(InvalidValue):
            log(run.info.run_id, key, 1.0)
    assert client.get_run(run.info.run_id).data.metrics == {}


def test_a_changed_param_raises_at_the_call(client, run):
    client.log_param(run.info.run_id, "lr", 0.1)
    client.log_param(run.info.run_id, "lr", "0.1")
    with pytest.raises(ParamChanged):
        client.log_param(run.info.run_id, "lr", 0.2)
    with pytest.raises(InvalidValue, match="two values"):
        client.log_batch(run.info.run_id, params=[Param("a", "1"), Param("a", "2")])


def test_what_only_the_server_knows_raises_at_the_barrier_once_and_is_set_aside(client, run, other, journal_dir):
    run_id = run.info.run_id
    client.log_param(run_id, "lr", 0.1)
    client.flush()
    other.log_metric(run_id, "before", 1.0)
    other.log_param(run_id, "lr", 0.2)
    other.log_param(run_id, "fine", "x")
    other.log_metric(run_id, "after", 1.0)
    with pytest.raises(InvalidValue, match="lr"):
        other.flush(run_id)
    assert other.flush(run_id)
    data = client.get_run(run_id).data
    assert data.params == {"lr": "0.1", "fine": "x"}
    assert data.metrics == {"before": 1.0, "after": 1.0}
    [rejected] = (journal_dir / "rejected").iterdir()
    assert '"lr":' in rejected.read_text()
    other.recorder.close()


def test_an_unknown_run_raises_at_the_barrier(client, experiment_id):
    client.log_metric("0" * 32, "m", 1.0)
    with pytest.raises(NotFound):
        client.flush("0" * 32)


def test_long_values_are_cut_as_the_server_cuts_them(client, run, monkeypatch):
    client.log_param(run.info.run_id, "p", "x" * 7000)
    client.log_param(run.info.run_id, "p", "x" * 6500)
    client.set_tag(run.info.run_id, "t", "y" * 9000)
    data = client.get_run(run.info.run_id).data
    assert (len(data.params["p"]), len(data.tags["t"])) == (6000, 8000)
    monkeypatch.setenv("MLFLOW_TRUNCATE_LONG_VALUES", "false")
    with pytest.raises(InvalidValue):
        client.log_param(run.info.run_id, "q", "x" * 6001)


def test_a_run_ends_with_its_status_and_time(client, run):
    client.log_metric(run.info.run_id, "m", 1.0)
    client.set_terminated(run.info.run_id, "FAILED", end_time=12345)
    info = client.get_run(run.info.run_id).info
    assert (info.status, info.end_time) == (RunStatus.FAILED, 12345)
    client.update_run(run.info.run_id, status="RUNNING", name="renamed")
    assert client.get_run(run.info.run_id).info.run_name == "renamed"


def test_runs_are_deleted_and_restored(client, run, experiment_id):
    client.delete_run(run.info.run_id)
    assert client.get_run(run.info.run_id).info.lifecycle_stage == "deleted"
    assert client.search_runs([experiment_id]) == []
    client.log_metric(run.info.run_id, "m", 1.0)
    with pytest.raises(InvalidValue, match="deleted"):
        client.flush(run.info.run_id)
    assert len(client.search_runs([experiment_id], run_view_type=ViewType.DELETED_ONLY)) == 1
    client.restore_run(run.info.run_id)
    client.log_metric(run.info.run_id, "m", 2.0)
    assert client.get_run(run.info.run_id).data.metrics == {"m": 2.0}


def test_tags_are_deleted(client, run):
    client.set_tag(run.info.run_id, "t", "x")
    client.delete_tag(run.info.run_id, "t")
    assert "t" not in client.get_run(run.info.run_id).data.tags
    with pytest.raises(NotFound):
        client.delete_tag(run.info.run_id, "t")


def test_search_sees_what_was_just_logged_and_pages_count_and_project(client, experiment_id):
    runs = [client.create_run(experiment_id, run_name=f"r{i}") for i in range(5)]
    for i, run in enumerate(runs):
        client.log_metric(run.info.run_id, "acc", i / 10)
        client.log_param(run.info.run_id, "i", i)
    page = client.search_runs([experiment_id], "metrics.acc > 0.05", max_results=3, order_by=["metrics.acc DESC"])
    rest = client.search_runs(
        [experiment_id], "metrics.acc > 0.05", max_results=3, order_by=["metrics.acc DESC"], page_token=page.token
    )
    assert [run.data.params["i"] for run in [*page, *rest]] == ["4", "3", "2", "1"]
    assert rest.token is None
    [best] = client.search_runs(
        [experiment_id], order_by=["metrics.acc DESC"], max_results=1, select=["metrics.acc"], count=True
    )
    assert (best.data.metrics, best.data.params) == ({"acc": 0.4}, {})
    assert client.search_runs([experiment_id], max_results=1, count=True).total == 5
    with pytest.raises(InvalidValue, match="list"):
        client.search_runs(experiment_id)


def test_parents_are_found(client, run, experiment_id):
    child = client.create_run(experiment_id, tags={"mlflow.parentRunId": run.info.run_id})
    assert client.get_parent_run(child.info.run_id).info.run_id == run.info.run_id
    assert client.get_parent_run(run.info.run_id) is None


def test_datasets_and_models_are_recorded(client, run, experiment_id):
    data = Dataset("iris", "abc123", "local", "{}", schema="{}", profile="{}")
    client.log_inputs(run.info.run_id, [DatasetInput(data, [InputTag("mlflow.data.context", "train")])])
    model = client.create_logged_model(experiment_id, "m", run.info.run_id)
    client.log_outputs(run.info.run_id, [LoggedModelOutput(model.model_id, 3)])
    found = client.get_run(run.info.run_id)
    assert found.inputs.dataset_inputs[0].dataset == data
    assert found.outputs.model_outputs == [LoggedModelOutput(model.model_id, 3)]


def test_a_metric_may_belong_to_a_model_and_a_dataset(client, run, experiment_id):
    model = client.create_logged_model(experiment_id, "m", run.info.run_id)
    client.log_inputs(run.info.run_id, [DatasetInput(Dataset("iris", "abc123", "local", "{}"))])
    client.log_metric(
        run.info.run_id, "acc", 0.9, dataset_name="iris", dataset_digest="abc123", model_id=model.model_id
    )
    [metric] = client.get_logged_model(model.model_id).metrics
    assert (metric.key, metric.value, metric.dataset_name) == ("acc", 0.9, "iris")
    with pytest.raises(InvalidValue, match="both"):
        client.log_metric(run.info.run_id, "acc", 0.9, dataset_name="iris")


# ---------------------------------------------------------------- logged models


def test_a_logged_model_lives_its_life(client, run, experiment_id):
    params = {f"p{i}": str(i) for i in range(130)}
    model = client.create_logged_model(experiment_id, "tree", run.info.run_id, {"a": "b"}, params, "sklearn")
    assert model.status == "LOGGED_MODEL_PENDING"
    assert len(client.get_logged_model(model.model_id).params) == 130
    client.finalize_logged_model(model.model_id, "READY")
    client.log_model_params(model.model_id, {"more": 1})
    client.set_logged_model_tags(model.model_id, {"c": "d"})
    client.delete_logged_model_tag(model.model_id, "a")
    found = client.get_logged_model(model.model_id)
    assert (found.status, found.tags, found.params["more"]) == ("LOGGED_MODEL_READY", {"c": "d"}, "1")
    [hit] = client.search_logged_models([experiment_id], "name = 'tree'", order_by=[{"field_name": "creation_time"}])
    assert hit.model_id == model.model_id
    with pytest.raises(InvalidValue):
        client.search_logged_models([experiment_id], order_by=[{"wrong": 1}])
    client.delete_logged_model(model.model_id)
    with pytest.raises(NotFound):
        client.get_logged_model(model.model_id)


# ---------------------------------------------------------------- histories


def test_histories_windows_samples_and_summaries(client, run):
    run_id = run.info.run_id
    for step in range(2000):
        client.log_metric(run_id, "m", step % 100, step=step, timestamp=step)
    assert len(client.get_metric_history(run_id, "m")) == 2000
    [window] = client.get_metric_windows([run_id], ["m"], width=100, start=500, end=999)
    assert window.count == 500
    assert len(window.steps) <= 400
    assert len(client.sample_metric_history([run_id], "m", max_results=10)) <= 11
    [summary] = client.get_metric_summaries(run_id)
    assert (summary.count, summary.first.value, summary.last.value, summary.max.value) == (2000, 0.0, 99.0, 99.0)
    assert client.get_metric_history(run_id, "none") == []


def test_a_long_history_comes_page_by_page(client, run, monkeypatch):
    monkeypatch.setattr("millstream.client.client.HISTORY_PAGE", 300)
    for step in range(1000):
        client.log_metric(run.info.run_id, "m", step, step=step, timestamp=step)
    assert points(client, run, "m") == [(float(step), step) for step in range(1000)]


def test_a_run_is_rewound(client, run):
    for step in range(10):
        client.log_metric(run.info.run_id, "m", step, step=step, timestamp=step)
    assert client.rewind_run(run.info.run_id, 6) == 4
    assert [step for _, step in points(client, run, "m")] == list(range(6))


# ---------------------------------------------------------------- artifacts


def test_files_and_folders_are_stored_listed_and_brought_back(client, run, tmp_path):
    run_id = run.info.run_id
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    (tmp_path / "folder" / "a.txt").write_text("a")
    (tmp_path / "folder" / "inner" / "b.txt").write_text("b")
    client.log_artifact(run_id, tmp_path / "folder" / "a.txt", "one")
    client.log_artifacts(run_id, tmp_path / "folder", "all")
    client.log_artifact(run_id, tmp_path / "folder")
    client.log_text(run_id, "text", "notes/t.txt")
    client.log_dict(run_id, {"a": 1}, "d.json")
    assert [(info.path, info.is_dir) for info in client.list_artifacts(run_id)] == [
        ("all", True),
        ("d.json", False),
        ("folder", True),
        ("notes", True),
        ("one", True),
    ]
    assert [info.path for info in client.list_artifacts(run_id, "all")] == ["all/a.txt", "all/inner"]
    local = client.download_artifacts(run_id, "notes/t.txt")
    with open(local) as file:
        assert file.read() == "text"
    (tmp_path / "out").mkdir()
    client.download_artifacts(run_id, "all", tmp_path / "out")
    assert (tmp_path / "out" / "all" / "inner" / "b.txt").read_text() == "b"
    with pytest.raises(InvalidValue):
        client.log_text(run_id, "x", "../escape.txt")


def test_files_of_a_logged_model_are_stored_and_listed(client, experiment_id, tmp_path):
    model = client.create_logged_model(experiment_id, "m")
    (tmp_path / "model.bin").write_bytes(b"weights")
    client.log_model_artifact(model.model_id, tmp_path / "model.bin")
    assert [info.path for info in client.list_logged_model_artifacts(model.model_id)] == ["model.bin"]
    with open(client.download_model_artifacts(model.model_id, "model.bin"), "rb") as file:
        assert file.read() == b"weights"


def test_tables_and_images_are_logged(client, run, experiment_id):
    np = pytest.importorskip("numpy")
    pytest.importorskip("pandas")
    pytest.importorskip("PIL")
    client.log_table(run.info.run_id, {"a": [1, 2]}, "t.json")
    client.log_table(run.info.run_id, {"a": [3]}, "t.json")
    assert list(client.load_table(experiment_id, "t.json")["a"]) == [1, 2, 3]
    client.log_image(run.info.run_id, np.zeros((4, 4, 3), dtype=np.uint8), key="dog", step=1)
    assert len(client.list_artifacts(run.info.run_id, "images")) == 2
