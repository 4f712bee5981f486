"""Packages of conda that PyPI has too, with the same contents for Python.

A name alone says nothing: the same one may be somebody else's on PyPI, and much of conda is no Python (compilers, CUDA, R). So
only what is listed here is installed from PyPI instead; it is what projects ask for, checked by hand.
"""

from __future__ import annotations

import re

from packaging.specifiers import InvalidSpecifier, SpecifierSet

SAME = frozenset(
    {
        "absl-py", "accelerate", "adlfs", "aiohttp", "altair", "attrs", "autograd", "beautifulsoup4", "black", "bokeh", "boto3",
        "botocore", "bottleneck", "catboost", "category_encoders", "certifi", "click", "cloudpickle", "cython", "dask", "datasets",
        "dill", "distributed", "einops", "fastapi", "fastparquet", "feather-format", "findspark", "flask", "fsspec",
        "gcsfs", "gensim", "geopandas", "gitpython", "google-cloud-bigquery", "google-cloud-storage", "gunicorn", "h5py",
        "holidays", "hyperopt", "imbalanced-learn", "imageio", "ipykernel", "ipython", "ipywidgets", "jinja2", "joblib",
        "jsonschema", "jupyter", "jupyterlab", "keras", "librosa", "lightgbm", "lightning", "llvmlite", "loguru", "lxml",
        "matplotlib", "mlflow", "mlflow-skinny", "msgpack", "mypy", "networkx", "nltk", "notebook", "numba", "numexpr", "numpy",
        "omegaconf", "onnx", "onnxruntime", "openpyxl", "optuna", "packaging", "pandas", "pandera", "papermill", "pillow",
        "plotly", "polars", "prophet", "psutil", "psycopg2", "pyarrow", "pydantic", "pymysql", "pyodbc", "pyspark", "pytest",
        "python-dateutil", "python-dotenv", "pytorch-lightning", "pytz", "pyyaml", "requests", "rich", "ruff", "s3fs", "scikit-image",
        "scikit-learn", "scipy", "seaborn", "sentencepiece", "sentence-transformers", "setuptools-scm", "shap", "simplejson",
        "six", "skops", "skorch", "spacy", "sqlalchemy", "sqlparse", "statsmodels", "streamlit", "sympy", "tabulate", "tensorboard",
        "tensorflow", "tensorflow-cpu", "threadpoolctl", "timm", "tokenizers", "torchaudio", "torchvision", "tornado", "tqdm", "transformers", "typer", "typing_extensions",
        "ujson", "umap-learn", "urllib3", "uvicorn", "wheel", "xarray", "xgboost", "xlrd", "zarr",
    }
)  # fmt: skip
"""Those that have the same name in both."""

RENAMED = {
    "dask-core": "dask",
    "docker-py": "docker",
    "matplotlib-base": "matplotlib",
    "msgpack-python": "msgpack",
    "py-xgboost": "xgboost",
    "pytorch": "torch",
    "python-graphviz": "graphviz",
    "seaborn-base": "seaborn",
}
"""Those that PyPI calls otherwise."""

CHANNELS = frozenset({"", "anaconda", "conda-forge", "defaults", "main", "pytorch"})
"""Channels whose packages are meant by these names."""

_SPEC = re.compile(r"(?:(?P<channel>[\w.-]+)::)?(?P<name>[A-Za-z0-9_.-]+)(?P<version>.*)")
_VERSION = r"\d[\w.!+]*"
_ONE = re.compile(
    rf"\s*(?P<operator>==?|\s)?\s*(?P<version>{_VERSION})?(?P<star>\.?\*)?(?:\s*=\s*[\w.*]+|\s+[\w.*]+)?\s*"
)
"""`=1.2`, `==1.2`, ` 1.2`, with `*` and a build string or without."""


def pypi_line(text: str) -> str | None:
    """The requirement line for a package of conda, such as `numpy==1.26.*` for `numpy=1.26`; None where there is none that
    means the same."""
    found = _SPEC.fullmatch(text.strip())
    if found is None or (found["channel"] or "").lower() not in CHANNELS:
        return None
    name = found["name"].lower()
    on_pypi = RENAMED.get(name) or (name if name in SAME else None)
    versions = _versions(found["version"])
    return None if on_pypi is None or versions is None else f"{on_pypi}{versions}"


def _versions(text: str) -> str | None:
    """Conda's versions as those of pip; None for what cannot be said there."""
    if not text.strip():
        return ""
    one = _ONE.fullmatch(text)
    if one is not None and one["version"]:
        is_exact = one["operator"] != "=" or _has_build(text)
        star = ".*" if one["star"] or not is_exact else ""
        text = f"=={one['version'].rstrip('.')}{star}"
    elif one is not None:
        return "" if one["star"] else None
    try:
        return ",".join(sorted(map(str, SpecifierSet(text.replace(" ", ""))), reverse=True))
    except InvalidSpecifier:
        return None


def _has_build(text: str) -> bool:
    return len(re.findall(r"=+", text)) > 1
