"""Images: arrays and Pillow images as PNG and WebP, and the file names of image series (`log_image(..., key=, step=)`)."""

from __future__ import annotations

import io
import posixpath
import re
import uuid
import warnings
from typing import TYPE_CHECKING, Any

from millstream.errors import InvalidValue, MissingLibrary

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image as PilImage

COMPRESSED_SIDE = 256
"""Longest side in pixels of the small copy that galleries show."""

SLASH = "~"
"""Stands for `/` of a key in a file's name."""

KEY_PATTERN = re.compile(r"[A-Za-z0-9_\-./ ]+")


def _pillow() -> Any:
    try:
        import PIL.Image
    except ImportError:
        raise MissingLibrary("pillow", "Logging an image") from None
    return PIL.Image


class Image:
    """An image to log, or to put into a table's cell: an array, a nested list, a file's path or a Pillow image."""

    def __init__(self, image: Any) -> None:
        if isinstance(image, str) or hasattr(image, "__fspath__"):
            with _pillow().open(image) as opened:
                opened.load()
                self.image: PilImage = opened
        else:
            self.image = to_pil(image)
        self.size = self.image.size

    def to_pil(self) -> PilImage:
        return self.image

    def to_array(self) -> np.ndarray[Any, Any]:
        import numpy as np

        return np.array(self.image)

    def to_list(self) -> list[Any]:
        values: list[Any] = self.to_array().tolist()
        return values

    def save(self, path: str) -> None:
        self.image.save(path)

    def resize(self, size: tuple[int, int]) -> Image:
        """A copy of (width, height) pixels."""
        return Image(self.image.resize(size))


def is_image(value: Any) -> bool:
    """Whether a value is an `Image` or a Pillow image (recognised without importing Pillow)."""
    return isinstance(value, Image) or any(
        cls.__module__ == "PIL.Image" and cls.__name__ == "Image" for cls in type(value).__mro__
    )


def to_pil(image: Any) -> PilImage:
    """A Pillow image that shares no memory with `image`.

    Args:
        image: Pillow image, `Image`, or an array (nested lists, tensors) of shape H×W, H×W×1, H×W×3 or H×W×4. Booleans are
            black and white; integers lie in 0..255; floats in 0..1 are scaled by 255, other floats from their least to their
            greatest value, with a warning. NaN is black.
    Raises:
        InvalidValue: another shape or type of values. ValueError: integers beyond 0..255.
    """
    if isinstance(image, Image):
        return image.image.copy()
    if is_image(image):
        copied: PilImage = image.copy()
        return copied
    import numpy as np

    if callable(getattr(image, "detach", None)):  # torch
        image = image.detach().cpu()
    array = np.asarray(image)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.size == 0 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))):
        raise InvalidValue(
            f"An image of shape {array.shape} cannot be drawn. Give height×width, or height×width×channels with 1, 3 or 4 channels."
        )
    return _pillow().fromarray(_to_uint8(array))  # type: ignore[no-any-return]


def _to_uint8(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    import numpy as np

    kind = array.dtype.kind
    if kind == "b":
        return np.where(array, 255, 0).astype(np.uint8)
    if kind in "iu":
        if array.min() < 0 or array.max() > 255:
            raise ValueError(
                f"Integer values of an image lie in 0..255, these in {array.min()}..{array.max()}. Scale them first."
            )
        return array.astype(np.uint8)
    if kind != "f":
        raise InvalidValue(f"An image of {array.dtype} cannot be drawn. Give booleans, integers or floats.")
    values = np.nan_to_num(array.astype(np.float64), nan=0.0)
    low, high = values.min(), values.max()
    if low < 0 or high > 1:
        warnings.warn(
            f"Float values of an image lie in 0..1, these in {low:g}..{high:g}: they are scaled from the least to the greatest.",
            stacklevel=3,
        )
        values = (values - low) / ((high - low) or 1.0)
    scaled: np.ndarray[Any, Any] = (values * 255).astype(np.uint8)
    return scaled


def encode(image: PilImage, extension: str) -> bytes:
    """The bytes of an image file; `extension` without its dot decides the format."""
    extension = extension.lower()
    formats = _pillow().registered_extensions()
    if "." + extension not in formats:
        raise InvalidValue(f"Images cannot be written as {extension!r}. Use png, jpg or webp.")
    format = formats["." + extension]
    if format == "JPEG" and image.mode not in ("RGB", "L"):
        image = image.convert("RGB")
    buffer = io.BytesIO()
    image.save(buffer, format=format)
    return buffer.getvalue()


def compress(image: PilImage) -> bytes:
    """A WebP copy whose longer side has at most `COMPRESSED_SIDE` pixels."""
    small = image.copy()
    small.thumbnail((COMPRESSED_SIDE, COMPRESSED_SIDE))
    return encode(small, "webp")


def series_files(key: str, step: int, timestamp: int) -> tuple[str, str]:
    """Artifact paths of one image of a series and of its small copy.

    Args:
        key: letters, digits, `_ - . / space`.
        step: of the training.
        timestamp: in ms.
    """
    if not KEY_PATTERN.fullmatch(key):
        raise InvalidValue(
            f"{key!r} cannot name a series of images. Use letters, digits, underscores, dashes, dots, slashes and spaces."
        )
    stem = f"images/{key.replace('/', SLASH)}+step+{step}+timestamp+{timestamp}+{uuid.uuid4()}"
    return f"{stem}.png", f"{stem}+compressed.webp"


def table_files(table: str) -> tuple[str, str]:
    """Artifact paths of an image in a cell of `table`, and of its small copy."""
    stem = posixpath.join("table_images", posixpath.splitext(table)[0], str(uuid.uuid4()))
    return f"{stem}.png", f"{stem}.webp"
