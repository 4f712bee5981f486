"""Python code that travels with a model: `code/`, models from code, names of MLflow's in pickles and scripts."""

from __future__ import annotations

import pickle
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import pandas as pd
import pytest

import millstream
from millstream import alias, models
from millstream.errors import InvalidValue, LocalFileNotFound
from millstream.models.pyfunc import pickling
from millstream.models.pyfunc.python_model import FunctionModel
from millstream.models.trust import BrokenPickle, Trust, import_named

Script = Callable[..., subprocess.CompletedProcess[str]]


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return folder


# ---------------------------------------------------------------- code paths


def test_code_is_copied_and_importable_when_the_model_is_loaded(path: Path, tmp_path: Path, script: Script) -> None:
    write(tmp_path / "src" / "features", __init__="from features.inner import factor\n", inner="factor = 5\n")
    write(
        tmp_path / "src",
        model="import features\nimport millstream\nclass M(millstream.pyfunc.PythonModel):\n    def predict(self, x):\n        return x * features.factor\n",
    )
    script(
        f"""
import sys; sys.path.insert(0, {str(tmp_path / "src")!r})
import millstream, model
millstream.pyfunc.save_model({str(path)!r}, python_model=model.M(), pip_requirements=[],
                             code_paths=[{str(tmp_path / "src" / "model.py")!r}, {str(tmp_path / "src" / "features")!r}])
"""
    )
    assert sorted(file.relative_to(path).as_posix() for file in (path / "code").rglob("*.py")) == [
        "code/features/__init__.py", "code/features/inner.py", "code/model.py",
    ]  # fmt: skip
    assert not list(path.rglob("__pycache__"))
    assert models.Model.load(path).flavors["python_function"]["code"] == "code"
    assert millstream.pyfunc.load_model(path, trust=True).predict(2) == 10


def test_code_that_the_model_imports_is_found_by_itself(path: Path, tmp_path: Path, script: Script) -> None:
    write(tmp_path / "src" / "lib", __init__="", used="factor = 7\n", unused="")
    write(
        tmp_path / "src",
        other="",
        mine="from lib.used import factor\nimport millstream\nclass M(millstream.pyfunc.PythonModel):\n    def predict(self, x):\n        return x * factor\n",
    )
    script(
        f"""
import sys; sys.path.insert(0, {str(tmp_path / "src")!r})
import millstream, mine, other
millstream.pyfunc.save_model({str(path)!r}, python_model=mine.M(), pip_requirements=[], infer_code_paths=True)
"""
    )
    found = sorted(file.relative_to(path / "code").as_posix() for file in (path / "code").rglob("*.py"))
    assert found == ["lib/__init__.py", "lib/used.py", "mine.py"]
    assert millstream.pyfunc.load_model(path, trust=True).predict(2) == 14


def test_code_is_not_looked_for_in_a_model_that_cannot_be_loaded_elsewhere(path: Path, tmp_path: Path) -> None:
    source = write(tmp_path / "src", failing_loader="raise RuntimeError('not here')\n")
    sys.path.insert(0, str(source))
    try:
        with pytest.raises(InvalidValue, match=r"infer_code_paths: [\s\S]*RuntimeError: not here"):
            millstream.pyfunc.save_model(
                path, loader_module="failing_loader", pip_requirements=[], infer_code_paths=True
            )
    finally:
        sys.path.remove(str(source))
    assert not path.exists()


def test_two_models_with_modules_of_one_name_each_have_their_own(tmp_path: Path) -> None:
    for number in (1, 2):
        source = write(
            tmp_path / f"src{number}",
            shared=f"value = {number}\n",
            loader="import shared\ndef _load_pyfunc(path):\n    return Model()\nclass Model:\n    def predict(self, x):\n        return shared.value\n",
        )
        millstream.pyfunc.save_model(
            tmp_path / f"model{number}",
            loader_module="loader",
            code_paths=[source / "shared.py", source / "loader.py"],
            pip_requirements=[],
        )
    first, second = (millstream.pyfunc.load_model(tmp_path / f"model{n}", trust=True) for n in (1, 2))
    assert (first.predict(0), second.predict(0)) == (1, 2)
    again = millstream.pyfunc.load_model(tmp_path / "model1", trust=True)
    assert (first.predict(0), second.predict(0), again.predict(0)) == (1, 2, 1)


def test_a_model_s_code_hides_nothing_from_the_program_afterwards(path: Path, tmp_path: Path) -> None:
    write(tmp_path / "src", this_is_mine="value = 'model'\n")
    millstream.pyfunc.save_model(
        path, python_model=lambda rows: rows, code_paths=[tmp_path / "src" / "this_is_mine.py"], pip_requirements=[]
    )
    millstream.pyfunc.load_model(path, trust=True)
    assert sys.path[-1] == str((path / "code").resolve())
    program = write(tmp_path / "program", this_is_mine="value = 'program'\n")
    sys.path.insert(0, str(program))
    import this_is_mine  # type: ignore[import-not-found]

    assert this_is_mine.value == "program"


def test_a_module_of_the_program_stays_with_a_warning_if_it_differs(
    path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = write(tmp_path / "src", rules="value = 1\n")
    sys.path.insert(0, str(source))
    import rules  # type: ignore[import-not-found]

    millstream.pyfunc.save_model(path, python_model=lambda x: x, code_paths=[source / "rules.py"], pip_requirements=[])
    millstream.pyfunc.load_model(path, trust=True)
    assert not caplog.records
    (path / "code" / "rules.py").write_text("value = 2\n")
    millstream.pyfunc.load_model(path, trust=True)
    assert "rules" in caplog.text
    assert sys.modules["rules"] is rules


def test_a_load_that_fails_leaves_the_imports_as_they_were(path: Path, tmp_path: Path) -> None:
    write(tmp_path / "src", failing="raise RuntimeError('no')\n")
    millstream.pyfunc.save_model(
        path, loader_module="failing", code_paths=[tmp_path / "src" / "failing.py"], pip_requirements=[]
    )
    with pytest.raises(RuntimeError, match="no"):
        millstream.pyfunc.load_model(path, trust=True)
    assert "failing" not in sys.modules
    assert sys.path[0] != str(path / "code")


def test_code_paths_that_cannot_be_copied_are_refused(path: Path, tmp_path: Path) -> None:
    write(tmp_path / "a", same="")
    write(tmp_path / "b", same="")
    for code_paths, error, message in (
        (["nowhere.py"], LocalFileNotFound, "nowhere"),
        ([tmp_path / "a" / "same.py", tmp_path / "b" / "same.py"], InvalidValue, "same"),
        ([tmp_path], InvalidValue, "inside"),
    ):
        with pytest.raises(error, match=message):
            millstream.pyfunc.save_model(path, python_model=lambda x: x, code_paths=code_paths, pip_requirements=[])
        assert not path.exists()


# ---------------------------------------------------------------- models from code

FROM_CODE = """
import millstream
from millstream.models import ModelConfig, set_model
config = ModelConfig(development_config={"factor": 3, "only": "here"})
class M(millstream.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input["height"] * config.get("factor")
set_model(M())
"""


def test_a_script_is_the_model_and_runs_again_when_it_is_loaded(
    path: Path, tmp_path: Path, frame: pd.DataFrame
) -> None:
    write(tmp_path, model=FROM_CODE)
    millstream.pyfunc.save_model(
        path, python_model="model.py", input_example=frame, model_config={"factor": 7}, pip_requirements=[]
    )
    entry = models.Model.load(path).flavors["python_function"]
    assert entry["loader_module"] == "mlflow.pyfunc.loaders.code_model"
    assert entry["model_code_path"] == str(tmp_path / "model.py")
    assert (path / "model.py").read_text() == FROM_CODE
    assert not (path / "python_model.pkl").exists()
    (tmp_path / "model.py").unlink()  # the writer's own path is never followed
    model = millstream.pyfunc.load_model(path, trust=True)
    assert model.predict(frame)[0] == 7.0
    changed = millstream.pyfunc.load_model(path, trust=True, model_config={"factor": 9})
    assert (changed.predict(frame)[0], model.predict(frame)[0]) == (9.0, 7.0)
    assert type(changed.unwrap_python_model()) is not type(model.unwrap_python_model())


def test_the_development_config_counts_only_without_another(path: Path, tmp_path: Path, frame: pd.DataFrame) -> None:
    write(tmp_path, model=FROM_CODE)
    millstream.pyfunc.save_model(path, python_model=tmp_path / "model.py", pip_requirements=[])
    assert millstream.pyfunc.load_model(path, trust=True).predict(frame)[0] == 3.0
    config = models.ModelConfig(development_config={"a": 1})
    assert (config.get("a"), config.to_dict()) == (1, {"a": 1})
    with pytest.raises(KeyError):
        config.get("b")
    with pytest.raises(InvalidValue, match="development_config"):
        models.ModelConfig()
    with pytest.raises(InvalidValue, match="nowhere"):
        models.ModelConfig(development_config="nowhere.yaml")


def test_a_script_can_set_a_function(path: Path, tmp_path: Path) -> None:
    write(tmp_path, model="from millstream.models import set_model\nset_model(lambda rows: rows + 1)\n")
    millstream.pyfunc.save_model(path, python_model="model.py", pip_requirements=[])
    assert millstream.pyfunc.load_model(path, trust=True).predict(1) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n", "set_model"),
        ("from millstream.models import set_model\nset_model(3)\n", "PythonModel or a function"),
        ("from millstream.models import set_model\nset_model(lambda a, b: a)\n", "exactly one argument"),
    ],
)
def test_a_script_that_makes_no_model_is_refused(text: str, message: str, path: Path, tmp_path: Path) -> None:
    write(tmp_path, model=text)
    with pytest.raises(InvalidValue, match=message):
        millstream.pyfunc.save_model(path, python_model="model.py", pip_requirements=[])
    assert not path.exists()
    with pytest.raises(LocalFileNotFound):
        millstream.pyfunc.save_model(path, python_model="nowhere.py", pip_requirements=[])


# ---------------------------------------------------------------- import mlflow

FOR_MLFLOW = """
import mlflow
from mlflow.models import set_model
class M(mlflow.pyfunc.PythonModel):
    def predict(self, model_input):
        return model_input + 1
set_model(M())
"""


def test_a_script_that_imports_mlflow_is_served_where_the_caller_asks_for_it(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, model=FOR_MLFLOW)
    with pytest.raises(InvalidValue, match="as_mlflow"):
        millstream.pyfunc.save_model(path, python_model="model.py", pip_requirements=[])
    with millstream.as_mlflow():
        millstream.pyfunc.save_model(path, python_model="model.py", pip_requirements=[])
    assert "mlflow" not in sys.modules
    monkeypatch.setenv("MILLSTREAM_IMPORT_AS_MLFLOW", "true")
    assert millstream.pyfunc.load_model(path, trust=True).predict(1) == 2
    assert "mlflow" not in sys.modules


def test_code_beside_a_model_that_imports_mlflow_is_served_too(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(
        tmp_path / "src",
        for_mlflow="import mlflow\nclass M(mlflow.pyfunc.PythonModel):\n    def predict(self, x):\n        return x + 1\n",
    )
    sys.path.insert(0, str(tmp_path / "src"))
    with millstream.as_mlflow():
        import for_mlflow  # type: ignore[import-not-found]

        millstream.pyfunc.save_model(
            path, python_model=for_mlflow.M(), code_paths=[tmp_path / "src" / "for_mlflow.py"], pip_requirements=[]
        )
    del sys.modules["for_mlflow"]
    sys.path.remove(str(tmp_path / "src"))
    with pytest.raises(BrokenPickle, match="IMPORT_AS_MLFLOW"):
        millstream.pyfunc.load_model(path, trust=True)
    monkeypatch.setenv("MILLSTREAM_IMPORT_AS_MLFLOW", "true")
    assert millstream.pyfunc.load_model(path, trust=True).predict(1) == 2


def test_the_real_package_is_back_after_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    real, part = types.ModuleType("mlflow"), types.ModuleType("mlflow.pyfunc")
    monkeypatch.setitem(sys.modules, "mlflow", real)
    monkeypatch.setitem(sys.modules, "mlflow.pyfunc", part)
    with millstream.as_mlflow(), millstream.as_mlflow():
        import mlflow.pyfunc  # type: ignore[import-untyped]
        from mlflow.sklearn import save_model  # type: ignore[import-untyped]

        assert mlflow.pyfunc.PythonModel is millstream.pyfunc.PythonModel
        assert save_model is millstream.sklearn.save_model
    assert sys.modules["mlflow"] is real
    assert sys.modules["mlflow.pyfunc"] is part
    assert "mlflow.sklearn" not in sys.modules
    assert not any(isinstance(finder, alias.MlflowFinder) for finder in sys.meta_path)


def test_the_names_of_models_are_served_under_mlflow(script: Script) -> None:
    script(
        """
import millstream; millstream.install_as_mlflow()
import mlflow, mlflow.pyfunc, mlflow.sklearn, mlflow.models, mlflow.types, mlflow.xgboost
from mlflow.pyfunc import PythonModel, PythonModelContext, load_model, PyFuncModel
from mlflow.pyfunc.model import PythonModel as Same
from mlflow.models import Model, ModelSignature, infer_signature, set_model, ModelConfig, get_model_info, set_signature
from mlflow.models.signature import infer_signature as same_function
from mlflow.models.model import ModelInfo
from mlflow.types import Schema, ColSpec, DataType
from mlflow.types.schema import TensorSpec
assert PythonModel is Same is millstream.pyfunc.PythonModel
assert infer_signature is same_function
assert mlflow.sklearn.log_model is millstream.sklearn.log_model
assert mlflow.pyfunc.load_model is load_model
try:
    mlflow.keras.MlflowCallback
except mlflow.MlflowException as error:  # no Keras is installed here
    assert "pip install keras" in str(error)
"""
    )


# ---------------------------------------------------------------- names in pickles


def globals_of(data: bytes) -> set[str]:
    """Modules of ours that a pickle names, in whatever opcode."""
    import pickletools

    return {
        argument
        for _, argument, _ in pickletools.genops(data)
        if isinstance(argument, str) and argument.startswith("millstream")
    }


def test_pickles_name_no_class_of_ours(tmp_path: Path) -> None:
    class M(millstream.pyfunc.PythonModel):
        def predict(self, model_input: list[str]) -> list[str]:
            if not model_input:
                raise millstream.MillstreamError("empty")
            return [word.upper() for word in model_input]

    M.__module__ = "__main__"
    for model in (M(), FunctionModel(len)):
        file = tmp_path / "model.pkl"
        with open(file, "wb") as stream:
            pickling.dump(model, stream)
        named = globals_of(file.read_bytes())
        assert not {name for name in named if name.startswith("millstream.")}, named
        again = Trust(True).unpickle(file)
        assert isinstance(again, millstream.pyfunc.PythonModel)


def test_names_of_mlflow_in_a_pickle_are_ours(tmp_path: Path) -> None:
    file = tmp_path / "pickle"
    expected = {
        b"cmlflow.pyfunc.model\nPythonModel\n.": millstream.pyfunc.PythonModel,
        b"cmlflow.pyfunc.model\n_FunctionPythonModel\n.": FunctionModel,
        b"cmlflow.exceptions\nMlflowException\n.": millstream.MillstreamError,
        b"cmlflow.entities\nMetric\n.": millstream.entities.Metric,
        b"cmlflow\nstart_run\n.": millstream.start_run,
        b"cmlflow.models.signature\nModelSignature\n.": models.ModelSignature,
    }
    for content, ours in expected.items():
        file.write_bytes(content)
        assert Trust(True).unpickle(file) is ours
    assert "mlflow" not in sys.modules
    for content in (b"cmlflow.langchain\nx\n.", b"cmlflow.pyfunc.model\nNobody\n.", b"cmlflow\nnobody\n."):
        file.write_bytes(content)
        with pytest.raises(BrokenPickle, match=r"mlflow|nobody|Nobody"):
            Trust(True).unpickle(file)


def test_functions_that_use_the_module_mlflow_get_ours(tmp_path: Path) -> None:
    module = types.ModuleType("mlflow")
    sys.modules["mlflow"] = module
    namespace: dict[str, Any] = {"mlflow": module, "__name__": "__main__"}
    exec("def function(x):\n    return mlflow.MlflowException('a')\n", namespace)
    try:
        data = cloudpickle.dumps(namespace["function"])
    finally:
        del sys.modules["mlflow"]
    (tmp_path / "f").write_bytes(data)
    assert isinstance(Trust(True).unpickle(tmp_path / "f")(1), millstream.MillstreamError)
    assert import_named("json") is sys.modules["json"]


def test_a_model_whose_class_makes_something_of_its_subclasses_is_pickled_as_it_is(tmp_path: Path) -> None:
    class Registered(millstream.pyfunc.PythonModel):
        def __init_subclass__(cls, label: str = "") -> None:
            cls.label = label  # type: ignore[attr-defined]

    class M(Registered, label="x"):
        def predict(self, model_input: list[str]) -> list[str]:
            return model_input

    file = tmp_path / "model.pkl"
    with open(file, "wb") as stream:
        pickling.dump(M(), stream)
    assert Trust(True).unpickle(file).label == "x"


def test_pickles_of_other_protocols_work_too(tmp_path: Path) -> None:
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        (tmp_path / "p").write_bytes(pickle.dumps({"a": {1, 2}}, protocol))
        assert Trust(True).unpickle(tmp_path / "p") == {"a": {1, 2}}
