"""The few plots that trainings leave: confusion matrix, curve, bars; drawn with Pillow in a few milliseconds each.

A figure of matplotlib costs about 60 ms, ten times a small model's training, and touches state that the user's own plots share.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

WIDTH, HEIGHT = 640, 480
"""In pixels."""
LEFT, RIGHT, TOP, BOTTOM = 90, 610, 40, 425
"""Where the axes are."""

INK, GRID, ACCENT = (38, 38, 38), (222, 222, 222), (31, 107, 176)
MOST_LABELS = 20
MOST_BARS = 50


def confusion_matrix(counts: Sequence[Sequence[float]], labels: Sequence[object]) -> bytes | None:
    """A PNG of counts by true (rows) and predicted (columns) label, shaded by the share of the row; None without Pillow."""
    canvas = _Canvas.new()
    if canvas is None or not labels:
        return None
    size = len(labels)
    side = min((RIGHT - LEFT) / size, (BOTTOM - TOP) / size)
    left = LEFT + 20
    for row, values in enumerate(counts):
        total = sum(values) or 1.0
        for column, value in enumerate(values):
            share = value / total
            x, y = left + column * side, TOP + row * side
            canvas.box(x, y, x + side, y + side, _shade(share), GRID)
            if size <= MOST_LABELS:
                canvas.text(x + side / 2, y + side / 2, f"{value:g}", "mm", (255, 255, 255) if share > 0.55 else INK)
    if size <= MOST_LABELS:
        for at, label in enumerate(labels):
            canvas.text(left - 6, TOP + (at + 0.5) * side, _short(label), "rm")
            canvas.text(left + (at + 0.5) * side, TOP + size * side + 6, _short(label), "ma")
    canvas.text(left + size * side / 2, HEIGHT - 12, "Predicted label", "ms")
    canvas.text(left + size * side / 2, 14, "True label by row", "ma")
    return canvas.png()


def curve(xs: Sequence[float], ys: Sequence[float], x_name: str, y_name: str, title: str) -> bytes | None:
    """A PNG of a line in the unit square; None without Pillow."""
    canvas = _Canvas.new()
    if canvas is None:
        return None
    width, height = RIGHT - LEFT, BOTTOM - TOP
    for tick in range(6):
        x, y = LEFT + width * tick / 5, BOTTOM - height * tick / 5
        canvas.line([(x, TOP), (x, BOTTOM)], GRID, 1)
        canvas.line([(LEFT, y), (RIGHT, y)], GRID, 1)
        canvas.text(x, BOTTOM + 6, f"{tick / 5:.1f}", "ma")
        canvas.text(LEFT - 8, y, f"{tick / 5:.1f}", "rm")
    canvas.line([(LEFT + width * x, BOTTOM - height * y) for x, y in zip(xs, ys, strict=True)], ACCENT, 2)
    canvas.text((LEFT + RIGHT) / 2, HEIGHT - 12, x_name, "ms")
    canvas.text(12, 14, y_name, "la")
    canvas.text(RIGHT, 14, title, "ra")
    return canvas.png()


def bars(names: Sequence[str], values: Sequence[float], title: str) -> bytes | None:
    """A PNG of horizontal bars, the largest first; None without Pillow."""
    canvas = _Canvas.new()
    if canvas is None:
        return None
    pairs = sorted(zip(names, values, strict=True), key=lambda pair: -pair[1])[:MOST_BARS]
    largest = max((value for _, value in pairs), default=0.0) or 1.0
    row = (BOTTOM - TOP) / max(len(pairs), 4)
    left = 180
    for at, (name, value) in enumerate(pairs):
        y = TOP + at * row
        end = left + (RIGHT - 60 - left) * max(value, 0.0) / largest
        canvas.box(left, y + row * 0.15, max(end, left + 1), y + row * 0.85, ACCENT, ACCENT)
        canvas.text(left - 8, y + row / 2, _short(name, 22), "rm")
        canvas.text(max(end, left) + 6, y + row / 2, f"{value:.4g}", "lm")
    canvas.text((LEFT + RIGHT) / 2, 14, title, "ma")
    return canvas.png()


def _short(label: object, most: int = 12) -> str:
    text = str(label)
    return text if len(text) <= most else text[: most - 1] + "…"


def _shade(share: float) -> tuple[int, int, int]:
    return (
        round(247 + (8 - 247) * share),
        round(251 + (81 - 251) * share),
        round(255 + (156 - 255) * share),
    )


class _Canvas:
    """Draws at twice the size and halves it at the end, which smooths lines."""

    def __init__(self, draw: ImageDraw, image: Any, font: Any) -> None:
        self._draw = draw
        self._image = image
        self._font = font

    @classmethod
    def new(cls) -> _Canvas | None:
        try:
            from PIL import Image, ImageDraw
        except ImportError:
            return None
        image = Image.new("RGB", (WIDTH * 2, HEIGHT * 2), (255, 255, 255))
        return cls(ImageDraw.Draw(image), image, _font())

    def line(self, points: Sequence[tuple[float, float]], color: tuple[int, int, int], width: int) -> None:
        self._draw.line([(2 * x, 2 * y) for x, y in points], color, width * 2)

    def box(
        self, x0: float, y0: float, x1: float, y1: float, fill: tuple[int, int, int], edge: tuple[int, int, int]
    ) -> None:
        self._draw.rectangle((2 * x0, 2 * y0, 2 * x1, 2 * y1), fill, edge)

    def text(self, x: float, y: float, text: str, anchor: str, color: tuple[int, int, int] = INK) -> None:
        self._draw.text((2 * x, 2 * y), text, color, self._font, anchor)

    def png(self) -> bytes:
        out = io.BytesIO()
        self._image.reduce(2).save(out, "PNG", compress_level=1)
        return out.getvalue()


_loaded_font: Any = None


def _font() -> Any:
    global _loaded_font
    if _loaded_font is None:
        from PIL import ImageFont

        _loaded_font = ImageFont.load_default(26)
    return _loaded_font
