"""What autologging adds to a loop of small trainings: 1,000 fits of scikit-learn, a third of them linear regressions, a third
logistic regressions, a third trees, with both packages over a local store. With models a tenth of that: the official package
needs seconds for each."""

from __future__ import annotations

from benchmarks.bench import Bench
from benchmarks.measures import OURS
from tests.compat.environments import AUTOLOG

FITS, FITS_WITH_MODELS, OFFICIAL_WITH_MODELS = 1000, 100, 6


def run(bench: Bench) -> None:
    sides = [(OURS, OURS), *([("mlflow", "official")] if bench.with_official else [])]
    for key, full in (("autolog", FITS), ("autolog_models", FITS_WITH_MODELS)):
        for package, side in sides:
            fits = OFFICIAL_WITH_MODELS if side != OURS and key == "autolog_models" else full
            with bench.scratch() as folder:
                answer = bench.client_calls(
                    "autolog",
                    package,
                    f"sqlite:///{folder}/runs.db",
                    str(bench.size(fits, 3)),
                    "models" if key == "autolog_models" else "",
                    interpreter=None if side == OURS else str(AUTOLOG.python()),
                    MILLSTREAM_JOURNAL_DIR=str(folder / "journal"),
                )
            bench.results.add(key, side, (answer["recorded"] - answer["plain"]) * 1000)
