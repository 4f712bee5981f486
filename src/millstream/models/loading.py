"""Loading a model as its own library has it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from millstream.errors import NotFound
from millstream.models import code_paths, flavors
from millstream.models.flavor import Flavor
from millstream.models.locations import fetch
from millstream.models.mlmodel import Model
from millstream.models.trust import Trust, trust_of


class FlavorNotInModel(NotFound):
    def __init__(self, uri: str, flavor: str, there: list[str]) -> None:
        super().__init__(
            f"The model at {uri!r} has no flavor {flavor!r}, only {', '.join(there) or 'none at all'}. "
            "millstream.pyfunc.load_model loads any model that predicts."
        )


def load(
    flavor: Flavor,
    model_uri: str | os.PathLike[str],
    dst_path: str | None = None,
    *,
    trust: bool | Trust | None = None,
    options: dict[str, Any] | None = None,
) -> Any:
    """`load_model` of a flavor; see `millstream.models.flavor.LoadModel`. Raises FlavorNotInModel."""
    root = fetch(model_uri, dst_path)
    metadata = Model.load(root)
    section = metadata.flavors.get(flavor.name)
    if section is None:
        raise FlavorNotInModel(os.fspath(model_uri), flavor.name, list(metadata.flavors))
    flavor.library()
    given = trust_of(trust, root)
    with code_paths.importable(root, section.get("code"), given):
        return flavor.module().load(root, section, trust=given, **(options or {}))


def load_any(root: Path, flavor: str, trust: Trust) -> Any:
    """A model as a Python function if it has that view, else as `flavor` loads it."""
    from millstream.models.pyfunc.loading import load_model

    if "python_function" in Model.load(root).flavors:
        return load_model(root, suppress_warnings=True, trust=trust.is_given)
    return load(flavors.flavor(flavor), root, trust=trust)
