"""kill -9 of client, server and both at random instants: what was acknowledged is there, once, and everything starts again."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parent / "rounds.py"
WORKERS = 2


def _run(folder: Path, rounds: int, seed: int, *options: str) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        str(SCRIPT),
        "--rounds",
        str(rounds),
        "--seed",
        str(seed),
        "--folder",
        str(folder),
        *options,
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_nothing_acknowledged_is_lost_or_doubled_by_kill_9(tmp_path, rounds):
    first = random.SystemRandom().randrange(1 << 30)
    shares = [rounds // WORKERS + (worker < rounds % WORKERS) for worker in range(WORKERS)]
    workers = [
        _run(tmp_path / str(worker), share, first + 3 * worker) for worker, share in enumerate(shares) if share > 0
    ]
    for worker in workers:
        out, error = worker.communicate(timeout=60 + rounds * 30)
        summary = json.loads(out.splitlines()[-1])
        print(summary)
        assert summary["failures"] == [], error[-4000:]
        assert summary["acknowledged"] > 0 or summary["rounds"] < 3
        assert worker.returncode == 0


def test_the_check_would_notice_a_lost_point(tmp_path):
    worker = _run(tmp_path, 1, 0, "--lose")
    out, _ = worker.communicate(timeout=120)
    assert len(json.loads(out.splitlines()[-1])["failures"]) == 1
