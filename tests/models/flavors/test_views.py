"""How models are called as Python functions, where a flavor has rules of its own, and what it refuses."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import millstream
from millstream.errors import InvalidValue, MillstreamError, MissingLibrary, NotFound, Unsupported
from millstream.models.flavors import flavor_module
from millstream.models.signature import ModelSignature
from millstream.models.skops_files import NotExpressible, is_estimator_class
from millstream.models.trust import UntrustedModel
from millstream.models.types import ParamSchema, ParamSpec
from tests.models.flavors.cases import CASES
from tests.models.flavors.conftest import Saved

needs_torch = pytest.mark.skipif(
    find_spec("torch") is None, reason="PyTorch is not installed here; `make test-flavors` has it"
)
needs_keras = pytest.mark.skipif(
    find_spec("keras") is None, reason="Keras is not installed here; `make test-flavors` has it"
)
needs_spacy = pytest.mark.skipif(
    find_spec("spacy") is None, reason="spaCy is not installed here; `make test-flavors` has it"
)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:keras.*", "ignore::DeprecationWarning:torch.*")

Load = Callable[[Any, str], Any]


@pytest.fixture
def function(tmp_path: Path) -> Load:
    """Saves a model with one flavor and loads it as a function."""

    def load(model: Any, flavor: str, **options: Any) -> Any:
        path = str(tmp_path / "model")
        arguments = {getattr(millstream, flavor).FLAVOR.model_argument: model, "pip_requirements": ["numpy"]}
        getattr(millstream, flavor).save_model(path=path, **arguments, **options)
        return millstream.pyfunc.load_model(path)

    return load


# ---------------------------------------------------------------- ONNX


def graph(inputs: dict[str, str], outputs: dict[str, str], nodes: list[tuple[str, list[str], list[str]]]) -> Any:
    from onnx import TensorProto, helper

    ends = [
        [helper.make_tensor_value_info(name, getattr(TensorProto, kind), [None]) for name, kind in each.items()]
        for each in (inputs, outputs)
    ]
    made = helper.make_graph([helper.make_node(kind, taken, given) for kind, taken, given in nodes], "g", *ends)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


@pytest.fixture
def two_inputs(function: Load) -> Any:
    nodes = [("Add", ["a", "b"], ["sum"]), ("Mul", ["a", "b"], ["product"])]
    model = graph({"a": "FLOAT", "b": "FLOAT"}, {"sum": "FLOAT", "product": "FLOAT"}, nodes)
    return function(model, "onnx")


def test_an_onnx_model_takes_a_dict_of_arrays(two_inputs: Any) -> None:
    result = two_inputs.predict({"a": np.array([1.0, 2.0]), "b": np.array([3.0, 4.0])})
    assert {name: array.tolist() for name, array in result.items()} == {"sum": [4.0, 6.0], "product": [3.0, 8.0]}
    assert result["sum"].dtype == np.float32


def test_an_onnx_model_of_several_inputs_takes_a_column_of_a_frame_for_each(two_inputs: Any) -> None:
    result = two_inputs.predict(pd.DataFrame({"b": [3.0, 4.0], "a": [1.0, 2.0]}, index=[7, 8]))
    assert result.to_dict("list") == {"sum": [4.0, 6.0], "product": [3.0, 8.0]}
    with pytest.raises(InvalidValue, match="b are no columns"):
        two_inputs.predict(pd.DataFrame({"a": [1.0]}))


@pytest.mark.parametrize("given", [np.ones(2), [1.0, 2.0]])
def test_an_onnx_model_of_several_inputs_takes_no_single_array(two_inputs: Any, given: Any) -> None:
    with pytest.raises(InvalidValue, match="dict of arrays"):
        two_inputs.predict(given)


def test_an_onnx_model_keeps_the_doubles_that_it_wants(function: Load) -> None:
    model = function(graph({"x": "DOUBLE"}, {"y": "DOUBLE"}, [("Neg", ["x"], ["y"])]), "onnx")
    assert model.predict(np.array([0.1]))["y"].tolist() == [-0.1]


def test_outputs_of_different_sizes_are_columns_of_a_frame(function: Load) -> None:
    from skl2onnx import to_onnx
    from sklearn.linear_model import LogisticRegression

    rows = np.array([[0.0], [1.0], [2.0], [3.0]], dtype=np.float32)
    model = to_onnx(LogisticRegression().fit(rows, [0, 0, 1, 1]), rows[:1], options={"zipmap": False})
    result = function(model, "onnx").predict(pd.DataFrame(rows))
    assert result.iloc[:, 0].tolist() == [0, 0, 1, 1]
    assert [len(each) for each in result.iloc[:, 1]] == [2, 2, 2, 2]


def test_onnx_options_are_checked_when_saving(function: Load) -> None:
    model = graph({"x": "FLOAT"}, {"y": "FLOAT"}, [("Neg", ["x"], ["y"])])
    for options in ({"threads": 1}, {"execution_mode": "fast"}, {"graph_optimization_level": 7}):
        with pytest.raises(InvalidValue, match=next(iter(options))):
            function(model, "onnx", onnx_session_options=options)
    good = {
        "execution_mode": "sequential",
        "graph_optimization_level": 1,
        "intra_op_num_threads": 1,
        "inter_op_num_threads": 1,
    }
    extra = {"extra_session_config": {"session.intra_op.allow_spinning": "0"}}
    loaded = function(model, "onnx", onnx_session_options={**good, **extra}, save_as_external_data=False)
    assert loaded.predict(np.ones(1, dtype=np.float32))["y"].tolist() == [-1.0]


# ---------------------------------------------------------------- boosting


def test_params_are_arguments_of_xgboosts_predict(function: Load, caplog: pytest.LogCaptureFixture) -> None:
    import xgboost

    model, example = CASES["xgboost booster"].make()
    params = ParamSchema([ParamSpec("output_margin", "boolean", False), ParamSpec("color", "string", "red")])
    loaded = function(model, "xgboost", signature=ModelSignature(params=params))
    margins = model.predict(xgboost.DMatrix(example), output_margin=True)
    with caplog.at_level(logging.WARNING):
        assert np.array_equal(loaded.predict(example, params={"output_margin": True}), margins)
    assert "takes no color" in caplog.text


def test_xgboost_checks_the_names_of_columns(function: Load) -> None:
    model, example = CASES["xgboost booster"].make()
    with pytest.raises(ValueError, match="feature"):
        function(model, "xgboost").predict(example.rename(columns=str.upper))


def test_a_class_derived_from_xgboosts_is_refused(tmp_path: Path) -> None:
    import xgboost

    class Mine(xgboost.XGBRegressor):
        pass

    with pytest.raises(InvalidValue, match="Mine"):
        millstream.xgboost.save_model(Mine(), tmp_path / "model")
    with pytest.raises(InvalidValue, match="'txt'"):
        millstream.xgboost.save_model(xgboost.XGBRegressor(), tmp_path / "model", model_format="txt")
    assert not (tmp_path / "model").exists()


# ---------------------------------------------------------------- scikit-learn


def test_sklearn_formats_and_functions_are_checked_when_saving(
    tmp_path: Path, all_saved: Callable[[str], Saved]
) -> None:
    model = all_saved("sklearn").model
    for options, says in (
        ({"serialization_format": "joblib"}, "joblib"),
        ({"pyfunc_predict_fn": "set_params"}, "set_params"),
    ):
        with pytest.raises(InvalidValue, match=says):
            millstream.sklearn.save_model(model, tmp_path / "model", **options)
    with pytest.raises(NotExpressible, match="lambda"):
        millstream.sklearn.save_model(
            all_saved("sklearn pickled").model, tmp_path / "model", serialization_format="skops"
        )
    assert list(tmp_path.iterdir()) == []


def test_a_function_that_mlmodel_names_is_one_of_those_that_predict(tmp_path: Path) -> None:
    model, example = CASES["sklearn"].make()
    millstream.sklearn.save_model(model, tmp_path / "model", pip_requirements=["numpy"])
    file = tmp_path / "model" / "MLmodel"
    file.write_text(file.read_text().replace("predict_fn: predict", "predict_fn: set_params"))
    with pytest.raises(InvalidValue, match="set_params"):
        millstream.pyfunc.load_model(str(file.parent)).predict(example)


def test_types_that_the_caller_trusts_are_written_and_read_with_skops(tmp_path: Path) -> None:
    from sklearn.preprocessing import FunctionTransformer

    model = FunctionTransformer(np.polyfit)
    types = ["numpy.polyfit"]
    millstream.sklearn.save_model(model, tmp_path / "model", skops_trusted_types=types, pip_requirements=["numpy"])
    assert (tmp_path / "model" / "model.skops").exists()
    with pytest.raises(UntrustedModel, match=r"numpy\.polyfit"):
        millstream.sklearn.load_model(str(tmp_path / "model"))
    for trusted in ({"skops_trusted_types": types}, {"trust": True}):
        assert millstream.sklearn.load_model(str(tmp_path / "model"), **trusted).func is np.polyfit


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("sklearn.linear_model._logistic.LogisticRegression", True),
        ("sklearn.tree._tree.Tree", True),
        ("sklearn.linear_model._logistic.logistic_regression_path", False),  # a function
        ("sklearn.base.warnings", False),  # what a module happens to import
        ("sklearn.utils.parallel.Parallel", False),
        ("sklearn.linear_model._logistic.sparse", False),
        ("sklearn.nonsense.Thing", False),
        ("sklearnevil.module.Thing", False),
        ("sklearn", False),
        ("sklearn.base.BaseEstimator.fit", False),
        ("", False),
    ],
)
def test_only_classes_that_estimator_modules_define_are_taken(name: str, is_one: bool) -> None:
    assert is_estimator_class(name) is is_one


def test_forests_of_every_kind_pass_the_check_of_trees(tmp_path: Path) -> None:
    from sklearn import ensemble, multioutput, neighbors, tree
    from sklearn.datasets import load_iris

    inputs, target = load_iris(return_X_y=True)
    models = [
        ensemble.ExtraTreesClassifier(3),
        ensemble.GradientBoostingClassifier(n_estimators=2),
        ensemble.HistGradientBoostingClassifier(max_iter=2, categorical_features=[0]),
        ensemble.IsolationForest(n_estimators=3, max_features=0.5),
        ensemble.BaggingClassifier(tree.DecisionTreeClassifier(), 3, max_features=0.5),
        ensemble.AdaBoostClassifier(n_estimators=2),
        multioutput.RegressorChain(ensemble.RandomForestRegressor(2)),
        neighbors.KNeighborsClassifier(algorithm="kd_tree"),
        neighbors.KNeighborsClassifier(algorithm="ball_tree", leaf_size=1),
    ]
    inputs[:, 0] = inputs[:, 0].astype(int)
    for number, model in enumerate(models):
        several = isinstance(model, multioutput.RegressorChain)
        model.fit(inputs, np.c_[target > 0, target > 1] if several else target)
        path = tmp_path / str(number)
        millstream.sklearn.save_model(model, path, pip_requirements=["numpy"])
        assert (path / "model.skops").exists(), model
        loaded = millstream.sklearn.load_model(str(path))
        assert np.array_equal(loaded.predict(inputs), model.predict(inputs)), model


# ---------------------------------------------------------------- statsmodels


def test_a_time_series_is_predicted_for_one_range(function: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLSTREAM_TRUST_PICKLES", "true")
    model, example = CASES["statsmodels time series"].make()
    loaded = function(model, "statsmodels", remove_data=False)
    assert len(loaded.predict(example)) == 5
    for wrong in (pd.DataFrame({"start": [1, 2], "end": [3, 4]}), pd.DataFrame({"from": [1]})):
        with pytest.raises(InvalidValue, match="one row with the columns 'start' and 'end'"):
            loaded.predict(wrong)


# ---------------------------------------------------------------- PyTorch, Keras, spaCy


@needs_torch
@pytest.mark.parametrize("name", ["pytorch program", "pytorch layers", "pytorch script"])
def test_a_pytorch_model_takes_arrays_and_frames(name: str, all_saved: Callable[[str], Saved]) -> None:
    saved = all_saved(name)
    module = flavor_module("pytorch")
    model = millstream.pytorch.load_model(str(saved.path))
    frame = pd.DataFrame(saved.example.astype("float64"), index=range(5, 10))
    result = module.predict(model, frame, {})
    assert list(result.index) == list(frame.index)
    assert np.array_equal(result.to_numpy(), module.predict(model, saved.example, {}))
    one = module.predict(model, saved.example[:1], {})  # any size of batch, whatever the example had
    assert one.shape == (1, 3)
    for wrong in ([1.0], {"x": saved.example}):
        with pytest.raises(InvalidValue, match="array or a frame"):
            module.predict(model, wrong, {})


@needs_torch
def test_a_program_is_exported_from_an_example_of_one_row_for_any_number(tmp_path: Path) -> None:
    import torch

    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Dropout(0.9)).train()
    example = np.ones((1, 2), dtype=np.float32)
    millstream.pytorch.save_model(model, tmp_path / "model", input_example=example, pip_requirements=["numpy"])
    assert model.training
    assert str(tmp_path).encode() not in (tmp_path / "model" / "data" / "model.pt2").read_bytes()
    assert b"stack_trace" not in (tmp_path / "model" / "data" / "model.pt2").read_bytes()
    loaded = millstream.pyfunc.load_model(str(tmp_path / "model"))
    many = np.ones((7, 2), dtype=np.float32)
    assert np.allclose(loaded.predict(many), model.eval()(torch.from_numpy(many)).detach().numpy())


@needs_torch
def test_what_cannot_be_exported_is_pickled_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    import torch

    model = torch.nn.Linear(2, 2)
    with pytest.raises(InvalidValue, match="input_example"):
        millstream.pytorch.save_model(model, tmp_path / "model", serialization_format="pt2")
    with pytest.raises(InvalidValue, match="'onnx'"):
        millstream.pytorch.save_model(model, tmp_path / "model", serialization_format="onnx")
    assert list(tmp_path.iterdir()) == []
    with caplog.at_level(logging.WARNING):
        millstream.pytorch.save_model(model, tmp_path / "model", pip_requirements=["numpy"])
    assert "saved as a pickle" in caplog.text
    assert (tmp_path / "model" / "data" / "model.pth").exists()


@needs_torch
def test_files_that_come_along_are_copied(tmp_path: Path) -> None:
    import torch

    (tmp_path / "labels.txt").write_text("a b")
    millstream.pytorch.save_model(
        torch.nn.Linear(2, 2), tmp_path / "model", extra_files=[tmp_path / "labels.txt"], pip_requirements=["numpy"]
    )
    assert (tmp_path / "model" / "extra_files" / "labels.txt").read_text() == "a b"
    section = millstream.models.get_model_info(str(tmp_path / "model")).flavors["pytorch"]
    assert section["extra_files"] == [{"path": "extra_files/labels.txt"}]
    with pytest.raises(FileNotFoundError, match="nothing"):
        millstream.pytorch.save_model(torch.nn.Linear(2, 2), tmp_path / "other", extra_files=["nothing.txt"])


@needs_torch
def test_a_state_dict_is_logged_and_read_without_trust(store: str, tmp_path: Path) -> None:
    import torch

    module = torch.nn.Linear(2, 2)
    with millstream.start_run() as run:
        millstream.pytorch.log_state_dict(module.state_dict(), "weights")
    loaded = millstream.pytorch.load_state_dict(f"runs:/{run.info.run_id}/weights")
    assert torch.equal(loaded["weight"], module.weight)
    with pytest.raises(InvalidValue, match="Linear"):
        millstream.pytorch.save_state_dict(module, tmp_path)  # type: ignore[arg-type]
    millstream.pytorch.save_state_dict({"module": module}, tmp_path)
    with pytest.raises(UntrustedModel, match=r"state_dict\.pth"):
        millstream.pytorch.load_state_dict(str(tmp_path))
    assert type(millstream.pytorch.load_state_dict(str(tmp_path), trust=True)["module"]) is torch.nn.Linear


@needs_keras
def test_a_keras_model_takes_arrays_and_frames(all_saved: Callable[[str], Saved]) -> None:
    saved = all_saved("keras")
    module = flavor_module("keras")
    model = millstream.keras.load_model(str(saved.path))
    frame = pd.DataFrame(saved.example, index=range(5, 10))
    result = module.predict(model, frame, {})
    assert list(result.index) == list(frame.index)
    assert np.array_equal(result.to_numpy(), module.predict(model, saved.example, {}))


@needs_keras
def test_a_keras_layer_of_the_users_needs_the_user(tmp_path: Path) -> None:
    import keras

    class Doubled(keras.layers.Layer):  # type: ignore[misc]
        def call(self, inputs: Any) -> Any:
            return inputs * 2

    model = keras.Sequential([keras.Input((2,)), Doubled()])
    with pytest.raises(Unsupported, match="SavedModel"):
        millstream.keras.save_model(model, tmp_path / "model", save_exported_model=True)
    millstream.keras.save_model(model, tmp_path / "model", pip_requirements=["numpy"], signature=False)
    with pytest.raises(UntrustedModel, match="custom_objects"):
        millstream.keras.load_model(str(tmp_path / "model"))
    loaded = millstream.keras.load_model(str(tmp_path / "model"), custom_objects={"Doubled": Doubled})
    assert loaded.predict(np.ones((1, 2)), verbose=0).tolist() == [[2.0, 2.0]]


@needs_spacy
def test_a_text_categorizer_takes_one_column(all_saved: Callable[[str], Saved]) -> None:
    model = millstream.pyfunc.load_model(str(all_saved("spacy").path)).get_raw_model()
    predict = flavor_module("spacy").predict
    frame = pd.DataFrame({"text": ["a fine day"]}, index=[7])
    assert list(predict(model, frame, {}).index) == [7]
    for wrong in (pd.DataFrame({"a": ["x"], "b": ["y"]}), ["x"]):
        with pytest.raises(InvalidValue, match="one column"):
            predict(model, wrong, {})


@needs_spacy
def test_a_pipeline_without_a_text_categorizer_is_no_function(tmp_path: Path) -> None:
    import spacy

    millstream.spacy.save_model(spacy.blank("en"), tmp_path / "model", pip_requirements=["numpy"])
    assert millstream.spacy.load_model(str(tmp_path / "model")).lang == "en"
    with pytest.raises(MillstreamError, match="python_function"):
        millstream.pyfunc.load_model(str(tmp_path / "model"))


# ---------------------------------------------------------------- all


def test_a_library_that_is_absent_is_named_with_its_install_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(MissingLibrary, match="pip install lightgbm"):
        millstream.lightgbm.save_model(object(), tmp_path / "model")


def test_without_skops_an_estimator_is_pickled_and_says_so(
    tmp_path: Path, all_saved: Callable[[str], Saved], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    model = all_saved("sklearn").model
    monkeypatch.setitem(sys.modules, "skops.io", None)
    with caplog.at_level(logging.WARNING):
        millstream.sklearn.save_model(model, tmp_path / "model", pip_requirements=["numpy"])
    assert "pip install skops" in caplog.text
    assert (tmp_path / "model" / "model.pkl").exists()
    with pytest.raises(MissingLibrary, match="skops"):
        millstream.sklearn.save_model(model, tmp_path / "other", serialization_format="skops")
    assert not (tmp_path / "other").exists()


def test_a_model_of_another_flavor_is_not_found(all_saved: Callable[[str], Saved]) -> None:
    with pytest.raises(NotFound, match="no flavor 'xgboost'"):
        millstream.xgboost.load_model(str(all_saved("sklearn").path))


def test_an_option_of_another_flavor_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="model_format"):
        millstream.sklearn.save_model(object(), tmp_path / "model", model_format="ubj")
