"""The examples run as they stand, and what is printed is what was recorded."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from millstream.entities import ViewType
from millstream.store.tracking import open_store

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_demo_records_searches_and_serves_a_sweep(tmp_path: Path) -> None:
    (tmp_path / "examples").mkdir()
    script = shutil.copy(EXAMPLES / "demo.py", tmp_path / "examples")  # it keeps its data beside its folder
    done = subprocess.run(
        [sys.executable, script, "--once", "--epochs", "2", "--port", "0"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Recorded 17 runs" in done.stdout
    assert "Millstream is at http://127.0.0.1:" in done.stdout
    store = open_store(f"sqlite:///{tmp_path / 'demo-data' / 'millstream.db'}")
    try:
        experiment = store.get_experiment_by_name("digits/sweep")
        page = store.search_runs(
            [experiment.experiment_id],
            "params.model IS NOT NULL",
            ViewType.ALL,
            100,
            ["metrics.`val/accuracy` DESC"],
            "",
        )
    finally:
        store.close()
    assert len(page) == 16
    assert f"{page[0].data.metrics['val/accuracy']:.4f}" in done.stdout
    assert {run.info.status for run in page} == {"FINISHED"}
    assert len(list((tmp_path / "demo-data" / "mlartifacts").rglob("confusion.png"))) == 16
