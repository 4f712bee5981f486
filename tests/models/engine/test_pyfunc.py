"""Python functions: PythonModel, plain functions, configuration, params, streams, type hints, loader modules."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pydantic
import pytest

import millstream
from millstream import models
from millstream.errors import InvalidValue, LocalFileNotFound, NotFound, Unsupported
from millstream.models.hints import TypeFromExample
from millstream.models.pyfunc.calling import calling
from millstream.models.pyfunc.loading import NoPythonFunction
from millstream.pyfunc import PyFuncModel, PythonModel, PythonModelContext


def saved(path: Path, python_model: Any, **given: Any) -> PyFuncModel:
    """Save a Python model and load it again."""
    millstream.pyfunc.save_model(path, python_model=python_model, **{"pip_requirements": [], **given})
    return millstream.pyfunc.load_model(path, trust=True)


class Adding(PythonModel):
    def __init__(self, amount: float) -> None:
        self.amount = amount

    def load_context(self, context: PythonModelContext) -> None:
        self.words = Path(context.artifacts["words"]).read_text() if "words" in context.artifacts else ""

    def predict(self, context: PythonModelContext, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        return model_input["height"] + self.amount + context.model_config.get("more", 0) + (params or {}).get("by", 0)


def doubled(model_input: Any) -> Any:
    return model_input * 2


def test_a_python_model_comes_back_with_its_state(path: Path, frame: pd.DataFrame) -> None:
    model = saved(path, Adding(10.0), input_example=frame)
    assert model.predict(frame).tolist() == [11.0, 12.0, 13.0, 14.0]
    assert model.unwrap_python_model().amount == 10.0
    assert model.get_raw_model() is model.unwrap_python_model()
    assert model.loader_module == "mlflow.pyfunc.model"
    assert model.model_id is None
    assert model.model_config is None
    pd.testing.assert_frame_equal(model.input_example, frame)
    assert "mlflow.pyfunc.model" in repr(model)


def test_its_artifacts_are_copied_and_found_by_name(path: Path, tmp_path: Path, frame: pd.DataFrame) -> None:
    for folder, word in (("a", "first"), ("b", "second")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "words.txt").write_text(word)
    model = saved(
        path,
        Adding(0.0),
        artifacts={
            "words": str(tmp_path / "a" / "words.txt"),
            "other": f"file://{tmp_path}/b/words.txt",
            "all": str(tmp_path / "b"),
        },
        input_example=frame,
    )
    assert model.unwrap_python_model().words == "first"
    entry = model.metadata.flavors["python_function"]
    assert entry["artifacts"]["words"] == {"path": "artifacts/words.txt", "uri": str(tmp_path / "a" / "words.txt")}
    context = model._implementation.context  # type: ignore[attr-defined]
    assert Path(context.artifacts["other"]).read_text() == "second"
    assert (Path(context.artifacts["all"]) / "words.txt").read_text() == "second"
    assert all(Path(each).is_absolute() and path in Path(each).parents for each in context.artifacts.values())


def test_inputs_are_enforced_by_the_signature(path: Path, frame: pd.DataFrame) -> None:
    model = saved(path, Adding(1.0), input_example=frame)
    with pytest.raises(InvalidValue, match="height"):
        model.predict(pd.DataFrame({"width": [1.0]}))
    with pytest.raises(InvalidValue, match="height"):
        model.predict(frame.assign(height=["a", "b", "c", "d"]))
    assert model.predict({"height": [1.0], "width": [2.0]}).tolist() == [2.0]


def test_params_have_the_defaults_of_the_signature_and_unknown_ones_are_left_out(
    path: Path, frame: pd.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    model = saved(path, Adding(0.0), input_example=(frame, {"by": 1.0}))
    assert model.predict(frame)[0] == 2.0
    assert model.predict(frame, params={"by": 5, "nobody": 1})[0] == 6.0
    assert "nobody" in caplog.text
    with pytest.raises(InvalidValue, match="by"):
        model.predict(frame, params={"by": "much"})


def test_params_without_a_signature_are_left_out_with_a_warning(
    path: Path, frame: pd.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    assert saved(path, Adding(0.0)).predict(frame, params={"by": 5.0})[0] == 1.0
    assert "by" in caplog.text


# ---------------------------------------------------------------- how predict is called


class WithContext(PythonModel):
    def predict(self, context: Any, model_input: Any) -> Any:
        return type(context).__name__, type(model_input).__name__


class UnderAnotherName(PythonModel):
    def predict(self, where: Any, data: Any, params: Any = None) -> Any:
        return type(where).__name__, type(data).__name__


class Second(PythonModel):
    def predict(self, model_input: Any, context: Any) -> Any:
        return type(context).__name__, type(model_input).__name__


class Without(PythonModel):
    def predict(self, data: Any, *, params: Any = None, **others: Any) -> Any:
        return "PythonModelContext", type(data).__name__


class Anything(PythonModel):
    def predict(self, *args: Any) -> Any:
        return type(args[0]).__name__, type(args[1]).__name__


@pytest.mark.parametrize("kind", [WithContext, UnderAnotherName, Second, Without, Anything])
def test_predict_gets_what_its_parameters_ask_for(
    kind: Callable[[], PythonModel], path: Path, frame: pd.DataFrame
) -> None:
    assert saved(path, kind()).predict(frame) == ("PythonModelContext", "DataFrame")


def test_a_predict_that_takes_something_else_is_refused_before_anything_is_written(path: Path) -> None:
    class Three(PythonModel):
        def predict(self, a: Any, b: Any, c: Any) -> Any:  # type: ignore[override]
            return a

    class Nothing(PythonModel):
        pass

    for model in (Three(), Nothing()):
        with pytest.raises(InvalidValue, match="predict"):
            millstream.pyfunc.save_model(path, python_model=model, pip_requirements=[])
    assert not path.exists()


def test_a_parameter_named_kwargs_is_no_params() -> None:
    assert not calling(lambda model_input, **params: None).takes_params
    assert calling(lambda model_input, params: None).takes_params


# ---------------------------------------------------------------- plain functions


def test_a_function_of_one_argument_is_a_model(path: Path, frame: pd.DataFrame) -> None:
    model = saved(path, doubled, input_example=frame)
    assert model.predict(frame)["height"].tolist() == [2.0, 4.0, 6.0, 8.0]
    other = saved(path.with_name("lambda"), lambda rows: len(rows))
    assert other.predict(frame) == 4


def test_a_function_has_to_come_with_an_example_or_requirements(path: Path) -> None:
    with pytest.raises(InvalidValue, match="input_example"):
        millstream.pyfunc.save_model(path, python_model=doubled)


@pytest.mark.parametrize("wrong", [lambda: 1, lambda a, b: a, 5, Adding, None])
def test_what_is_no_model_is_refused(wrong: Any, path: Path) -> None:
    with pytest.raises(InvalidValue):
        millstream.pyfunc.save_model(path, python_model=wrong, pip_requirements=[])
    assert not path.exists()


def test_the_two_ways_to_make_a_python_function_exclude_each_other(path: Path) -> None:
    for given in (
        {"loader_module": "x", "python_model": doubled}, {"data_path": ".", "python_model": doubled}, {},
        {"loader_module": "x", "artifacts": {"a": "b"}},
    ):  # fmt: skip
        with pytest.raises(InvalidValue, match="python_model"):
            millstream.pyfunc.save_model(path, pip_requirements=[], **given)  # type: ignore[arg-type]
    with pytest.raises(LocalFileNotFound):
        millstream.pyfunc.save_model(path, loader_module="x", data_path="nowhere")


@pytest.mark.parametrize(("setting", "suffix"), [("lzma", ".xz"), ("bzip2", ".bz2"), ("gzip", ".gz")])
def test_pickles_can_be_compressed(
    setting: str, suffix: str, path: Path, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_LOG_MODEL_COMPRESSION", setting)
    model = saved(path, doubled)
    entry = model.metadata.flavors["python_function"]
    assert (entry["python_model"], entry["python_model_compression"]) == (f"python_model.pkl{suffix}", setting)
    assert model.predict(2) == 4
    monkeypatch.setenv("MLFLOW_LOG_MODEL_COMPRESSION", "zip")
    with pytest.raises(InvalidValue, match="lzma, bzip2, gzip"):
        saved(path.with_name("other"), doubled)


# ---------------------------------------------------------------- configuration


def test_the_saved_configuration_is_laid_over_by_the_environment_and_then_by_the_caller(
    path: Path, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    assert saved(path, Adding(0.0), model_config={"more": 100, "kept": 1}).predict(frame)[0] == 101.0
    monkeypatch.setenv("MLFLOW_PYFUNC_INFERENCE_CONFIG", '{"more": 200}')
    assert millstream.pyfunc.load_model(path, trust=True).model_config == {"more": 200, "kept": 1}
    assert not caplog.records
    model = millstream.pyfunc.load_model(path, model_config={"more": 300, "nobody": 2}, trust=True)
    assert model.model_config == {"more": 300, "kept": 1}
    assert model.predict(frame)[0] == 301.0
    assert "nobody" in caplog.text
    (tmp_path / "config.yaml").write_text("more: 400\n")
    assert (
        millstream.pyfunc.load_model(path, model_config=tmp_path / "config.yaml", trust=True).predict(frame)[0] == 401.0
    )


def test_a_model_without_configuration_takes_none(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    saved(path, Adding(0.0))
    assert millstream.pyfunc.load_model(path, model_config={"more": 1}, trust=True).model_config is None
    assert "without a model_config" in caplog.text


def test_a_configuration_that_cannot_be_read_is_refused(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "list.yaml").write_text("- 1\n")
    (tmp_path / "bad.yaml").write_text("a: [\n")
    (tmp_path / "object.yaml").write_text("!!python/object/apply:os.getcwd []\n")
    for config in ("nowhere.yaml", tmp_path / "list.yaml", tmp_path / "bad.yaml", tmp_path / "object.yaml"):
        with pytest.raises(InvalidValue):
            saved(path, Adding(0.0), model_config=config)
    assert not path.exists()
    saved(path, Adding(0.0), model_config={"more": 1})
    for text in ("[1]", "{"):
        monkeypatch.setenv("MILLSTREAM_PYFUNC_INFERENCE_CONFIG", text)
        with pytest.raises(InvalidValue, match="PYFUNC_INFERENCE_CONFIG"):
            millstream.pyfunc.load_model(path, trust=True)


# ---------------------------------------------------------------- streams


class Streaming(PythonModel):
    def predict(self, context: Any, model_input: Any) -> Any:
        return model_input

    def predict_stream(self, context: Any, model_input: Any, params: Any = None) -> Any:
        yield type(model_input).__name__
        yield model_input


@pytest.mark.parametrize(
    ("data", "given"),
    [
        (pd.DataFrame({"x": [1.0]}), {"x": 1.0}), ({"x": 1.0}, {"x": 1.0}), ([{"x": 1.0}], {"x": 1.0}), (["a"], "a"),
        ("a", "a"), (np.array([[1.0]]), [1.0]), (pd.Series([2.0]), 2.0),
    ],
)  # fmt: skip
def test_a_stream_is_for_one_input(data: Any, given: Any, path: Path) -> None:
    model = saved(path, Streaming())
    assert list(model.predict_stream(data)) == [type(given).__name__, given]


def test_more_than_one_input_cannot_be_streamed(path: Path, frame: pd.DataFrame) -> None:
    model = saved(path, Streaming(), input_example=frame)
    with pytest.raises(InvalidValue, match="there are 4"):
        model.predict_stream(frame)
    assert next(iter(model.predict_stream(frame[:1]))) == "dict"


def test_a_model_streams_if_it_has_the_method_or_is_said_to(path: Path, frame: pd.DataFrame) -> None:
    with pytest.raises(Unsupported, match="streamable"):
        saved(path, Adding(0.0)).predict_stream(frame)
    with pytest.raises(Unsupported, match="streamable"):
        saved(path.with_name("not"), Streaming(), streamable=False).predict_stream(frame)


# ---------------------------------------------------------------- type hints


class Message(pydantic.BaseModel):
    role: str
    count: int | None = None


class Speaking(PythonModel):
    def predict(self, model_input: list[Message]) -> list[str]:
        return [message.role.upper() for message in model_input]


def test_the_type_hint_of_predict_is_the_signature_and_makes_objects(path: Path) -> None:
    model = saved(path, Speaking())
    signature = model.metadata.signature
    assert signature.is_from_type_hint
    assert signature.inputs.to_dict()[0]["type"] == "object"
    assert model.predict([{"role": "user"}, Message(role="me")]) == ["USER", "ME"]
    assert model.predict(pd.DataFrame({"role": ["a"], "count": [1]})) == ["A"]
    for wrong in ([{"count": 1}], [{"role": 1}], [3], {"role": "a"}):
        with pytest.raises(InvalidValue, match=r"[Rr]o|list"):
            model.predict(wrong)


def test_functions_are_checked_by_their_hints_too(path: Path) -> None:
    def shout(words: list[str]) -> list[str]:
        return [word + "!" for word in words]

    model = saved(path, shout)
    assert model.predict(["a"]) == ["a!"]
    with pytest.raises(InvalidValue, match="int"):
        model.predict([1])


def test_hints_of_frames_say_nothing(path: Path, frame: pd.DataFrame) -> None:
    def same(model_input: pd.DataFrame) -> pd.DataFrame:
        return model_input

    model = saved(path, same)
    assert model.metadata.signature is None
    assert model.predict(frame) is frame


def test_the_form_of_the_example_is_kept_where_the_hint_asks_for_it(path: Path) -> None:
    class Kind(PythonModel):
        def predict(self, model_input: TypeFromExample) -> Any:  # type: ignore[valid-type]
            return type(model_input).__name__, model_input

    for number, (example, given) in enumerate(
        [([1, 2], [3]), (["a"], ["b"]), ([{"a": 1}], [{"a": 2}]), (np.array([1.0]), np.array([2.0]))]
    ):
        model = saved(path.with_name(f"model {number}"), Kind(), input_example=example)
        assert model.metadata.signature.is_from_example == isinstance(example, list)  # MLflow keeps no other form
        assert model.predict(given) == (type(given).__name__, given)
    frame = pd.DataFrame({"a": [1]})
    assert saved(path, Kind(), input_example=frame).predict(frame)[0] == "DataFrame"


# ---------------------------------------------------------------- other flavors, loader modules


def test_a_flavor_s_model_is_called_through_its_function(path: Path, estimator: Any, frame: pd.DataFrame) -> None:
    millstream.sklearn.save_model(estimator, path, pip_requirements=[], input_example=frame)
    model = millstream.pyfunc.load_model(path)
    np.testing.assert_array_equal(model.predict(frame), estimator.predict(frame))
    assert type(model.get_raw_model()).__name__ == "LinearRegression"
    with pytest.raises(InvalidValue, match="get_raw_model"):
        model.unwrap_python_model()
    with pytest.raises(Unsupported):
        model.predict_stream(frame[:1])


LOADER = """
def _load_pyfunc(path{second}):
    class Model:
        def predict(self, data):
            with open(path) as file:
                return file.read(), {config}
        def other(self, data, params=None):
            return "other", params
        def get_raw_model(self):
            return "raw"
    return Model()
"""


@pytest.mark.parametrize("takes_config", [True, False])
def test_a_loader_module_of_the_user_s_gets_its_data(takes_config: bool, path: Path, tmp_path: Path) -> None:
    name = f"my_loader_{takes_config}".lower()
    second, config = (", model_config", "model_config") if takes_config else ("", "None")
    (tmp_path / f"{name}.py").write_text(LOADER.format(second=second, config=config))
    (tmp_path / "weights.txt").write_text("w")
    millstream.pyfunc.save_model(
        path,
        loader_module=name,
        data_path=tmp_path / "weights.txt",
        code_paths=[tmp_path / f"{name}.py"],
        model_config={"a": 1},
        pip_requirements=[],
    )
    model = millstream.pyfunc.load_model(path, trust=True)
    assert model.predict(1) == ("w", {"a": 1} if takes_config else None)
    assert model.get_raw_model() == "raw"
    metadata = models.Model.load(path)
    assert metadata.flavors["python_function"]["data"] == "data/weights.txt"
    metadata.flavors["python_function"]["predict_fn"] = "other"
    metadata.save(path / "MLmodel")
    assert millstream.pyfunc.load_model(path, trust=True).predict(1) == ("other", None)
    metadata.flavors["python_function"]["predict_fn"] = "nobody"
    metadata.save(path / "MLmodel")
    with pytest.raises(InvalidValue, match="nobody"):
        millstream.pyfunc.load_model(path, trust=True)


def test_a_library_can_add_the_function_view_to_its_own_model(tmp_path: Path) -> None:
    (tmp_path / "own_format.py").write_text(
        "def _load_pyfunc(path):\n    return Own()\nclass Own:\n    def predict(self, x):\n        return x\n"
    )
    metadata = models.Model()
    millstream.pyfunc.add_to_model(
        metadata,
        "own_format",
        code="code",
        conda_env="conda.yaml",
        python_env="python_env.yaml",
        model_config={"a": 1},
        extra="kept",
    )
    entry = metadata.flavors["python_function"]
    assert entry["env"] == {"conda": "conda.yaml", "virtualenv": "python_env.yaml"}
    assert (entry["config"], entry["extra"]) == ({"a": 1}, "kept")
    assert "env" not in millstream.pyfunc.add_to_model(models.Model(), "x").flavors["python_function"]


def test_a_model_without_the_function_view_says_what_it_has(tmp_path: Path) -> None:
    models.Model(flavors={"mleap": {}}).save(tmp_path / "MLmodel")
    with pytest.raises(NoPythonFunction, match="only mleap"):
        millstream.pyfunc.load_model(tmp_path)


def test_old_files_name_their_environment_and_their_pickle_otherwise(
    path: Path, estimator: Any, frame: pd.DataFrame
) -> None:
    millstream.sklearn.save_model(estimator, path, serialization_format="pickle", pip_requirements=[])
    metadata = models.Model.load(path)
    entry = metadata.flavors.pop("python_function")
    metadata.flavors = {
        "python_function": {"loader_module": "mlflow.sklearn", "env": "conda.yaml", "data": entry["model_path"]}
    }
    metadata.save(path / "MLmodel")
    assert millstream.pyfunc.load_model(path, trust=True).predict(frame).tolist() == estimator.predict(frame).tolist()


def test_dependencies_are_named_as_files(path: Path) -> None:
    saved(path, doubled, pip_requirements=["tqdm==4.0"])
    assert "tqdm==4.0" in Path(millstream.pyfunc.get_model_dependencies(path)).read_text()
    assert "tqdm==4.0" in Path(millstream.pyfunc.get_model_dependencies(path, "conda")).read_text()
    with pytest.raises(InvalidValue, match="'pip' or 'conda'"):
        millstream.pyfunc.get_model_dependencies(path, "npm")
    (path / "conda.yaml").unlink()
    with pytest.raises(NotFound, match=r"conda\.yaml"):
        millstream.pyfunc.get_model_dependencies(path, "conda")


def test_packages_that_differ_are_named_once_unless_warnings_are_suppressed(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    saved(path, doubled)
    (path / "requirements.txt").write_text("pandas==0.1\nno-such-package==1\n")
    caplog.clear()
    millstream.pyfunc.load_model(path, suppress_warnings=True, trust=True)
    assert not caplog.records
    millstream.pyfunc.load_model(path, trust=True)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "pandas" in record.getMessage()
    assert "no-such-package" in record.getMessage()


def test_an_environment_that_cannot_be_read_only_warns(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    saved(path, doubled)
    (path / "requirements.txt").write_text("--evil\n")
    caplog.clear()
    assert millstream.pyfunc.load_model(path, trust=True).predict(1) == 2
    assert "--evil" in caplog.text


def test_a_loaded_model_can_be_called_from_many_threads(path: Path, frame: pd.DataFrame) -> None:
    model = saved(path, Adding(1.0), input_example=frame)
    results: list[Any] = []
    threads = [threading.Thread(target=lambda: results.append(model.predict(frame).tolist())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [[2.0, 3.0, 4.0, 5.0]] * 8


def test_a_request_can_be_tried_before_the_model_is_served(path: Path, frame: pd.DataFrame) -> None:
    model = saved(path, Adding(1.0), input_example=frame)
    request = model.metadata.get_serving_input(path)
    assert json.loads(request) == json.loads(models.convert_input_example_to_serving_input(frame))
    assert list(models.validate_serving_input(str(path), request, trust=True)) == [2.0, 3.0, 4.0, 5.0]
    assert list(models.validate_serving_input(str(path), {"inputs": {"height": [1], "width": [2]}}, trust=True)) == [
        2.0
    ]
    with pytest.raises(millstream.MillstreamError, match="dataframe_split"):
        models.validate_serving_input(str(path), {"rows": []}, trust=True)
