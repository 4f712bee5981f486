"""Container images of a served model: a Dockerfile with all it needs beside it, and its building with the command `docker`.

The image holds the model at /opt/ml/model, the requirements of its environment, and the very Millstream that made it. One process tree
answers on 8080 (the address that MLflow's images have; with DISABLE_NGINX=true on 8000, where theirs then answer): the server needs no
nginx in front. It runs as a user without rights.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from millstream import images
from millstream.errors import InvalidValue
from millstream.serving import surroundings

MODEL_PATH = "/opt/ml/model"
DEFAULT_NAME = "mlflow-pyfunc"
DEFAULT_FOLDER = "mlflow-dockerfile"
_PYTHON = "3.11"
_CONDA_BASE = "condaforge/miniforge3:latest"
_VERSION = re.compile(r"\d+\.\d+(\.\d+)?")
_NEEDS_JAVA = frozenset({"h2o", "spark", "johnsnowlabs", "mleap"})
_NEEDS_OPENMP = frozenset({"lightgbm", "paddle"})


class Plan(Struct, frozen=True):
    """What the image is made of."""

    base: str
    packages: Sequence[str]  # of Debian
    has_model: bool
    manager: str  # local (pip), uv or conda
    trust: bool


def generate_dockerfile(
    model_uri: str | None = None,
    output_directory: str | os.PathLike[str] = DEFAULT_FOLDER,
    env_manager: str | None = None,
    mlflow_home: str | None = None,
    install_java: bool | None = None,
    install_mlflow: bool = False,
    base_image: str | None = None,
    *,
    trust: bool = False,
) -> Path:
    """Write a Dockerfile, and beside it `model_dir/` and all else that it copies.

    Args:
        model_uri: None makes an image for any model: it is mounted on /opt/ml/model, and its environment is made at the start.
        env_manager: local (or None) installs with pip into the base image, uv and virtualenv with uv, conda with conda.
        mlflow_home, install_mlflow: kept for compatibility; the image gets the running Millstream in any case.
        install_java: None installs it for the flavors that need it.
        base_image: in place of python:<version of the model>-slim.
        trust: the image may load pickles and other code that came with the model.
    Returns:
        The folder.
    Raises:
        InvalidValue: a name is none, or the folder holds something else already.
    """
    from millstream.environments.own_package import own_wheel

    surroundings.is_local(env_manager)  # there must be such a manager
    folder = Path(output_directory)
    folder.mkdir(parents=True, exist_ok=True)
    root = _copied_model(model_uri, folder) if model_uri is not None else None
    wheels = folder / "wheels"
    if wheels.exists():
        shutil.rmtree(wheels)
    wheels.mkdir()
    with tempfile.TemporaryDirectory() as scratch:
        wheel = own_wheel(Path(scratch))
        shutil.copyfile(wheel, wheels / wheel.name)
    plan = _plan(root, env_manager, install_java, base_image, trust)
    (folder / "Dockerfile").write_text(dockerfile(plan, wheel.name), encoding="utf-8")
    return folder


def _copied_model(model_uri: str, folder: Path) -> Path:
    from millstream.environments import EnvironmentSpec
    from millstream.models.locations import fetch

    source = fetch(model_uri)
    target = folder / "model_dir"
    if target.exists():
        if not (target / "MLmodel").is_file():
            raise InvalidValue(f"{str(target)!r} is there already and is no model. Choose another folder.")
        shutil.rmtree(target)
    shutil.copytree(source, target)
    spec = surroundings.with_pandas(EnvironmentSpec.read(target))
    lines = [line.text for line in spec.lines if not line.is_own]
    constraints = [line.text for line in spec.constraints if not line.is_own]
    (folder / "requirements.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    (folder / "constraints.txt").write_text("".join(f"{line}\n" for line in constraints), encoding="utf-8")
    return target


def _plan(
    root: Path | None, env_manager: str | None, install_java: bool | None, base_image: str | None, trust: bool
) -> Plan:
    from millstream.environments import EnvironmentSpec
    from millstream.models.mlmodel import Model

    flavors = set(Model.load(root).flavors) if root is not None else set()
    python = EnvironmentSpec.read(root).python if root is not None else ""
    manager = {"conda": "conda", "uv": "uv", "virtualenv": "uv"}.get(env_manager or "local", "local")
    version = python if _VERSION.fullmatch(python) else _PYTHON
    base = images.check_reference(base_image or (_CONDA_BASE if manager == "conda" else f"python:{version}-slim"))
    packages = ["libgomp1"] if flavors & _NEEDS_OPENMP or root is None else []
    if install_java or (install_java is None and flavors & _NEEDS_JAVA):
        packages.append("default-jre-headless")
    return Plan(base, packages, root is not None, manager, trust)


def dockerfile(plan: Plan, wheel: str) -> str:
    """The text of the Dockerfile."""
    pip = "uv pip install --system --no-cache" if plan.manager == "uv" else "pip install --no-cache-dir"
    lines = [f"FROM {plan.base}", ""]
    if plan.packages:
        lines += [
            f"RUN apt-get update && apt-get install -y --no-install-recommends {' '.join(plan.packages)} \\",
            "    && rm -rf /var/lib/apt/lists/*",
        ]
    if plan.manager == "uv" or not plan.has_model:
        lines.append("RUN pip install --no-cache-dir uv")
    if plan.has_model:
        lines.append("COPY requirements.txt constraints.txt /opt/millstream/")
        if plan.manager == "conda":
            lines += [
                "COPY model_dir/conda.yaml /opt/millstream/",
                "RUN conda env update -n base -f /opt/millstream/conda.yaml",
            ]
        else:
            lines.append(f"RUN {pip} -r /opt/millstream/requirements.txt -c /opt/millstream/constraints.txt")
    lines += [
        f"COPY wheels/{wheel} /opt/millstream/",
        f"RUN {pip} /opt/millstream/{wheel}",
        "RUN useradd --create-home --uid 10001 scorer",
    ]
    if plan.has_model:
        lines.append(f"COPY --chown=10001 model_dir {MODEL_PATH}")
    lines += [
        "",
        f"ENV MILLSTREAM_DISABLE_ENV_CREATION={'true' if plan.has_model else 'false'} PYTHONUNBUFFERED=1",
        *(["ENV MILLSTREAM_TRUST_PICKLES=true"] if plan.trust else []),
        "USER scorer",
        "WORKDIR /home/scorer",
        "EXPOSE 8080",
        'HEALTHCHECK --start-period=120s CMD ["python", "-m", "millstream.serving.container", "--check"]',
        'ENTRYPOINT ["python", "-m", "millstream.serving.container"]',
        "",
    ]
    return "\n".join(lines)


def build_docker(
    model_uri: str | None = None,
    name: str = DEFAULT_NAME,
    env_manager: str | None = None,
    mlflow_home: str | None = None,
    install_java: bool | None = None,
    install_mlflow: bool = False,
    base_image: str | None = None,
    *,
    trust: bool = False,
) -> None:
    """Build an image with `docker build`. For the arguments see `generate_dockerfile`.

    Raises:
        InvalidValue: `name` is no name of an image.
        MissingDocker: there is no command docker. DockerFailed: it failed.
    """
    images.check_name(name)
    images.program("Building an image")
    with tempfile.TemporaryDirectory(prefix="millstream-image-") as folder:
        generate_dockerfile(
            model_uri, folder, env_manager, mlflow_home, install_java, install_mlflow, base_image, trust=trust
        )
        images.build(name, Path(folder))
