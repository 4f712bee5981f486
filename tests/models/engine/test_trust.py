"""No code of a model's author runs unless the caller says so; the canary of each test stays untouched."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import os
import pickle
import shutil
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import millstream
from millstream import models
from millstream.errors import InvalidValue
from millstream.models.locations import PathLeavesModel, fetch, inside
from millstream.models.trust import BrokenPickle, Trust, UntrustedModel, trust_of


class Bomb:
    """Unpickled, it makes a file."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.canary),)


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return tmp_path / "canary"


def make(root: Path, **flavors: dict[str, Any]) -> Path:
    """A model's folder that somebody wrote by hand."""
    root.mkdir(exist_ok=True)
    models.Model(flavors=flavors).save(root / "MLmodel")
    return root


PYTHON_MODEL = {"loader_module": "mlflow.pyfunc.model", "python_model": "python_model.pkl"}


@pytest.mark.parametrize("setting", [None, "MILLSTREAM_TRUST_PICKLES", "MLFLOW_ALLOW_PICKLE_DESERIALIZATION"])
def test_a_pickle_loads_on_trust_alone(
    setting: str | None, path: Path, canary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(path, python_function=PYTHON_MODEL)
    (path / "python_model.pkl").write_bytes(pickle.dumps(Bomb(canary)))
    if setting is not None:
        monkeypatch.setenv(setting, "false")
    with pytest.raises(UntrustedModel) as caught:
        millstream.pyfunc.load_model(path)
    assert str(path / "python_model.pkl") in str(caught.value)
    assert "trust=True" in str(caught.value)
    assert "MILLSTREAM_TRUST_PICKLES" in str(caught.value)
    assert not canary.exists()
    if setting is not None:
        monkeypatch.setenv(setting, "true")
    with pytest.raises(InvalidValue, match="neither a PythonModel nor a function"):
        millstream.pyfunc.load_model(path, trust=None if setting else True)
    assert canary.exists()


def test_the_caller_s_word_is_stronger_than_the_setting(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLSTREAM_TRUST_PICKLES", "true")
    assert trust_of(None, path).is_given
    assert not trust_of(False, path).is_given
    assert trust_of(Trust(False), path) == Trust(False)


class Outer(millstream.pyfunc.PythonModel):
    """Reads another model, of its artifacts or from elsewhere, when it is loaded."""

    def __init__(self, where: Path | None = None) -> None:
        self.where = where

    def load_context(self, context: Any) -> None:
        self.inner = millstream.sklearn.load_model(self.where or context.artifacts["inner"])

    def predict(self, model_input: Any, params: Any = None) -> Any:
        return self.inner.predict(model_input)


def test_a_model_inside_of_a_trusted_one_is_trusted_while_that_is_loaded(
    path: Path, estimator: Any, frame: pd.DataFrame, tmp_path: Path
) -> None:
    inner = tmp_path / "inner"
    millstream.sklearn.save_model(estimator, inner, serialization_format="pickle", pip_requirements=[])
    millstream.pyfunc.save_model(path, python_model=Outer(), artifacts={"inner": str(inner)}, pip_requirements=[])
    model = millstream.pyfunc.load_model(path, trust=True)
    assert model.predict(frame).tolist() == estimator.predict(frame).tolist()
    with pytest.raises(UntrustedModel, match=r"artifacts/inner/model\.pkl"):
        millstream.sklearn.load_model(path / "artifacts" / "inner")
    elsewhere = tmp_path / "elsewhere"
    millstream.pyfunc.save_model(elsewhere, python_model=Outer(inner), pip_requirements=[])
    with pytest.raises(UntrustedModel, match=r"inner/model\.pkl"):
        millstream.pyfunc.load_model(elsewhere, trust=True)


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda data: data,
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE),
    "zlib": zlib.compress,
    "zlib 1": lambda data: zlib.compress(data, 1),
    "zlib 9": lambda data: zlib.compress(data, 9),
}


@pytest.mark.parametrize("packing", PACKED)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_read_on_trust_alone_however_it_is_packed(
    packing: str, protocol: int, tmp_path: Path, canary: Path
) -> None:
    file = tmp_path / "weights.npy"
    file.write_bytes(PACKED[packing](pickle.dumps(Bomb(canary), protocol)))
    with pytest.raises(UntrustedModel):
        Trust(False).unpickle(file)
    assert not canary.exists()
    Trust(True).unpickle(file)
    assert canary.exists()


def test_large_compressed_pickles_are_read_whole(tmp_path: Path) -> None:
    value = [os.urandom(1000) for _ in range(100)]
    for packing, pack in PACKED.items():
        file = tmp_path / packing
        file.write_bytes(pack(pickle.dumps(value)))
        assert Trust(True).unpickle(file) == value


@pytest.mark.parametrize(
    "content",
    [b"", b"\x80", b"\x80\x04\x95", b"not a pickle", gzip.compress(pickle.dumps("x" * 1000), mtime=0)[:30], b"cno_such_module\nname\n.",
     b"cos\nno_such_name\n.", zlib.compress(pickle.dumps([1]))[:8], lzma.compress(pickle.dumps([1] * 1000))[:40]],
)  # fmt: skip
def test_a_pickle_that_cannot_be_read_says_so(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "model.pkl"
    file.write_bytes(content)
    with pytest.raises(BrokenPickle, match=r"requirements\.txt"):
        Trust(True).unpickle(file)


# ---------------------------------------------------------------- scripts, code and loader modules


def test_a_script_runs_on_trust_alone(path: Path, canary: Path) -> None:
    make(
        path,
        python_function={
            "loader_module": "mlflow.pyfunc.loaders.code_model",
            "model_code_path": "/home/author/model.py",
        },
    )
    (path / "model.py").write_text(f"import os; os.mkdir({str(canary)!r})\n")
    with pytest.raises(UntrustedModel, match=r"model\.py"):
        millstream.pyfunc.load_model(path)
    assert not canary.exists()


@pytest.mark.parametrize("is_native", [True, False])
def test_code_beside_a_harmless_model_runs_on_trust_alone(
    is_native: bool, path: Path, canary: Path, estimator: Any, tmp_path: Path
) -> None:
    module = tmp_path / "skops.py"
    module.write_text(f"import os; os.mkdir({str(canary)!r})\n")
    millstream.sklearn.save_model(estimator, path, pip_requirements=[], code_paths=[module])
    with pytest.raises(UntrustedModel, match="code"):
        (millstream.sklearn if is_native else millstream.pyfunc).load_model(path)
    assert not canary.exists()
    assert str(path / "code") not in sys.path


def test_a_loader_module_is_imported_on_trust_alone(path: Path, canary: Path) -> None:
    make(path, python_function={"loader_module": "antigravity"})
    with pytest.raises(UntrustedModel, match="antigravity"):
        millstream.pyfunc.load_model(path)
    assert "antigravity" not in sys.modules
    (path / "code").mkdir()
    (path / "code" / "evil_loader.py").write_text(f"import os; os.mkdir({str(canary)!r})\n")
    make(path, python_function={"loader_module": "evil_loader", "code": "code"})
    with pytest.raises(UntrustedModel, match="code"):
        millstream.pyfunc.load_model(path)
    assert not canary.exists()


@pytest.mark.parametrize(
    "loader", [None, 3, "", "a b", "os;", "../x", "a..b", "mlflow.langchain", "millstream.server", "mlflow.h2o"]
)
def test_a_loader_that_is_none_is_refused_even_on_trust(loader: Any, path: Path) -> None:
    make(path, python_function={"loader_module": loader})
    with pytest.raises(millstream.MillstreamError) as caught:
        millstream.pyfunc.load_model(path, trust=True)
    assert not isinstance(caught.value, UntrustedModel)


def test_reading_what_a_model_says_of_itself_runs_nothing(path: Path, canary: Path) -> None:
    make(path, python_function={**PYTHON_MODEL, "code": "code"})
    (path / "python_model.pkl").write_bytes(pickle.dumps(Bomb(canary)))
    (path / "code").mkdir()
    (path / "code" / "pandas.py").write_text(f"import os; os.mkdir({str(canary)!r})\n")
    (path / "requirements.txt").write_text("pandas\n")
    models.get_model_info(str(path))
    millstream.pyfunc.get_model_dependencies(path)
    models.set_signature(str(path), models.infer_signature(pd.DataFrame({"a": [1.0]})))
    assert not canary.exists()


STRANGE: tuple[Any, ...] = (
    None,
    5,
    1.5,
    True,
    [],
    [1],
    {},
    {"a": {"path": 3}},
    {"a": 1},
    "",
    "x y",
    "\0",
    "../..",
    "ünï",
    "a" * 5000,
)


@pytest.mark.parametrize(
    "key",
    ["artifacts", "code", "config", "data", "env", "loader_module", "model_code_path", "predict_fn", "predict_stream_fn",
     "python_model", "python_version", "streamable"],
)  # fmt: skip
def test_strange_values_in_mlmodel_are_refused_or_harmless(key: str, path: Path) -> None:
    millstream.pyfunc.save_model(path, python_model=lambda rows: rows, pip_requirements=[])
    (path / "script.py").write_text("from millstream.models import set_model\nset_model(len)\n")
    entries = (
        models.Model.load(path).flavors["python_function"],
        {"loader_module": "mlflow.pyfunc.loaders.code_model", "model_code_path": "script.py"},
        {"loader_module": "json"},
    )
    for entry in entries:
        for value in STRANGE:
            make(path, python_function={**entry, key: value})
            with contextlib.suppress(millstream.MillstreamError):
                millstream.pyfunc.load_model(path, trust=True, suppress_warnings=True).predict([])


# ---------------------------------------------------------------- paths


OUTSIDE = [
    "../secret.pkl",
    "/etc/passwd",
    "a/../../secret.pkl",
    "C:\\x",
    "..",
    "",
    ".",
    "a\0b",
    "%2e%2e/secret.pkl",
    "a\\..\\b",
]


@pytest.mark.parametrize("where", OUTSIDE)
def test_paths_in_mlmodel_cannot_lead_out_of_the_model(where: str, path: Path, canary: Path) -> None:
    (path.parent / "secret.pkl").write_bytes(pickle.dumps(Bomb(canary)))
    for flavors in (
        {"python_function": {**PYTHON_MODEL, "python_model": where}},
        {"python_function": {**PYTHON_MODEL, "code": where or "../code"}},
        {"python_function": {"loader_module": "mlflow.sklearn", "model_path": where}},
        {"python_function": {"loader_module": "mlflow.sklearn"}, "sklearn": {"pickled_model": where}},
        {"python_function": {"loader_module": "json", "data": where or "../data"}},
    ):
        make(path, **flavors)
        with pytest.raises(InvalidValue):
            millstream.pyfunc.load_model(path, trust=True)
    assert not canary.exists()
    with pytest.raises(PathLeavesModel, match="leads out"):
        inside(path, where)


def test_artifacts_of_a_model_stay_inside(path: Path) -> None:
    millstream.pyfunc.save_model(path, python_model=lambda rows: rows, pip_requirements=[])
    metadata = models.Model.load(path)
    metadata.flavors["python_function"]["artifacts"] = {"passwords": {"path": "../../etc/passwd", "uri": "x"}}
    metadata.save(path / "MLmodel")
    with pytest.raises(PathLeavesModel):
        millstream.pyfunc.load_model(path, trust=True)


def test_links_cannot_lead_out_of_the_model(path: Path, tmp_path: Path) -> None:
    make(path, python_function=PYTHON_MODEL)
    (tmp_path / "outside").mkdir()
    (path / "data").mkdir()
    (path / "data" / "inner").symlink_to("../MLmodel")
    fetch(path)  # links inside are fine
    for target in ("/etc/passwd", str(tmp_path / "outside"), "../../outside", "nowhere/../../.."):
        link = path / "data" / "link"
        link.symlink_to(target)
        with pytest.raises(PathLeavesModel, match="data/link"):
            millstream.pyfunc.load_model(path, trust=True)
        link.unlink()


def test_the_root_itself_may_be_a_link(path: Path, estimator: Any, tmp_path: Path) -> None:
    millstream.sklearn.save_model(estimator, path, pip_requirements=[])
    (tmp_path / "latest").symlink_to(path)
    assert millstream.pyfunc.load_model(tmp_path / "latest").get_raw_model() is not None
    assert millstream.pyfunc.load_model(str(tmp_path / "latest" / "MLmodel")).get_raw_model() is not None


@pytest.mark.parametrize("missing", ["python_model.pkl", "MLmodel"])
def test_a_model_that_is_not_whole_says_so(missing: str, path: Path) -> None:
    millstream.pyfunc.save_model(path, python_model=lambda rows: rows, pip_requirements=[])
    (path / missing).unlink()
    with pytest.raises(millstream.MillstreamError, match=missing):
        millstream.pyfunc.load_model(path, trust=True)


def test_code_that_is_named_but_missing_says_so(path: Path, estimator: Any) -> None:
    millstream.sklearn.save_model(estimator, path, pip_requirements=[], code_paths=[__file__])
    shutil.rmtree(path / "code")
    with pytest.raises(InvalidValue, match="code"):
        millstream.sklearn.load_model(path, trust=True)
