"""Millstream itself as a wheel, to be installed beside a model's requirements.

The wheel is put together from the files of the running package and its metadata, so it is the very code that runs, for an
editable checkout as well as for an installed wheel, without building tools and without a network.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import os
import re
import secrets
import zipfile
from collections.abc import Iterator
from pathlib import Path

import millstream
from millstream.environments.lines import OURS
from millstream.version import VERSION

_EPOCH = (1980, 1, 1, 0, 0, 0)
_WHEEL = "Wheel-Version: 1.0\nGenerator: millstream\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def own_files() -> dict[str, Path]:
    """The package's files by their names in a wheel."""
    package = Path(millstream.__file__).parent
    return {
        f"{OURS}/{path.relative_to(package).as_posix()}": path
        for path in sorted(package.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    }


def own_wheel(folder: Path) -> Path:
    """The wheel of the code as it is now, below `folder` in a folder named by its hash; made if it is not there yet."""
    contents = list(_contents())
    wheel = folder / _digest(contents) / f"{OURS}-{VERSION}-py3-none-any.whl"
    if wheel.is_file():
        os.utime(wheel)
        return wheel
    wheel.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = wheel.with_name(f"{secrets.token_hex(8)}.draft")
    try:
        with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for name, data in contents:
                _put(archive, name, data)
            record = [f"{name},sha256={_url_safe(data)},{len(data)}\n" for name, data in contents]
            name = f"{_dist_info()}/RECORD"
            _put(archive, name, ("".join(record) + f"{name},,\n").encode())
        draft.rename(wheel)
    finally:
        draft.unlink(missing_ok=True)
    return wheel


def _digest(contents: list[tuple[str, bytes]]) -> str:
    digest = hashlib.sha256()
    for name, data in contents:
        digest.update(f"{name}\0{len(data)}\0".encode())
        digest.update(data)
    return digest.hexdigest()[:24]


def _contents() -> Iterator[tuple[str, bytes]]:
    for name, path in own_files().items():
        yield name, path.read_bytes()
    distribution = importlib.metadata.distribution(OURS)
    metadata = distribution.read_text("METADATA") or ""
    # an editable install keeps the metadata of the day it was made
    metadata = re.sub(r"(?m)^Version: .*$", f"Version: {VERSION}", metadata, count=1)
    yield f"{_dist_info()}/METADATA", metadata.encode()
    yield f"{_dist_info()}/WHEEL", _WHEEL.encode()
    if (entry_points := distribution.read_text("entry_points.txt")) is not None:
        yield f"{_dist_info()}/entry_points.txt", entry_points.encode()


def _dist_info() -> str:
    return f"{OURS}-{VERSION}.dist-info"


def _put(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    member = zipfile.ZipInfo(name, _EPOCH)
    member.external_attr = 0o644 << 16
    member.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(member, data)


def _url_safe(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
