"""Files of models with scikit-learn's interface: in skops' format where it can express them, else pickled.

Shared by the flavors whose libraries have no format of their own for them. A pickle loads on trust alone, whatever its name.
"""

from __future__ import annotations

import logging
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from millstream.errors import InvalidValue, MissingLibrary
from millstream.models import skops_files

if TYPE_CHECKING:
    from millstream.models.trust import Trust

_logger = logging.getLogger("millstream")

FILES = {"skops": "model.skops", "cloudpickle": "model.pkl", "pickle": "model.pkl"}
"""Serialization format to the file that holds the model."""


def check_format(chosen: str | None) -> None:
    """Raises InvalidValue for a `serialization_format` that there is not."""
    if chosen is not None and chosen not in FILES:
        raise InvalidValue(f"serialization_format is {chosen!r}; it can be {', '.join(FILES)}.")


def write(model: Any, root: Path, chosen: str | None, trusted_types: Sequence[str] | None) -> dict[str, Any]:
    """Write the model's file below `root`.

    Args:
        chosen: "skops", "cloudpickle" or "pickle"; None is skops if it can, else cloudpickle with one line that says why.
        trusted_types: full names of further types that the caller will trust when loading from skops.
    Returns:
        The keys `serialization_format` and `skops_trusted_types` of the flavor's section. The latter are all types that
        skops itself does not know, for readers that go by such a list (ours do not).
    Raises:
        NotExpressible: skops was chosen and cannot express the model.
    """
    if chosen in (None, "skops"):
        try:
            types = skops_files.write(model, root / FILES["skops"], trusted_types or ())
            return {"serialization_format": "skops", "skops_trusted_types": types or None}
        except (skops_files.NotExpressible, MissingLibrary) as reason:
            if chosen is not None:
                raise
            _logger.warning(
                "%s is saved with cloudpickle, which loads with trust=True only: %s", type(model).__name__, reason
            )
        chosen = "cloudpickle"
    if chosen == "cloudpickle":
        import cloudpickle

        content = cloudpickle.dumps(model, protocol=5)
    else:
        content = pickle.dumps(model, protocol=5)
    (root / FILES[chosen]).write_bytes(content)
    return {"serialization_format": chosen, "skops_trusted_types": None}


def read(file: Path, written_as: str, trust: Trust, trusted_types: Sequence[str] | None) -> Any:
    """The model in a file that `write`, or MLflow, has written.

    Args:
        written_as: the section's `serialization_format`; anything but "skops" is a pickle.
        trusted_types: as for `write`, from the caller and never from the model.
    Raises:
        UntrustedModel: a pickle, or types that the caller does not trust.
    """
    if written_as == "skops":
        return skops_files.read(file, trust, trusted_types or ())
    return trust.unpickle(file)


def packages(section: dict[str, Any]) -> tuple[str, ...]:
    """Distributions besides the flavor's own that reading the file needs."""
    needed = {"skops": "skops", "cloudpickle": "cloudpickle"}.get(section.get("serialization_format", "pickle"))
    return () if needed is None else (needed,)
