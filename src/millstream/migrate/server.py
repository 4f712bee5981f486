"""Source: a running MLflow (or Millstream) server, read through its REST API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from millstream.api import experiments, logged_models, metrics, runs
from millstream.entities import Experiment, Metric, ViewType
from millstream.errors import MillstreamError
from millstream.migrate.source import SourceModel, SourceRun

if TYPE_CHECKING:
    from millstream.client.transport import Transport

_PAGE = 1000
_POINTS = 25_000


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
