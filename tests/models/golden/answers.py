"""What a package answers to the questions of `cases.py`: its schemas, what it makes of inputs, the files it writes.

`make golden-models` records MLflow's answers in `mlflow.json`. `tests/models/test_golden.py` asks Millstream the same under
pandas 3, and `python answers.py millstream` prints them under whatever pandas is there.
"""

import dataclasses
import datetime as dt
import decimal
import importlib
import importlib.util
import json
import logging
import sys
import tempfile
import uuid
import warnings
from pathlib import Path
from typing import Any, List, Literal, Optional, Union  # noqa: UP035

import numpy as np
import pandas as pd
import pydantic
from scipy import sparse


@dataclasses.dataclass
class Person:
    name: str
    age: int


@dataclasses.dataclass
class Pair:
    one: Person
    names: list[str]
    maybe: Optional[int] = None  # noqa: UP045


@dataclasses.dataclass
class Container:
    people: list[Person]
    more: dict[str, int]


class Pydantic(pydantic.BaseModel):
    a: int


class Message(pydantic.BaseModel):
    role: str
    content: Optional[str] = None  # noqa: UP045
    tokens: list[int] = []
    scores: dict[str, float]
    when: dt.datetime
    raw: bytes
    more: Any = None


class Nested(pydantic.BaseModel):
    message: Message
    messages: list[Message]
    maybe: Optional[Message] = None  # noqa: UP045


class Bounded(pydantic.BaseModel):
    number: int = pydantic.Field(ge=0)
    either: Union[int, str]  # noqa: UP007


class Chosen(pydantic.BaseModel):
    kind: Literal["a", "b"]


class Lacking(pydantic.BaseModel):
    a: Optional[int]  # noqa: UP045


class Empty(pydantic.BaseModel):
    pass


class Generic(pydantic.BaseModel):
    things: list


NAMES = {
    "np": np, "pd": pd, "dt": dt, "decimal": decimal, "uuid": uuid, "sparse": sparse,
    "Person": Person, "Pair": Pair, "Container": Container, "Pydantic": Pydantic, "Any": Any, "List": List,  # noqa: UP006
    "Optional": Optional,
    "Union": Union, "Message": Message, "Nested": Nested, "Bounded": Bounded, "Chosen": Chosen, "Lacking": Lacking,
    "Empty": Empty, "Generic": Generic,
}  # fmt: skip


def value_of(expression: str) -> Any:
    return eval(expression, dict(NAMES))


def inferred(models: Any, expression: str) -> Any:
    """The schemas of a value as input and as output; where that fails, that it does."""
    answer = {}
    for role in ("model_input", "model_output"):
        try:
            signature = models.infer_signature(**{role: value_of(expression)})
            schema = signature.inputs if role == "model_input" else signature.outputs
            answer[role] = json.loads(schema.to_json())
        except Exception as error:
            answer[role] = f"{type(error).__name__}: {error}" if "-v" in sys.argv else "refused"
    return answer["model_input"] if answer["model_input"] == answer["model_output"] else answer


class Package:
    """The names of a package that the questions need."""

    def __init__(self, name: str) -> None:
        self.is_ours = name == "millstream"
        self.models = importlib.import_module(f"{name}.models")
        if self.is_ours:
            self.types = importlib.import_module("millstream.models.types")
        else:
            self.types = importlib.import_module("mlflow.types.schema")
            self.pyfunc = importlib.import_module("mlflow.pyfunc")

    def predict(self, signature: Any, data: Any, params: Any = None) -> Any:
        """What a model with that signature is given as data and params."""
        if self.is_ours:
            from millstream.models.enforcement import enforce_inputs, enforce_params

            given = enforce_inputs(data, signature.inputs) if signature.inputs is not None else data
            return given, enforce_params(params, signature.params)
        meta = self.models.Model(signature=signature)
        meta.add_flavor("python_function", loader_module="none")
        return self.pyfunc.PyFuncModel(meta, Echo()).predict(data, params)

    def signature_of_hints(self, hint: Any, role: str) -> Any:
        class Hinted(object if self.is_ours else self.pyfunc.PythonModel):
            def predict(self, model_input, params=None):
                return model_input

        Hinted.predict.__annotations__ = {"model_input": list[int], role: hint}
        if self.is_ours:
            signature = self.models.signature.signature_from_type_hints(Hinted().predict)
        else:
            with tempfile.TemporaryDirectory() as folder:
                self.pyfunc.save_model(f"{folder}/m", python_model=Hinted(), pip_requirements=[])
                signature = self.models.Model.load(f"{folder}/m").signature
        return None if signature is None else [signature.to_dict()["inputs"], signature.to_dict()["outputs"]]

    def save_example(self, example: Any, folder: Path) -> Any:
        if self.is_ours:
            folder.mkdir()
            info = importlib.import_module("millstream.models.examples").save_example(example, folder)
            model = self.models.Model(saved_input_example_info=info)
        else:

            class Silent(self.pyfunc.PythonModel):
                def predict(self, context, model_input, params=None):
                    return 1

            self.pyfunc.save_model(
                str(folder), python_model=Silent(), pip_requirements=[], input_example=example, signature=False
            )
            model = self.models.Model.load(str(folder))
            info = model.saved_input_example_info
        files = [Path(folder, name).read_text() for name in ("input_example.json", "serving_input_example.json")]
        loaded = [plain(model.load_input_example(str(folder))), plain(model.load_input_example_params(str(folder)))]
        return [dict(sorted(info.items())), *files, *loaded]


class Echo:
    def predict(self, data: Any, params: Any = None) -> Any:
        return data, params


def attempt(call: Any) -> Any:
    try:
        return call()
    except Exception as error:
        return f"{type(error).__name__}: {error}" if "-v" in sys.argv else "refused"


def plain(value: Any) -> Any:
    """A JSON form in which values of both pandas lines look alike: classes and dtypes, no addresses, no string dtype."""
    if isinstance(value, pd.DataFrame):
        columns = [
            [plain(name), dtype_of(value.iloc[:, i]), [plain(v) for v in value.iloc[:, i]]]
            for i, name in enumerate(value)
        ]
        return {"frame": columns, "index": [plain(v) for v in value.index]}
    if isinstance(value, pd.Series):
        return {"series": [plain(v) for v in value], "dtype": dtype_of(value), "name": plain(value.name)}
    if isinstance(value, np.ndarray):
        return {"array": plain(value.tolist()), "dtype": "str" if value.dtype.kind == "U" else str(value.dtype)}
    if sparse.issparse(value):
        return {"sparse": plain(value.toarray()), "format": value.format}
    if isinstance(value, np.generic) and not isinstance(value, np.datetime64):
        return plain(value.item())
    if isinstance(value, dict):
        return {"dict": [[plain(k), plain(v)] for k, v in value.items()]}
    if isinstance(value, tuple):
        return {"tuple": [plain(v) for v in value]}
    if isinstance(value, list):
        return [plain(v) for v in value]
    if value is None or value is pd.NA or value is pd.NaT or value != value:
        return None
    if isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return f"{value!r}"
    if isinstance(value, dt.datetime | np.datetime64):
        return f"time {pd.Timestamp(value).isoformat()}"
    return repr(value) if type(value) is not object else "object"


def dtype_of(series: pd.Series) -> str:
    return "object" if str(series.dtype) in ("str", "string") else str(series.dtype)


def enforced_column(package: Package, column: str, want: str) -> Any:
    schema = package.types.Schema([package.types.ColSpec(want, "c")])
    signature = package.models.ModelSignature(inputs=schema)
    return attempt(lambda: plain(package.predict(signature, pd.DataFrame({"c": value_of(column)}))[0])["frame"][0][1:])


def enforced_value(package: Package, nesting: str, want: str, value: str) -> Any:
    form, shape = nesting.replace("WANT", want).split(" | ")
    schema = package.types.Schema.from_json(f'[{{"name": "c", "required": true, {form[1:]}]')
    signature = package.models.ModelSignature(inputs=schema)
    data = pd.DataFrame({"c": [value_of(shape.replace("VALUE", value))]})
    return attempt(lambda: plain(package.predict(signature, data)[0]["c"].iloc[0]))


def enforced(package: Package, schema: str, data: str) -> Any:
    signature = package.models.ModelSignature(inputs=package.types.Schema.from_json(schema))
    return attempt(lambda: plain(package.predict(signature, value_of(data))[0]))


def enforced_param(package: Package, spec: tuple[str, str, str], value: str) -> Any:
    dtype, default, shape = spec
    names = {"Object": package.types.Object, "Property": package.types.Property}
    kind = eval(dtype, names) if "(" in dtype else dtype
    params = package.types.ParamSchema([package.types.ParamSpec("p", kind, eval(default), eval(shape))])
    signature = package.models.ModelSignature(params=params)
    return attempt(lambda: plain(package.predict(signature, [1], {"p": value_of(value)})[1]["p"]))


def inferred_param(package: Package, value: str) -> Any:
    return attempt(
        lambda: json.loads(package.models.infer_signature([1], params={"p": value_of(value)}).params.to_json())
    )


def hinted(package: Package, hint: str) -> Any:
    """The signature of a Python model with the hint on what it takes, and with the hint on what it gives."""
    return {
        role: attempt(lambda role=role: package.signature_of_hints(value_of(hint), role))
        for role in ("model_input", "return")
    }


def saved_example(package: Package, example: str) -> Any:
    """The files of an example, what MLmodel keeps about it, and what is loaded again."""
    with tempfile.TemporaryDirectory() as folder:
        return attempt(lambda: package.save_example(value_of(example), Path(folder) / "model"))


def rewritten(package: Package, text: str) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "MLmodel").write_text(text)
        return attempt(lambda: package.models.Model.load(folder).to_yaml())


def answers(package: str) -> dict[str, Any]:
    spec = importlib.util.spec_from_file_location("cases", Path(__file__).with_name("cases.py"))
    cases = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(cases)
    ask = Package(package)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            "inference": {each: inferred(ask.models, each) for each in cases.INFERENCE},
            "columns": {
                column: {want: enforced_column(ask, column, want) for want in cases.SCALARS} for column in cases.COLUMNS
            },
            "nested": {
                nesting: {
                    value: {want: enforced_value(ask, nesting, want, value) for want in cases.SCALARS}
                    for value in cases.VALUES
                }
                for nesting in cases.NESTED
            },
            "inputs": {
                schema: {data: enforced(ask, schema, data) for data in given} for schema, given in cases.INPUTS.items()
            },
            "params": {
                value: {
                    "inferred": inferred_param(ask, value),
                    **{" ".join(spec): enforced_param(ask, spec, value) for spec in cases.PARAM_SPECS},
                }
                for value in cases.PARAMS
            },
            "hints": {each: hinted(ask, each) for each in cases.HINTS},
            "examples": {each: saved_example(ask, each) for each in cases.EXAMPLES},
            "mlmodels": {name: rewritten(ask, text) for name, text in cases.MLMODELS.items()},
        }


def compact(answers: dict[str, Any]) -> str:
    """JSON with one question a line."""
    areas = []
    for area, questions in answers.items():
        lines = ",\n".join(f"{json.dumps(question)}:{json.dumps(answer)}" for question, answer in questions.items())
        areas.append(f"{json.dumps(area)}:{{\n{lines}\n}}")
    return "{\n" + ",\n".join(areas) + "\n}"


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    print(compact(answers(sys.argv[1])))
