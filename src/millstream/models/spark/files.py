"""What a saved Spark model names, looked at before Spark reads it.

Such a folder is metadata in JSON, one class each, and data in Parquet. Spark makes the objects that the metadata names: classes of its own
ML library are taken, everything else (Python classes of the user's, classes in a jar) is code and needs trust. So does SQL, which can
call any static method of Java, and a type of column that is a pickle.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from millstream.models.model_files import BrokenModelFile, reading

if TYPE_CHECKING:
    from millstream.models.trust import Trust

OWN_CLASSES = ("org.apache.spark.ml.", "pyspark.ml.")
"""How the names of Spark's own classes begin."""

CARRIES_CODE = {"org.apache.spark.ml.feature.SQLTransformer": "SQL, which can call any method of Java"}
"""Classes of Spark's that run what their parameters say."""

_PICKLED_TYPE = b"serializedClass"
"""Key of a column's type, in the schema at the end of a Parquet file, whose value is a pickled class."""

_MAX_METADATA_BYTES = 64 << 20
_MAX_FOOTER_BYTES = 64 << 20


def check(folder: Path, trust: Trust) -> None:
    """Ask for trust if a saved model names anything that is not known to be harmless.

    Raises:
        UntrustedModel: it does, and is not trusted.
        BrokenModelFile: there is no metadata, or it is none, or it names a stage elsewhere.
    """
    is_there = False
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        if file.name.startswith((".", "_")):  # which Spark does not read
            continue
        if file.parent.name == "metadata":
            is_there = True
            reason = _reason(file)
            if reason is not None:
                trust.require(file, f"the metadata of a Spark model {reason}")
        elif _PICKLED_TYPE in _footer(file):
            trust.require(file, "a Parquet file whose columns have a pickled type")
    if not is_there:
        raise BrokenModelFile(folder, "a Spark model", "it has no metadata")


def _reason(file: Path) -> str | None:
    """What is not harmless about one file of metadata; None if nothing is."""
    if file.suffix not in ("", ".txt", ".json"):
        return "that may be compressed, so that its classes are not seen"
    for each in _objects(file):
        name = str(each.get("class"))
        if not name.startswith(OWN_CLASSES):
            return f"with the class {name}, which is not Spark's own"
        if name in CARRIES_CODE:
            return f"with {CARRIES_CODE[name]}"
        params = each.get("paramMap")
        for uid in (params.get("stageUids") or ()) if isinstance(params, dict) else ():
            if "/" in str(uid):
                raise BrokenModelFile(file, "the metadata of a Spark model", f"its stage {uid!r} lies elsewhere")
    return None


def _objects(file: Path) -> Iterator[dict[str, Any]]:
    """The JSON objects in a file of metadata, one a line; a model has one, all of them count."""
    with reading(file, "the metadata of a Spark model"):
        if file.stat().st_size > _MAX_METADATA_BYTES:
            raise ValueError(f"it has more than {_MAX_METADATA_BYTES} bytes")
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.strip():
                found = json.loads(line)
                if not isinstance(found, dict):
                    raise ValueError(f"{line[:100]!r} is no JSON object")
                yield found


def _footer(file: Path) -> bytes:
    """The end of a Parquet file, where its schema stands; all that could be it, if the file says something odd."""
    with file.open("rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(max(0, size - 8))
        length = int.from_bytes(stream.read(4), "little")
        begin = max(0, size - 8 - min(length, _MAX_FOOTER_BYTES))
        stream.seek(begin)
        return stream.read(_MAX_FOOTER_BYTES)
