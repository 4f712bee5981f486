"""The libraries that are recorded by themselves, one row each, and the settings that a row takes."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Mapping
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any, Protocol, cast

from msgspec import Struct
from msgspec.structs import fields

from millstream.errors import InvalidValue

if TYPE_CHECKING:
    from millstream.autologging.patching import Patches
    from millstream.autologging.training import Recording


class Settings(Struct, frozen=True, kw_only=True):
    """How one library is recorded; the first group is common to all."""

    disable: bool = False
    """Switch it off, and put the library back as it was."""
    exclusive: bool = False
    """Record nothing into runs that the user started."""
    disable_for_unsupported_versions: bool = False
    """Leave versions of the library alone that are not tested; they are recorded after one line that says so otherwise."""
    silent: bool = False
    """Log no line about recording."""
    log_models: bool = True
    log_datasets: bool = True
    log_input_examples: bool = False
    log_model_signatures: bool = True
    registered_model_name: str | None = None
    """Register every model as a new version under this name."""
    extra_tags: Mapping[str, str] | None = None
    """Of the runs that recording starts."""
    own: Mapping[str, Any] = MappingProxyType({})
    """What this library alone knows, with its defaults filled in."""


COMMON = frozenset(field.name for field in fields(Settings)) - {"own"}


class LibraryModule(Protocol):
    """The file of a library."""

    def install(self, patches: Patches, recording: Recording, module: ModuleType) -> None:
        """Patch what a module of the library offers; called for each of its modules once that is imported."""


class Library(Struct, frozen=True):
    """One row."""

    flavor: str
    packages: tuple[str, ...]
    """Top packages; any one of them may be there."""
    file: str
    """Module of `millstream.autologging` that holds `install`."""
    own: Mapping[str, Any] = MappingProxyType({})
    """Settings of this library alone, with their defaults."""
    tested: str | None = None
    """Versions that the tests have seen; the flavor's if not given."""

    def settings(self, given: Mapping[str, Any]) -> Settings:
        """Raises TypeError for a name that is no setting of this library, InvalidValue for a value of the wrong kind."""
        unknown = given.keys() - COMMON - self.own.keys()
        if unknown:
            names = ", ".join(sorted({*COMMON, *self.own}))
            raise TypeError(f"{self.flavor}.autolog() has no argument {', '.join(sorted(unknown))!r}. It has {names}.")
        common = {name: value for name, value in given.items() if name in COMMON}
        own = {name: given.get(name, default) for name, default in self.own.items()}
        return _checked(self.flavor, common, own)

    def known(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """What of these settings this library has."""
        return {name: value for name, value in given.items() if name in COMMON or name in self.own}

    def is_installed(self) -> bool:
        return any(name in sys.modules or importlib.util.find_spec(name) is not None for name in self.packages)

    def tested_versions(self) -> str:
        """A version specifier, such as ">=4.0,<5"."""
        if self.tested is not None:
            return self.tested
        from millstream.models.flavors import flavor

        return flavor(self.flavor).tested

    def module(self) -> LibraryModule:
        return cast(LibraryModule, importlib.import_module(f"millstream.autologging.{self.file}"))


def _checked(flavor: str, common: dict[str, Any], own: Mapping[str, Any]) -> Settings:
    for name, value in common.items():
        if name == "registered_model_name":
            if value is not None and not isinstance(value, str):
                raise InvalidValue(f"{flavor}.autolog(registered_model_name=...) is text, not {type(value).__name__}.")
        elif name == "extra_tags":
            if value is not None and not isinstance(value, Mapping):
                raise InvalidValue(f"{flavor}.autolog(extra_tags=...) is a dict, not {type(value).__name__}.")
        elif not isinstance(value, bool):
            raise InvalidValue(f"{flavor}.autolog({name}=...) is True or False, not {value!r}.")
    if common.get("extra_tags") is not None:
        common["extra_tags"] = {str(key): str(value) for key, value in common["extra_tags"].items()}
    return Settings(**common, own=own)


LIBRARIES: Mapping[str, Library] = MappingProxyType(
    {
        library.flavor: library
        for library in (
            Library(
                "sklearn",
                ("sklearn",),
                "sklearn",
                {
                    "max_tuning_runs": 5,
                    "log_post_training_metrics": True,
                    "serialization_format": None,
                    "pos_label": None,
                },
            ),
            Library("xgboost", ("xgboost",), "xgboost", {"importance_types": ("weight",), "model_format": "ubj"}),
            Library("lightgbm", ("lightgbm",), "lightgbm"),
            Library("statsmodels", ("statsmodels",), "statsmodels"),
            Library(
                "pytorch",
                ("lightning", "pytorch_lightning"),
                "lightning",
                {
                    "log_every_n_epoch": 1,
                    "log_every_n_step": None,
                    "checkpoint": True,
                    "checkpoint_monitor": "val_loss",
                    "checkpoint_mode": "min",
                    "checkpoint_save_best_only": True,
                    "checkpoint_save_weights_only": False,
                    "checkpoint_save_freq": "epoch",
                },
                tested=">=2.0,<3",
            ),
            Library(
                "keras",
                ("keras",),
                "keras",
                {
                    "log_every_epoch": True,
                    "log_every_n_steps": None,
                    "save_exported_model": False,
                    "save_model_kwargs": None,
                },
            ),
        )
    }
)
"""By flavor."""
