"""Millstream: record training, find it, read it back.

    import millstream

    with millstream.start_run():
        millstream.log_param("lr", 0.01)
        for step in range(1000):
            millstream.log_metric("loss", loss, step=step)      # about a microsecond; survives kill -9

`import millstream as mlflow` serves scripts written for MLflow; `install_as_mlflow()` serves libraries that import `mlflow`.
Names are imported when they are first used, so importing this package costs next to nothing.
"""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from millstream.version import __version__

if TYPE_CHECKING:
    from millstream import artifacts as artifacts
    from millstream import autologging as autologging
    from millstream import client as client
    from millstream import data as data
    from millstream import deployments as deployments
    from millstream import entities as entities
    from millstream import errors as errors
    from millstream import exceptions as exceptions
    from millstream import models as models
    from millstream import projects as projects
    from millstream import tracking as tracking
    from millstream.alias import as_mlflow as as_mlflow
    from millstream.alias import install_as_mlflow as install_as_mlflow
    from millstream.autologging.switching import autolog as autolog
    from millstream.client.client import MillstreamClient as MillstreamClient
    from millstream.client.client import MlflowClient as MlflowClient
    from millstream.errors import MillstreamError as MillstreamError
    from millstream.exceptions import MlflowException as MlflowException
    from millstream.media.images import Image as Image
    from millstream.models import pyfunc as pyfunc
    from millstream.models import types as types
    from millstream.models.flavors import keras as keras
    from millstream.models.flavors import lightgbm as lightgbm
    from millstream.models.flavors import onnx as onnx
    from millstream.models.flavors import pytorch as pytorch
    from millstream.models.flavors import sklearn as sklearn
    from millstream.models.flavors import spacy as spacy
    from millstream.models.flavors import spark as spark
    from millstream.models.flavors import statsmodels as statsmodels
    from millstream.models.flavors import xgboost as xgboost
    from millstream.projects.running import run as run
    from millstream.tracking import config as config
    from millstream.tracking.active import ActiveRun as ActiveRun
    from millstream.tracking.configuration import disable_system_metrics_logging as disable_system_metrics_logging
    from millstream.tracking.configuration import doctor as doctor
    from millstream.tracking.configuration import enable_system_metrics_logging as enable_system_metrics_logging
    from millstream.tracking.configuration import flush as flush
    from millstream.tracking.configuration import flush_async_logging as flush_async_logging
    from millstream.tracking.configuration import login as login
    from millstream.tracking.configuration import set_system_metrics_node_id as set_system_metrics_node_id
    from millstream.tracking.configuration import (
        set_system_metrics_samples_before_logging as set_system_metrics_samples_before_logging,
    )
    from millstream.tracking.configuration import (
        set_system_metrics_sampling_interval as set_system_metrics_sampling_interval,
    )
    from millstream.tracking.experiments import create_experiment as create_experiment
    from millstream.tracking.experiments import delete_experiment as delete_experiment
    from millstream.tracking.experiments import delete_experiment_tag as delete_experiment_tag
    from millstream.tracking.experiments import get_experiment as get_experiment
    from millstream.tracking.experiments import get_experiment_by_name as get_experiment_by_name
    from millstream.tracking.experiments import restore_experiment as restore_experiment
    from millstream.tracking.experiments import search_experiments as search_experiments
    from millstream.tracking.experiments import set_experiment as set_experiment
    from millstream.tracking.experiments import set_experiment_tag as set_experiment_tag
    from millstream.tracking.experiments import set_experiment_tags as set_experiment_tags
    from millstream.tracking.files import flush_artifact_async_logging as flush_artifact_async_logging
    from millstream.tracking.files import get_artifact_uri as get_artifact_uri
    from millstream.tracking.files import load_table as load_table
    from millstream.tracking.files import log_artifact as log_artifact
    from millstream.tracking.files import log_artifacts as log_artifacts
    from millstream.tracking.files import log_dict as log_dict
    from millstream.tracking.files import log_figure as log_figure
    from millstream.tracking.files import log_image as log_image
    from millstream.tracking.files import log_stream as log_stream
    from millstream.tracking.files import log_table as log_table
    from millstream.tracking.files import log_text as log_text
    from millstream.tracking.inputs import log_input as log_input
    from millstream.tracking.inputs import log_inputs as log_inputs
    from millstream.tracking.inputs import log_outputs as log_outputs
    from millstream.tracking.logged_models import ActiveModel as ActiveModel
    from millstream.tracking.logged_models import clear_active_model as clear_active_model
    from millstream.tracking.logged_models import create_external_model as create_external_model
    from millstream.tracking.logged_models import delete_logged_model_tag as delete_logged_model_tag
    from millstream.tracking.logged_models import finalize_logged_model as finalize_logged_model
    from millstream.tracking.logged_models import get_active_model_id as get_active_model_id
    from millstream.tracking.logged_models import get_logged_model as get_logged_model
    from millstream.tracking.logged_models import initialize_logged_model as initialize_logged_model
    from millstream.tracking.logged_models import last_logged_model as last_logged_model
    from millstream.tracking.logged_models import log_model_params as log_model_params
    from millstream.tracking.logged_models import search_logged_models as search_logged_models
    from millstream.tracking.logged_models import set_active_model as set_active_model
    from millstream.tracking.logged_models import set_logged_model_tags as set_logged_model_tags
    from millstream.tracking.metrics import log_metric as log_metric
    from millstream.tracking.metrics import log_metrics as log_metrics
    from millstream.tracking.params import delete_tag as delete_tag
    from millstream.tracking.params import log_param as log_param
    from millstream.tracking.params import log_params as log_params
    from millstream.tracking.params import set_tag as set_tag
    from millstream.tracking.params import set_tags as set_tags
    from millstream.tracking.registry import register_model as register_model
    from millstream.tracking.registry import search_model_versions as search_model_versions
    from millstream.tracking.registry import search_registered_models as search_registered_models
    from millstream.tracking.registry import set_model_version_tag as set_model_version_tag
    from millstream.tracking.runs import active_run as active_run
    from millstream.tracking.runs import delete_run as delete_run
    from millstream.tracking.runs import end_run as end_run
    from millstream.tracking.runs import get_parent_run as get_parent_run
    from millstream.tracking.runs import get_run as get_run
    from millstream.tracking.runs import last_active_run as last_active_run
    from millstream.tracking.runs import restore_run as restore_run
    from millstream.tracking.runs import rewind as rewind
    from millstream.tracking.runs import start_run as start_run
    from millstream.tracking.search import search_runs as search_runs
    from millstream.tracking.uris import get_registry_uri as get_registry_uri
    from millstream.tracking.uris import get_tracking_uri as get_tracking_uri
    from millstream.tracking.uris import is_tracking_uri_set as is_tracking_uri_set
    from millstream.tracking.uris import set_registry_uri as set_registry_uri
    from millstream.tracking.uris import set_tracking_uri as set_tracking_uri

_HOMES: dict[str, str] = {
    "alias": "as_mlflow install_as_mlflow",
    "autologging.switching": "autolog",
    "client.client": "MillstreamClient MlflowClient",
    "errors": "MillstreamError",
    "exceptions": "MlflowException",
    "media.images": "Image",
    "projects.running": "run",
    "tracking.active": "ActiveRun",
    "tracking.configuration": "disable_system_metrics_logging doctor enable_system_metrics_logging flush flush_async_logging "
    "login set_system_metrics_node_id set_system_metrics_samples_before_logging set_system_metrics_sampling_interval",
    "tracking.experiments": "create_experiment delete_experiment delete_experiment_tag get_experiment get_experiment_by_name "
    "restore_experiment search_experiments set_experiment set_experiment_tag set_experiment_tags",
    "tracking.files": "flush_artifact_async_logging get_artifact_uri load_table log_artifact log_artifacts log_dict log_figure "
    "log_image log_stream log_table log_text",
    "tracking.inputs": "log_input log_inputs log_outputs",
    "tracking.logged_models": "ActiveModel clear_active_model create_external_model delete_logged_model_tag "
    "finalize_logged_model get_active_model_id get_logged_model initialize_logged_model last_logged_model log_model_params "
    "search_logged_models set_active_model set_logged_model_tags",
    "tracking.metrics": "log_metric log_metrics",
    "tracking.params": "delete_tag log_param log_params set_tag set_tags",
    "tracking.registry": "register_model search_model_versions search_registered_models set_model_version_tag",
    "tracking.runs": "active_run delete_run end_run get_parent_run get_run last_active_run restore_run rewind start_run",
    "tracking.search": "search_runs",
    "tracking.uris": "get_registry_uri get_tracking_uri is_tracking_uri_set set_registry_uri set_tracking_uri",
}
"""Which module brings which names."""

_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}
_LOOP = ("log_metric", "log_metrics", "log_param", "log_params", "set_tag")
"""Used next by a program that uses `start_run`: looked up with it, so that a training's loop pays for no import."""

_MODULES = frozenset(
    {
        "artifacts", "autologging", "client", "data", "deployments", "entities", "errors", "exceptions", "models", "projects",
        "settings", "tracking",
    }
)  # fmt: skip

_INNER = frozenset({"environments", "lazy", "processes", "safe_yaml"})
"""Modules that are ours alone. `from millstream import lazy` asks here first, and should not load `alias` to learn of it (12 ms)."""

PLACES: dict[str, str] = {
    "pyfunc": "models.pyfunc",
    "types": "models.types",
    **{
        flavor: f"models.flavors.{flavor}"
        for flavor in ("keras", "lightgbm", "onnx", "pytorch", "sklearn", "spacy", "spark", "statsmodels", "xgboost")
    },
}
"""Modules that users reach as `millstream.<name>` (and `import millstream.<name>`), and where they stand."""

__all__ = [*_HOME_OF, *sorted(_MODULES), *PLACES, "__version__", "config"]


class _Places:
    """Finds `millstream.sklearn` and what is below where it stands, as the same module."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if not fullname.startswith("millstream."):
            return None
        top, dot, rest = fullname.removeprefix("millstream.").partition(".")
        return (
            ModuleSpec(fullname, cast(Any, self), origin=f"millstream.{PLACES[top]}{dot}{rest}")
            if top in PLACES
            else None
        )

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        spec = module.__spec__
        sys.modules[module.__name__] = importlib.import_module(str(spec.origin if spec is not None else None))


sys.meta_path.insert(0, _Places())  # before Python's own, which would load what is below anew


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        value = getattr(importlib.import_module(f"millstream.{_HOME_OF[name]}"), name)
    elif name in _MODULES or name in _INNER:
        value = importlib.import_module(f"millstream.{name}")
    elif name in PLACES:
        value = importlib.import_module(f"millstream.{PLACES[name]}")
    else:
        from millstream.alias import attribute

        value = attribute(name)  # a module of MLflow's, or an AttributeError that says what is missing
    globals()[name] = value
    if name == "start_run":
        for following in _LOOP:
            if following not in globals():
                __getattr__(following)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
