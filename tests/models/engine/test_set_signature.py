"""A signature is put into a model that is in the store already, local or behind a server."""

from __future__ import annotations

import pytest

from millstream.artifacts import open_repository
from millstream.client import MillstreamClient
from millstream.entities import Experiment
from millstream.errors import InvalidValue
from millstream.models.mlmodel import Model
from millstream.models.signature import ModelSignature, set_signature
from millstream.models.types import ColSpec, Schema

INPUTS = Schema([ColSpec("long", "a")])


@pytest.mark.parametrize("kind", ["run", "logged model"])
def test_a_signature_is_set_in_a_model_of_the_store(kind: str, experiment: Experiment) -> None:
    client = MillstreamClient()
    if kind == "run":
        uri = f"runs:/{client.create_run(experiment.experiment_id).info.run_id}/model"
    else:
        uri = f"models:/{client.create_logged_model(experiment.experiment_id, 'm').model_id}"
    open_repository(uri).log_bytes(Model(flavors={"f": {}}).to_yaml().encode(), "MLmodel")
    set_signature(uri, ModelSignature(INPUTS))
    assert Model.load(uri).get_input_schema() == INPUTS
    assert Model.load(f"{uri}/MLmodel").flavors == {"f": {}}


@pytest.mark.parametrize("uri", ["models:/m/1", "models:/m@best", "models:/m/latest/MLmodel", "MODELS:/m/1"])
def test_a_registered_version_keeps_the_signature_it_has(uri: str) -> None:
    with pytest.raises(InvalidValue, match="are fixed"):
        set_signature(uri, ModelSignature(INPUTS))
