"""The methods of `MillstreamClient` about logged models (MLflow 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec import Struct

from millstream.api import logged_models
from millstream.api.endpoint import Endpoint
from millstream.entities import LoggedModel, LoggedModelParameter, LoggedModelStatus, LoggedModelTag, PagedList
from millstream.errors import InvalidValue

Req = TypeVar("Req", bound=Struct)
Res = TypeVar("Res")

PARAMS_AT_ONCE = 100


class ModelMethods:
    """Mixed into the client, which brings `_call`."""

    if TYPE_CHECKING:

        def _call(self, endpoint: Endpoint[Req, Res], req: Req) -> Res: ...
        def _server_id(self, run_id: str) -> str: ...

    def create_logged_model(
        self,
        experiment_id: str,
        name: str | None = None,
        source_run_id: str | None = None,
        tags: Mapping[str, object] | None = None,
        params: Mapping[str, object] | None = None,
        model_type: str | None = None,
    ) -> LoggedModel:
        """Announce a model; it is PENDING until `finalize_logged_model`."""
        all_params = [LoggedModelParameter(key, str(value)) for key, value in (params or {}).items()]
        answer = self._call(
            logged_models.create,
            logged_models.CreateLoggedModel(
                experiment_id=str(experiment_id),
                name=name or "",
                model_type=model_type or "",
                source_run_id=self._server_id(source_run_id) if source_run_id else "",
                params=all_params[:PARAMS_AT_ONCE],
                tags=[LoggedModelTag(key, str(value)) for key, value in (tags or {}).items()],
            ),
        )
        if len(all_params) <= PARAMS_AT_ONCE:
            return answer.model
        self._log_params(answer.model.model_id, all_params[PARAMS_AT_ONCE:])
        return self.get_logged_model(answer.model.model_id)

    def get_logged_model(self, model_id: str) -> LoggedModel:
        return self._call(logged_models.get, logged_models.GetLoggedModel(model_id)).model

    def finalize_logged_model(self, model_id: str, status: LoggedModelStatus | str) -> LoggedModel:
        """Say that the model's files are stored (READY), or could not be (FAILED)."""
        return self._call(
            logged_models.finalize, logged_models.FinalizeLoggedModel(model_id, LoggedModelStatus(status))
        ).model

    def delete_logged_model(self, model_id: str) -> None:
        self._call(logged_models.delete, logged_models.ModelId(model_id))

    def set_logged_model_tags(self, model_id: str, tags: Mapping[str, object]) -> None:
        rows = [LoggedModelTag(key, str(value)) for key, value in tags.items()]
        self._call(logged_models.set_tags, logged_models.SetModelTags(model_id, rows))

    def delete_logged_model_tag(self, model_id: str, key: str) -> None:
        self._call(logged_models.delete_tag, logged_models.DeleteModelTag(model_id, key))

    def log_model_params(self, model_id: str, params: Mapping[str, object]) -> None:
        """Add params; a key that is there already is refused."""
        self._log_params(model_id, [LoggedModelParameter(key, str(value)) for key, value in params.items()])

    def _log_params(self, model_id: str, params: Sequence[LoggedModelParameter]) -> None:
        for start in range(0, len(params), PARAMS_AT_ONCE):
            some = list(params[start : start + PARAMS_AT_ONCE])
            self._call(logged_models.log_params, logged_models.LogModelParams(model_id, some))

    def search_logged_models(
        self,
        experiment_ids: Sequence[str],
        filter_string: str | None = None,
        datasets: Sequence[Mapping[str, Any]] | None = None,
        max_results: int | None = None,
        order_by: Sequence[Mapping[str, Any]] | None = None,
        page_token: str | None = None,
    ) -> PagedList[LoggedModel]:
        """Logged models of the named experiments.

        Args:
            datasets: only metrics of these count: `{"dataset_name": ..., "dataset_digest": ...}`, the digest optional.
            order_by: `{"field_name": "metrics.loss", "ascending": False}`, with `dataset_name` and `dataset_digest` if wanted.
        """
        try:
            req = logged_models.SearchLoggedModels(
                experiment_ids=[str(experiment_id) for experiment_id in experiment_ids],
                filter=filter_string or "",
                datasets=msgspec.convert(list(datasets or ()), list[logged_models.DatasetFilter]),
                order_by=msgspec.convert(list(order_by or ()), list[logged_models.ModelOrder]),
                page_token=page_token or "",
            )
        except msgspec.ValidationError as error:
            raise InvalidValue(f"datasets or order_by is not as expected: {error}") from None
        if max_results is not None:
            req.max_results = max_results
        page = self._call(logged_models.search, req)
        return PagedList(page.models, page.next_page_token)
