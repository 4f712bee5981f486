"""Saving a model to a folder: whole or not at all, with what the format asks for."""

from __future__ import annotations

import inspect
import logging
import platform
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

import millstream
from millstream import models
from millstream.errors import InvalidValue, MillstreamError
from millstream.models import flavors

NEEDS = ["scikit-learn"]


def save(model: Any, path: Path, **given: Any) -> models.Model:
    millstream.sklearn.save_model(model, path, **{"pip_requirements": NEEDS, **given})
    return models.Model.load(path)


def test_mlmodel_says_what_loads_the_model_and_what_goes_in_and_out(
    estimator: Any, frame: pd.DataFrame, path: Path
) -> None:
    found = save(estimator, path, input_example=frame[:2], metadata={"team": "a"}, resources={"api_version": "1"})
    entry, section = found.flavors["python_function"], found.flavors["sklearn"]
    assert entry["loader_module"] == "mlflow.sklearn"
    assert entry["env"] == {"conda": "conda.yaml", "virtualenv": "python_env.yaml"}
    assert entry["python_version"] == platform.python_version()
    assert section["code"] is None
    assert section["sklearn_version"].startswith("1.")
    assert found.signature == models.infer_signature(frame, pd.Series([1.0]))
    assert found.metadata == {"team": "a"}
    assert found.resources == {"api_version": "1"}
    assert (found.run_id, found.model_id) == (None, None)
    written = sorted(file.name for file in path.iterdir())
    assert written == sorted(
        ["MLmodel", "conda.yaml", "python_env.yaml", "requirements.txt", "input_example.json",
         "serving_input_example.json", section["pickled_model"]]
    )  # fmt: skip
    pickled = (path / section["pickled_model"]).stat().st_size
    examples = sum((path / name).stat().st_size for name in ("input_example.json", "serving_input_example.json"))
    assert found.model_size_bytes == pickled + examples


def test_a_folder_that_holds_something_is_refused_and_left_alone(estimator: Any, path: Path) -> None:
    path.mkdir()
    (path / "mine.txt").write_text("precious")
    with pytest.raises(InvalidValue, match="not empty"):
        save(estimator, path)
    assert [file.name for file in path.iterdir()] == ["mine.txt"]
    file = path.with_name("file")
    file.write_text("")
    with pytest.raises(InvalidValue, match="is a file"):
        save(estimator, file)


def test_an_empty_folder_and_missing_parents_are_fine(estimator: Any, path: Path) -> None:
    path.mkdir()
    save(estimator, path)
    deep = path.parent / "a" / "b" / "c"
    save(estimator, deep)
    assert (deep / "MLmodel").is_file()


def test_a_model_that_cannot_be_saved_leaves_nothing(tmp_path: Path) -> None:
    class Holds(millstream.pyfunc.PythonModel):
        def __init__(self) -> None:
            self.lock = threading.Lock()

        def predict(self, model_input: Any) -> Any:
            return model_input

    with pytest.raises(InvalidValue, match="load_context"):
        millstream.pyfunc.save_model(tmp_path / "model", python_model=Holds(), pip_requirements=[])
    assert list(tmp_path.glob("*model*")) == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"conda_env": {"dependencies": []}}, "pip_requirements"),
        ({"extra_pip_requirements": ["x"]}, "pip_requirements"),
        ({"code_paths": ["x"], "infer_code_paths": True}, "either code_paths or infer_code_paths"),
        ({"code_paths": "x.py"}, "must be a list"),
        ({"signature": True}, "ModelSignature"),
        ({"pip_requirements": ["--what"]}, "--what"),
        ({"resources": 3}, "YAML"),
    ],
)
def test_arguments_that_do_not_go_together_are_refused(
    estimator: Any, path: Path, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(MillstreamError, match=message):
        save(estimator, path, **given)
    assert not path.exists()


def test_unknown_arguments_are_a_type_error_that_names_them(estimator: Any, path: Path) -> None:
    with pytest.raises(TypeError, match="colour"):
        millstream.sklearn.save_model(estimator, path, colour="red")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="sk_model"):
        millstream.sklearn.save_model(path=path)


def test_the_functions_of_a_flavor_show_the_names_that_mlflow_uses() -> None:
    parameters = list(inspect.signature(millstream.sklearn.log_model).parameters)
    assert parameters[:2] == ["sk_model", "artifact_path"]
    assert {"serialization_format", "name", "registered_model_name", "step"} <= set(parameters)
    assert "model" not in parameters
    assert "Raises" in (millstream.sklearn.save_model.__doc__ or "")
    assert millstream.sklearn.load_model.__module__ == "millstream.models.flavors.sklearn"


def test_a_signature_that_is_given_is_written_and_false_writes_none(
    estimator: Any, frame: pd.DataFrame, path: Path
) -> None:
    signature = models.infer_signature(np.zeros((1, 2)))
    assert save(estimator, path, signature=signature, input_example=frame).signature == signature
    other = path.with_name("other")
    assert save(estimator, other, signature=False, input_example=frame).signature is None
    assert "signature" not in yaml.safe_load((other / "MLmodel").read_text())


def test_an_example_with_params_makes_a_signature_with_params(frame: pd.DataFrame, path: Path) -> None:
    class Scaled(millstream.pyfunc.PythonModel):
        def predict(self, context: Any, model_input: Any, params: dict[str, Any] | None = None) -> Any:
            return model_input * (params or {})["by"]

    millstream.pyfunc.save_model(
        path, python_model=Scaled(), input_example=(frame, {"by": 2.0}), pip_requirements=["pandas"]
    )
    model = millstream.pyfunc.load_model(path, trust=True)
    assert model.metadata.get_params_schema().params[0].default == 2.0
    assert model.predict(frame, params={"by": 3.0})["height"].tolist() == [3.0, 6.0, 9.0, 12.0]


def test_an_example_that_does_not_fit_warns_and_the_model_is_saved(
    estimator: Any, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        found = save(estimator, path, input_example=pd.DataFrame({"height": [1.0]}))
    assert found.signature is None
    assert "signature could not be inferred" in caplog.text


def test_an_example_that_fails_as_a_scoring_request_warns_and_the_model_is_saved(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def backwards(model_input: Any) -> Any:
        model_input.reverse()  # of a list; a request becomes the frame that the signature says
        return model_input

    with caplog.at_level(logging.WARNING):
        millstream.pyfunc.save_model(path, python_model=backwards, input_example=[1, 2], pip_requirements=[])
    assert "scoring request (serving_input_example.json): 'DataFrame' object has no attribute 'reverse'" in caplog.text
    assert millstream.pyfunc.load_model(path, trust=True).input_example == [1, 2]


def test_the_example_is_tried_with_the_params_and_the_artifacts_that_it_needs(
    path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[Any] = []

    class Greeting(millstream.pyfunc.PythonModel):
        def load_context(self, context: Any) -> None:
            asked.append("load_context")

        def predict(self, context: Any, model_input: Any, params: dict[str, Any] | None = None) -> Any:
            asked.append((Path(context.artifacts["greeting"]).read_text(), model_input["guest"].tolist(), params))
            return model_input

    greeting = tmp_path / "greeting"
    greeting.write_text("Hello")
    example = (pd.DataFrame({"guest": ["Ann"]}), {"end": "!"})
    with caplog.at_level(logging.WARNING):
        millstream.pyfunc.save_model(
            path,
            python_model=Greeting(),
            artifacts={"greeting": str(greeting)},
            input_example=example,
            pip_requirements=[],
        )
    assert asked == ["load_context", *[("Hello", ["Ann"], {"end": "!"})] * 2]
    assert caplog.text == ""


def test_the_example_is_not_changed_by_trying_the_model(frame: pd.DataFrame, path: Path) -> None:
    def clearing(model_input: Any) -> Any:
        model_input["height"] = 0.0
        return model_input

    example = frame.copy()
    millstream.pyfunc.save_model(path, python_model=clearing, input_example=example, pip_requirements=[])
    pd.testing.assert_frame_equal(example, frame)
    pd.testing.assert_frame_equal(millstream.pyfunc.load_model(path, trust=True).input_example, frame)


def test_requirements_are_what_the_model_imports_with_exact_versions(estimator: Any, path: Path) -> None:
    millstream.sklearn.save_model(estimator, path, extra_pip_requirements=["tqdm"])
    lines = (path / "requirements.txt").read_text().splitlines()
    import sklearn

    assert f"scikit-learn=={sklearn.__version__}" in lines
    assert "tqdm" in lines
    assert not list(path.rglob("__pycache__"))
    assert f"scikit-learn=={sklearn.__version__}" in models.infer_pip_requirements(str(path), "sklearn")


def test_requirements_that_cannot_be_inferred_are_those_that_the_caller_names(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    models.Model(flavors={"python_function": {"loader_module": "no_such_module"}}).save(broken / "MLmodel")
    assert models.infer_pip_requirements(broken, "python_function", ["numpy"]) == ["numpy"]
    with pytest.raises(MillstreamError, match="cannot be loaded"):
        models.infer_pip_requirements(broken, "python_function")


def test_what_is_known_of_the_model_already_can_be_given(estimator: Any, path: Path) -> None:
    signature = models.infer_signature(np.zeros((1, 2)))
    known = models.Model(run_id="r" * 32, metadata={"kept": 1}, signature=signature)
    known.add_flavor("mine", version=3)
    found = save(estimator, path, mlflow_model=known)
    assert found.signature == signature
    assert found.run_id == "r" * 32
    assert found.flavors["mine"] == {"version": 3}
    assert found.metadata == {"kept": 1}


def test_the_defaults_of_a_flavor_name_installed_versions() -> None:
    import sklearn

    assert millstream.sklearn.get_default_pip_requirements() == [f"scikit-learn=={sklearn.__version__}"]
    assert {"pip": [f"scikit-learn=={sklearn.__version__}"]} in millstream.sklearn.get_default_conda_env()[
        "dependencies"
    ]
    assert millstream.pyfunc.get_default_pip_requirements()[0].startswith("cloudpickle==")
    assert millstream.pyfunc.get_default_conda_env()["name"] == "mlflow-env"


def test_models_are_recognised_by_their_classes_without_importing_a_library(script: Any) -> None:
    script(
        """
import sys
import millstream.errors
from millstream.models import flavors
class Fake: pass
Base = type("BaseEstimator", (), {"__module__": "sklearn.base"})
Mine = type("Mine", (Base,), {})
assert flavors.flavor_of(Mine()) == "sklearn"
Booster = type("XGBClassifier", (type("XGBModel", (Base,), {"__module__": "xgboost.sklearn"}),), {})
assert flavors.flavor_of(Booster()) == "xgboost"
try:
    flavors.flavor_of(Fake())
except millstream.errors.InvalidValue as error:
    assert "PythonModel" in str(error), error
else:
    raise AssertionError("no flavor knows it")
assert not {"sklearn", "xgboost", "numpy", "pandas"} & set(sys.modules)
"""
    )


def test_flavors_known_by_name_only_say_so() -> None:
    with pytest.raises(flavors.FlavorNotSupported, match="h2o"):
        flavors.flavor_module("h2o")
    with pytest.raises(flavors.FlavorNotSupported, match="fastai"):
        flavors.by_loader_module("mlflow.fastai")
    with pytest.raises(InvalidValue, match="nonsense"):
        flavors.flavor("nonsense")
    assert flavors.by_loader_module("millstream.sklearn") == flavors.by_loader_module("mlflow.sklearn") == "sklearn"
    assert flavors.by_loader_module("my_company.loader") is None


def test_every_public_name_of_models_and_pyfunc_can_be_used() -> None:
    for module in (models, millstream.pyfunc):
        for name in module.__all__:
            assert getattr(module, name) is not None
            assert name in dir(module)
        with pytest.raises(AttributeError):
            _ = module.nonsense


def test_importing_a_flavor_imports_no_library(script: Any) -> None:
    script(
        """
import sys, millstream
import millstream.sklearn, millstream.pyfunc, millstream.types, millstream.xgboost
from millstream import lightgbm
import millstream.models.flavors.sklearn as same
assert millstream.sklearn is same
import millstream.pyfunc.loaded as one, millstream.models.pyfunc.loaded as other
assert one is other
heavy = {"numpy", "pandas", "sklearn", "xgboost", "lightgbm", "yaml", "cloudpickle"} & set(sys.modules)
assert not heavy, heavy
"""
    )
