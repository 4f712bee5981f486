"""A real server with the data that the tests and the pictures of the pages show."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import millstream
from millstream.entities import Metric, Param

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]
NOW = 1_790_000_000_000
EVIL_KINDS = ("html", "svg", "md", "yaml", "MLmodel")
HOSTILE = Path(__file__).with_name("hostile.txt").read_text(encoding="utf-8").splitlines()


class World:
    """What is on the server."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.experiment = ""
        self.hostile = ""
        self.evil = ""
        self.runs: list[str] = []
        self.parent = ""
        self.long = ""
        self.client = millstream.MlflowClient(url)


@contextmanager
def served(folder: Path) -> Iterator[World]:
    """A server with an empty store in `folder`, on a free port, until the end of the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable, "-m", "millstream.cli.main", "server", "--port", str(port),
        "--backend-store-uri", f"sqlite:///{folder / 'store.db'}", "--artifacts-destination", str(folder / "artifacts"),
    ]  # fmt: skip
    with open(folder / "server.log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(f"{url}/ready")
        yield World(url)
    finally:
        process.terminate()
        assert process.wait(timeout=30) == 0


def _wait(url: str) -> None:
    for _ in range(600):
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"{url} does not answer")


def fill(world: World, folder: Path) -> None:
    client = world.client
    world.experiment = client.create_experiment("vision/resnet")
    client.create_experiment("vision/vit")
    for number in range(30):
        run = client.create_run(
            world.experiment, NOW + number * 60_000, {"team": "blue" if number % 2 else "red"}, f"run-{number:02}"
        )
        run_id = run.info.run_id
        world.runs.append(run_id)
        points = [
            Metric(
                key,
                (1 + number / 10) / (step + 1) if key == "loss" else step / 100 + number / 1000,
                NOW + step * 1000,
                step,
            )
            for step in range(20)
            for key in ("loss", "val/accuracy")
        ]
        client.log_batch(run_id, points, [Param("lr", f"0.{number:02}1"), Param("model", ("mlp", "cnn")[number % 2])])
        client.set_terminated(run_id, "FAILED" if number == 3 else "FINISHED", NOW + number * 60_000 + 5000)
    world.parent = client.create_run(world.experiment, NOW - 1000, run_name="parent").info.run_id
    for number in range(2):
        tags = {"mlflow.parentRunId": world.parent}
        client.set_terminated(client.create_run(world.experiment, NOW - 900, tags, f"child-{number}").info.run_id)
    world.long = client.create_run(world.experiment, NOW - 5000, run_name="long").info.run_id
    spike = [Metric("spiky", 1000.0 if step == 31_337 else 0.0, NOW + step, step) for step in range(100_000)]
    client.log_batch(world.long, spike)
    client.flush()
    _files(world, folder)
    _models(world)
    _hostile(world, folder)


def _files(world: World, folder: Path) -> None:
    from PIL import Image

    files = folder / "files"
    files.mkdir()
    (files / "notes.md").write_text("# Heading\n\nSome **bold** text.")
    (files / "table.csv").write_text("name,value\nalpha,1\nbeta,2\n")
    (files / "config.json").write_text('{"a": {"b": [1, 2]}}')
    (files / "train.py").write_text("print('hello')\n")
    (files / "page.html").write_text("<h1>Logged page</h1><script>document.title = 'ran'</script>")
    Image.new("RGB", (8, 8), (200, 30, 30)).save(files / "red.png")
    world.client.log_artifacts(world.runs[0], str(files))
    world.client.log_artifacts(world.runs[1], str(files))
    world.client.log_text(world.runs[1], "print('bye')\n", "train.py")
    for step in (0, 5):
        world.client.log_image(world.runs[0], Image.new("RGB", (8, 8)), key="sample", step=step, synchronous=True)


def _models(world: World) -> None:
    client = world.client
    client.create_registered_model("churn", {"team": "blue"}, "Who **leaves**.")
    for run_id in world.runs[:3]:
        client.log_dict(run_id, {"flavors": {"python_function": {"loader_module": "mlflow.sklearn"}}}, "model/MLmodel")
        root = client.get_run(run_id).info.artifact_uri
        client.create_model_version("churn", f"{root}/model", run_id)


def _hostile(world: World, folder: Path) -> None:
    client = world.client
    world.hostile = client.create_experiment("hostile")
    for number, payload in enumerate(HOSTILE):
        run_id = client.create_run(
            world.hostile, NOW + number, {"payload": payload, "mlflow.note.content": payload}, payload
        ).info.run_id
        client.log_param(run_id, "p", payload)
        client.set_terminated(run_id)
    world.evil = client.create_run(world.hostile, NOW - 1000, run_name="files").info.run_id
    files = folder / "evil"
    for kind in EVIL_KINDS:
        for number, payload in enumerate(HOSTILE):
            place = files / kind / f"{number:02}" if kind == "MLmodel" else files / kind
            place.mkdir(parents=True, exist_ok=True)
            (place / ("MLmodel" if kind == "MLmodel" else f"{number:02}.{kind}")).write_text(payload, encoding="utf-8")
    client.log_artifacts(world.evil, str(files))
    client.set_terminated(world.evil)
    client.set_experiment_tag(world.hostile, "mlflow.note.content", "\n\n".join(HOSTILE))
    client.create_registered_model("hostile", description="\n\n".join(HOSTILE))
