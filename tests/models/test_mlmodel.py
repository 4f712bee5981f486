"""The MLmodel file: every version read, the current one written, nothing of it run or followed."""

from __future__ import annotations

import datetime as dt
import json
import re
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from millstream.errors import InvalidValue, NotFound
from millstream.models.examples import save_example
from millstream.models.mlmodel import Model, ModelInfo, get_model_info
from millstream.models.signature import ModelSignature
from millstream.models.types import (
    AnyType,
    Array,
    ColSpec,
    Map,
    Object,
    ParamSchema,
    ParamSpec,
    Property,
    Schema,
    SparkMLVector,
    TensorSpec,
)
from millstream.safe_yaml import HostileYaml
from tests.models.test_golden import GOLDEN, load

SIGNATURE = ModelSignature(Schema([ColSpec("long", "a")]))


def write(folder: Path, text: str) -> Path:
    (folder / "MLmodel").write_text(text, encoding="utf-8")
    return folder


def test_a_new_model_is_written_as_mlflow_writes_it(tmp_path: Path) -> None:
    model = Model(run_id="r", signature=SIGNATURE, metadata={"x": [1, {"y": None}]}, model_size_bytes=0)
    model.add_flavor("python_function", loader_module="mlflow.sklearn", env={"conda": "conda.yaml"})
    model.save(tmp_path / "MLmodel")
    text = (tmp_path / "MLmodel").read_text()
    assert re.sub(r"[0-9a-f]{32}", "UUID", re.sub(r"'\d{4}-.*'", "'TIME'", text)) == (
        "flavors:\n  python_function:\n    env:\n      conda: conda.yaml\n    loader_module: mlflow.sklearn\n"
        "is_signature_from_type_hint: false\nmetadata:\n  x:\n  - 1\n  - y: null\nmlflow_version: 3.17.2\nmodel_id: null\n"
        "model_uuid: UUID\nprompts: null\nrun_id: r\nsignature:\n"
        '  inputs: \'[{"type": "long", "name": "a", "required": true}]\'\n  outputs: null\n  params: null\n'
        "type_hint_from_example: false\nutc_time_created: 'TIME'\n"
    )
    assert [each.name for each in tmp_path.iterdir()] == ["MLmodel"]
    assert Model.load(tmp_path) == model
    assert Model.load(str(tmp_path / "MLmodel")) == model


def test_mlflow_writes_a_file_of_ours_again_as_it_is() -> None:
    """Its answer for this very text stands in the golden file; here it is shown to be what we write."""
    person = Object([Property("s", "string"), Property("n", Array(Map("double")), False)])
    signature = ModelSignature(
        Schema(
            [
                ColSpec("double", "area"),
                ColSpec(person, "o", False),
                ColSpec(AnyType(), "é"),
                ColSpec(SparkMLVector(), "v"),
            ]
        ),
        Schema([TensorSpec(np.dtype("float32"), (-1, 3), "t"), TensorSpec(np.dtype("str"), (-1,), "u")]),
        ParamSchema(
            [
                ParamSpec("k", "integer", 3),
                ParamSpec("d", "datetime", dt.datetime(2020, 1, 1)),
                ParamSpec("l", "string", ["x"], (-1,)),
                ParamSpec("o", person, {"s": "x"}),
            ]
        ),
    )
    model = Model(
        artifact_path="x", run_id="r", model_id="m-1", model_uuid="m-1", utc_time_created="2026-11-26 12:00:00.000001",
        signature=signature, metadata={"a": [1, 2.5, None, True, {"x": "yes"}]}, model_size_bytes=5, env_vars=["A_TOKEN"],
        vendor=3,
    )  # fmt: skip
    model.add_flavor("python_function", loader_module="mlflow.sklearn", config={"a": 1})
    assert model.to_yaml() == load("cases").MLMODELS["millstream 0.1"]
    assert json.loads((GOLDEN / "mlflow.json").read_text())["mlmodels"]["millstream 0.1"] == model.to_yaml()


def test_times_are_text_in_utc() -> None:
    made = dt.datetime(2025, 2, 3, 4, 5, 6, 7, tzinfo=dt.timezone(dt.timedelta(hours=1)))
    assert Model(utc_time_created=made).utc_time_created == "2025-02-03 03:05:06.000007"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}", Model().utc_time_created)


def test_two_models_have_two_ids_and_an_id_may_be_given() -> None:
    assert Model().model_uuid != Model().model_uuid
    assert Model(model_uuid="m-1").model_uuid == "m-1"


def test_a_file_of_before_1_0_is_read(tmp_path: Path) -> None:
    model = Model.load(
        write(tmp_path, "flavors:\n  sklearn: {pickled_model: m.pkl}\nutc_time_created: 2018-06-05 15:23:37.123456\n")
    )
    assert model.flavors == {"sklearn": {"pickled_model": "m.pkl"}}
    assert model.utc_time_created == "2018-06-05 15:23:37.123456"
    assert (model.model_uuid, model.signature, model.mlflow_version, model.run_id) == (None, None, None, None)
    assert model.to_dict()["utc_time_created"] == "2018-06-05 15:23:37.123456"


def test_numbers_that_are_names_are_read_as_text(tmp_path: Path) -> None:
    model = Model.load(write(tmp_path, "flavors: {f: }\nmlflow_version: 1.2\nrun_id: 12\nmodel_uuid: 34\n"))
    assert (model.mlflow_version, model.run_id, model.model_uuid) == ("1.2", "12", "34")
    assert model.flavors == {"f": {}}


def test_an_optional_column_of_2_0_to_2_9_is_optional(tmp_path: Path) -> None:
    text = 'flavors: {f: {}}\nsignature:\n  inputs: \'[{"name": "a", "type": "long", "optional": true}]\'\n'
    schema = Model.load(write(tmp_path, text)).get_input_schema()
    assert schema is not None
    assert schema.optional_input_names() == ["a"]


def test_what_is_not_known_survives(tmp_path: Path) -> None:
    text = "flavors: {strange: {deep: [1, {x: y}]}}\nvendor: {a: [1, 2]}\ndatabricks_runtime: 15.4\nmodel_id: m-1\n"
    model = Model.load(write(tmp_path, text))
    assert model.vendor == {"a": [1, 2]}
    assert model.databricks_runtime == 15.4
    with pytest.raises(AttributeError):
        _ = model.nothing
    model.save(tmp_path / "MLmodel")
    again = yaml.safe_load((tmp_path / "MLmodel").read_text())
    assert again["vendor"] == {"a": [1, 2]}
    assert again["flavors"] == {"strange": {"deep": [1, {"x": "y"}]}}
    assert Model.load(tmp_path) == model


def test_a_key_may_have_any_name(tmp_path: Path) -> None:
    model = Model.load(write(tmp_path, "flavors: {f: {}}\nself: 1\ncls: 2\nmore: 3\nform: 4\nsave: 5\n"))
    assert {key: model.to_dict()[key] for key in ("self", "cls", "more", "form", "save")} == {
        "self": 1, "cls": 2, "more": 3, "form": 4, "save": 5,
    }  # fmt: skip
    model.save(tmp_path / "MLmodel")
    assert Model.load(tmp_path) == model


def test_where_the_writer_had_it_is_never_looked_up(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    save_example([1, 2], elsewhere)
    here = tmp_path / "here"
    here.mkdir()
    model = Model.load(
        write(
            here,
            f"artifact_path: {elsewhere.as_uri()}\nflavors: {{}}\nsaved_input_example_info: {{type: json_object}}\n",
        )
    )
    assert model.artifact_path == elsewhere.as_uri()
    with pytest.raises(NotFound):
        model.load_input_example(here)


def test_flags_of_the_signature_are_read_and_written(tmp_path: Path) -> None:
    signature = ModelSignature(SIGNATURE.inputs, is_from_type_hint=True)
    Model(signature=signature).save(tmp_path / "MLmodel")
    found = Model.load(tmp_path).signature
    assert found is not None
    assert (found.is_from_type_hint, found.is_from_example) == (True, False)
    assert "signature" not in Model().to_dict()
    assert "is_signature_from_type_hint" not in Model().to_dict()


def test_the_example_is_reached_from_the_model(tmp_path: Path) -> None:
    model = Model(saved_input_example_info=save_example(({"a": [1]}, {"k": 2}), tmp_path))
    assert model.load_input_example(tmp_path) == {"a": [1]}
    assert model.load_input_example_params(tmp_path) == {"k": 2}
    assert '"inputs"' in str(model.get_serving_input(tmp_path))
    assert Model().load_input_example(tmp_path) is None
    assert Model().load_input_example_params(tmp_path) is None
    assert Model().get_serving_input(tmp_path) is None


def test_model_info_is_what_the_model_says_and_more(tmp_path: Path) -> None:
    model = Model(flavors={"f": {}}, signature=SIGNATURE, run_id="r", model_id="m-1")
    info = ModelInfo.of(model, "models:/m-1", name="n", params={"a": "1"})
    assert (info.model_uri, info.run_id, info.model_id, info.name) == ("models:/m-1", "r", "m-1", "n")
    assert (info.flavors, info.signature, info.params) == ({"f": {}}, SIGNATURE, {"a": "1"})
    model.save(tmp_path / "MLmodel")
    assert get_model_info(str(tmp_path)) == ModelInfo.of(model, str(tmp_path))


# ---------------------------------------------------------------- strangers' files
BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12)
)


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system [touch canary]",
        "flavors: !!python/object/apply:os.system ['touch canary']",
        "flavors: {f: !!python/name:os.system }",
        "flavors: !!python/object/new:os.system ['touch canary']",
        "flavors: !unknown {}",
        BOMB,
        f"flavors: {'[' * 100_000}",
        "flavors: " + "{a: " * 5_000,
        "flavors: &a {f: *a}",
        "- a\n- b\n",
        "just text",
        "",
        "flavors: {",
        "flavors: [1]",
        "flavors: {f: 3}",
        "metadata: [1]",
        "saved_input_example_info: text",
        "signature: text",
        'signature: {inputs: \'[{"type": "nope"}]\'}',
        "signature: {inputs: [1]}",
        "flavors: {f: {x: !!int x}}",
        "flavors: {f: {x: !!bool x}}",
        "flavors: {f: {x: !!timestamp x}}",
        "flavors: {f: {x: !!float {}}}",
        "[1, 2]: 3\n{}: 4",
        "flavors: {f: 0x}\nutc_time_created: 2020-99-99 00:00:00\n",
        "\x00",
    ],
    ids=range(27),
)
def test_a_broken_or_hostile_file_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "model"
    folder.mkdir()
    write(folder, text)
    started = time.monotonic()
    tracemalloc.start()
    with pytest.raises(InvalidValue) as caught:
        Model.load(folder)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "MLmodel of" in caught.value.message
    assert len(caught.value.message) < 1000
    assert not (tmp_path / "canary").exists()
    assert time.monotonic() - started < 10
    assert peak < 200 << 20


def test_a_file_that_is_too_large_or_not_text_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "a: " + "x" * (11 << 20))
    with pytest.raises(HostileYaml, match="more than"):
        Model.load(tmp_path)
    (tmp_path / "MLmodel").write_bytes(b"flavors: {\xff: 1}")
    with pytest.raises(HostileYaml, match="MLmodel of"):
        Model.load(tmp_path)


def test_a_value_that_stands_twice_is_read_and_written_out(tmp_path: Path) -> None:
    model = Model.load(write(tmp_path, "flavors:\n  a: &x {k: [1]}\n  b: *x\n"))
    assert model.flavors == {"a": {"k": [1]}, "b": {"k": [1]}}
    assert "&" not in model.to_yaml()


@pytest.mark.parametrize("value", [object(), {1, 2, object()}, Path("x")])
def test_what_plain_yaml_cannot_hold_is_refused_and_nothing_written(tmp_path: Path, value: Any) -> None:
    with pytest.raises(InvalidValue, match="cannot be written"):
        Model(metadata={"a": value}).save(tmp_path / "MLmodel")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_the_file_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no file MLmodel"):
        Model.load(tmp_path)
    with pytest.raises(NotFound):
        Model.load(tmp_path / "nowhere")
