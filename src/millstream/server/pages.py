"""Plain pages below `/plain/`: experiments, the runs of one, a run. No script is needed, everything is escaped.

They are for those who have no scripts, and stand in where the application for browsers (`ui_files`) was not built.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from millstream.entities import NOTE_TAG, USER_TAG, Run, RunStatus, SeriesView, SeriesWindow, ViewType
from millstream.errors import MillstreamError
from millstream.server.call import Answer, Call
from millstream.server.markup import Html, address, element, join
from millstream.server.routes import Route, Target
from millstream.server.security import PAGE, PAGE_CSP, PUBLIC
from millstream.version import VERSION

if TYPE_CHECKING:
    from millstream.server.app import Application

PLACE = "/plain"
"""The path below which they stand."""

PAGE_ROWS = 100
MAX_COLUMNS = 8
MAX_CHARTS = 60
CHART_WIDTH = 300

Page = Callable[[Call], Html]


def routes(app: Application) -> list[Route]:
    """The routes of the pages."""
    tracking, artifacts = app.store, app.artifacts

    def page(build: Page) -> Target:
        threads = app.artifact_reads if build is run else app.reads

        async def answer(call: Call) -> Answer:
            return await threads.run(lambda: _answer(call, build))

        return answer

    def home(call: Call) -> Html:
        return _experiments(tracking, call)

    def experiment(call: Call) -> Html:
        return _experiment(tracking, call)

    def run(call: Call) -> Html:
        return _run(tracking, artifacts, call)

    async def style(call: Call) -> Answer:
        return Answer(_file("pages.css"), b"text/css; charset=utf-8", headers=_CACHED)

    async def script(call: Call) -> Answer:
        return Answer(_file("pages.js"), b"text/javascript; charset=utf-8", headers=_CACHED)

    return [
        Route("pages.home", "GET", f"{PLACE}/", page(home), PAGE),
        Route("pages.experiment", "GET", PLACE + "/experiments/{experiment_id}", page(experiment), PAGE),
        Route("pages.run", "GET", PLACE + "/runs/{run_id}", page(run), PAGE),
        Route("pages.style", "GET", f"/static-files/{VERSION}/pages.css", style, PUBLIC),
        Route("pages.script", "GET", f"/static-files/{VERSION}/pages.js", script, PUBLIC),
    ]


_CACHED = [(b"cache-control", b"public, max-age=86400")]


@cache
def _file(name: str) -> bytes:
    return Path(__file__).with_name(name).read_bytes()


def _answer(call: Call, build: Page) -> Answer:
    status = 200
    try:
        html = build(call)
    except MillstreamError as error:
        if error.status >= 500:
            raise
        status = error.status
        html = _page(call, "Not found" if status == 404 else "Refused", [], element("h1", error.message))
    return Answer(
        html.encode(errors="replace"),
        b"text/html; charset=utf-8",
        status,
        [(b"content-security-policy", PAGE_CSP), (b"referrer-policy", b"same-origin")],
    )


def _page(call: Call, title: str, trail: Sequence[tuple[str, str]], *content: Html | None) -> Html:
    style = element("link", rel="stylesheet", href=f"{call.root}/static-files/{VERSION}/pages.css")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", f"{title} · Millstream"),
        style,
    )
    places = [element("b", element("a", "Millstream", href=f"{call.root}{PLACE}/"))]
    for name, link in trail:
        places += [element("span", "/"), element("a", name, href=link)]
    body = element("body", element("header", *places), element("main", *content))
    return join(Html("<!doctype html>"), element("html", head, body, lang="en"))


def _field(call: Call, name: str) -> str:
    return next((value for key, value in call.query if key == name), "")


# ---------------------------------------------------------------- experiments


def _experiments(store: Any, call: Call) -> Html:
    filter_text, token = _field(call, "filter"), _field(call, "page_token")
    found, problem = [], None
    next_token = None
    try:
        found = store.search_experiments(filter_text, [], PAGE_ROWS, token, ViewType.ACTIVE_ONLY)
        next_token = found.token
    except MillstreamError as error:
        if error.status >= 500:
            raise
        problem = error.message
    now = time.time()
    rows = [
        element(
            "tr",
            element(
                "td",
                element(
                    "a",
                    e.name or "(no name)",
                    href=address(f"{call.root}{PLACE}/experiments", e.experiment_id),
                    title=e.name,
                ),
            ),
            element("td", e.experiment_id, class_="id n"),
            _time_cell(e.creation_time, now),
            _time_cell(e.last_update_time, now),
            element("td", e.artifact_location, class_="dim id", title=e.artifact_location),
        )
        for e in found
    ]
    return _page(
        call,
        "Experiments",
        [],
        element("h1", "Experiments"),
        _search_form(filter_text, "name ILIKE '%resnet%'"),
        _problem(problem),
        _table(["Name", ("Id", "n"), "Created", "Changed", "Artifacts"], rows),
        None if found or problem or filter_text else element("p", "No experiments."),
        _next_page(call, next_token, filter=filter_text),
        _lesson(call) if not token and not filter_text and len(rows) <= 1 else None,
        element("script", src=f"{call.root}/static-files/{VERSION}/pages.js", data_root=call.root),
    )


def _lesson(call: Call) -> Html:
    server = f"{call.scheme}://{call.host.decode('latin-1')}{call.root}"
    code = (
        f'import millstream\n\nmillstream.set_tracking_uri("{server}")\nmillstream.set_experiment("first steps")\n'
        'with millstream.start_run():\n    millstream.log_param("rate", 0.1)\n    millstream.log_metric("loss", 0.25, step=1)\n'
    )
    return join(element("h2", "Three lines fill this page"), element("pre", code))


# ---------------------------------------------------------------- runs of an experiment


def _experiment(store: Any, call: Call) -> Html:
    experiment = store.get_experiment(call.path_params["experiment_id"])
    filter_text, order, token = _field(call, "filter"), _field(call, "order_by"), _field(call, "page_token")
    found: Sequence[Run] = []
    next_token = problem = None
    try:
        page = store.search_runs(
            [experiment.experiment_id], filter_text, ViewType.ACTIVE_ONLY, PAGE_ROWS, [order] if order else [], token,
            select=["metrics", "params", "tags"],
        )  # fmt: skip
        found, next_token = page, page.token
    except MillstreamError as error:
        if error.status >= 500:
            raise
        problem = error.message
    metrics = _common_keys(run.data.metrics for run in found)
    params = _common_keys(run.data.params for run in found)
    here = address(f"{call.root}{PLACE}/experiments", experiment.experiment_id)
    now = time.time()
    columns: list[str | Html | tuple[str | Html, str]] = ["Run", "Status", "Started", ("Duration", "n"), "User"]
    columns += [(_sort_link(here, filter_text, order, "metrics", key), "n") for key in metrics]
    columns += [_sort_link(here, filter_text, order, "params", key) for key in params]
    rows = [
        element(
            "tr",
            element(
                "td",
                element(
                    "a",
                    run.info.run_name or run.info.run_id,
                    href=address(f"{call.root}{PLACE}/runs", run.info.run_id),
                    title=run.info.run_name,
                ),
            ),
            element("td", run.info.status.value.capitalize(), class_=run.info.status.value),
            _time_cell(run.info.start_time, now),
            element("td", _duration(run, now), class_="n"),
            element("td", run.data.tags.get(USER_TAG) or run.info.user_id or ""),
            [
                element("td", _number(run.data.metrics.get(key)), class_="n", title=_exact(run.data.metrics.get(key)))
                for key in metrics
            ],
            [element("td", run.data.params.get(key, ""), title=run.data.params.get(key)) for key in params],
        )
        for run in found
    ]
    return _page(
        call,
        experiment.name,
        [(experiment.name, here)],
        element("h1", experiment.name),
        _facts(
            ("Id", experiment.experiment_id),
            ("Artifacts", experiment.artifact_location),
            ("Stage", experiment.lifecycle_stage if experiment.lifecycle_stage != "active" else ""),
        ),
        _note(experiment.tags.get(NOTE_TAG)),
        _search_form(filter_text, "metrics.accuracy > 0.9 AND params.model = 'forest'", order),
        _problem(problem),
        _table(columns, rows)
        if rows
        else None
        if problem
        else element("p", "No runs match." if filter_text else "No runs yet."),
        _next_page(call, next_token, filter=filter_text, order_by=order),
    )


def _sort_link(here: str, filter_text: str, order: str, area: str, key: str) -> Html:
    column = f'{area}."{key}"' if '"' not in key else f"{area}.`{key}`"
    is_falling = order == f"{column} DESC"
    clause = f"{column} ASC" if is_falling else f"{column} DESC"
    mark = " ↓" if is_falling else " ↑" if order == f"{column} ASC" else ""
    return element("a", key + mark, href=address(here, filter=filter_text, order_by=clause), title=f"{area}: {key}")


def _common_keys(maps: Iterable[Mapping[str, object]]) -> list[str]:
    counts = Counter(key for one in maps for key in one if not key.startswith("system/"))
    return [key for key, _ in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:MAX_COLUMNS]]


# ---------------------------------------------------------------- one run


def _run(store: Any, artifacts: Any, call: Call) -> Html:
    run: Run = store.get_run(call.path_params["run_id"])
    info = run.info
    experiment = store.get_experiment(info.experiment_id)
    now = time.time()
    tags = run.data.tags
    shown_tags = {key: value for key, value in tags.items() if key != NOTE_TAG}
    status = element("b", info.status.value.capitalize(), class_=info.status.value)
    return _page(
        call,
        info.run_name or info.run_id,
        [
            (experiment.name, address(f"{call.root}{PLACE}/experiments", experiment.experiment_id)),
            (info.run_name or info.run_id, address(f"{call.root}{PLACE}/runs", info.run_id)),
        ],
        element("h1", info.run_name or info.run_id),
        _facts(
            ("Status", status),
            ("Started", _when(info.start_time)),
            ("Duration", _duration(run, now)),
            ("User", tags.get(USER_TAG) or info.user_id),
            ("Id", info.run_id),
            ("Stage", info.lifecycle_stage if info.lifecycle_stage != "active" else ""),
        ),
        _note(tags.get(NOTE_TAG)),
        element(
            "div",
            element("section", element("h2", "Params"), _pairs(run.data.params.items())),
            element("section", element("h2", "Metrics"), _metric_table(run)),
            class_="columns",
        ),
        _charts(store, run),
        _datasets(run),
        _files(artifacts, call, info.run_id),
        join(element("h2", "Tags"), _pairs(sorted(shown_tags.items()))),
    )


def _pairs(pairs: Iterable[tuple[str, str]]) -> Html:
    rows = [
        element("tr", element("td", key, title=key), element("td", value, class_="wrap"))
        for key, value in sorted(pairs)
    ]
    return _table(["Key", "Value"], rows) if rows else element("p", "None.")


def _metric_table(run: Run) -> Html:
    rows = [
        element(
            "tr",
            element("td", m.key, title=m.key),
            element("td", _number(m.value), class_="n", title=_exact(m.value)),
            element("td", f"{m.step:,}", class_="n"),
        )
        for m in sorted(run.data.metric_list, key=lambda m: m.key)
    ]
    return _table(["Key", ("Last value", "n"), ("Step", "n")], rows) if rows else element("p", "None.")


def _charts(store: Any, run: Run) -> Html | None:
    keys = sorted(m.key for m in run.data.metric_list)[:MAX_CHARTS]
    if not keys:
        return None
    windows = store.get_metric_windows([run.info.run_id], keys, SeriesView(CHART_WIDTH))
    figures = [_chart(window) for window in windows if window.count > 1]
    return join(element("h2", "Curves"), element("div", *figures, class_="charts")) if figures else None


def _chart(window: SeriesWindow) -> Html:
    points = [(s, v) for s, v in zip(window.steps, window.values, strict=True) if math.isfinite(v)]
    caption = element(
        "figcaption",
        element("span", window.key, title=window.key),
        element("span", _number(points[-1][1] if points else None)),
    )
    if not points:
        return element("figure", caption, element("p", "Only NaN."))
    steps, values = [s for s, _ in points], [v for _, v in points]
    low, high = min(values), max(values)
    first, last = steps[0], steps[-1]
    width = (last - first) or 1
    # halves, because the difference of two finite numbers may not be finite
    height = (high / 2 - low / 2) or 1.0
    text = " ".join(
        f"{(s - first) / width * 100:.2f},{40 - (v / 2 - low / 2) / height * 36 - 2:.2f}" for s, v in points
    )
    drawing = element("circle", cx=50, cy=20, r=1) if first == last else element("polyline", points=text)
    svg = element(
        "svg", drawing, viewBox="0 0 100 40", preserveAspectRatio="none", role="img", aria_label=f"{window.key} by step"
    )
    axis = element(
        "div",
        element("span", f"step {first:,}"),
        element(
            "span", f"{_number(low)} to {_number(high)}" + (f", {window.nan_count:,} NaN" if window.nan_count else "")
        ),
        element("span", f"{last:,}"),
        class_="axis",
    )
    return element("figure", caption, svg, axis)


def _datasets(run: Run) -> Html | None:
    inputs = run.inputs.dataset_inputs if run.inputs else []
    if not inputs:
        return None
    rows = [
        element(
            "tr",
            element("td", item.dataset.name),
            element("td", item.dataset.digest, class_="id"),
            element("td", ", ".join(tag.value for tag in item.tags)),
            element("td", item.dataset.source, class_="dim", title=item.dataset.source),
        )
        for item in inputs
    ]
    return join(element("h2", "Datasets"), _table(["Name", "Digest", "Use", "Source"], rows))


def _files(artifacts: Any, call: Call, run_id: str) -> Html:
    path = _field(call, "path")
    here = address(f"{call.root}{PLACE}/runs", run_id)
    try:
        root, files = artifacts.list_run_artifacts(run_id, path)
    except MillstreamError as error:
        return join(
            element("h2", "Artifacts"),
            element("p", error.message if error.status < 500 else "They cannot be read now."),
        )
    rows = []
    if path:
        rows.append(
            element(
                "tr",
                element("td", element("a", "..", href=address(here, path=path.rpartition("/")[0]))),
                element("td", ""),
            )
        )
    for file in files:
        name = file.path.rpartition("/")[2]
        link = (
            address(here, path=file.path)
            if file.is_dir
            else address(f"{call.root}/get-artifact", run_id=run_id, path=file.path)
        )
        size = "" if file.is_dir else _size(file.file_size or 0)
        rows.append(
            element(
                "tr",
                element("td", element("a", name + ("/" if file.is_dir else ""), href=link)),
                element("td", size, class_="n"),
            )
        )
    content = _table([path or "Name", ("Size", "n")], rows) if rows else element("p", "None.")
    return join(element("h2", "Artifacts"), content, element("p", root, class_="id"))


# ---------------------------------------------------------------- pieces


def _table(columns: Sequence[str | Html | tuple[str | Html, str]], rows: Sequence[Html]) -> Html:
    heads = [
        element("th", column[0], class_=column[1], scope="col")
        if isinstance(column, tuple)
        else element("th", column, scope="col")
        for column in columns
    ]
    return element(
        "div", element("table", element("thead", element("tr", *heads)), element("tbody", *rows)), class_="scroll"
    )


def _search_form(filter_text: str, example: str, order: str | None = None) -> Html:
    fields = [
        element("input", name="filter", value=filter_text, placeholder=example, aria_label="Filter", maxlength=10_000)
    ]
    if order is not None:
        fields.append(
            element("input", name="order_by", value=order, placeholder="metrics.accuracy DESC", aria_label="Order")
        )
    return element("form", *fields, element("button", "Search"), method="get")


def _next_page(call: Call, token: str | None, **fields: str) -> Html | None:
    if not token:
        return None
    link = address(call.root + call.path.decode("latin-1"), **fields, page_token=token)
    return element("nav", element("a", "Next page", href=link, rel="next"), class_="pages")


def _problem(message: str | None) -> Html | None:
    return element("div", message, class_="problem", role="alert") if message else None


def _note(text: str | None) -> Html | None:
    return element("pre", text) if text else None


def _facts(*facts: tuple[str, str | Html | None]) -> Html:
    return element(
        "div", *[element("span", f"{name} ", element("b", value)) for name, value in facts if value], class_="facts"
    )


def _number(value: float | None) -> str:
    if value is None:
        return ""
    if value == int(value) if math.isfinite(value) else False:
        return f"{int(value):,}" if abs(value) < 1e9 else f"{value:.4g}"
    return f"{value:.5g}"


def _exact(value: float | None) -> str | None:
    return None if value is None else repr(value)


def _size(size_bytes: int) -> str:
    size = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def _when(time_ms: int | None) -> str:
    if not time_ms:
        return ""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(time_ms / 1000))
    except (ValueError, OverflowError, OSError):
        return str(time_ms)


def _time_cell(time_ms: int | None, now: float) -> Html:
    return element("td", _ago(time_ms, now), title=_when(time_ms))


def _ago(time_ms: int | None, now: float) -> str:
    if not time_ms:
        return ""
    seconds = now - time_ms / 1000
    if seconds < -60:
        return _when(time_ms)
    for limit, length, unit in ((90, 1, "s"), (5400, 60, "min"), (129_600, 3600, "h"), (5_184_000, 86_400, "d")):
        if seconds < limit:
            return f"{max(0, seconds) / length:.0f} {unit} ago"
    return _when(time_ms)[:10]


def _duration(run: Run, now: float) -> str:
    start, end = run.info.start_time, run.info.end_time
    if not start or (end is None and run.info.status is not RunStatus.RUNNING):
        return ""
    seconds = max(0, (end or now * 1000) - start) / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} m {rest} s"
    return f"{minutes // 60} h {minutes % 60} m"
