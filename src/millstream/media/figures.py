"""Figures of matplotlib and plotly as files; they are recognised by class name, so neither library is imported here."""

from __future__ import annotations

import io
import posixpath
from collections.abc import Mapping
from typing import Any

from millstream.errors import InvalidValue

PLOTLY_IMAGES = ("png", "jpeg", "webp", "svg", "pdf")


def _module_of(figure: Any, name: str) -> str:
    """The top package of the class called `name` that `figure` is an instance of, or ""."""
    return next((cls.__module__.split(".")[0] for cls in type(figure).__mro__ if cls.__name__ == name), "")


def encode(figure: Any, artifact_file: str, save_kwargs: Mapping[str, Any] | None = None) -> bytes:
    """The bytes of `artifact_file`.

    Args:
        figure: a `matplotlib.figure.Figure` or `plotly.graph_objects.Figure`.
        artifact_file: its extension decides the format.
        save_kwargs: passed on to `savefig`, `write_html` or `write_image`.
    Raises:
        TypeError: any other kind of figure, or an extension that plotly cannot write.
    """
    options = dict(save_kwargs or {})
    extension = posixpath.splitext(artifact_file)[1].lower().lstrip(".")
    if _module_of(figure, "Figure") == "matplotlib":
        if not extension and "format" not in options:
            raise InvalidValue(f"{artifact_file!r} has no extension to tell the format. Name it like 'plot.png'.")
        options.setdefault("format", extension)
        buffer = io.BytesIO()
        figure.savefig(buffer, **options)
        return buffer.getvalue()
    if _module_of(figure, "BaseFigure") or _module_of(figure, "Figure") == "plotly":
        if extension == "html":
            text: str = figure.to_html(**{"include_plotlyjs": "cdn", **options})
            return text.encode()
        if extension in PLOTLY_IMAGES:
            image: bytes = figure.to_image(**{"format": extension, **options})
            return image
        raise TypeError(f"Plotly figures are written as html, {', '.join(PLOTLY_IMAGES)}; not as {extension!r}.")
    raise TypeError(f"{type(figure).__name__} is no figure of matplotlib or plotly. Log its file with log_artifact.")
