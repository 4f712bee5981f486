"""Chunks of points as bytes: what goes in comes out, whole and point by point."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream.store.series.codec import ROOT, VERSION, Chunk, Points, Reader, encode, in_order, in_time_order

NAN = math.nan
values = st.one_of(
    st.floats(allow_infinity=False),
    st.sampled_from([0.0, 1.0, 0.1, NAN, 1.7976931348623157e308, -1.7976931348623157e308, 5e-324, -5e-324]),
    st.floats(-10, 10, width=32),
    st.integers(-(10**6), 10**6).map(lambda n: n / 1000),
    st.integers(-(2**53), 2**53).map(float),
)
int64s = st.one_of(st.integers(0, 100), st.integers(-(2**63), 2**63 - 1), st.integers(10**12, 10**12 + 10**4))
lists = st.lists(st.tuples(int64s, int64s, values), min_size=1, max_size=60)


def points_of(rows: list[tuple[int, int, float]]) -> Points:
    steps, times, column = zip(*rows, strict=True)
    return in_order(Points(np.array(steps, np.int64), np.array(times, np.int64), np.array(column, float) + 0.0))


def reader_of(chunks: list[Chunk]) -> Reader:
    roots = np.frombuffer(b"".join(chunk.root for chunk in chunks), ROOT)
    return Reader(roots, [chunk.pyramid for chunk in chunks], [chunk.points for chunk in chunks])


def same(found: Points, wanted: Points) -> bool:
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(found, wanted, strict=True))


def check(parts: list[Points]) -> None:
    whole = Points(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
    chunks = [encode(part) for part in parts]
    reader = reader_of(chunks)
    assert same(reader.all(), whole)
    ranks = np.arange(whole.size)
    assert np.array_equal(reader.steps_at(ranks), whole.steps)
    assert np.array_equal(reader.times_at(ranks), whole.times)
    valid = whole.values[~np.isnan(whole.values)]
    places = np.arange(len(valid))
    assert np.array_equal(reader.values_at(places), valid)
    assert np.array_equal(reader.rank_of(places), np.flatnonzero(~np.isnan(whole.values)))
    assert np.array_equal(reader.valid_of(ranks), np.cumsum(~np.isnan(whole.values)) - ~np.isnan(whole.values))
    for root, part in zip(reader.roots, parts, strict=True):
        assert (root["count"], root["nan_count"]) == (part.size, np.isnan(part.values).sum())
        assert (root["min_time"], root["max_time"]) == (part.times.min(), part.times.max())
        assert bool(root["time_sorted"]) == bool((np.diff(part.times.astype(float)) >= 0).all()) or part.size > 1
        if not np.isnan(part.values).all():
            assert root["low"]["value"] == np.nanmin(part.values)
            assert root["high"]["value"] == np.nanmax(part.values)


@settings(max_examples=150, deadline=None)
@given(st.lists(lists, min_size=1, max_size=4))
def test_points_of_any_kind_come_back(parts: list[list[tuple[int, int, float]]]) -> None:
    check([points_of(part) for part in parts])


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 1500), min_size=1, max_size=4),
    seed=st.integers(0, 10_000),
    kind=st.sampled_from(
        ["uniform", "normal", "float32", "decimals", "integers", "constant", "smooth", "huge", "zeros"]
    ),
    nan_share=st.sampled_from([0.0, 0.001, 0.3, 1.0]),
    jitter=st.integers(1, 10**9),
)
def test_series_of_any_shape_come_back(sizes: list[int], seed: int, kind: str, nan_share: float, jitter: int) -> None:
    rng = np.random.default_rng(seed)
    n_points = sum(sizes)
    column = {
        "uniform": rng.random(n_points),
        "normal": rng.standard_normal(n_points),
        "float32": rng.standard_normal(n_points).astype(np.float32).astype(float),
        "decimals": rng.standard_normal(n_points).round(seed % 7),
        "integers": np.arange(n_points) * 3.0,
        "constant": np.full(n_points, 0.1),
        "smooth": np.exp(-np.arange(n_points) / 100),
        "huge": rng.standard_normal(n_points) * 1e307,
        "zeros": np.where(rng.random(n_points) < 0.5, 0.0, rng.random(n_points)),
    }[kind]
    column = np.where(rng.random(n_points) < nan_share, NAN, column + 0.0)
    column = np.where(np.isinf(column), 1.7976931348623157e308, column)
    times = np.cumsum(rng.integers(0, jitter, n_points))
    whole = Points(np.cumsum(rng.integers(1, 1 + seed % 4 + 1, n_points)), times, column)
    edges = np.cumsum([0, *sizes])
    check([whole.take(slice(a, b)) for a, b in pairwise(edges)])


def test_a_full_chunk_of_noise_takes_less_than_nine_bytes_a_point() -> None:
    rng = np.random.default_rng(1)
    times = 1_700_000_000_000 + np.cumsum(rng.integers(5, 15, 4096))
    sizes = {}
    for name, column in {
        "double": rng.random(4096),
        "float32": rng.random(4096).astype(np.float32).astype(float),
        "4 digits": rng.random(4096).round(4),
    }.items():
        chunk = encode(Points(np.arange(4096), times, column))
        sizes[name] = (len(chunk.root) + len(chunk.pyramid) + len(chunk.points)) / 4096
    assert sizes["double"] < 8.6
    assert sizes["float32"] < 5.2
    assert sizes["4 digits"] < 3.5


def test_a_chunk_of_version_1_is_read_as_it_was_written() -> None:
    assert VERSION == 1
    points = points_of([(0, 10, 0.5), (1, 21, NAN), (2, 33, -1.25), (3, 40, 1e300), (5, 50, 2.0)])
    chunk = encode(points)
    assert (chunk.root.hex(), chunk.pyramid.hex(), chunk.points.hex()) == VERSION_1
    assert same(reader_of([Chunk(0, 0, 0, 0, *(bytes.fromhex(part) for part in VERSION_1))]).all(), points)


def test_orders_put_nan_lowest_and_keep_each_point_once() -> None:
    rows = [(1, 5, 2.0), (1, 5, NAN), (0, 9, 1.0), (1, 5, NAN), (1, 5, 2.0), (1, 4, 7.0)]
    steps, times, column = (np.array(part) for part in zip(*rows, strict=True))
    points = Points(steps, times, column.astype(float))
    by_step = in_order(points)
    assert list(zip(by_step.steps, by_step.times, strict=True)) == [(0, 9), (1, 4), (1, 5), (1, 5)]
    assert np.isnan(by_step.values[2])
    by_time = in_time_order(points)
    assert by_time.times.tolist() == [4, 5, 5, 9]
    assert np.isnan(by_time.values[1])


@pytest.mark.parametrize("count", [1, 63, 64, 65, 255, 256, 257, 4096])
def test_chunks_of_any_length_end_where_they_should(count: int) -> None:
    rng = np.random.default_rng(count)
    check([Points(np.arange(count), np.arange(count), rng.random(count))] * 2)


VERSION_1 = (
    (
        "0101000005000000010000000100000000000000020000000a00000000000000320000000000000000000000000000000a000000000000"
        "00000000000000e03f05000000000000003200000000000000000000000000004000000000000000000a00000000000000000000000000"
        "e03f05000000000000003200000000000000000000000000004002000000000000002100000000000000000000000000f4bf0300000000"
        "00000028000000000000009c7500883ce4377e"
    ),
    (
        "00000000000000000040010000000000000a0000000000000000000a000000000002000000000000f80f0201400102000000000000f4bf"
        "9c7500883ce4377e02"
    ),
    "340000000000000000000100000000000a00ce3a00441ef22b1f0000000000001000",
)
