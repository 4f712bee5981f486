"""Source: a running MLflow (or Millstream) server, read through its REST API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from millstream.api import experiments, logged_models, metrics, registry, runs
from millstream.api.endpoint import Endpoint
from millstream.entities import PROMPT_TAG, Experiment, Metric, ModelVersion, RegisteredModel, ViewType
from millstream.errors import MillstreamError
from millstream.migrate.source import SourceModel, SourceRegisteredModel, SourceRun, logged_model_of

if TYPE_CHECKING:
    from millstream.client.transport import Transport

_PAGE = 1000
_POINTS = 25_000
_VERSIONS = 10_000

Req = TypeVar("Req", bound=msgspec.Struct)
Res = TypeVar("Res")


class ServerSource:
    """Reads a server; sends nothing that changes it. Times of deletion are not to be had over REST."""

    def __init__(self, uri: str, transport: Transport) -> None:
        self.name = f"server {uri}"
        self._transport = transport

    def close(self) -> None:
        self._transport.close()

    def experiments(self) -> Iterator[Experiment]:
        token = ""
        while True:
            page = self._transport.call(
                experiments.search,
                experiments.SearchExperiments(_PAGE, token, order_by=["experiment_id ASC"], view_type=ViewType.ALL),
            )
            yield from page.experiments
            if not page.next_page_token:
                return
            token = page.next_page_token

    def runs(self, experiment_id: str) -> Iterator[SourceRun]:
        token = ""
        while True:
            request = runs.SearchRuns([experiment_id], "", ViewType.ALL, _PAGE, page_token=token)
            page = self._transport.call(runs.search, request)
            for found in page.runs:
                # searches leave model inputs out
                run = self._transport.call(runs.get, runs.GetRun(found.info.run_id, found.info.run_id)).run
                yield SourceRun(run)
            if not page.next_page_token:
                return
            token = page.next_page_token

    def points(self, run: SourceRun) -> Iterator[list[Metric]]:
        run_id = run.run.info.run_id
        for latest in run.run.data.metric_list:
            token = ""
            while True:
                request = metrics.GetHistory(run_id, latest.key, _POINTS, token, run_id)
                page = self._transport.call(metrics.get_history, request)
                if page.metrics:
                    yield page.metrics
                if not page.next_page_token:
                    break
                token = page.next_page_token

    def models(self, experiment_id: str) -> Iterator[SourceModel]:
        token = ""
        while True:
            try:
                page = self._transport.call(
                    logged_models.search,
                    logged_models.SearchLoggedModels([experiment_id], max_results=50, page_token=token),
                )
            except MillstreamError as error:
                if error.status in (404, 405, 501):  # servers before 3.0 have no logged models
                    return
                raise
            for model in page.models:
                points = model.data.metrics
                model.data.metrics = []
                yield SourceModel(model, False, points)
            if not page.next_page_token:
                return
            token = page.next_page_token

    def registered_models(self) -> Iterator[SourceRegisteredModel]:
        versions: dict[str, list[ModelVersion]] = {}
        for found in self._pages(registry.search_versions, registry.SearchModelVersions(max_results=_VERSIONS)):
            for version in found.model_versions:
                versions.setdefault(version.name, []).append(version)
        for page in self._pages(registry.search, registry.SearchRegisteredModels(max_results=_PAGE)):
            for model in page.registered_models:
                yield self._registered(model, versions.get(model.name, []))

    def _registered(self, model: RegisteredModel, versions: list[ModelVersion]) -> SourceRegisteredModel:
        found = SourceRegisteredModel(model, versions, max((int(each.version) for each in versions), default=0))
        for version in versions:
            if version.source.startswith("models:/"):
                asked = registry.ModelVersionName(version.name, version.version)
                found.locations[version.version] = self._transport.call(registry.get_download_uri, asked).artifact_uri
                version.model_id = version.model_id or logged_model_of(version.source)
        return found

    def _pages(self, endpoint: Endpoint[Req, Res], req: Req) -> Iterator[Res]:
        """All pages of a search of the registry, those with prompts behind the others; none if the server has no registry."""
        for filter in ("", f"tags.`{PROMPT_TAG}` = 'true'"):
            asked = msgspec.structs.replace(req, filter=filter)
            while True:
                try:
                    page: Any = self._transport.call(endpoint, asked)
                except MillstreamError as error:
                    if error.status in (404, 405, 501) or (filter and error.status == 400):
                        break
                    raise
                yield page
                if not page.next_page_token:
                    break
                asked = msgspec.structs.replace(asked, page_token=page.next_page_token)
