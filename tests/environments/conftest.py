"""A cache of environments of its own for each test, and small wheels that need no network."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def env_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "environments"
    monkeypatch.setenv("MILLSTREAM_ENV_ROOT", str(root))
    return root


@pytest.fixture
def wheels(tmp_path: Path) -> Callable[..., list[str]]:
    """Makes wheels, and gives the requirement lines by which an installer finds them, and nothing else, there."""
    folder = tmp_path / "wheels"
    folder.mkdir()

    def make(*specs: str, code: str = "", requires: str = "") -> list[str]:
        for spec in specs:
            name, _, version = spec.partition("==")
            info = f"{name}-{version}.dist-info"
            with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
                wheel.writestr(f"{name}/__init__.py", code or f"__version__ = {version!r}\n")
                metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
                wheel.writestr(f"{info}/METADATA", metadata + (f"Requires-Dist: {requires}\n" if requires else ""))
                wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
                wheel.writestr(
                    f"{info}/RECORD", f"{name}/__init__.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n"
                )
        return ["--no-index", f"--find-links {folder.as_uri()}", *specs]

    return make
