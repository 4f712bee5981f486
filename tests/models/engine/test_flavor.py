"""A new flavor is a file and a row: a toy one is added here, and all that the engine offers works for it."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import millstream
from millstream import models
from millstream.entities import Experiment
from millstream.errors import InvalidValue, MissingLibrary
from millstream.models import flavors
from millstream.models.flavor import Flavor

TOY = '''
"""Factors, in JSON."""
import json
from pathlib import Path
from millstream.errors import InvalidValue
from millstream.models.flavor import Flavor
from millstream.models.locations import inside

FLAVOR = Flavor(
    "toy", package="json", tested=">=2", classes=("decimal.Decimal",), loader_module="mlflow.toy", version_key="json_version",
    model_argument="toy_model", requirements=("msgspec",), options=("unit", "is_function"), load_options=("places",),
    predicts_given=False,
)

def check(model, signature, *, unit="m", is_function=True):
    if unit not in ("m", "km"):
        raise InvalidValue(f"unit is m or km, not {unit!r}.")

def save(model, root, *, unit="m", is_function=True):
    (root / "factor.json").write_text(json.dumps({"factor": str(model), "unit": unit}))
    return {"data": "factor.json", "unit": unit}

def pyfunc_entry(section, options, model):
    return {"data": section["data"], "config": {"offset": 0}} if options.get("is_function", True) else None

def load(root, section, *, trust, places=None):
    from decimal import Decimal
    value = Decimal(json.loads(inside(root, section["data"]).read_text())["factor"])
    return value if places is None else round(value, places)

def load_for_pyfunc(root, entry, section, *, trust, model_config):
    return float(load(root, section, trust=trust)), model_config["offset"]

def predict(model, inputs, params):
    factor, offset = model
    return inputs * factor + offset + params.get("more", 0)

def requirements_of(section):
    return ("packaging",) if section["unit"] == "km" else ()

save_model, log_model, load_model, autolog, get_default_pip_requirements, get_default_conda_env = FLAVOR.functions()
'''


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Any:
    module = types.ModuleType("millstream.models.flavors.toy")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(TOY, module.__dict__)
    monkeypatch.setattr(flavors, "FLAVORS", {**flavors.FLAVORS, "toy": module.__name__})
    flavors._by_class.cache_clear()
    yield module
    flavors._by_class.cache_clear()


@pytest.fixture
def model() -> Any:
    from decimal import Decimal

    return Decimal("2.25")


def test_it_is_saved_loaded_and_called(toy: Any, model: Any, path: Path, frame: pd.DataFrame) -> None:
    assert flavors.flavor_of(model) == "toy"
    toy.save_model(model, path, unit="km", input_example=(frame, {"more": 1.0}), pip_requirements=[])
    found = models.Model.load(path)
    assert found.flavors["toy"] == {"data": "factor.json", "unit": "km", "json_version": json.__version__, "code": None}
    entry = found.flavors["python_function"]
    assert (entry["loader_module"], entry["data"], entry["config"]) == ("mlflow.toy", "factor.json", {"offset": 0})
    assert found.signature is not None
    assert found.signature.params is not None
    assert toy.load_model(path) == model
    assert toy.load_model(path, places=1) == round(model, 1)
    function = millstream.pyfunc.load_model(path, model_config={"offset": 10.0})
    assert function.predict(frame, params={"more": 0.5})["height"].tolist() == [12.75, 15.0, 17.25, 19.5]
    assert toy.get_default_pip_requirements()[0].startswith("msgspec==")


def test_it_is_logged(toy: Any, model: Any, local_experiment: Experiment) -> None:
    info = toy.log_model(toy_model=model, name="factor", pip_requirements=[], registered_model_name=f"toy {id(model)}")
    assert set(info.flavors) == {"toy", "python_function"}
    assert toy.load_model(info.model_uri) == model


def test_its_requirements_follow_what_was_saved(toy: Any, model: Any, path: Path) -> None:
    from millstream.models.flavor import section_requirements

    toy.save_model(model, path, unit="km", pip_requirements=[])
    section = models.Model.load(path).flavors["toy"]
    assert section_requirements(toy, section) == ("msgspec", "packaging")
    assert section_requirements(toy, {"unit": "m"}) == ("msgspec",)


def test_it_can_be_saved_without_the_function_view(toy: Any, model: Any, path: Path, frame: pd.DataFrame) -> None:
    toy.save_model(model, path, is_function=False, input_example=frame, pip_requirements=[])
    found = models.Model.load(path)
    assert set(found.flavors) == {"toy"}
    assert found.signature is None
    assert toy.load_model(path) == model


def test_what_it_refuses_is_refused_before_anything_is_written(toy: Any, model: Any, path: Path) -> None:
    with pytest.raises(InvalidValue, match="m or km"):
        toy.save_model(model, path, unit="mile", pip_requirements=[])
    with pytest.raises(TypeError, match="colour"):
        toy.save_model(model, path, colour="red")
    with pytest.raises(TypeError, match="places"):
        toy.save_model(model, path, places=3)
    with pytest.raises(TypeError, match="unit"):
        toy.load_model(path, unit="m")
    assert not path.exists()


def test_a_library_that_is_missing_says_what_to_install() -> None:
    absent = Flavor(
        "absent", package="no_such_library", install="no-such-library", tested="", classes=(), loader_module="mlflow.absent",
        version_key="v", model_argument="model",
    )  # fmt: skip
    with pytest.raises(MissingLibrary, match="pip install no-such-library"):
        absent.library()


def test_every_flavor_is_reached_by_its_name() -> None:
    for name in flavors.FLAVORS:
        module = flavors.flavor_module(name)
        assert getattr(millstream, name) is module
        assert millstream.PLACES[name] == f"models.flavors.{name}"
        assert module.FLAVOR.name == name
        assert flavors.by_loader_module(module.FLAVOR.loader_module) == name
