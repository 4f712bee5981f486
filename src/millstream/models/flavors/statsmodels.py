"""statsmodels results. The library has no format but pickle, so they load on trust alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from millstream.errors import InvalidValue
from millstream.models.flavor import Flavor
from millstream.models.model_files import named

if TYPE_CHECKING:
    from millstream.models.trust import Trust

FLAVOR = Flavor(
    name="statsmodels",
    package="statsmodels",
    tested=">=0.14,<0.16",
    classes=("statsmodels.base.wrapper.ResultsWrapper", "statsmodels.base.model.Results"),
    loader_module="mlflow.statsmodels",
    version_key="statsmodels_version",
    model_argument="statsmodels_model",
    requirements=("statsmodels",),
    options=("remove_data",),
)

FILE = "model.statsmodels"


def save(model: Any, root: Path, *, remove_data: bool | None = None) -> dict[str, Any]:
    """Write with the library's own `save`; `remove_data` leaves the training data out, as far as prediction allows."""
    model.save(str(root / FILE), remove_data=bool(remove_data))
    return {"data": FILE}


def load(root: Path, section: dict[str, Any], *, trust: Trust) -> Any:
    return trust.unpickle(named(root, section, "data"))


def predict(model: Any, inputs: Any, params: dict[str, Any]) -> Any:
    """Predict a frame of regressors; of a time series the range that a one-row frame names in `start` and `end`."""
    from statsmodels.tsa.base.tsa_model import TimeSeriesModel

    if not isinstance(model.model, TimeSeriesModel):
        return model.predict(inputs)
    if len(inputs) != 1 or not {"start", "end"} <= set(inputs.columns):
        raise InvalidValue(
            "A time series model predicts one range: give a frame of one row with the columns 'start' and 'end', not "
            f"{len(inputs)} rows of {', '.join(map(repr, inputs.columns))}."
        )
    return model.predict(start=inputs["start"].iloc[0], end=inputs["end"].iloc[0])


save_model, log_model, load_model, autolog, get_default_pip_requirements, get_default_conda_env = FLAVOR.functions()
