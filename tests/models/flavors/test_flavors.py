"""What every flavor keeps to: one suite over the table of `cases`."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

import millstream
from millstream.errors import MillstreamError
from millstream.models.flavors import FLAVORS, flavor, flavor_of
from millstream.models.trust import UntrustedModel
from tests.models.flavors.cases import CASES, plain, same
from tests.models.flavors.conftest import INSTALLED, Saved
from tests.serving.conftest import Asker

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:keras.*", "ignore::DeprecationWarning:torch.*")


def mlmodel(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((path / "MLmodel").read_text())
    return found


def expected(saved: Saved) -> Any:
    return plain(saved.case.native(saved.model, saved.example))


def test_the_table_has_a_case_for_every_flavor() -> None:
    assert {case.flavor for case in CASES.values()} == {*FLAVORS, "python_function"}


@pytest.mark.parametrize("package", sorted({case.package for case in CASES.values()}))
def test_the_library_is_installed(package: str, request: pytest.FixtureRequest) -> None:
    """The cases of a library that is not here are left out: this says so, and with `--all-flavors` it fails."""
    if find_spec(package) is None:
        suite = "test-spark" if package == "pyspark" else "test-flavors"
        reason = f"no model of {package!r} is tested, it is not installed here; `make {suite}` has it"
        if request.config.getoption("--all-flavors") and package != "pyspark":
            pytest.fail(reason)
        pytest.skip(reason)


def test_a_model_is_recognised_by_its_class(saved: Saved) -> None:
    if saved.case.flavor != "python_function":
        assert flavor_of(saved.model) == saved.case.flavor


def test_the_section_and_the_files_are_those_of_the_format(saved: Saved) -> None:
    flavors = mlmodel(saved.path)["flavors"]
    if saved.case.flavor != "python_function":
        facts = saved.api.FLAVOR
        assert flavors[saved.case.flavor] == {
            **saved.case.section,
            facts.version_key: facts.version(),
            "code": None,
        }
        if saved.case.has_function:
            assert flavors["python_function"]["loader_module"] == facts.loader_module
    assert ("python_function" in flavors) == saved.case.has_function
    for name in saved.case.files:
        assert (saved.path / name).is_file(), name


def test_the_environment_is_written_beside(saved: Saved) -> None:
    written = (saved.path / "requirements.txt").read_text().splitlines()
    requirements = [line for line in written if not line.startswith("#")]
    conda = yaml.safe_load((saved.path / "conda.yaml").read_text())
    python = yaml.safe_load((saved.path / "python_env.yaml").read_text())
    for line in saved.api.get_default_pip_requirements():
        assert line in requirements
    assert conda["dependencies"][-1]["pip"] == requirements
    assert python["dependencies"] == ["-r requirements.txt"]


def test_the_default_requirements_are_pinned_to_what_is_installed(saved: Saved) -> None:
    if saved.case.flavor == "python_function":
        return
    lines = saved.api.get_default_pip_requirements()
    assert len(lines) == len(saved.api.FLAVOR.requirements)
    for line in lines:
        name, _, pinned = line.partition("==")
        assert pinned == version(name).partition("+")[0]


def test_predictions_are_those_of_the_library(saved: Saved) -> None:
    if not saved.case.has_function:
        with pytest.raises(MillstreamError, match="python_function"):
            millstream.pyfunc.load_model(str(saved.path), trust=saved.case.needs_trust)
        return
    function = millstream.pyfunc.load_model(str(saved.path), trust=saved.case.needs_trust)
    assert same(plain(function.predict(saved.example)), expected(saved))


def test_the_native_model_predicts_the_same(saved: Saved) -> None:
    if saved.case.flavor == "python_function":
        return
    native = saved.api.load_model(str(saved.path), trust=saved.case.needs_trust)
    assert same(plain(saved.case.native(native, saved.example)), expected(saved))


def test_signature_and_example_are_kept(saved: Saved) -> None:
    from millstream.models.signature import infer_signature

    if not saved.case.has_function:
        return
    function = millstream.pyfunc.load_model(str(saved.path), trust=saved.case.needs_trust)
    signature = function.metadata.signature
    if not saved.case.infers_signature:  # nothing says then that the example was float32
        assert signature is None
        assert function.input_example.astype("float32").tolist() == saved.example.tolist()
        return
    assert same(plain(function.input_example), plain(saved.example))
    assert signature is not None
    assert signature.inputs == infer_signature(saved.example).inputs
    assert signature.outputs is not None
    assert signature.params is None


def test_a_pickle_is_loaded_on_trust_alone(saved: Saved, monkeypatch: pytest.MonkeyPatch) -> None:
    loaders = [] if saved.case.flavor == "python_function" else [saved.api.load_model]
    loaders += [millstream.pyfunc.load_model] if saved.case.has_function else []
    for load in loaders:
        if not saved.case.needs_trust:
            load(str(saved.path), trust=False)
            continue
        with pytest.raises(UntrustedModel, match="trust=True") as refused:
            load(str(saved.path))
        assert any(Path(name).name in str(refused.value) for name in saved.case.files)
        monkeypatch.setenv("MILLSTREAM_TRUST_PICKLES", "true")
        load(str(saved.path))
        monkeypatch.delenv("MILLSTREAM_TRUST_PICKLES")


def test_a_fresh_process_loads_them_all(all_saved: Callable[[str], Saved], tmp_path: Path) -> None:
    models = [all_saved(name) for name in INSTALLED]
    job = {
        each.case.name: [str(each.path), each.case.flavor, each.case.needs_trust, each.case.has_function]
        for each in models
    }
    (tmp_path / "job.json").write_text(json.dumps(job))
    done = subprocess.run(
        [sys.executable, "-m", "tests.models.flavors.fresh", str(tmp_path / "job.json"), str(tmp_path / "results.pkl")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    answers = pickle.loads((tmp_path / "results.pkl").read_bytes())
    assert {name: answer["error"] for name, answer in answers.items() if "error" in answer} == {}
    for each in models:
        if each.case.has_function:
            assert same(answers[each.case.name]["prediction"], expected(each)), each.case.name


def test_a_logged_model_is_loaded_by_every_kind_of_uri(saved: Saved, store: str) -> None:
    with millstream.start_run() as run:
        info = saved.api.log_model(name="model", registered_model_name="prices", **saved.arguments())
    assert info.signature == millstream.models.get_model_info(str(saved.path)).signature
    for uri in (info.model_uri, f"runs:/{run.info.run_id}/model", "models:/prices/1"):
        if saved.case.flavor != "python_function":
            native = saved.api.load_model(uri, trust=saved.case.needs_trust)
            assert same(plain(saved.case.native(native, saved.example)), expected(saved)), uri
        if saved.case.has_function:
            function = millstream.pyfunc.load_model(uri, trust=saved.case.needs_trust)
            assert same(plain(function.predict(saved.example)), expected(saved)), uri


def test_a_served_model_answers_its_example(saved: Saved) -> None:
    from millstream.serving import create_app

    if not saved.case.has_function:
        return
    app = create_app(str(saved.path), trust=saved.case.needs_trust)
    body = (saved.path / "serving_input_example.json").read_bytes()
    reply = Asker(app).post(body)
    assert flat(reply.predictions) == pytest.approx(flat(expected(saved)), rel=1e-6)


def flat(value: Any) -> list[Any]:
    """The numbers of a result, row by row, whatever they are in."""
    if isinstance(value, dict) and set(value) == {"columns", "values"}:
        return flat([list(row) for row in zip(*value["values"], strict=True)])
    if isinstance(value, dict):
        return [each for item in value.values() for each in flat(item)]
    if hasattr(value, "tolist"):
        return flat(value.tolist())
    return [each for item in value for each in flat(item)] if isinstance(value, list) else [value]


def test_what_no_flavor_knows_is_named(tmp_path: Path) -> None:
    with pytest.raises(MillstreamError, match=r"builtins\.dict"):
        flavor_of({})
    assert flavor("sklearn").name == "sklearn"
