"""The demo: a real sweep of scikit-learn models, recorded, searched and compared; the best one registered, promoted and served.

    make demo                  # leaves both servers running and prints their addresses; Ctrl-C ends them
    make demo ARGS=--once      # ends by itself

Everything is kept in `demo-data/`: the embedded store (SQLite) and the artifacts. Run it again and it adds a sweep.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import ConfusionMatrixDisplay, log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

import millstream as mlflow

DATA = Path(__file__).resolve().parent.parent / "demo-data"
EXPERIMENT = "digits/sweep"
REGISTERED = "digits"
Model = SGDClassifier | MLPClassifier
console = Console()


def sweep(epochs: int) -> dict[str, Pipeline]:
    """Train every combination; each is a run below one parent run. Returns what was trained, by run id."""
    digits = load_digits(as_frame=True)
    frame: pd.DataFrame = digits.frame
    train, test = train_test_split(frame, test_size=0.3, random_state=0, stratify=frame["target"])
    dataset = mlflow.data.from_pandas(train, targets="target", name="digits")
    scaler = StandardScaler().fit(train[digits.feature_names])
    x_train, x_test = scaler.transform(train[digits.feature_names]), scaler.transform(test[digits.feature_names])
    y_train, y_test = train["target"].to_numpy(), test["target"].to_numpy()
    trained: dict[str, Pipeline] = {}
    combinations = list(itertools.product(["linear", "mlp"], [0.0003, 0.001, 0.003, 0.01], [0.0001, 0.01]))

    mlflow.set_experiment(EXPERIMENT)
    with mlflow.start_run(run_name="sweep", description="Handwritten digits, two kinds of model, eight settings each."):
        for kind, rate, alpha in combinations:
            with mlflow.start_run(run_name=f"{kind} lr={rate} alpha={alpha}", nested=True) as run:
                mlflow.log_params({"model": kind, "learning_rate": rate, "alpha": alpha, "epochs": epochs})
                mlflow.set_tag("task", "classification")
                mlflow.log_input(dataset, context="train")
                model = make_model(kind, rate, alpha)
                order = np.random.default_rng(0)
                for epoch in range(epochs):
                    for part in np.array_split(order.permutation(len(x_train)), 10):
                        model.partial_fit(x_train[part], y_train[part], classes=np.arange(10))
                    log_epoch(model, epoch, x_train, y_train, x_test, y_test)
                log_results(model, x_test, y_test)
                trained[run.info.run_id] = make_pipeline(scaler, model)
        mlflow.log_param("runs", len(combinations))
    return trained


def make_model(kind: str, rate: float, alpha: float) -> Model:
    if kind == "linear":
        return SGDClassifier(loss="log_loss", alpha=alpha, learning_rate="constant", eta0=rate, random_state=0)
    return MLPClassifier(hidden_layer_sizes=(64,), alpha=alpha, learning_rate_init=rate, random_state=0)


def log_epoch(
    model: Model, epoch: int, x_train: np.ndarray, y_train: np.ndarray, x_test: np.ndarray, y_test: np.ndarray
) -> None:
    for name, x, y in (("train", x_train, y_train), ("val", x_test, y_test)):
        probabilities = np.nan_to_num(model.predict_proba(x), nan=0.1)
        mlflow.log_metric(f"{name}/loss", log_loss(y, probabilities, labels=np.arange(10)), step=epoch)
        mlflow.log_metric(f"{name}/accuracy", float((probabilities.argmax(axis=1) == y).mean()), step=epoch)


def log_results(model: Model, x_test: np.ndarray, y_test: np.ndarray) -> None:
    """The confusion matrix as a figure, wrong answers as a table, the model's settings as a file."""
    predictions = model.predict(x_test)
    figure, axes = plt.subplots(figsize=(5, 5), layout="constrained")
    ConfusionMatrixDisplay.from_predictions(y_test, predictions, ax=axes, colorbar=False)
    mlflow.log_figure(figure, "confusion.png")
    plt.close(figure)
    wrong = predictions != y_test
    mlflow.log_table({"digit": y_test[wrong].tolist(), "predicted": predictions[wrong].tolist()}, "wrong.json")
    mlflow.log_dict(model.get_params(), "settings.json")


def show_best(limit: int = 5) -> None:
    found = mlflow.search_runs(
        experiment_names=[EXPERIMENT],
        filter_string="params.model = 'mlp' AND metrics.`val/accuracy` > 0.9 OR params.model = 'linear'",
        order_by=["metrics.`val/accuracy` DESC", "metrics.`val/loss` ASC"],
        max_results=limit,
        output_format="list",
    )
    table = Table(title=f"The best {limit} of the sweep", title_justify="left", header_style="bold")
    for column in ("run", "model", "learning rate", "alpha"):
        table.add_column(column)
    for column in ("val accuracy", "val loss", "train loss"):
        table.add_column(column, justify="right")
    for run in found:
        params, metrics = run.data.params, run.data.metrics
        table.add_row(
            run.info.run_id[:8], params["model"], params["learning_rate"], params["alpha"],
            f"{metrics['val/accuracy']:.4f}", f"{metrics['val/loss']:.4f}", f"{metrics['train/loss']:.4f}",
        )  # fmt: skip
    console.print(table)


def best_run() -> mlflow.entities.Run:
    found: list[mlflow.entities.Run] = mlflow.search_runs(
        experiment_names=[EXPERIMENT],
        filter_string="params.model IS NOT NULL",
        order_by=["metrics.`val/accuracy` DESC"],
        max_results=1,
        output_format="list",
    )
    return found[0]


def log_best_model(trained: dict[str, Pipeline]) -> str:
    """Log the model of this sweep's best run into that run, with signature and example; gives the model's URI."""
    accuracy = {run_id: mlflow.get_run(run_id).data.metrics["val/accuracy"] for run_id in trained}
    run_id = max(accuracy, key=accuracy.__getitem__)
    digits = load_digits(as_frame=True).data
    with mlflow.start_run(run_id=run_id):
        info = mlflow.sklearn.log_model(trained[run_id], name="model", input_example=digits.head(3))
    return str(info.model_uri)


def promote(model_uri: str) -> str:
    """Register the model as the next version, and put it into production; gives the URI to load it by."""
    version = mlflow.register_model(model_uri, REGISTERED)
    client = mlflow.MlflowClient()
    client.transition_model_version_stage(REGISTERED, version.version, "Production", archive_existing_versions=True)
    client.set_registered_model_alias(REGISTERED, "champion", version.version)
    console.print(
        f"Registered as version {version.version} of {REGISTERED!r}: in Production, and @champion.", highlight=False
    )
    return f"models:/{REGISTERED}/Production"


def ask(address: str) -> None:
    """Send real digits to the model's server, and compare its answers with what the digits are."""
    digits = load_digits(as_frame=True)
    rows = digits.data.sample(5, random_state=1)
    body = json.dumps({"dataframe_split": {"columns": list(rows), "data": rows.to_numpy().tolist()}}).encode()
    request = urllib.request.Request(f"{address}/invocations", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        predictions = json.load(answer)["predictions"]
    console.print(
        f"The model at {address} reads five digits as {predictions}; they are {digits.target[rows.index].tolist()}.",
        highlight=False,
    )


def show_served() -> None:
    """The same runs through the server: the best one's curve and its figure."""
    best = best_run()
    history = mlflow.MlflowClient().get_metric_history(best.info.run_id, "val/accuracy")
    figure = mlflow.artifacts.download_artifacts(run_id=best.info.run_id, artifact_path="confusion.png")
    console.print(
        f"Over HTTP: {best.info.run_name!r} went from {history[0].value:.3f} to {history[-1].value:.3f} validation accuracy "
        f"in {len(history)} epochs; its confusion matrix has {Path(figure).stat().st_size:,} bytes.",
        highlight=False,
    )


def start(*arguments: str) -> subprocess.Popen[bytes]:
    """Run a `millstream` command in the background."""
    return subprocess.Popen([sys.executable, "-m", "millstream.cli.main", *arguments])


def wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        if process.poll() is not None:
            sys.exit(f"The server ended with status {process.returncode}.")
        try:
            with urllib.request.urlopen(url, timeout=1) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.05)
    process.kill()
    sys.exit("The server did not become ready within 15 seconds.")


def free_port(wanted: int) -> int:
    """`wanted`, or any other if something listens there already."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--once", action="store_true", help="end after showing that everything works")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--port", type=int, default=5000)
    options = parser.parse_args()

    DATA.mkdir(exist_ok=True)
    os.environ.setdefault("MILLSTREAM_JOURNAL_DIR", str(DATA / "journal"))
    mlflow.set_tracking_uri(f"sqlite:///{DATA / 'millstream.db'}")
    started = time.perf_counter()
    trained = sweep(options.epochs)
    console.print(f"Recorded {len(trained) + 1} runs in {time.perf_counter() - started:.1f} s, without a server.")
    show_best()
    model_uri = log_best_model(trained)

    port = free_port(options.port)
    address = f"http://127.0.0.1:{port}"
    servers = [
        start(
            "server", "--port", str(port),
            "--backend-store-uri", f"sqlite:///{DATA / 'millstream.db'}",
            "--artifacts-destination", str(DATA / "mlartifacts"),
        )
    ]  # fmt: skip
    try:
        wait_until_ready(f"{address}/ready", servers[0])
        mlflow.set_tracking_uri(address)  # also for the processes started from here
        show_served()
        served = promote(model_uri)
        model_port = free_port(port + 1)
        model_address = f"http://127.0.0.1:{model_port}"
        servers.append(start("models", "serve", "-m", served, "--port", str(model_port), "--env-manager", "local"))
        wait_until_ready(f"{model_address}/health", servers[1])
        ask(model_address)
        console.print(f"Millstream is at {address}, the model {served} at {model_address}/invocations", highlight=False)
        if not options.once:
            console.print("Ctrl-C ends them.")
            servers[0].wait()
    except KeyboardInterrupt:
        pass
    finally:
        for server in reversed(servers):
            server.send_signal(signal.SIGTERM)
            server.wait(timeout=30)


if __name__ == "__main__":
    main()
