"""Who may run code while a model is loaded: nobody, unless the caller says so.

A pickle runs whatever its author put into it, and so does Python code that comes with a model (`code/`, a model's script, a
loader module of the user's). Each of these asks `Trust.require` first, which names the file that would run.

Pickles are read by `Unpickler` alone. It gives objects of ours where a pickle of MLflow's names a class of MLflow's; the
package `mlflow` is never imported for that, and may well be installed beside us.
"""

from __future__ import annotations

import bz2
import gzip
import importlib
import io
import lzma
import pickle
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import IO, Any

from msgspec import Struct

from millstream import settings
from millstream.errors import InvalidValue, PermissionDenied


class UntrustedModel(PermissionDenied):
    """Loading the model would run code that came with it, and the caller did not say that it may."""

    def __init__(self, file: Path, what: str) -> None:
        super().__init__(
            f"Loading this model would run code that its author wrote: {str(file)!r} is {what}. If you know where the model "
            "comes from, trust it: load_model(..., trust=True), or set MILLSTREAM_TRUST_PICKLES=true for all models."
        )


class BrokenPickle(InvalidValue):
    """A trusted pickle that cannot be read here."""

    def __init__(self, file: Path, reason: object) -> None:
        advice = (
            "To serve its imports of mlflow with Millstream, set MILLSTREAM_IMPORT_AS_MLFLOW=true, or load it inside "
            "`with millstream.as_mlflow():`."
            if isinstance(reason, ModuleNotFoundError) and reason.name == "mlflow"
            else "It needs the packages, and often the versions of them and of Python, that it was written with: see "
            "requirements.txt and python_env.yaml beside it."
        )
        super().__init__(f"{str(file)!r} cannot be unpickled here: {reason}. {advice}")


class Trust(Struct, frozen=True):
    """Whether code that comes with a model may run."""

    is_given: bool

    def require(self, file: Path, what: str) -> None:
        """Go on only if code may run.

        Args:
            file: what would run.
            what: what it is, with its article: "a pickle".
        Raises:
            UntrustedModel: it may not.
        """
        if not self.is_given:
            raise UntrustedModel(file, what)

    def unpickle(self, file: Path) -> Any:
        """The object in a pickle, compressed or not. Raises UntrustedModel, or BrokenPickle for what cannot be read."""
        self.require(file, "a pickle")
        try:
            with decompressed(file) as stream:
                return Unpickler(stream).load()
        except (*_UNPICKLING_ERRORS, *_COMPRESSION_ERRORS) as error:
            raise BrokenPickle(file, error) from error


_trusted: ContextVar[tuple[Path, ...]] = ContextVar("millstream_trusted_models", default=())
"""The folders of models that are being loaded on trust."""


def trust_of(trust: bool | Trust | None, root: Path) -> Trust:
    """What the `trust=` of a call means for the model (or file of one) at `root`.

    None is True for a model that stands inside of one that is being loaded on trust (its `load_context` reads it), else the setting
    TRUST_PICKLES, which is False unless somebody set it.
    """
    if isinstance(trust, Trust):
        return trust
    if trust is not None:
        return Trust(bool(trust))
    real = root.resolve()
    return Trust(any(real.is_relative_to(outer) for outer in _trusted.get()) or settings.TRUST_PICKLES.get())


@contextmanager
def loading(root: Path, trust: Trust) -> Iterator[None]:
    """While the model in a folder is loaded: models inside of it are trusted as it is."""
    token = _trusted.set((*_trusted.get(), root.resolve()) if trust.is_given else _trusted.get())
    try:
        yield
    finally:
        _trusted.reset(token)


# ---------------------------------------------------------------- MLflow's names

_HERE = "millstream.models.pyfunc"

RENAMED: dict[tuple[str, str], tuple[str, str]] = {
    ("mlflow.pyfunc.model", "PythonModel"): (f"{_HERE}.python_model", "PythonModel"),
    ("mlflow.pyfunc.model", "PythonModelContext"): (f"{_HERE}.python_model", "PythonModelContext"),
    ("mlflow.pyfunc.model", "_FunctionPythonModel"): (f"{_HERE}.python_model", "FunctionModel"),
    ("mlflow.models.signature", "_TypeHints"): (f"{_HERE}.pickling", "TypeHints"),
    ("mlflow.pyfunc.utils.data_validation", "FuncInfo"): (f"{_HERE}.pickling", "FuncInfo"),
    ("mlflow.pyfunc.utils.data_validation", "_validate_model_input"): (f"{_HERE}.pickling", "validate_arguments"),
    ("mlflow.exceptions", "MlflowException"): ("millstream.errors", "MillstreamError"),
    ("cloudpickle.cloudpickle", "subimport"): ("millstream.models.trust", "import_named"),
    ("cloudpickle", "subimport"): ("millstream.models.trust", "import_named"),
}
"""What stands for a class or function of MLflow's in a pickle. Names that are not listed are looked up as `alias` has them."""


class Unpickler(pickle.Unpickler):
    """Reads a pickle; names of MLflow's are ours. Does not ask for trust: `Trust.unpickle` does."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        renamed = RENAMED.get((module_name, global_name))
        if renamed is not None:
            return getattr(importlib.import_module(renamed[0]), renamed[1])
        if module_name == "mlflow" or module_name.startswith("mlflow."):
            value: Any = import_named(module_name)
            for part in global_name.split("."):
                value = getattr(value, part)
            return value
        return super().find_class(module_name, global_name)


def import_named(name: str) -> Any:
    """The module that a pickle names: ours for one of MLflow's that we have, the module of that name otherwise."""
    if name == "mlflow":
        return importlib.import_module("millstream")
    if name.startswith("mlflow."):
        from millstream import alias

        ours = alias.module_for(name.removeprefix("mlflow."))
        if ours is not None:
            return importlib.import_module(ours)
    return importlib.import_module(name)


# ---------------------------------------------------------------- compressed pickles

_COMPRESSION_ERRORS: tuple[type[Exception], ...] = (gzip.BadGzipFile, lzma.LZMAError, zlib.error)
_UNPICKLING_ERRORS: tuple[type[Exception], ...] = (
    pickle.UnpicklingError, EOFError, ImportError, AttributeError, LookupError, TypeError, ValueError,
)  # fmt: skip
"""What reading a pickle raises that is cut, or that was written with other versions of what it holds."""


class _Zlib(io.RawIOBase):
    """A zlib stream (as joblib writes) opened for reading."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._unpacker = zlib.decompressobj()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = b""
        while not data and not self._unpacker.eof:
            packed = self._unpacker.unconsumed_tail or self._file.read(1 << 16)
            if not packed:
                break
            data = self._unpacker.decompress(packed, len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


_COMPRESSED: tuple[tuple[bytes, Callable[[IO[bytes]], Any]], ...] = (
    (b"\x1f\x8b", lambda file: gzip.GzipFile(fileobj=file)),
    (b"BZh", bz2.BZ2File),
    (b"\xfd7zXZ\x00", lzma.LZMAFile),
    (b"\x5d\x00\x00", partial(lzma.LZMAFile, format=lzma.FORMAT_ALONE)),
    (b"\x78\x01", lambda file: io.BufferedReader(_Zlib(file))),
    (b"\x78\x5e", lambda file: io.BufferedReader(_Zlib(file))),
    (b"\x78\x9c", lambda file: io.BufferedReader(_Zlib(file))),
    (b"\x78\xda", lambda file: io.BufferedReader(_Zlib(file))),
)
"""First bytes of a compressed file, and what reads it."""


@contextmanager
def decompressed(file: Path) -> Iterator[IO[bytes]]:
    """A file opened for reading, decompressed if its first bytes say that it is compressed; its name says nothing."""
    with open(file, "rb") as stream:
        start = stream.read(8)
        stream.seek(0)
        for mark, opener in _COMPRESSED:
            if start.startswith(mark):
                with opener(stream) as unpacked:
                    yield unpacked
                return
        yield stream
