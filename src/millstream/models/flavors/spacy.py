"""spaCy pipelines, written by spaCy's own `to_disk`.

Such a folder holds weights, tables and a configuration that names functions in spaCy's registries. Any package that is
installed can put functions there, so loading asks for trust where the configuration names one that is not spaCy's own or
that reads files or other pipelines.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from millstream.errors import InvalidValue
from millstream.models.flavor import Flavor
from millstream.models.model_files import named, reading

if TYPE_CHECKING:
    from millstream.models.trust import Trust

FLAVOR = Flavor(
    name="spacy",
    package="spacy",
    tested=">=3.7,<4",
    classes=("spacy.language.Language",),
    loader_module="mlflow.spacy",
    version_key="spacy_version",
    model_argument="spacy_model",
    requirements=("spacy",),
)

FOLDER = "model.spacy"
OWN_PACKAGES = frozenset({"spacy", "spacy_legacy", "thinc"})
UNUSUAL_REGISTRIES = frozenset({"readers", "loggers", "callbacks", "datasets", "cli"})
"""Registries that a pipeline's parts have no need of, and whose functions open files or run at odd times."""


def save(model: Any, root: Path) -> dict[str, Any]:
    model.to_disk(root / FOLDER)
    return {"data": FOLDER}


def pyfunc_entry(section: dict[str, Any], options: dict[str, Any], model: Any) -> dict[str, Any] | None:
    """Only text categorizers have a result that is a table."""
    from spacy.pipeline import TextCategorizer

    return {"data": FOLDER} if any(isinstance(part, TextCategorizer) for _, part in model.pipeline) else None


def load(root: Path, section: dict[str, Any], *, trust: Trust) -> Any:
    """The pipeline. Raises UntrustedModel if it uses functions that are not spaCy's own."""
    spacy = FLAVOR.library()
    folder = named(root, section, "data")
    with reading(folder, "a spaCy pipeline"):
        config = spacy.util.load_config(folder / "config.cfg")
        reason = _reason(spacy, config)
        if reason is not None:
            trust.require(folder / "config.cfg", f"the configuration of a spaCy pipeline {reason}")
        return spacy.util.load_model_from_path(folder)


def predict(model: Any, inputs: Any, params: dict[str, Any]) -> Any:
    """A frame of one text column gives a frame with the column `predictions`: label to score."""
    import pandas as pd

    if not isinstance(inputs, pd.DataFrame) or len(inputs.columns) != 1:
        columns = (
            f"columns {', '.join(map(str, inputs.columns))}" if hasattr(inputs, "columns") else type(inputs).__name__
        )
        raise InvalidValue(f"A text categorizer takes a frame with one column, the texts; this has {columns}.")
    return pd.DataFrame({"predictions": inputs.iloc[:, 0].apply(lambda text: model(text).cats)}, index=inputs.index)


def _reason(spacy: Any, config: Mapping[str, Any]) -> str | None:
    """What a pipeline's configuration asks for that is not spaCy's own; None if nothing is.

    Only what is made while loading counts: the language, the components and what they are made of.
    """
    language = str(config.get("nlp", {}).get("lang"))
    if not language.isidentifier():
        return f"for the language {language!r}"
    spacy.blank(language)  # fills spaCy's registries with its own functions
    for name, component in config.get("components", {}).items():
        if "source" in component:
            return f"that takes {name!r} from another pipeline"
        factory = str(component.get("factory"))
        # a language's own factory of that name comes first
        found = [each for each in (f"{language}.{factory}", factory) if spacy.registry.has("factories", each)]
        if not found or not all(_is_own(spacy.registry, "factories", each) for each in found):
            return f"with the component {factory!r}"
    for registry, function in _functions([config.get("nlp", {}), config.get("components", {})]):
        if registry in UNUSUAL_REGISTRIES or not _is_own(spacy.registry, registry, function):
            return f"that calls {function!r} of the registry {registry!r}"
    return None


def _functions(value: Any) -> Iterator[tuple[str, str]]:
    """Every registry and name that a part of the configuration refers to."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, Mapping):
            yield from ((key[1:], str(name)) for key, name in item.items() if key.startswith("@"))
            waiting += item.values()
        elif isinstance(item, (list, tuple)):
            waiting += item


def _is_own(registries: Any, registry: str, name: str) -> bool:
    """Whether a registered function comes with spaCy."""
    try:
        function = registries.get(registry, name)
    except Exception:  # of spaCy's own kinds: no such registry, no such function
        return False
    module = getattr(function, "__module__", "") or ""
    return module.partition(".")[0] in OWN_PACKAGES


save_model, log_model, load_model, autolog, get_default_pip_requirements, get_default_conda_env = FLAVOR.functions()
