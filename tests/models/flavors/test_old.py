"""Models that MLflow 1.30 wrote, kept in `tests/models/data` (see `write_old.py`), and older forms of the same folders."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

import millstream
from millstream.errors import MillstreamError, Unsupported
from millstream.models.trust import UntrustedModel

DATA = Path(__file__).parents[1] / "data" / "1.30.1"
PREDICTIONS: dict[str, list[float]] = json.loads((DATA / "predictions.json").read_text())
PICKLED = frozenset({"sklearn-pickle", "sklearn-cloudpickle", "statsmodels"})
EXAMPLE = pd.DataFrame({"a": [3.0, 4.0, 5.0], "b": [3.0, 4.0, 5.0]})

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning"),
    pytest.mark.filterwarnings("ignore:numpy.core:DeprecationWarning"),  # its modules' names in old pickles
    pytest.mark.filterwarnings("ignore::DeprecationWarning:keras.*"),
]


def predicted(path: Path, trust: bool) -> list[float]:
    result = millstream.pyfunc.load_model(str(path), suppress_warnings=True, trust=trust).predict(EXAMPLE)
    return list(np.asarray(result, dtype="float64").reshape(-1))


@pytest.mark.parametrize("name", PREDICTIONS)
def test_a_model_of_mlflow_1_predicts_as_it_did(name: str) -> None:
    path = DATA / name
    if name in PICKLED:
        with pytest.raises(UntrustedModel):
            predicted(path, trust=False)
    assert predicted(path, trust=name in PICKLED) == pytest.approx(PREDICTIONS[name], rel=1e-6)
    flavor = getattr(millstream, name.partition("-")[0])
    assert flavor.load_model(str(path), trust=name in PICKLED) is not None


def older(name: str, folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """A copy with another MLmodel."""
    path = folder / name
    shutil.copytree(DATA / name, path)
    written = yaml.safe_load((path / "MLmodel").read_text())
    change(written["flavors"])
    for key in ("mlflow_version", "model_uuid"):  # not yet there either
        written.pop(key, None)
    (path / "MLmodel").write_text(yaml.safe_dump(written))
    return path


@pytest.mark.parametrize("name", ["xgboost-booster", "lightgbm-booster"])
def test_a_booster_without_a_class_is_a_booster(name: str, tmp_path: Path) -> None:
    flavor = name.partition("-")[0]
    path = older(name, tmp_path, lambda flavors: flavors[flavor].pop("model_class"))
    assert predicted(path, trust=False) == pytest.approx(PREDICTIONS[name], rel=1e-6)
    assert type(getattr(millstream, flavor).load_model(str(path))).__name__ == "Booster"


def test_a_sklearn_model_without_a_format_is_a_pickle(tmp_path: Path) -> None:
    path = older("sklearn-pickle", tmp_path, lambda flavors: flavors["sklearn"].pop("serialization_format"))
    assert predicted(path, trust=True) == pytest.approx(PREDICTIONS["sklearn-pickle"])
    assert millstream.sklearn.load_model(str(path), trust=True).n_features_in_ == 2


def test_a_sklearn_function_may_name_its_pickle_in_data(tmp_path: Path) -> None:
    def change(flavors: dict[str, Any]) -> None:
        del flavors["sklearn"]
        entry = flavors["python_function"]
        entry["data"] = entry.pop("model_path")
        del entry["predict_fn"]

    path = older("sklearn-pickle", tmp_path, change)
    assert predicted(path, trust=True) == pytest.approx(PREDICTIONS["sklearn-pickle"])


@pytest.mark.parametrize("name", ["xgboost-booster", "lightgbm-booster", "onnx"])
def test_a_function_does_without_the_flavors_own_section(name: str, tmp_path: Path) -> None:
    path = older(name, tmp_path, lambda flavors: flavors.pop(name.partition("-")[0]))
    assert predicted(path, trust=False) == pytest.approx(PREDICTIONS[name], rel=1e-6)


def test_a_tensorflow_model_is_named_as_not_read(tmp_path: Path) -> None:
    def change(flavors: dict[str, Any]) -> None:
        flavors["tensorflow"] = {
            "saved_model_dir": "tfmodel",
            "meta_graph_tags": ["serve"],
            "signature_def_key": "predict",
        }
        flavors["python_function"]["loader_module"] = "mlflow.tensorflow"

    path = older("onnx", tmp_path, change)
    with pytest.raises(MillstreamError, match="tensorflow"):
        millstream.pyfunc.load_model(str(path))
    assert "tensorflow" in millstream.models.get_model_info(str(path)).flavors


@pytest.mark.skipif(find_spec("keras") is None, reason="keras is not installed here; `make test-flavors` has it")
def test_a_keras_model_of_1_is_read_from_h5(tmp_path: Path) -> None:
    import h5py
    import keras

    (tmp_path / "data").mkdir()
    model = keras.Sequential([keras.Input((2,), name="x"), keras.layers.Dense(1, name="d")])
    config = {
        "class_name": "Sequential",
        "config": {
            "name": "s",
            "layers": [
                {
                    "class_name": "InputLayer",
                    "config": {"batch_input_shape": [None, 2], "dtype": "float32", "name": "x"},
                },
                {
                    "class_name": "Dense",
                    "config": {"name": "d", "units": 1, "activation": "linear", "dtype": "float32"},
                },
            ],
        },
    }
    with h5py.File(tmp_path / "data" / "model.h5", "w") as file:
        file.attrs["model_config"] = json.dumps(config)
        file.attrs["keras_version"] = "2.4.3"
        weights = file.create_group("model_weights")
        weights.attrs["layer_names"] = [b"d"]
        layer = weights.create_group("d")
        layer.attrs["weight_names"] = [b"d/kernel:0", b"d/bias:0"]
        for name, value in zip(("d/kernel:0", "d/bias:0"), model.get_weights(), strict=True):
            layer.create_dataset(name, data=value)
    section = {"keras_module": "tensorflow.keras", "keras_version": "2.4.3", "save_format": "h5", "data": "data"}
    entry = {"loader_module": "mlflow.keras", "python_version": "3.7.9", "env": "conda.yaml", "data": "data"}
    (tmp_path / "MLmodel").write_text(yaml.safe_dump({"flavors": {"keras": section, "python_function": entry}}))
    native = millstream.keras.load_model(str(tmp_path))
    assert np.array_equal(native.get_weights()[0], model.get_weights()[0])
    assert predicted(tmp_path, trust=False) == list(model.predict(EXAMPLE.to_numpy(), verbose=0).reshape(-1))

    (tmp_path / "data" / "model.h5").unlink()
    (tmp_path / "data" / "model").mkdir()
    with pytest.raises(Unsupported, match="SavedModel"):
        millstream.keras.load_model(str(tmp_path))
