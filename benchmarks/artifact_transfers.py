"""Files through the proxy: one of 512 MiB each way, and many small ones over one connection."""

from __future__ import annotations

import http.client
import os
import time
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.bench import Bench
from benchmarks.measures import OURS
from tests.compat.servers import Server

PROXY = "/api/2.0/mlflow-artifacts/artifacts/"
BLOCK = 1 << 20


def run(bench: Bench) -> None:
    size = bench.size(512, 16) * BLOCK
    files = bench.size(300, 40)
    for side in [OURS, *bench.official_forms]:
        with bench.scratch() as folder, bench.server(side) as server:
            source = folder / "big.bin"
            block = os.urandom(BLOCK)
            with open(source, "wb") as out:
                for _ in range(size // BLOCK):
                    out.write(block)
            for repeat in range(bench.repeats(3)):
                bench.results.add("upload_big", side, size / BLOCK / _upload(server, source, f"big/{repeat}.bin"))
                bench.results.add("download_big", side, size / BLOCK / _download(server, f"big/{repeat}.bin", size))
                _small(bench, side, server, files, repeat)


def _connection(server: Server) -> http.client.HTTPConnection:
    parts = urlsplit(server.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=600, blocksize=BLOCK)
    connection.connect()
    return connection


def _upload(server: Server, source: Path, name: str) -> float:
    connection = _connection(server)
    began = time.perf_counter()
    with open(source, "rb") as file:
        connection.request("PUT", PROXY + name, body=file, headers={"Content-Length": str(source.stat().st_size)})
        answer = connection.getresponse()
        answer.read()
    if answer.status != 200:
        raise RuntimeError(f"upload: {answer.status}")
    seconds = time.perf_counter() - began
    connection.close()
    return seconds


def _download(server: Server, name: str, size: int) -> float:
    connection = _connection(server)
    buffer, read = bytearray(BLOCK), 0
    began = time.perf_counter()
    connection.request("GET", PROXY + name)
    answer = connection.getresponse()
    while got := answer.readinto(buffer):
        read += got
    seconds = time.perf_counter() - began
    connection.close()
    if answer.status != 200 or read != size:
        raise RuntimeError(f"download: {answer.status}, {read} of {size} bytes")
    return seconds


def _small(bench: Bench, side: str, server: Server, files: int, repeat: int) -> None:
    connection, body = _connection(server), os.urandom(4096)
    for verb, key, data in (("PUT", "upload_small", body), ("GET", "download_small", None)):
        began = time.perf_counter()
        for number in range(files):
            connection.request(verb, f"{PROXY}small/{repeat}/{number}.bin", body=data)
            answer = connection.getresponse()
            content = answer.read()
            if answer.status != 200 or (data is None and content != body):
                raise RuntimeError(f"{verb} of a small file: {answer.status}")
        bench.results.add(key, side, files / (time.perf_counter() - began))
    connection.close()
