"""Models in skops' format, which names types and holds arrays, but no code.

Reading one makes objects of the types it names, so the types decide what can happen. skops has its own list of what is
harmless; this module adds what scikit-learn, XGBoost and LightGBM models need besides, after a look at each: classes of
scikit-learn's own estimator modules, and the functions and types in `KNOWN`. Functions are never taken by their module: some
of numpy's and scikit-learn's write files or run programs. The list that a model's author put into MLmodel counts for nothing.

Trees hold raw node numbers that scikit-learn follows without looking, so they are checked once after reading (`skops_trees`).
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from millstream.errors import InvalidValue, MissingLibrary
from millstream.models.model_files import check_zip, reading
from millstream.models.skops_trees import check_trees

if TYPE_CHECKING:
    from types import ModuleType

    from millstream.models.trust import Trust

KNOWN = frozenset(
    {
        "builtins.bytearray", "collections.OrderedDict", "collections.defaultdict", "functools.partial",
        "numpy.dtype", "numpy.mean", "numpy.median", "numpy.max", "numpy.min", "numpy.sum",
        "scipy._lib.array_api_compat.numpy._aliases.asarray", "scipy.interpolate._bsplines.BSpline",
        "scipy.sparse._csr.csr_matrix", "scipy.sparse._csc.csc_matrix", "scipy.sparse._csr.csr_array",
        "scipy.sparse._csc.csc_array", "scipy.sparse._coo.coo_matrix",
        "sklearn.cluster._kmeans._kmeans_single_lloyd", "sklearn.cluster._kmeans._kmeans_single_elkan",
        "sklearn.feature_selection._univariate_selection.chi2",
        "sklearn.feature_selection._univariate_selection.f_classif",
        "sklearn.feature_selection._univariate_selection.f_regression",
        "sklearn.feature_selection._univariate_selection.r_regression",
        "sklearn.feature_selection._mutual_info.mutual_info_classif",
        "sklearn.feature_selection._mutual_info.mutual_info_regression",
        "sklearn.utils._bunch.Bunch", "sklearn.utils.validation.check_array",
        "xgboost.core.Booster", "xgboost.sklearn.XGBClassifier", "xgboost.sklearn.XGBRegressor", "xgboost.sklearn.XGBRanker",
        "xgboost.sklearn.XGBRFClassifier", "xgboost.sklearn.XGBRFRegressor",
        "lightgbm.basic.Booster", "lightgbm.sklearn.LGBMClassifier", "lightgbm.sklearn.LGBMRegressor",
        "lightgbm.sklearn.LGBMRanker",
    }
)  # fmt: skip
"""Full names that are loaded without being asked for, besides skops' own list and scikit-learn's estimator modules."""

_NO_ESTIMATORS = frozenset({"conftest", "datasets", "experimental", "externals", "tests", "utils"})
"""Parts of scikit-learn's module names below which no class is taken."""


class NotExpressible(InvalidValue):
    """A model that cannot be written as skops, or not so that it loads without further trust."""


def write(model: Any, file: Path, trusted_types: Iterable[str] = ()) -> list[str]:
    """Write a model and give the types that a reader with nothing but skops' own list has to be told.

    Args:
        trusted_types: full names that the caller will trust when loading.
    Raises:
        NotExpressible: skops has no way to write it, or it holds types that loading would not trust.
    """
    skops = _library()
    try:
        skops.dump(model, file)
        needed = sorted(skops.get_untrusted_types(file=file))
        refused = _refused(needed, trusted_types)
        if refused:
            raise NotExpressible(
                f"it holds {', '.join(refused)}, which loading would not trust; name them in skops_trusted_types if you do"
            )
    except NotExpressible:
        file.unlink()
        raise
    except Exception as error:  # skops raises of many kinds over what it does not know
        file.unlink(missing_ok=True)
        raise NotExpressible(
            f"skops cannot write it: {str(error).splitlines()[0] if str(error) else error!r}"
        ) from error
    return needed


def read(file: Path, trust: Trust, trusted_types: Iterable[str] = ()) -> Any:
    """The model in a skops file.

    Args:
        trust: whether the caller trusts the model's author with everything; then every type is taken.
        trusted_types: full names that the caller trusts.
    Raises:
        UntrustedModel: the file holds types that are not trusted.
        BrokenModelFile: no intact skops file.
    """
    skops = _library()
    check_zip(file, "a skops file")
    with reading(file, "a skops file"), _without_estimators():
        needed = skops.get_untrusted_types(file=file)
        refused = _refused(needed, trusted_types)
        if refused:
            trust.require(file, f"types that run code of their own ({', '.join(refused)})")
        model = skops.load(file, trusted=needed)
    check_trees(model, file)
    return model


def _refused(names: Iterable[str], trusted_types: Iterable[str]) -> list[str]:
    chosen = frozenset(trusted_types)
    return [name for name in names if name not in chosen and name not in KNOWN and not is_estimator_class(name)]


def is_estimator_class(name: str) -> bool:
    """Whether this is a class that one of scikit-learn's estimator modules defines itself."""
    module, _, attribute = name.rpartition(".")
    package, *inner = module.split(".")
    if package != "sklearn" or not inner or not _NO_ESTIMATORS.isdisjoint(inner):
        return False
    if not all(part.isidentifier() for part in (*inner, attribute)):
        return False
    try:
        found = getattr(importlib.import_module(module), attribute, None)
    except ImportError:
        return False
    return isinstance(found, type) and f"{found.__module__}.{found.__qualname__}" == name


def _library() -> ModuleType:
    try:
        with _importing:
            return importlib.import_module("skops.io") if "skops.io" in sys.modules else _imported()
    except ModuleNotFoundError as error:
        raise MissingLibrary("skops", "Models in skops' format") from error


# ---------------------------------------------------------------- importing skops
_is_reading: ContextVar[bool] = ContextVar("is_reading", default=False)

_importing = threading.Lock()

_NAMES = "SKLEARN_ESTIMATOR_TYPE_NAMES"


@contextlib.contextmanager
def _without_estimators() -> Iterator[None]:
    token = _is_reading.set(True)
    try:
        yield
    finally:
        _is_reading.reset(token)


class _Estimators(Sequence[str]):
    """skops' list of scikit-learn's estimators, made when somebody needs it.

    To make it imports all of scikit-learn, which took half of the time to import skops (0.22 of 0.43 s, 2026-11-26). `read` does
    without: there `is_estimator_class` says more.
    """

    def __init__(self) -> None:
        self._made: list[str] | None = None

    def _names(self) -> list[str]:
        if _is_reading.get():
            return []
        if self._made is None:
            from sklearn.utils import all_estimators

            name_of = importlib.import_module("skops.io._utils").get_type_name
            names = (name_of(found) for _, found in all_estimators())
            self._made = [name for name in names if name.startswith("sklearn.")]
        return self._made

    def __add__(self, other: list[str]) -> list[str]:
        return self._names() + other

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> list[str]: ...
    def __getitem__(self, at: int | slice) -> str | list[str]:
        return self._names()[at]

    def __len__(self) -> int:
        return len(self._names())


def _imported() -> ModuleType:
    utils: Any = importlib.import_module("sklearn.utils")
    found = utils.all_estimators
    utils.all_estimators = lambda *_: []
    try:
        skops = importlib.import_module("skops.io")
    finally:
        utils.all_estimators = found
    general = importlib.import_module("skops.io._general")
    if hasattr(general, _NAMES):
        setattr(general, _NAMES, _Estimators())
        return skops
    # a version that keeps it elsewhere
    for name in [each for each in sys.modules if each.partition(".")[0] == "skops"]:
        del sys.modules[name]
    return importlib.import_module("skops.io")
