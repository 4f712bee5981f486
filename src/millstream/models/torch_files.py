"""What PyTorch's two formats of programs may do when they are loaded, looked at before PyTorch reads them.

PyTorch promises nothing for files of strangers: `torch.export.load` unpickles members of the archive, looks up any attribute of
`torch` that the graph names (`torch.os.system` is one), evaluates its expressions as Python and runs names as code; TorchScript
can write files with `torch.save`. What exporting an ordinary model gives uses none of that: operators of `aten`, numbers,
plain names. So both are checked against what is known to be harmless, and anything else asks for trust.

To allow more of a graph: add to `OPERATORS`, `FIELDS` or `EXPRESSION`, after reading what `torch/_export/serde/serialize.py`
does with it.
"""

from __future__ import annotations

import io
import itertools
import json
import re
import tokenize
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from millstream.models.model_files import check_zip, reading

if TYPE_CHECKING:
    from millstream.models.trust import Trust

PROGRAM_MEMBERS = re.compile(
    r"[^/]+/(data/weights/weight_\d+|data/weights/model_weights_config\.json|data/constants/tensor_\d+"
    r"|data/constants/model_constants_config\.json|data/sample_inputs/model\.pt|models/model\.json"
    r"|archive_format|archive_version|byteorder|version|\.data/version|\.data/serialization_id)"
)
"""Members of a plain exported program: no compiled code, no objects but tensors."""

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PATH_NAME = re.compile(r"[A-Za-z0-9_.\-\[\]]*")

OPERATORS = re.compile(
    r"torch\.ops\.aten\.(?!(from_file|save)\.)[a-z_][a-z0-9_]*\.[A-Za-z0-9_]+"
    r"|_operator\.(getitem|add|sub|mul|floordiv|truediv|mod|neg|pow|eq|ne|lt|le|gt|ge|and_|or_|not_)"
    r"|torch\.sym_(float|int|ite|max|min|not|sum|sqrt)"
    r"|math\.(ceil|floor|trunc|sqrt)"
)
"""Operators that compute and do nothing else. Of the 3,754 of `aten` in PyTorch 2.13, `from_file` and `save` open files."""

EXPRESSION = re.compile(
    r"(Symbol\('[su]\d+'(, (positive|integer|nonnegative|negative|real)=(True|False))*\)"
    r"|(Integer|Float|Rational|Add|Mul|Pow|Mod|Max|Min|FloorDiv|CleanDiv|CeilDiv|PythonMod|ModularIndexing|Eq|Ne|Lt|Le|Gt|Ge"
    r"|Equality|Unequality|StrictLessThan|LessThan|StrictGreaterThan|GreaterThan|And|Or|Not|IntTrueDiv|ToFloat|TruncToInt)\("
    r"|true|false|'-?\d+(\.\d+)?(e[+-]?\d+)?'|precision=\d+|-?\d+(\.\d+)?|[su]\d+|[(), ])*"
)
"""Sizes as sympy writes them. They are evaluated as Python, so nothing but these words may occur."""

TYPES_OF_ARGUMENTS = frozenset({"builtins.tuple", "builtins.list", "builtins.dict", None})

_FREE_TEXT = frozenset(
    {
        "stack_trace",
        "nn_module_stack",
        "torch_fn",
        "source_fn_stack",
        "from_node",
        "custom",
        "torch_version",
        "as_string",
    }
)
"""Fields whose text is kept or passed to an operator as it is."""

_NOT_PLAIN = frozenset(
    {"as_graph", "as_operator", "as_custom_obj", "as_opaque_obj", "custom_obj", "token", "effect_token"}
)
"""Fields whose values are not data: graphs within graphs, operators as arguments, objects of compiled classes."""


def is_script(file: Path) -> bool:
    """Whether a file is TorchScript, by its content."""
    if not zipfile.is_zipfile(file):
        return False
    with zipfile.ZipFile(file) as archive:
        return any(re.fullmatch(r"[^/]+/constants\.pkl", name) for name in archive.namelist())


def check_script(file: Path, trust: Trust) -> None:
    """Ask for trust if a TorchScript file can do more than compute.

    Its pickles are read by PyTorch's own reader in C++, which makes tensors and the classes that the file itself defines.
    """
    kind = "a TorchScript file"
    check_zip(file, kind, may_be_pickle=lambda name: name.lower().endswith((".pkl", ".debug_pkl")))
    with reading(file, kind), zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            ending = name.lower().rpartition(".")[2]  # PyTorch finds members whatever their case
            content = archive.read(name) if ending in ("py", "pkl") else b""
            reason = _script_reason(content.decode()) if ending == "py" else None
            if b"torch.classes." in content and b"torch.classes.quantized." not in content:
                reason = "uses compiled classes"
            if reason is not None:
                trust.require(file, f"a TorchScript program that {reason}")


def _script_reason(source: str) -> str | None:
    words = [token for token in tokenize.generate_tokens(io.StringIO(source).readline) if token.type == tokenize.NAME]
    for word in words:
        if word.string in ("save", "from_file"):
            return f"opens files ({word.string!r})"
    spaces = {after.string for word, after in itertools.pairwise(words) if word.string == "ops"}
    foreign = sorted(spaces - {"prim", "quantized", "_quantized", "aten"})
    return f"calls operators of {', '.join(foreign)}" if foreign else None


def check_program(file: Path, trust: Trust) -> None:
    """Ask for trust if a file that `torch.export.save` wrote can do more than compute. Raises BrokenModelFile as well."""
    import torch

    kind = "an exported PyTorch program"
    check_zip(file, kind)
    with reading(file, kind), zipfile.ZipFile(file) as archive:
        reason = None
        for name in archive.namelist():
            if not PROGRAM_MEMBERS.fullmatch(name):
                reason = f"holds {name!r}"
            elif name.endswith("_config.json"):
                reason = reason or _payload_reason(json.loads(archive.read(name)))
            elif name.endswith("sample_inputs/model.pt"):
                reason = reason or _pickle_reason(torch, archive.read(name))
            elif name.endswith("models/model.json"):
                reason = reason or _graph_reason(json.loads(archive.read(name)))
    if reason is not None:
        trust.require(file, f"an exported PyTorch program that {reason}")


def _payload_reason(config: dict[str, Any]) -> str | None:
    for name, payload in config["config"].items():
        if payload.get("use_pickle") or not re.fullmatch(r"(weight|tensor)_\d+", payload["path_name"]):
            return f"keeps {name!r} as a pickle"
    return None


def _pickle_reason(torch: Any, content: bytes) -> str | None:
    """The example inputs are unpickled without restraint if the restrained way fails, so it must not."""
    if not content:
        return None
    try:
        torch.load(io.BytesIO(content), weights_only=True)
    except Exception:  # of many kinds; each means the same here
        return "pickles its example inputs"
    return None


def _graph_reason(program: dict[str, Any]) -> str | None:
    """What is more than a computation in an exported graph; None if nothing is."""
    if program.get("guards_code"):
        return "holds conditions as code"
    if program["graph_module"].get("treespec_namedtuple_fields"):
        return "takes named tuples"
    for key, value in _fields(program):
        if key in _NOT_PLAIN and value is not None:
            return f"has a field {key!r}"
        if key == "custom_obj_values" and value:
            return "holds objects of compiled classes"
        if isinstance(value, str) and not _is_plain(key, value):
            return f"has {value[:100]!r} as its {key!r}"
        if isinstance(value, dict) and not all(_PATH_NAME.fullmatch(name) for name in value):
            return f"has a strange name in {key!r}"
    return None


def _fields(value: Any) -> Iterator[tuple[str, Any]]:
    """Every value of a JSON document, below the key that it, or the list that it is in, has."""
    waiting = [("", value)]
    while waiting:
        key, item = waiting.pop()
        yield key, item
        if isinstance(item, dict):
            waiting += item.items()
        elif isinstance(item, list):
            waiting += [(key, each) for each in item]


def _is_plain(key: str, text: str) -> bool:
    if key in _FREE_TEXT:
        return True
    if key == "target":
        return OPERATORS.fullmatch(text) is not None
    if key == "expr_str":
        return EXPRESSION.fullmatch(text) is not None
    if key == "forward_arg_names":
        return _PLAIN_NAME.fullmatch(text) is not None
    if key in ("in_spec", "out_spec"):
        return _is_plain_structure(json.loads(text)[1])
    return _PATH_NAME.fullmatch(text) is not None


def _is_plain_structure(spec: dict[str, Any]) -> bool:
    names = json.loads(spec["context"]) if spec["context"] is not None else None
    named = names is None or (
        isinstance(names, list) and all(isinstance(each, str) and _PLAIN_NAME.fullmatch(each) for each in names)
    )
    return spec["type"] in TYPES_OF_ARGUMENTS and named and all(map(_is_plain_structure, spec["children_spec"]))
