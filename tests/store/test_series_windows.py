"""Windows of charts against a brute-force M4 of the whole list."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from millstream.entities import Metric, SeriesView, SeriesWindow
from millstream.errors import InvalidValue
from millstream.store import series
from millstream.store.database import Database
from millstream.store.series import charts, folding

from .test_series_model import Point, make_run

NAME = "m"


def columns_of(points: Sequence[Point], axis: int, width: int, start: int, end: int) -> dict[int, list[Point]]:
    """Points of every pixel column, in order of the axis; none of them NaN."""
    span = end - start + 1
    width = min(width, span)
    found: dict[int, list[Point]] = {}
    for point in points:
        if start <= point[axis] <= end and point[2] != -math.inf:
            found.setdefault((point[axis] - start) * width // span, []).append(point)
    return found


def check(window: SeriesWindow, points: Sequence[Point], axis: int, width: int, start: int, end: int) -> None:
    order = (lambda p: (p[1], p[0], p[2])) if axis else (lambda p: p)
    points = sorted(points, key=order)
    inside = [point for point in points if start <= point[axis] <= end]
    nans = [point for point in inside if point[2] == -math.inf]
    shown = list(zip(window.steps, window.timestamps, window.values, strict=True))
    assert shown == sorted(shown, key=order)
    assert set(shown) <= set(inside)
    assert len(set(shown)) == len(shown)
    assert window.count == len(inside)
    assert window.nan_count == len(nans)
    assert len(shown) <= 4 * width
    assert window.is_exact == (len(shown) == len(inside) - len(nans))
    drawn = columns_of(shown, axis, width, start, end)
    for column, wanted in columns_of(points, axis, width, start, end).items():
        got = drawn[column]
        assert got[0] == wanted[0]
        assert got[-1] == wanted[-1]
        assert min(p[2] for p in got) == min(p[2] for p in wanted)
        assert max(p[2] for p in got) == max(p[2] for p in wanted)
    assert len(window.nan_steps) <= width
    assert set(window.nan_steps) <= {point[0] for point in nans}
    span, n_columns = end - start + 1, min(width, end - start + 1)
    if axis == 0:
        shown_nans = {(step - start) * n_columns // span for step in window.nan_steps}
        assert shown_nans == {(point[0] - start) * n_columns // span for point in nans}


def make_points(kind: str, n_points: int, nan_share: float, is_time_sorted: bool, seed: int) -> list[Point]:
    rng = np.random.default_rng(seed)
    at = np.arange(n_points)
    steps = {
        "regular": at * 7 - 1000,
        "repeated": at // 5,
        "random": np.sort(rng.integers(-5000, 50_000, n_points)),
        "bursts": at + (at // 500) * 100_000,
        "far": np.sort(rng.integers(-(2**62), 2**62, n_points)),
        "one": np.zeros(n_points, int),
    }[kind]
    values = np.cumsum(rng.standard_normal(n_points)) if seed % 2 else rng.standard_normal(n_points).round(seed % 5)
    if seed % 3 == 0 and n_points:
        values[rng.integers(0, n_points, 3)] = [1e9, -1e9, 5e8]
    values = np.where(rng.random(n_points) < nan_share, -math.inf, values + 0.0)
    times = np.cumsum(rng.integers(0, 20, n_points)) + 10
    if not is_time_sorted:
        rng.shuffle(times)
    return sorted(set(zip(steps.tolist(), times.tolist(), values.tolist(), strict=True)))


def as_metrics(points: Sequence[Point]) -> list[Metric]:
    return [Metric(NAME, math.nan if p[2] == -math.inf else p[2], p[1], p[0]) for p in points]


def store(db: Database, points: Sequence[Point], unfolded: int, name: str = NAME) -> int:
    """Points as a series, the last ones in tails."""
    name_id = db.write(lambda session: session.name_id(name))
    db.write(lambda session: series.delete_series(session, 1, name_id))
    split = max(0, len(points) - unfolded)
    if split:
        db.write(lambda session: series.append(session, 1, 77, {name_id: as_metrics(points[:split])}))
        db.write(lambda session: series.fold(session, 1, name_id))
    if split < len(points):
        db.write(lambda session: series.append(session, 1, 77, {name_id: as_metrics(points[split:])}))
    return name_id


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    db = Database(f"sqlite:///{tmp_path_factory.mktemp('windows') / 'store.db'}")
    make_run(db)
    yield db
    db.close()


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    kind=st.sampled_from(["regular", "repeated", "random", "bursts", "far", "one"]),
    n_points=st.one_of(st.integers(0, 300), st.integers(1000, 15_000)),
    nan_share=st.sampled_from([0.0, 0.0, 0.01, 0.5, 1.0]),
    is_time_sorted=st.booleans(),
    unfolded=st.sampled_from([0, 0, 1, 700]),
    widths=st.lists(st.integers(1, 700), min_size=1, max_size=3),
    seed=st.integers(0, 10_000),
    small=st.sampled_from([0, 4096]),
    data=st.data(),
)
def test_every_pixel_column_has_its_first_least_greatest_and_last_point(
    db: Database,
    kind: str,
    n_points: int,
    nan_share: float,
    is_time_sorted: bool,
    unfolded: int,
    widths: list[int],
    seed: int,
    small: int,
    data: st.DataObject,
) -> None:
    points = make_points(kind, n_points, nan_share, is_time_sorted, seed)
    name_id = store(db, points, unfolded)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(charts, "SMALL", small)
        check_windows(db, name_id, points, widths, data)


def check_windows(db: Database, name_id: int, points: list[Point], widths: list[int], data: st.DataObject) -> None:
    for width in widths:
        for axis, name in ((0, "step"), (1, "timestamp")):
            with db.read() as session:
                found = series.windows(session, [(1, "run1")], [name_id], SeriesView(width, name))
            if not points:
                assert found == []
                continue
            low, high = min(p[axis] for p in points), max(p[axis] for p in points)
            check(found[0], points, axis, width, low, high)
            a = data.draw(st.integers(low - 5, high + 5))
            b = data.draw(st.integers(low - 5, high + 5))
            start, end = sorted((a, b))
            with db.read() as session:
                (found_part,) = series.windows(session, [(1, "run1")], [name_id], SeriesView(width, name, start, end))
            check(found_part, points, axis, width, start, end)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    kind=st.sampled_from(["regular", "repeated", "random", "bursts"]),
    nan_share=st.sampled_from([0.0, 0.02, 0.7]),
    is_time_sorted=st.booleans(),
    width=st.one_of(st.integers(1, 12), st.integers(50, 200)),
    seed=st.integers(0, 10_000),
)
def test_a_series_of_many_more_chunks_than_pixels_is_as_exact(
    db: Database, kind: str, nan_share: float, is_time_sorted: bool, width: int, seed: int
) -> None:
    points = make_points(kind, 6000, nan_share, is_time_sorted, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folding, "TARGET", 70)
        patch.setattr(charts, "TARGET", 70)
        patch.setattr(charts, "LONG", 3)
        patch.setattr(charts, "SMALL", 0)
        patch.setattr(charts, "_AT_ONCE", 5)
        name_id = store(db, points, 20)
        for axis, name in ((0, "step"), (1, "timestamp")):
            low, high = min(p[axis] for p in points), max(p[axis] for p in points)
            for start, end in ((low, high), (low + (high - low) // 3, high - (high - low) // 5)):
                with db.read() as session:
                    (window,) = series.windows(session, [(1, "run1")], [name_id], SeriesView(width, name, start, end))
                check(window, points, axis, width, start, end)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    parts=st.lists(
        st.tuples(
            st.sampled_from(["regular", "repeated", "random", "bursts", "one"]),
            st.one_of(st.integers(1, 300), st.integers(1000, 9000)),
            st.sampled_from([0.0, 0.0, 0.01, 0.5, 1.0]),
            st.booleans(),
            st.sampled_from([0, 0, 1, 50]),
        ),
        min_size=2,
        max_size=6,
    ),
    width=st.integers(1, 300),
    together=st.sampled_from([1 << 20, 8000, 1]),
    seed=st.integers(0, 10_000),
    data=st.data(),
)
def test_series_that_are_read_together_are_as_exact(
    db: Database,
    parts: list[tuple[str, int, float, bool, int]],
    width: int,
    together: int,
    seed: int,
    data: st.DataObject,
) -> None:
    names = [f"together/{number}" for number in range(len(parts))]
    histories = []
    for number, (name, (kind, n_points, nan_share, is_time_sorted, unfolded)) in enumerate(
        zip(names, parts, strict=True)
    ):
        histories.append(make_points(kind, n_points, nan_share, is_time_sorted, seed + number))
        store(db, histories[-1], unfolded, name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(charts, "_TOGETHER", together)
        patch.setattr(charts, "SMALL", data.draw(st.sampled_from([0, 4096])))
        for axis, axis_name in ((0, "step"), (1, "timestamp")):
            bounds = [(min(p[axis] for p in points), max(p[axis] for p in points)) for points in histories]
            low, high = min(low for low, _ in bounds), max(high for _, high in bounds)
            start, end = sorted((data.draw(st.integers(low - 5, high + 5)), data.draw(st.integers(low - 5, high + 5))))
            for asked in (None, (start, end)):
                with db.read() as session:
                    name_ids = [session.name_id(name) for name in names]
                    found = series.windows(
                        session, [(1, "run1")], name_ids, SeriesView(width, axis_name, *(asked or ()))
                    )
                assert [window.key for window in found] == names
                for window, points, own in zip(found, histories, bounds, strict=True):
                    check(window, points, axis, width, *(asked or own))


def test_windows_at_the_ends_of_64_bits_are_exact(db: Database) -> None:
    points = [(step, 2**63 - 1 - n, float(n)) for n, step in enumerate([-(2**63), -(2**63) + 1, -1, 0, 2**63 - 1])]
    name_id = store(db, points, 0)
    for axis, name in ((0, "step"), (1, "timestamp")):
        low, high = min(p[axis] for p in points), max(p[axis] for p in points)
        for width in (1, 2, 3, 1000):
            with db.read() as session:
                (window,) = series.windows(session, [(1, "run1")], [name_id], SeriesView(width, name))
            check(window, points, axis, width, low, high)


def test_a_spike_of_one_point_beside_nan_is_never_lost(db: Database) -> None:
    points = [(step, step, 0.5) for step in range(20_000)]
    points[7001] = (7001, 7001, 1e6)
    points[7000] = (7000, 7000, -math.inf)
    points[7002] = (7002, 7002, -math.inf)
    name_id = store(db, points, 100)
    with db.read() as session:
        (window,) = series.windows(session, [(1, "run1")], [name_id], SeriesView(100))
    assert 1e6 in window.values
    assert window.nan_count == 2
    assert window.nan_steps == [7000, 7002]


@pytest.mark.parametrize(
    "arguments", [(0, "step", None, None), (99_999, "step", None, None), (10, "epoch", None, None), (10, "step", 5, 4)]
)
def test_a_window_that_makes_no_sense_is_refused(
    db: Database, arguments: tuple[int, str, int | None, int | None]
) -> None:
    with db.read() as session, pytest.raises(InvalidValue):
        series.windows(session, [(1, "run1")], [1], SeriesView(*arguments))


def test_many_series_come_in_one_answer_and_missing_ones_are_left_out(db: Database) -> None:
    def write(session: object) -> list[int]:
        name_ids = [session.name_id(f"many/{n}") for n in range(5)]  # type: ignore[attr-defined]
        for n, name_id in enumerate(name_ids[:-1]):
            metrics = [Metric("", float(step * n), step, step) for step in range(50)]
            series.append(session, 1, 77, {name_id: metrics})  # type: ignore[arg-type]
        return name_ids

    name_ids = db.write(write)
    with db.read() as session:
        found = series.windows(session, [(1, "run1"), (999, "nobody")], name_ids, SeriesView(100, "step", 10, 19))
    assert [window.key for window in found] == [f"many/{n}" for n in range(4)]
    assert [window.run_id for window in found] == ["run1"] * 4
    assert found[2].values == [float(step * 2) for step in range(10, 20)]
    assert all(window.is_exact and window.count == 10 for window in found)


@pytest.mark.parametrize("axis", ["step", "timestamp"])
def test_lines_are_the_same_windows_as_arrays(db: Database, axis: str) -> None:
    points = make_points("bursts", 6000, 0.01, False, 4)
    name_id = store(db, points, 30)
    with db.read() as session:
        (window,) = series.windows(session, [(1, "run1")], [name_id], SeriesView(50, axis))
        (line,) = series.lines(session, [(1, "run1")], [name_id], SeriesView(50, axis))
    places = np.frombuffer(line.places, "<f8").tolist()
    assert places == (window.steps if axis == "step" else window.timestamps)
    assert np.frombuffer(line.values, "<f8").tolist() == window.values
    for field in ("run_id", "key", "count", "is_exact"):
        assert getattr(line, field) == getattr(window, field)
    times = {point[0]: point[1] for point in points}
    assert line.nan_places == [step if axis == "step" else times[step] for step in window.nan_steps]
    assert line.nan_places


def test_bounds_count_from_the_origin_of_each_run(db: Database) -> None:
    name_id = store(db, [(step, 1_000_000 + step * 10, float(step)) for step in range(5000)], 30)
    for origins, first in (({}, 0), ({"run1": 1_000_000}, 1200), ({"run2": 1_000_000}, 0)):
        with db.read() as session:
            view = SeriesView(50, "timestamp", 12_000, 12_090, origins)
            (window,) = series.windows(session, [(1, "run1")], [name_id], view)
        assert window.steps == (list(range(first, first + 10)) if first else [])
    with db.read() as session:
        view = SeriesView(50, "timestamp", -(2**63), 2**63 - 1, {"run1": 1_000_000})
        (window,) = series.windows(session, [(1, "run1")], [name_id], view)
    assert window.count == 5000
