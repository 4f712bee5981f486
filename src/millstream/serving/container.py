"""What runs in a model's image: the server on the image's port, with as many workers as there are processors.

MLflow's variables count: MLFLOW_MODELS_WORKERS, MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT, SERVING_MODEL_CONFIG, DISABLE_NGINX, and
MLFLOW_DISABLE_ENV_CREATION (false in images without a model, which make the environment of the mounted one at their start).
"""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

from millstream import settings
from millstream.serving.images import MODEL_PATH


def port() -> int:
    """8080 as behind nginx, or 8000 as without."""
    return 8000 if os.environ.get("DISABLE_NGINX", "").lower() in ("true", "1") else 8080


def workers() -> int:
    """What the setting says; the processors that this container may use if it says nothing."""
    if settings.MODELS_WORKERS.is_set():
        return settings.MODELS_WORKERS.get()
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def is_healthy() -> bool:
    """Whether the server of this container answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port()}/ping", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def main(model_path: str = MODEL_PATH) -> None:
    """Serve the model of this container until it is stopped. Raises MillstreamError."""
    if not (Path(model_path) / "MLmodel").is_file():
        raise SystemExit(
            f"There is no model at {model_path}. Mount one: docker run -v /path/of/the/model:{model_path} ..."
        )
    if not settings.DISABLE_ENV_CREATION.get():
        from millstream.serving import surroundings

        surroundings.become(surroundings.prepare_env(model_path), "millstream.serving.container")
    from millstream.serving.run import serve

    serve(model_path, host="0.0.0.0", port=port(), workers=workers())


if __name__ == "__main__":
    if "--check" in sys.argv:
        raise SystemExit(0 if is_healthy() else 1)
    main()
