"""Video frames as grey images."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.formats.frames import Image

# Luma of ITU-R BT.601, in thousandths: they add up to 1000, so R = G = B = v
# gives v exactly.
LUMA = (299, 587, 114)
# Bytes per pixel and where red, green and blue are among them.
PACKED_RGB = {
    "rgb24": (3, (0, 1, 2)),
    "bgr24": (3, (2, 1, 0)),
    "rgb0": (4, (0, 1, 2)),
    "rgba": (4, (0, 1, 2)),
    "bgr0": (4, (2, 1, 0)),
    "bgra": (4, (2, 1, 0)),
}
FULL_RANGE = 2  # AVCOL_RANGE_JPEG


def to_gray(frame: Any) -> Image:
    """Grey image of a decoded video frame.

    Grey formats are kept as they are (8 bits as uint8, 9 to 16 as uint16). Of
    YUV the luma plane is taken, stretched to the full range where the video
    uses the narrow one of television (16 to 235). Of RGB the luma is computed;
    grey stored as RGB comes back exactly.

    Parameters
    ----------
    frame
        ``av.VideoFrame``.

    Returns
    -------
    NDArray
        Shape (Y, X), uint8 or uint16.
    """
    name = frame.format.name
    bits = max(component.bits for component in frame.format.components)
    if name.startswith("gray") and not name.startswith("grayf"):
        return _plane(frame, bits, name)
    if name.startswith(("yuv", "nv12", "nv21")) and frame.format.is_planar:
        luma = _plane(frame, bits, name)
        is_full = name.startswith("yuvj") or int(frame.color_range) == FULL_RANGE
        return luma if is_full else _narrow_to_full(bits)[luma]
    if name in PACKED_RGB:
        return _luma(_packed(frame, name))
    if frame.format.is_rgb or frame.format.has_palette:
        return _luma(frame.to_ndarray(format="rgb24" if bits <= 8 else "rgb48le"))
    target = "gray" if bits <= 8 else "gray16le"
    return _plane(frame.reformat(format=target), bits, target)


def _plane(frame: Any, bits: int, name: str) -> Image:
    """First plane, without the padding at the ends of its lines; copied."""
    plane = frame.planes[0]
    dtype = np.dtype(np.uint8) if bits <= 8 else np.dtype(">u2" if name.endswith("be") else "<u2")
    lines = np.frombuffer(plane, dtype).reshape(-1, plane.line_size // dtype.itemsize)
    image: Image = lines[: frame.height, : frame.width].astype(dtype.newbyteorder("="), order="C")
    return image


def _packed(frame: Any, name: str) -> NDArray[np.uint8]:
    """RGB of interleaved bytes, shape (Y, X, 3); several times faster than swscale."""
    width, channels = PACKED_RGB[name]
    plane = frame.planes[0]
    lines = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    pixels = lines[: frame.height, : frame.width * width]
    rgb: NDArray[np.uint8] = pixels.reshape(frame.height, frame.width, width)[..., channels]
    return rgb


@cache
def _narrow_to_full(bits: int) -> NDArray[Any]:
    """Table from narrow to full range: black at 16, white at 235 (of 8 bits)."""
    scale = 1 << (bits - 8)
    white = (1 << bits) - 1
    levels = np.arange(1 << (8 if bits <= 8 else 16))
    full = np.clip(np.rint((levels - 16 * scale) * (white / (219 * scale))), 0, white)
    return np.asarray(full, dtype=np.uint8 if bits <= 8 else np.uint16)


def _luma(rgb: NDArray[Any]) -> Image:
    red, green, blue = (rgb[..., i] for i in range(3))
    if np.array_equal(red, green) and np.array_equal(green, blue):
        return np.ascontiguousarray(red)
    gray = sum(rgb[..., i].astype(np.uint32) * np.uint32(LUMA[i]) for i in range(3))
    return ((gray + np.uint32(500)) // np.uint32(1000)).astype(rgb.dtype)
