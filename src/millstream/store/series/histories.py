"""Histories as users read them: whole, in pages, of several runs, evenly sampled; and summaries."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from itertools import repeat
from struct import Struct
from typing import TYPE_CHECKING

import numpy as np

from millstream.entities import Metric, PagedList, SeriesSummary
from millstream.errors import InvalidValue
from millstream.store.series import stored, summary
from millstream.store.series.codec import Int64s, Points, in_order, in_time_order, join, sort_key
from millstream.store.series.folding import TARGET
from millstream.store.series.pyramid import Cut
from millstream.store.series.summary import NAN, NEVER

if TYPE_CHECKING:
    from millstream.store.database import Session

MAX_BULK = 25_000
"""Points that one bulk request may return; a greater limit is lowered to it."""
MAX_SAMPLE = 2_500
"""Points a run that one request for samples may return."""

_LEAST, _GREATEST = -(2**63), 2**63 - 1
_TOKEN = Struct(">cqqd")
_TOKEN_KIND = b"h"


def history(
    session: Session, run: int, name_id: int, max_results: int | None = None, page_token: str = ""
) -> PagedList[Metric]:
    """A history in order of (timestamp, step, value), NaN lowest.

    Args:
        max_results: length of a page, at least 1; None for all points.
        page_token: the `token` of the page before; "" for the first.
    Raises:
        InvalidValue: `max_results` is below 1 or the token is not one of ours.
    """
    if max_results is not None and max_results < 1:
        raise InvalidValue(f"max_results={max_results} must be at least 1; leave it out for the whole history.")
    after = _read_token(page_token) if page_token else None
    if max_results is None and after is None:
        return PagedList(metrics(session.name_of(name_id), columns(session, run, name_id)))
    points, has_more = _page(session, run, name_id, after, max_results)
    token = _token(points) if has_more else None
    return PagedList(metrics(session.name_of(name_id), points), token)


def columns(session: Session, run: int, name_id: int) -> Points:
    """A whole history in order of (timestamp, step, value), as arrays."""
    points = _all(session, run, name_id)
    if bool((points.times[1:] >= points.times[:-1]).all()):
        return points  # of equal timestamps, the order of the series is already by step and value
    return in_time_order(points)


def bulk(session: Session, runs: Sequence[tuple[int, str]], name_id: int, max_results: int) -> list[Metric]:
    """Histories of one metric in several runs, run by run, cut at `max_results` points in all.

    Args:
        runs: key and public id of each run; in order of the ids in the answer.
        max_results: at least 1; more than MAX_BULK counts as MAX_BULK.
    """
    if max_results < 1:
        raise InvalidValue(f"max_results={max_results} must be at least 1.")
    left = min(max_results, MAX_BULK)
    key = session.name_of(name_id)
    found: list[Metric] = []
    for run, run_id in sorted(runs, key=lambda pair: pair[1]):
        points, _ = _page(session, run, name_id, None, left)
        found += metrics(key, points, run_id)
        left -= points.size
        if left <= 0:
            break
    return found


def sample(
    session: Session,
    runs: Sequence[tuple[int, str]],
    name_id: int,
    start_step: int | None,
    end_step: int | None,
    max_results: int,
) -> list[Metric]:
    """Points of one metric in several runs, evenly chosen by place, in order of (step, timestamp, value) for each run.

    Args:
        start_step, end_step: both or neither; both included.
        max_results: points a run, 1 to MAX_SAMPLE; first and last are among them, 1 gives the last.
    """
    if not 1 <= max_results <= MAX_SAMPLE:
        raise InvalidValue(f"max_results={max_results} is out of range. Ask for 1 to {MAX_SAMPLE} points of each run.")
    if (start_step is None) != (end_step is None):
        raise InvalidValue("start_step and end_step go together: give both or neither.")
    low, high = _LEAST if start_step is None else start_step, _GREATEST if end_step is None else end_step
    if low > high:
        raise InvalidValue(f"start_step={low} is greater than end_step={high}.")
    key = session.name_of(name_id)
    found: list[Metric] = []
    for run, run_id in runs:
        found += metrics(key, _sample(session, run, name_id, low, high, max_results), run_id)
    return found


def summary_list(session: Session, run: int) -> list[SeriesSummary]:
    """What is known of every metric of a run, by key."""
    found = summary.find_all(session, run)
    names = session.names_of(list(found))
    answers = []
    for name_id, row in found.items():
        key = names[name_id]
        answer = SeriesSummary(
            key,
            row.points,
            _metric(key, row.first_value, row.first_time, row.first_step),
            _metric(key, row.last_value, row.last_time, row.last_step),
        )
        if row.min_value is not None:
            answer.min = _metric(key, row.min_value, row.min_time or 0, row.min_step or 0)
            answer.max = _metric(key, row.max_value, row.max_time or 0, row.max_step or 0)
        answers.append(answer)
    return sorted(answers, key=lambda answer: answer.key)


def _metric(key: str, value: float | None, timestamp: int, step: int) -> Metric:
    return Metric(key, NAN if value is None else value, timestamp, step)


def metrics(key: str, points: Points, run_id: str | None = None) -> list[Metric]:
    values, times, steps = points.values.tolist(), points.times.tolist(), points.steps.tolist()
    if run_id is None:
        return list(map(Metric, repeat(key), values, times, steps))
    none = repeat(None)
    return list(map(Metric, repeat(key), values, times, steps, none, none, none, repeat(run_id)))


def _all(session: Session, run: int, name_id: int) -> Points:
    """All points of a series, in its order."""
    tail = stored.tail(session, run, name_id)
    rows = stored.whole(session, run, name_id)
    return merged(stored.points_of(rows), tail)


def merged(folded: Points, tail: Points) -> Points:
    """Both together, in order of the series."""
    if not tail.size or not folded.size:
        return folded if folded.size else tail
    if folded.steps[-1] < tail.steps[0]:
        return join([folded, tail])
    return in_order(join([folded, tail]))


# ---------------------------------------------------------------- pages

_Token = tuple[int, int, float]
"""(timestamp, step, value) of the last point of a page, NEVER for NaN."""


def _token(points: Points) -> str:
    data = _TOKEN.pack(_TOKEN_KIND, int(points.times[-1]), int(points.steps[-1]), float(points.values[-1]))
    return base64.urlsafe_b64encode(data).decode()


def _read_token(token: str) -> _Token:
    try:
        data = base64.b64decode(token.encode(), altchars=b"-_", validate=True)
        kind, timestamp, step, value = _TOKEN.unpack(data)
    except Exception:
        kind = b""
    if kind != _TOKEN_KIND or abs(value) == float("inf"):
        raise InvalidValue("The page_token is not one that a page of this history gave. Start again without it.")
    return timestamp, step, value if value == value else NEVER


def _page(
    session: Session, run: int, name_id: int, after: _Token | None, max_results: int | None
) -> tuple[Points, bool]:
    """Up to `max_results` points after a place, by (timestamp, step, value), and whether more follow.

    Chunks are read by their least timestamp, a few at a time; a point counts as found once no chunk that is still unread
    can hold an earlier one.
    """
    heads = stored.heads_between(session, run, name_id, "time", _LEAST if after is None else after[0], _GREATEST)
    order = np.argsort(heads.roots["min_time"], kind="stable")
    begins = heads.roots["min_time"][order]
    pool = _after(in_time_order(stored.tail(session, run, name_id)), after)
    wanted = None if max_results is None else max_results + 1
    at = 0
    while at < len(order):
        n_found = int(np.searchsorted(pool.times, begins[at]))
        if wanted is not None and n_found >= wanted:
            break
        n_read = len(order) - at if wanted is None else 1 + (wanted - n_found) // TARGET
        seqs = [heads.seqs[number] for number in order[at : at + n_read]]
        fresh = _after(stored.points_of(stored.by_seq(session, run, name_id, seqs)), after)
        pool = in_time_order(join([pool, fresh]))
        at += n_read
    if max_results is None or pool.size <= max_results:
        return pool, False
    return pool.take(slice(0, max_results)), True


def _after(points: Points, after: _Token | None) -> Points:
    if after is None:
        return points
    times, steps, key = points.times, points.steps, sort_key(points.values)
    return points.take(
        (times > after[0]) | ((times == after[0]) & ((steps > after[1]) | ((steps == after[1]) & (key > after[2]))))
    )


# ---------------------------------------------------------------- samples


def _sample(session: Session, run: int, name_id: int, low: int, high: int, n_points: int) -> Points:
    tail = stored.tail(session, run, name_id)
    tail = tail.take(slice(int(np.searchsorted(tail.steps, low)), int(np.searchsorted(tail.steps, high, "right"))))
    rows = stored.between(session, run, name_id, "step", low, high)
    if not rows:
        return tail.take(evenly(tail.size, n_points))
    reader = stored.reader(rows)
    begin, end = Cut(reader, "step").cuts([(np.array([low]), high)]).tolist()
    if tail.size and int(reader.roots[-1]["last"]["step"]) >= int(tail.steps[0]):
        points = in_order(join([reader.all().take(slice(begin, end)), tail]))
        return points.take(evenly(points.size, n_points))
    places = evenly(end - begin + tail.size, n_points)
    n_folded = int(np.searchsorted(places, end - begin))
    return join([reader.points_at(begin + places[:n_folded]), tail.take(places[n_folded:] - (end - begin))])


def evenly(count: int, n_points: int) -> Int64s:
    """Places of at most `n_points` out of `count`, evenly spread, first and last among them; one place is the last."""
    if count <= n_points:
        return np.arange(count)
    if n_points == 1:
        return np.array([count - 1])
    return np.arange(n_points) * (count - 1) // (n_points - 1)
