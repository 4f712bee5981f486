"""What a model really imports: seen in a process of its own, with who asked for it."""

from __future__ import annotations

import importlib.metadata
import logging
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from millstream.environments import inference
from millstream.environments.capture import Captured
from millstream.environments.inference import capture, infer_requirements, select
from millstream.environments.installed import distributions_of, pinned
from millstream.environments.lines import parse
from millstream.environments.shape import import_shape
from millstream.environments.spec import EnvironmentSpec
from millstream.environments.this_python import installed_distributions, python_version
from millstream.errors import EnvironmentFailed


def pin(name: str) -> str:
    return f"{name}=={importlib.metadata.version(name)}"


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    """Saves a model that is a Python script, and gives its folder."""
    import millstream.models.pyfunc as pyfunc

    def save(code: str, **arguments: Any) -> Path:
        script = tmp_path / "script.py"
        script.write_text("import millstream\n" + textwrap.dedent(code) + "\nmillstream.models.set_model(Model())\n")
        root = tmp_path / "model"
        pyfunc.save_model(root, python_model=str(script), pip_requirements=[], **arguments)
        return root

    return save


def test_the_imports_of_a_models_own_code_are_its_requirements(saved: Callable[..., Path]) -> None:
    root = saved("""
        import six, json
        class Model(millstream.pyfunc.PythonModel):
            def predict(self, model_input): return [1]
    """)
    assert infer_requirements(root, "python_function", []) == [pin("six")]
    assert infer_requirements(root, "python_function", ["no-such-package", "idna"]) == [
        pin("idna"),
        "no-such-package",
        pin("six"),
    ]


def test_what_is_imported_only_when_it_predicts_is_seen_by_the_example(saved: Callable[..., Path]) -> None:
    root = saved(
        """
        class Model(millstream.pyfunc.PythonModel):
            def predict(self, model_input):
                import six
                return [1]
        """,
        input_example=[1],
        signature=False,
    )
    assert pin("six") in infer_requirements(root, "python_function", [])
    assert pin("six") not in infer_requirements(root, "python_function", [], runs_example=False)


def test_an_example_that_fails_changes_nothing(saved: Callable[..., Path]) -> None:
    root = saved(
        """
        import six
        class Model(millstream.pyfunc.PythonModel):
            def predict(self, model_input): raise SystemError("no")
        """,
        input_example=[1],
        signature=False,
    )
    assert pin("six") in infer_requirements(root, "python_function", [])


def test_what_a_library_imports_because_it_is_there_is_no_requirement(saved: Callable[..., Path]) -> None:
    root = saved("""
        import pandas
        class Model(millstream.pyfunc.PythonModel):
            def predict(self, model_input): return [1]
    """)
    captured = capture(root, "python_function")
    assert "pyarrow" in captured.loaded
    assert select(captured, []) == [pin("numpy"), pin("pandas")]


def test_modules_beside_the_program_are_found_but_are_no_distributions(
    saved: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "beside.py").write_text("import six\n")
    monkeypatch.syspath_prepend(tmp_path)
    root = saved("""
        import beside
        class Model(millstream.pyfunc.PythonModel):
            def predict(self, model_input): return [1]
    """)
    captured = capture(root, "python_function")
    assert str(tmp_path / "beside.py") in captured.local_files
    assert select(captured, []) == [pin("six")]


def test_a_model_that_is_no_python_function_is_loaded_with_the_code_that_it_brings(tmp_path: Path) -> None:
    root = tmp_path / "transformer"
    (root / "code").mkdir(parents=True)
    (root / "code" / "mine.py").write_text("import six\nscaler = 2.0\n")
    (root / "model.pkl").write_bytes(b"cmine\nscaler\n.")  # a pickle that names it
    (root / "MLmodel").write_text("flavors:\n  sklearn:\n    pickled_model: model.pkl\n    code: code\n")
    assert pin("six") in infer_requirements(root, "sklearn", ["scikit-learn"])


@pytest.fixture
def unloadable(tmp_path: Path) -> Path:
    root = tmp_path / "broken"
    root.mkdir()
    (root / "script.py").write_text('raise RuntimeError("cannot load this")\n')
    (root / "MLmodel").write_text("flavors:\n  python_function:\n    loader_module: script\n    code: code\n")
    (root / "code").mkdir()
    (root / "script.py").rename(root / "code" / "script.py")
    return root


def test_a_model_that_cannot_be_loaded_has_its_flavors_requirements_and_one_warning(
    unloadable: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert infer_requirements(unloadable, "python_function", ["six", "idna>=2"]) == ["idna>=2", pin("six")]
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "cannot load this" in warnings[0].message


def test_that_is_an_error_where_the_setting_asks_for_it(unloadable: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_REQUIREMENTS_INFERENCE_RAISE_ERRORS", "true")
    with pytest.raises(EnvironmentFailed, match="cannot load this"):
        infer_requirements(unloadable, "python_function", ["six"])


def test_a_model_that_hangs_is_given_up_with_all_that_it_started(
    unloadable: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    alive = unloadable / "alive"
    (unloadable / "code" / "script.py").write_text(
        f"import subprocess, time\nsubprocess.Popen(['sh', '-c', 'sleep 3; touch {alive}'])\ntime.sleep(60)\n"
    )
    monkeypatch.setenv("MLFLOW_REQUIREMENTS_INFERENCE_TIMEOUT", "2")
    began = time.monotonic()
    assert infer_requirements(unloadable, "python_function", ["six"]) == [pin("six")]
    assert time.monotonic() - began < 10
    assert "longer than 2 s" in caplog.text
    time.sleep(max(0.0, began + 5.5 - time.monotonic()))
    assert not alive.exists()


def test_a_program_that_has_python_built_in_gets_its_flavors_requirements(
    unloadable: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("sys.executable", "")
    assert infer_requirements(unloadable, "python_function", ["six"]) == [pin("six")]
    assert "No process can be started" in caplog.text


# ---------------------------------------------------------------- choosing among what was seen


def captured(needed: str, direct: str = "", loaded: str = "") -> Captured:
    return Captured(needed.split(), direct.split(), loaded.split(), [])


def test_what_others_in_the_list_bring_along_is_left_out_unless_own_code_names_it() -> None:
    assert select(captured("pandas python-dateutil"), []) == [pin("pandas")]
    assert select(captured("pandas python-dateutil", "python-dateutil"), []) == [pin("pandas"), pin("python-dateutil")]
    assert select(captured("msgspec pyyaml"), []) == []  # Millstream's own
    assert select(captured("mlflow millstream"), []) == []


def test_what_reads_saved_arrays_is_always_pinned_where_it_was_loaded() -> None:
    assert select(captured("pandas", loaded="pandas numpy scipy"), []) == [pin("numpy"), pin("pandas")]


def test_defaults_stay_as_they_were_given_and_are_pinned_where_they_are_names() -> None:
    assert select(captured("six"), ["idna>=2", "six"]) == ["idna>=2", pin("six")]
    assert pinned("xgboost") == pin("xgboost-cpu")
    assert pinned("no-such-package") == "no-such-package"


def test_local_parts_of_versions_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "torchlike-2.13.0+cpu.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: torchlike\nVersion: 2.13.0+cpu\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert pinned("torchlike") == "torchlike==2.13.0"


def test_files_are_told_apart_by_distribution() -> None:
    import six
    import yaml

    assert six.__file__
    assert yaml.__file__
    assert distributions_of([six.__file__, yaml.__file__, textwrap.__file__, __file__]) == {
        six.__file__: "six",
        yaml.__file__: "pyyaml",
    }
    assert any(name.startswith("six-") for name in installed_distributions())


# ---------------------------------------------------------------- models of one shape


@pytest.fixture
def nothing_seen() -> Iterator[None]:
    inference._seen.clear()
    yield
    inference._seen.clear()


@pytest.fixture(scope="module")
def frame() -> Any:
    import pandas

    return pandas.DataFrame({"a": [1.0, 2, 3, 4], "b": [2.0, 1, 0, 5]})


@pytest.fixture
def sklearn_model(tmp_path: Path, frame: Any) -> Callable[..., Path]:
    import millstream.models.flavors.sklearn as flavor

    def save(name: str, model: Any, **arguments: Any) -> Path:
        flavor.save_model(model.fit(frame, [0, 1, 1, 0]), tmp_path / name, pip_requirements=[], **arguments)
        return tmp_path / name

    return save


@pytest.mark.parametrize("serialization_format", ["skops", "cloudpickle"])
def test_models_that_differ_in_numbers_alone_have_one_shape(
    serialization_format: str, sklearn_model: Callable[..., Path], frame: Any
) -> None:
    from sklearn.linear_model import Ridge

    def shape(name: str, model: Any, **arguments: Any) -> str | None:
        return import_shape(sklearn_model(name, model, serialization_format=serialization_format, **arguments))

    first = shape("a", Ridge(alpha=1.0))
    assert first is not None
    assert shape("b", Ridge(alpha=2.5)) == first
    assert shape("c", Ridge(solver="svd")) != first
    assert shape("d", Ridge(), input_example=frame) != first


def test_a_model_of_a_wide_table_has_a_shape_and_an_environment(sklearn_model: Callable[..., Path]) -> None:
    from sklearn.linear_model import Ridge

    from millstream.models.signature import ModelSignature
    from millstream.models.types import ColSpec, Schema

    wide = Schema([ColSpec("double", f"column {number}") for number in range(20_000)])
    root = sklearn_model("a", Ridge(), signature=ModelSignature(wide))
    assert (root / "MLmodel").stat().st_size > 1 << 20
    assert import_shape(root) is not None
    assert EnvironmentSpec.read(root).python == python_version()


@pytest.mark.usefixtures("nothing_seen")
def test_a_second_model_of_one_shape_is_not_loaded_again_and_needs_the_same(sklearn_model: Callable[..., Path]) -> None:
    from sklearn.linear_model import Ridge

    first = infer_requirements(sklearn_model("a", Ridge(alpha=1.0)), "sklearn", ["scikit-learn"])
    began = time.perf_counter()
    second = infer_requirements(sklearn_model("b", Ridge(alpha=7.0)), "sklearn", ["scikit-learn"])
    assert time.perf_counter() - began < 1
    assert first == second
    assert [line.name for line in parse(first).lines] == ["numpy", "scikit-learn", "scipy", "skops"]
    inference._seen.clear()
    assert infer_requirements(sklearn_model("c", Ridge(alpha=9.0)), "sklearn", ["scikit-learn"]) == first


def test_a_model_that_holds_code_has_no_shape(saved: Callable[..., Path], sklearn_model: Callable[..., Path]) -> None:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer
    from sklearn.tree import DecisionTreeClassifier

    code = sklearn_model(
        "a",
        make_pipeline(FunctionTransformer(lambda x: x), DecisionTreeClassifier()),
        serialization_format="cloudpickle",
    )
    assert import_shape(code) is None
    assert (
        import_shape(
            saved("class Model(millstream.pyfunc.PythonModel):\n    def predict(self, model_input): return [1]\n")
        )
        is None
    )


def test_what_millstream_imports_to_read_a_model_counts_also_where_it_is_no_editable_checkout() -> None:
    import joblib

    import millstream
    from millstream.environments.capture import _names_what_is_loaded

    for by in (None, "millstream"):
        assert _names_what_is_loaded(by, millstream.__file__, 1)
    lines = Path(joblib.__file__).read_text().splitlines()
    statement = next(number for number, line in enumerate(lines, 1) if line.startswith(("import ", "from ")))
    assert not _names_what_is_loaded("joblib", joblib.__file__, statement)
    assert _names_what_is_loaded("joblib", joblib.__file__, 1)  # not a statement: it unpickles what a file names
