"""Model folders of strangers: refused with one clear error, and the canary stays untouched; reading metadata runs no code."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from pathlib import Path

import pytest

import millstream
from millstream.errors import MillstreamError
from millstream.models import Model, get_model_info
from tests.models.flavors.hostile import ATTACKS, Attack, example_outside

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:keras.*", "ignore::DeprecationWarning:torch.*")

HERE = [attack for attack in ATTACKS if not attack.package or find_spec(attack.package)]


@pytest.fixture(params=HERE, ids=[attack.name for attack in HERE])
def attack(request: pytest.FixtureRequest) -> Attack:
    found: Attack = request.param
    return found


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return tmp_path / "canary"


@pytest.fixture
def root(tmp_path: Path, attack: Attack, canary: Path) -> Path:
    folder = tmp_path / "around" / "model"
    folder.mkdir(parents=True)
    attack.build(folder, canary)
    canary.unlink(missing_ok=True)
    return folder


def refused(error: MillstreamError, attack: Attack) -> None:
    assert error.status < 500
    assert attack.says in str(error)
    assert len(str(error)) < 2000


def test_it_is_refused_and_nothing_runs(attack: Attack, root: Path, canary: Path) -> None:
    about_running = attack.flavor == "onnx" and attack.says == "trust=True"  # the graph itself is harmless
    if attack.flavor != "python_function" and not about_running:
        with pytest.raises(MillstreamError) as native:
            getattr(millstream, attack.flavor).load_model(str(root))
        refused(native.value, attack)
    with pytest.raises(MillstreamError) as function:
        millstream.pyfunc.load_model(str(root))
    refused(function.value, attack)
    assert not canary.exists()


def test_reading_its_metadata_runs_nothing(attack: Attack, root: Path, canary: Path) -> None:
    if attack.metadata:
        with pytest.raises(MillstreamError) as error:
            get_model_info(str(root))
        refused(error.value, attack)
    else:
        try:
            assert attack.flavor in get_model_info(str(root)).flavors
        except MillstreamError as error:
            refused(error, attack)
    assert not canary.exists()


@pytest.mark.parametrize("live", [each for each in HERE if each.live], ids=[each.name for each in HERE if each.live])
def test_it_would_have_hurt(live: Attack, tmp_path: Path, canary: Path) -> None:
    folder = tmp_path / "around" / "model"
    folder.mkdir(parents=True)
    live.build(folder, canary)
    canary.unlink(missing_ok=True)
    logging.disable(logging.WARNING)
    try:
        millstream.pyfunc.load_model(str(folder), trust=True)
    except Exception:
        pass  # what comes out of a bomb is no model
    finally:
        logging.disable(logging.NOTSET)
    assert canary.exists()


def test_an_example_outside_of_the_model_is_not_read(tmp_path: Path, canary: Path) -> None:
    folder = tmp_path / "around" / "model"
    folder.mkdir(parents=True)
    example_outside(folder, canary)
    with pytest.raises(MillstreamError, match="leads out"):
        Model.load(str(folder)).load_input_example(str(folder))


def test_there_are_attacks_on_every_flavor() -> None:
    from millstream.models.flavors import FLAVORS

    assert {attack.flavor for attack in ATTACKS} == {*FLAVORS, "python_function"}
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS) >= 30
