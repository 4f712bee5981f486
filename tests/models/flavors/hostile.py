"""Model folders that strangers might send: the table `ATTACKS`. Each would touch a canary, or read or fill what is not its own.

An attack writes a folder; where loading it on trust does touch the canary, `live` says so, and the suite makes sure of it: an
attack that cannot hurt proves nothing.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import pickle
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Build = Callable[[Path, Path], None]


@dataclass(frozen=True)
class Attack:
    """`build(root, canary)` writes the folder; `package` has to be installed for it; `says` is part of the refusal."""

    name: str
    flavor: str
    build: Build
    says: str
    package: str = ""
    live: bool = False
    metadata: bool = False  # reading the metadata is refused already


class Bomb:
    """Unpickling it runs a command."""

    def __init__(self, canary: Path) -> None:
        self.command = f"touch {canary}"

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


def bomb(canary: Path, protocol: int = 4) -> bytes:
    return pickle.dumps(Bomb(canary), protocol=protocol)


def write_mlmodel(
    root: Path, flavor: str, section: dict[str, Any], entry: dict[str, Any] | None = None, **keys: Any
) -> None:
    loader = {"python_function": "mlflow.pyfunc.model"}.get(flavor, f"mlflow.{flavor}")
    flavors: dict[str, Any] = {
        "python_function": {"loader_module": loader, "python_version": "3.11.7", "env": "conda.yaml", **(entry or {})}
    }
    if flavor != "python_function":
        flavors[flavor] = section
    (root / "MLmodel").write_text(yaml.safe_dump({"flavors": flavors, "model_uuid": "0" * 32, **keys}))


# ---------------------------------------------------------------- pickles under any name


def pickled(
    name: str, wrap: Callable[[bytes], bytes] = bytes, protocol: int = 4, written_as: str = "cloudpickle"
) -> Build:
    def build(root: Path, canary: Path) -> None:
        (root / name).write_bytes(wrap(bomb(canary, protocol)))
        write_mlmodel(
            root, "sklearn", {"pickled_model": name, "serialization_format": written_as, "sklearn_version": "1.5"},
            {"model_path": name},
        )  # fmt: skip

    return build


def pickled_for(flavor: str, section: dict[str, Any], name: str) -> Build:
    def build(root: Path, canary: Path) -> None:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(bomb(canary))
        write_mlmodel(root, flavor, section, {"data": section.get("data", name)})

    return build


def python_model(root: Path, canary: Path) -> None:
    (root / "python_model.pkl").write_bytes(bomb(canary))
    write_mlmodel(root, "python_function", {}, {"python_model": "python_model.pkl", "cloudpickle_version": "3.1.1"})


def loader_of_its_own(root: Path, canary: Path) -> None:
    (root / "code").mkdir()
    (root / "code" / "evil_loader.py").write_text(
        f"import os\nos.system('touch {canary}')\n"
        "class Model:\n    def predict(self, inputs): return inputs\ndef _load_pyfunc(path): return Model()\n"
    )
    write_mlmodel(root, "python_function", {}, {"loader_module": "evil_loader", "code": "code"})


def model_from_code(root: Path, canary: Path) -> None:
    (root / "model.py").write_text(f"import os\nos.system('touch {canary}')\n")
    write_mlmodel(
        root,
        "python_function",
        {},
        {"model_code_path": "model.py", "loader_module": "mlflow.pyfunc.loaders.code_model"},
    )


def shadowing_code(root: Path, canary: Path) -> None:
    """A harmless model whose code/ holds a `skops` that is not skops."""
    from sklearn.preprocessing import StandardScaler

    _skops(StandardScaler().fit([[1.0], [2.0]]), root)
    (root / "code").mkdir()
    (root / "code" / "skops.py").write_text(f"import os\nos.system('touch {canary}')\n")
    write_mlmodel(
        root, "sklearn", {"pickled_model": "model.skops", "serialization_format": "skops", "code": "code"},
        {"model_path": "model.skops", "code": "code"},
    )  # fmt: skip


# ---------------------------------------------------------------- skops


def _skops(model: Any, root: Path) -> Path:
    import skops.io

    skops.io.dump(model, root / "model.skops")
    return root / "model.skops"


def _rewrite(file: Path, change: Callable[[str, bytes], bytes], further: dict[str, bytes] | None = None) -> None:
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in {**members, **(further or {})}.items():
            archive.writestr(name, change(name, content))


def skops(change: Callable[[dict[str, Any], Path], None], **keys: Any) -> Build:
    """A skops file whose schema was changed by hand."""

    def build(root: Path, canary: Path) -> None:
        from sklearn.preprocessing import FunctionTransformer

        def edit(name: str, content: bytes) -> bytes:
            if name != "schema.json":
                return content
            schema = json.loads(content)
            change(schema, canary)
            return json.dumps(schema).encode()

        import numpy as np

        _rewrite(_skops(FunctionTransformer(np.exp), root), edit)
        section = {"pickled_model": "model.skops", "serialization_format": "skops", **keys}
        write_mlmodel(root, "sklearn", section, {"model_path": "model.skops"})

    return build


def _function(schema: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = schema["content"]["content"]["func"]
    return found


def names_function(module: str, name: str) -> Callable[[dict[str, Any], Path], None]:
    def change(schema: dict[str, Any], canary: Path) -> None:
        _function(schema).update(
            {"__class__": name, "__module__": module, "__loader__": "FunctionNode", "content": name}
        )

    return change


def names_class(module: str, name: str) -> Callable[[dict[str, Any], Path], None]:
    def change(schema: dict[str, Any], canary: Path) -> None:
        _function(schema).clear()
        _function(schema).update(
            {
                "__class__": name,
                "__module__": module,
                "__loader__": "TypeNode",
                "content": {"__class__": name, "__module__": module},
            }
        )

    return change


def skops_member(name: str, content: Callable[[Path], bytes]) -> Build:
    def build(root: Path, canary: Path) -> None:
        from sklearn.preprocessing import StandardScaler

        _rewrite(_skops(StandardScaler().fit([[1.0], [2.0]]), root), lambda _, data: data, {name: content(canary)})
        section = {"pickled_model": "model.skops", "serialization_format": "skops"}
        write_mlmodel(root, "sklearn", section, {"model_path": "model.skops"})

    return build


def twice(root: Path, canary: Path) -> None:
    """Readers differ in which of two members of one name they take: what was checked must be what is read."""
    import warnings

    from sklearn.preprocessing import StandardScaler

    file = _skops(StandardScaler().fit([[1.0], [2.0]]), root)
    with warnings.catch_warnings(), zipfile.ZipFile(file, "a") as archive:
        warnings.simplefilter("ignore")
        archive.writestr("Schema.JSON", b"{}")
    write_mlmodel(
        root,
        "sklearn",
        {"pickled_model": "model.skops", "serialization_format": "skops"},
        {"model_path": "model.skops"},
    )


def zip_bomb(root: Path, canary: Path) -> None:
    with zipfile.ZipFile(root / "model.skops", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", b" " * (64 << 20))
    write_mlmodel(
        root,
        "sklearn",
        {"pickled_model": "model.skops", "serialization_format": "skops"},
        {"model_path": "model.skops"},
    )


def many_members(root: Path, canary: Path) -> None:
    with zipfile.ZipFile(root / "model.skops", "w") as archive:
        for number in range(10_001):
            archive.writestr(str(number), b"")
    write_mlmodel(
        root,
        "sklearn",
        {"pickled_model": "model.skops", "serialization_format": "skops"},
        {"model_path": "model.skops"},
    )


def forged_tree(root: Path, canary: Path) -> None:
    import numpy as np
    from sklearn.datasets import load_iris
    from sklearn.tree import DecisionTreeClassifier

    model = DecisionTreeClassifier(max_depth=2).fit(*load_iris(return_X_y=True))

    def edit(name: str, content: bytes) -> bytes:
        if not name.endswith(".npy"):
            return content
        values = np.load(io.BytesIO(content))
        if values.dtype.names is None or "left_child" not in values.dtype.names:
            return content
        values["left_child"][0] = 1 << 40
        buffer = io.BytesIO()
        np.save(buffer, values)
        return buffer.getvalue()

    _rewrite(_skops(model, root), edit)
    write_mlmodel(
        root,
        "sklearn",
        {"pickled_model": "model.skops", "serialization_format": "skops"},
        {"model_path": "model.skops"},
    )


# ---------------------------------------------------------------- XGBoost, ONNX


def xgboost_class(name: str) -> Build:
    def build(root: Path, canary: Path) -> None:
        (root / "model.ubj").write_bytes(b"{}")
        write_mlmodel(root, "xgboost", {"data": "model.ubj", "model_class": name}, {"data": "model.ubj"})

    return build


def onnx_external(location: str) -> Build:
    """A model whose tensor is in a file of somebody else's."""

    def build(root: Path, canary: Path) -> None:
        import onnx
        from onnx import TensorProto, helper

        (root.parent / "secret").write_bytes(b"\0" * 16)
        if location == "link":
            (root / "link").symlink_to(root.parent / "secret")
        tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
        where = str(root.parent / "secret") if location == "/" else location
        tensor.external_data.add(key="location", value=where)
        output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [4])
        graph = helper.make_graph([helper.make_node("Identity", ["w"], ["y"])], "g", [], [output], [tensor])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        (root / "model.onnx").write_bytes(model.SerializeToString())
        assert onnx.__version__
        write_mlmodel(root, "onnx", {"data": "model.onnx"}, {"data": "model.onnx"})

    return build


def onnx_running(**keys: Any) -> Build:
    """A harmless graph, and MLmodel says how to run it."""

    def build(root: Path, canary: Path) -> None:
        from onnx import TensorProto, helper

        ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None]) for name in ("x", "y")]
        graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", ends[:1], ends[1:])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        (root / "model.onnx").write_bytes(model.SerializeToString())
        write_mlmodel(root, "onnx", {"data": "model.onnx", **keys}, {"data": "model.onnx"})

    return build


# ---------------------------------------------------------------- MLmodel itself


def mlmodel_text(text: str) -> Build:
    def build(root: Path, canary: Path) -> None:
        (root / "MLmodel").write_text(text.replace("CANARY", str(canary)))

    return build


LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def points_to(path: str, flavor: str = "sklearn") -> Build:
    """A model whose file is a bomb outside of its folder."""

    def build(root: Path, canary: Path) -> None:
        outside = root.parent / "outside.pkl"
        outside.write_bytes(bomb(canary))
        where = path.replace("OUTSIDE", str(outside))
        if path == "link.pkl":
            (root / "link.pkl").symlink_to(outside)
        if path.startswith("folder/"):
            (root / "folder").symlink_to(root.parent, target_is_directory=True)
        section = {
            "pickled_model": where,
            "data": where,
            "model_class": "lightgbm.sklearn.LGBMModel",
            "model_data": where,
        }
        write_mlmodel(root, flavor, section, {"model_path": where, "data": where})

    return build


def names_nothing(root: Path, canary: Path) -> None:
    write_mlmodel(root, "sklearn", {"serialization_format": "skops"}, {})


def code_outside(root: Path, canary: Path) -> None:
    (root.parent / "evil_outside.py").write_text(f"import os\nos.system('touch {canary}')\n")
    write_mlmodel(root, "python_function", {}, {"loader_module": "evil_outside", "code": ".."})


def example_outside(root: Path, canary: Path) -> None:
    (root.parent / "secret.json").write_text('{"columns": ["a"], "data": [[1]]}')
    info = {"artifact_path": "../secret.json", "type": "dataframe", "serving_input_path": "../secret.json"}
    write_mlmodel(root, "python_function", {}, {"python_model": "python_model.pkl"}, saved_input_example_info=info)


# ---------------------------------------------------------------- Keras


def keras(change: Callable[[dict[str, Any], Path], None] | None = None, further: Callable[[Path], dict[str, bytes]] | None = None) -> Build:  # fmt: skip
    """A `.keras` file whose configuration was changed by hand."""

    def build(root: Path, canary: Path) -> None:
        import keras

        (root / "data").mkdir()
        file = root / "data" / "model.keras"
        keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]).save(file)

        def edit(name: str, content: bytes) -> bytes:
            if name != "config.json" or change is None:
                return content
            config = json.loads(content)
            change(config, canary)
            return json.dumps(config).encode()

        _rewrite(file, edit, further(canary) if further else None)
        write_mlmodel(root, "keras", {"data": "data", "keras_backend": "torch"})

    return build


def layer(**values: Any) -> Callable[[dict[str, Any], Path], None]:
    def change(config: dict[str, Any], canary: Path) -> None:
        config["config"]["layers"][1].update(values)

    return change


def keras_lambda(root: Path, canary: Path) -> None:
    import keras

    (root / "data").mkdir()
    command = f"touch {canary}"
    model = keras.Sequential(
        [keras.Input((1,)), keras.layers.Lambda(lambda x, c=command: (__import__("os").system(c), x)[1])]
    )
    canary.unlink(missing_ok=True)
    model.save(root / "data" / "model.keras")
    write_mlmodel(root, "keras", {"data": "data", "keras_backend": "torch"})


def keras_h5(root: Path, canary: Path) -> None:
    import h5py

    (root / "data").mkdir()
    layers = [
        {
            "class_name": "Lambda",
            "config": {"name": "l", "function": ["4wEAAA==", None, None], "function_type": "lambda"},
        }
    ]
    config = {"class_name": "Sequential", "config": {"name": "s", "layers": layers}}
    with h5py.File(root / "data" / "model.h5", "w") as file:
        file.attrs["model_config"] = json.dumps(config)
    write_mlmodel(root, "keras", {"data": "data", "keras_module": "keras", "save_format": "h5"}, {"data": "data"})


# ---------------------------------------------------------------- PyTorch


def program(change: Callable[[dict[str, Any], Path], None] | None = None, further: Callable[[Path], dict[str, bytes]] | None = None) -> Build:  # fmt: skip
    """An exported program whose graph was changed by hand."""

    def build(root: Path, canary: Path) -> None:
        import torch

        (root / "data").mkdir()
        file = root / "data" / "model.pt2"
        exported = torch.export.export(
            torch.nn.Linear(4, 2), (torch.ones(3, 4),), dynamic_shapes=({0: torch.export.Dim.AUTO},)
        )
        torch.export.save(exported, file)

        def edit(name: str, content: bytes) -> bytes:
            if not name.endswith("models/model.json") or change is None:
                return content
            graph = json.loads(content)
            change(graph, canary)
            return json.dumps(graph).encode()

        _rewrite(file, edit, further(canary) if further else None)
        write_mlmodel(root, "pytorch", {"model_data": "data"}, {"data": "data"})

    return build


def _calls(target: str) -> Callable[[dict[str, Any], Path], None]:
    def change(graph: dict[str, Any], canary: Path) -> None:
        node = graph["graph_module"]["graph"]["nodes"][0]
        node["target"] = target
        node["inputs"] = [{"name": "", "arg": {"as_string": f"touch {canary}"}, "kind": 1}]

    return change


def _evaluates(graph: dict[str, Any], canary: Path) -> None:
    sizes = graph["graph_module"]["graph"]["tensor_values"]["input"]["sizes"]
    sizes[0]["as_expr"]["expr_str"] = f"__import__('os').system('touch {canary}')"


def _guards(graph: dict[str, Any], canary: Path) -> None:
    graph["guards_code"] = [f"__import__('os').system('touch {canary}') == 0"]


def _argument_names(graph: dict[str, Any], canary: Path) -> None:
    call = graph["graph_module"]["module_call_graph"][0]["signature"]
    call["forward_arg_names"] = [f"x=__import__('os').system('touch {canary}')"]


def _pickled_weight(canary: Path) -> dict[str, bytes]:
    payload = {"path_name": "weight_0", "is_param": True, "use_pickle": True, "tensor_meta": None}
    config = {"config": {"weight": payload, "bias": payload}}
    return {
        "model/data/weights/weight_0": bomb(canary),
        "model/data/weights/model_weights_config.json": json.dumps(config).encode(),
    }


def _opaque_constant(canary: Path) -> dict[str, bytes]:
    payload = {"path_name": "opaque_obj_0", "is_param": False, "use_pickle": True, "tensor_meta": None}
    return {
        "model/data/constants/opaque_obj_0": b"(" + bomb(canary, 0)[0:0] + bomb(canary, 2)[2:],
        "model/data/constants/model_constants_config.json": json.dumps({"config": {"c": payload}}).encode(),
    }


def _sample_inputs(canary: Path) -> dict[str, bytes]:
    import torch

    buffer = io.BytesIO()
    torch.save(Bomb(canary), buffer)
    return {"model/data/sample_inputs/model.pt": buffer.getvalue()}


def torch_pickle(root: Path, canary: Path) -> None:
    import torch

    (root / "data").mkdir()
    torch.save(Bomb(canary), root / "data" / "model.pth")
    (root / "data" / "pickle_module_info.txt").write_text("mlflow.pytorch.pickle_module")
    write_mlmodel(root, "pytorch", {"model_data": "data"}, {"data": "data"})


def torch_script(root: Path, canary: Path) -> None:
    import warnings

    import torch

    class Writing(torch.nn.Module):
        def __init__(self, path: str) -> None:
            super().__init__()
            self.path = path

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            torch.save(x, self.path)
            return x

    (root / "data").mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(Writing(str(canary))).save(root / "data" / "model.pth")
    write_mlmodel(root, "pytorch", {"model_data": "data"}, {"data": "data"})


# ---------------------------------------------------------------- spaCy


def spacy(text: str) -> Build:
    """A pipeline whose configuration has further lines."""

    def build(root: Path, canary: Path) -> None:
        import spacy

        pipeline = spacy.blank("en")
        pipeline.add_pipe("sentencizer")
        pipeline.to_disk(root / "model.spacy")
        config = root / "model.spacy" / "config.cfg"
        old, new = text.split(" -> ")
        changed = config.read_text().replace(old, new.replace("CANARY", str(canary)))
        assert changed != config.read_text()
        config.write_text(changed)
        write_mlmodel(root, "spacy", {"data": "model.spacy"}, {"data": "model.spacy"})

    return build


# ---------------------------------------------------------------- Spark


def spark(**metadata: Any) -> Build:
    """A saved Spark model whose metadata says that."""

    def build(root: Path, canary: Path) -> None:
        folder = root / "sparkml" / "metadata"
        folder.mkdir(parents=True)
        whole = {"class": "pyspark.ml.pipeline.PipelineModel", "uid": "p", "paramMap": {"stageUids": []}, **metadata}
        (folder / "part-00000").write_text(json.dumps(whole))
        write_mlmodel(root, "spark", {"model_data": "sparkml"}, {"data": "sparkml"})

    return build


TRUST, BROKEN, LEAVES = "trust=True", "cannot be read", "leads out"

ATTACKS = (
    Attack("pickle", "sklearn", pickled("model.pkl"), TRUST, live=True),
    Attack("pickle of protocol 0", "sklearn", pickled("model.pkl", protocol=0), TRUST, live=True),
    Attack("pickle called .json", "sklearn", pickled("model.json"), TRUST, live=True),
    Attack("pickle called .txt", "sklearn", pickled("model.txt"), TRUST, live=True),
    Attack("pickle in gzip", "sklearn", pickled("model.pkl.gz", gzip.compress), TRUST, live=True),
    Attack("pickle in bzip2", "sklearn", pickled("model.bz2", bz2.compress), TRUST, live=True),
    Attack("pickle in xz", "sklearn", pickled("model.xz", lzma.compress), TRUST, live=True),
    Attack("pickle in zlib", "sklearn", pickled("model.z", zlib.compress), TRUST, live=True),
    Attack("pickle of an unknown format", "sklearn", pickled("model.bin", written_as="harmless"), TRUST, live=True),
    Attack("pickle called .skops", "sklearn", pickled("model.skops", written_as="skops"), BROKEN),
    Attack("pickle for LightGBM", "lightgbm", pickled_for("lightgbm", {"data": "m.pkl", "model_class": "lightgbm.sklearn.LGBMClassifier"}, "m.pkl"), TRUST, live=True),
    Attack("pickle as a booster", "lightgbm", pickled_for("lightgbm", {"data": "model.lgb"}, "model.lgb"), BROKEN),
    Attack("pickle for XGBoost", "xgboost", pickled_for("xgboost", {"data": "model.ubj"}, "model.ubj"), BROKEN),
    Attack("pickle for statsmodels", "statsmodels", pickled_for("statsmodels", {"data": "m"}, "m"), TRUST, live=True),
    Attack("pickle for ONNX", "onnx", pickled_for("onnx", {"data": "model.onnx"}, "model.onnx"), BROKEN),
    Attack("Python model", "python_function", python_model, TRUST, live=True),
    Attack("loader module of its own", "python_function", loader_of_its_own, TRUST, live=True),
    Attack("model from code", "python_function", model_from_code, TRUST, live=True),
    Attack("code that shadows a library", "sklearn", shadowing_code, TRUST),
    Attack("skops that names os.system", "sklearn", skops(names_function("posix", "system")), TRUST),
    Attack("skops with a list of trust", "sklearn", skops(names_function("posix", "system"), skops_trusted_types=["posix.system"]), TRUST),
    Attack("skops that names numpy's", "sklearn", skops(names_function("numpy.testing", "rundocs")), TRUST),
    Attack("skops that names scikit-learn's", "sklearn", skops(names_function("sklearn.datasets", "fetch_openml")), TRUST),
    Attack("skops with a class that opens files", "sklearn", skops(names_class("numpy", "memmap")), TRUST),
    Attack("skops with a class of subprocess", "sklearn", skops(names_class("subprocess", "Popen")), TRUST),
    Attack("skops with a pickled member", "sklearn", skops_member("x.npy", bomb), BROKEN),
    Attack("skops with a member above it", "sklearn", skops_member("../../evil.py", lambda canary: b"x"), BROKEN),
    Attack("skops with an absolute member", "sklearn", skops_member("/tmp/evil.py", lambda canary: b"x"), BROKEN),
    Attack("zip with a member twice", "sklearn", twice, BROKEN),
    Attack("zip bomb", "sklearn", zip_bomb, BROKEN),
    Attack("zip of many members", "sklearn", many_members, BROKEN),
    Attack("tree with forged nodes", "sklearn", forged_tree, "nodes that are not there"),
    Attack("class of another module", "xgboost", xgboost_class("subprocess.Popen"), "no class of XGBoost"),
    Attack("class by an attribute", "xgboost", xgboost_class("xgboost.core.os.system"), "no class of XGBoost"),
    Attack("tensor above the folder", "onnx", onnx_external("../secret"), BROKEN),
    Attack("tensor at an absolute path", "onnx", onnx_external("/"), BROKEN),
    Attack("tensor behind a link", "onnx", onnx_external("link"), LEAVES),
    Attack("options of a provider", "onnx", onnx_running(providers=[["CPUExecutionProvider", {"x": "evil.so"}]]), TRUST),
    Attack("setting that names a file", "onnx", onnx_running(onnx_session_options={"extra_session_config": {"ep.context_file_path": "/tmp/x"}}), TRUST),
    Attack("YAML object", "sklearn", mlmodel_text('flavors: !!python/object/apply:os.system ["touch CANARY"]\n'), "MLmodel", metadata=True),
    Attack("YAML module", "sklearn", mlmodel_text('flavors: !!python/module:antigravity ""\n'), "MLmodel", metadata=True),
    Attack("YAML of many aliases", "sklearn", mlmodel_text(LAUGHS + "flavors: *i\n"), "MLmodel", metadata=True),
    Attack("YAML too deep", "sklearn", mlmodel_text("flavors: " + "[" * 5000 + "]" * 5000), "MLmodel", metadata=True),
    Attack("path above the folder", "sklearn", points_to("../outside.pkl"), LEAVES),
    Attack("absolute path", "sklearn", points_to("OUTSIDE"), LEAVES),
    Attack("link to a file outside", "sklearn", points_to("link.pkl"), LEAVES),
    Attack("link to a folder outside", "sklearn", points_to("folder/outside.pkl"), LEAVES),
    Attack("path above, LightGBM", "lightgbm", points_to("../outside.pkl", "lightgbm"), LEAVES),
    Attack("path above, statsmodels", "statsmodels", points_to("../outside.pkl", "statsmodels"), LEAVES),
    Attack("path above, ONNX", "onnx", points_to("../outside.pkl", "onnx"), LEAVES),
    Attack("path above, XGBoost", "xgboost", points_to("../outside.pkl", "xgboost"), "no class of XGBoost"),
    Attack("path of nothing", "sklearn", names_nothing, "does not say which file"),
    Attack("code outside", "python_function", code_outside, LEAVES),
    Attack("Lambda layer", "keras", keras_lambda, TRUST, "keras"),
    Attack("Lambda layer in .h5", "keras", keras_h5, TRUST, "keras"),
    Attack("layer of another module", "keras", keras(layer(module="os", class_name="system", registered_name="system")), TRUST, "keras"),
    Attack("function that downloads", "keras", keras(layer(module="keras.utils", class_name="function", config="get_file")), TRUST, "keras"),
    Attack("layer that unpickles", "keras", keras(layer(module="keras.layers", class_name="TorchModuleWrapper")), TRUST, "keras"),
    Attack("layer that reads a file", "keras", keras(layer(module="keras.layers", class_name="StringLookup", config={"vocabulary": "/etc/passwd"})), TRUST, "keras"),
    Attack("pickle in .keras", "keras", keras(further=lambda canary: {"assets/x": bomb(canary)}), BROKEN, "keras"),
    Attack("Spark stage of another module", "spark", spark(**{"class": "os.system"}), TRUST, "pyspark"),
    Attack("Spark stage of a jar", "spark", spark(**{"class": "com.evil.Model"}), TRUST, "pyspark"),
    Attack("Spark stage of SQL", "spark", spark(**{"class": "org.apache.spark.ml.feature.SQLTransformer"}), TRUST, "pyspark"),
    Attack("Spark stage above the folder", "spark", spark(paramMap={"stageUids": ["../../evil"]}), BROKEN, "pyspark"),
    Attack("pickle for PyTorch", "pytorch", torch_pickle, TRUST, "torch", live=True),
    Attack("program that calls os.system", "pytorch", program(_calls("torch.os.system")), TRUST, "torch"),
    Attack("program that opens a file", "pytorch", program(_calls("torch.ops.aten.from_file.default")), TRUST, "torch"),
    Attack("program with a size as code", "pytorch", program(_evaluates), TRUST, "torch", live=True),
    Attack("program with conditions as code", "pytorch", program(_guards), TRUST, "torch"),
    Attack("program with names as code", "pytorch", program(_argument_names), TRUST, "torch"),
    Attack("program with a pickled weight", "pytorch", program(further=_pickled_weight), "pickle", "torch"),
    Attack("program with a pickled constant", "pytorch", program(further=_opaque_constant), TRUST, "torch"),
    Attack("program with pickled inputs", "pytorch", program(further=_sample_inputs), TRUST, "torch", live=True),
    Attack("TorchScript that writes", "pytorch", torch_script, TRUST, "torch"),
    Attack("component of a stranger", "spacy", spacy('factory = "sentencizer" -> factory = "evil"'), TRUST, "spacy"),
    Attack("component from elsewhere", "spacy", spacy('factory = "sentencizer" -> source = "/tmp/evil"'), TRUST, "spacy"),
    Attack("function that reads a file", "spacy", spacy('punct_chars = null -> punct_chars = {"@readers":"srsly.read_json.v1","path":"/etc/passwd"}'), TRUST, "spacy"),
    Attack("language by a path", "spacy", spacy('lang = "en" -> lang = "en.evil"'), TRUST, "spacy"),
)  # fmt: skip
